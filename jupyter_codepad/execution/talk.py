"""What is said with a kernel while it runs code, and in which order it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from .shapes import Message

END_OF_FILE = "\x04"
"""The answer that means that there is no more input, for Jupyter's kernels as for a terminal."""
BEHIND_SECONDS = 0.5
"""How long no more output comes before a question is heard without it; some may have been lost."""
UNSAID_SECONDS = 0.05
"""How long a question waits that does not say what comes before it."""

Listener = Callable[[Message], None]


class Talk(Protocol):
    """What a run hears of its kernel."""

    def hear(self, message: Message) -> None:
        """Take an output message."""

    async def ready(self) -> None:
        """Wait until more can be taken."""

    def asked(self, prompt: str, password: bool) -> None:
        """The program asks for a line of input."""

    def lost(self) -> None:
        """Some of the output has not come."""


class ListenOnly:
    """A ``Talk`` of which only the output is of interest; what asks gets the end of input."""

    def __init__(self, listener: Listener, answer: Callable[[str], None]) -> None:
        self.hear = listener
        self._answer = answer

    async def ready(self) -> None:
        """More can be taken at any time."""

    def asked(self, prompt: str, password: bool) -> None:
        """Nobody is there to answer."""
        self._answer(END_OF_FILE)

    def lost(self) -> None:
        """Nobody needs all of it."""


class QuestionOrder:
    """Lets a question be heard after the output before it, which comes through another socket.

    A kernel that says ``after`` in its question, how many pieces of output it has sent in this run,
    is waited for as long as they come; others for a moment.
    """

    def __init__(self, asked: Callable[[str, bool], None]) -> None:
        self._asked = asked
        self._came = 0
        self._question: tuple[str, bool] | None = None
        self._after = 0
        self._timer: asyncio.TimerHandle | None = None

    def output_came(self) -> None:
        """A piece of output has been heard."""
        self._came += 1
        if self._question is not None and self._came == self._after:
            self._ask()

    def asks(self, content: Message) -> None:
        """The content of an ``input_request`` has come."""
        self.close()
        self._question = str(content.get("prompt", "")), content.get("password") is True
        after = content.get("after")
        self._after = after if isinstance(after, int) else 0
        if not isinstance(after, int):
            self._timer = asyncio.get_running_loop().call_later(UNSAID_SECONDS, self._ask)
        elif self._came >= self._after:
            self._ask()
        else:
            self._wait()

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(BEHIND_SECONDS, self._look, self._came)

    def _look(self, came: int) -> None:
        """Ask when no more has come for long."""
        if self._came == came:
            self._ask()
        else:
            self._wait()

    def close(self) -> None:
        """Nobody asks any more."""
        self._question = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ask(self) -> None:
        question = self._question
        self.close()
        if question is not None:
            self._asked(*question)
