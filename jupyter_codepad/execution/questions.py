"""What a program asks while it runs, and who answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..errors import Conflict
from .outputs import OutputCollector
from .run_document import RunEntry
from .shapes import clean
from .talk import END_OF_FILE

HIDDEN = "••••••••"
NEXT_SECONDS = 0.015
"""How long the next answer of several waits: the output before its question comes another way."""
SAME_QUESTION_SECONDS = 0.5
"""Whose answer comes so soon after somebody else's has meant the same question."""
ECHOED_PROMPT_CHARACTERS = 10_000


class Answerable(Protocol):
    """The kernel, as far as questions are concerned."""

    def answer(self, text: str) -> None:
        """Answer the open question."""


class Questions:
    """The questions of one run, one open at a time; a new one takes the place of an old one.

    The first answer wins. What was typed beyond the end of a line answers the next question.
    ``given``: all the input there is, then its end; None: people are asked, in the run's entry.
    """

    def __init__(
        self, entry: RunEntry, collector: OutputCollector, kernel: Answerable, given: str | None
    ) -> None:
        self._entry = entry
        self._collector = collector
        self._kernel = kernel
        self._given = deque(given.splitlines()) if given is not None else None
        self._typed: deque[str] = deque()
        self._typed_by = ""
        self._answered_at = -SAME_QUESTION_SECONDS
        self._prompt: str | None = None
        self._password = False
        self._next: asyncio.TimerHandle | None = None

    @property
    def open(self) -> bool:
        """Whether the program waits for somebody."""
        return self._prompt is not None

    def asked(self, prompt: str, password: bool) -> None:
        """The program asks."""
        self._cancel()
        self._prompt, self._password = clean(prompt, ECHOED_PROMPT_CHARACTERS), password
        if self._given is not None:
            self._soon(self._answer_given)
        elif self._typed:
            self._soon(self._answer_typed)
        else:
            self._entry.ask(self._prompt, password=password)

    def answer(self, text: str, by: str) -> None:
        """Answer the open question. Raises ``Conflict`` when there is none."""
        if self._prompt is None or self._typed or self._given is not None:
            raise Conflict("nobody_asks", "The program does not ask for anything now.")
        now = asyncio.get_running_loop().time()
        if by != self._typed_by and now - self._answered_at < SAME_QUESTION_SECONDS:
            raise Conflict("nobody_asks", f"{self._typed_by} has answered already.")
        self._answered_at = now
        first, *others = clean(text).replace("\r\n", "\n").removesuffix("\n").split("\n")
        if self._password:
            others = []
        self._typed.extend(others)
        self._typed_by = by
        self._give(first, by)

    def close(self) -> None:
        """The run is over: nobody asks any more."""
        self._cancel()
        self._typed.clear()
        if self._prompt is not None:
            self._prompt = None
            self._entry.answered()

    def _cancel(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _soon(self, answer: Callable[[], None]) -> None:
        self._next = asyncio.get_running_loop().call_later(NEXT_SECONDS, answer)

    def _answer_given(self) -> None:
        prompt, self._prompt = self._prompt or "", None
        assert self._given is not None
        if prompt:
            self._collector.hear_text("stdout", prompt)
        self._kernel.answer(self._given.popleft() if self._given else END_OF_FILE)

    def _answer_typed(self) -> None:
        self._give(self._typed.popleft(), self._typed_by)

    def _give(self, line: str, by: str) -> None:
        prompt, self._prompt = self._prompt or "", None
        shown = HIDDEN if self._password else "".join(map(_as_typed, line))
        self._collector.hear_text("stdout", f"{prompt}{shown}\n")
        self._entry.answered(by)
        self._kernel.answer(END_OF_FILE if line == END_OF_FILE else line)


def _as_typed(character: str) -> str:
    """A character as a terminal echoes it: nothing that was typed moves the cursor."""
    if character == "\t" or character.isprintable() or character > "\x9f":
        return character
    return f"^{chr(ord(character) ^ 0x40)}" if character < "\x80" else ""
