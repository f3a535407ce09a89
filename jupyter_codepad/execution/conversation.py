"""One run's talk with its kernel: output goes one way, questions another."""

from __future__ import annotations

from .outputs import OutputCollector
from .questions import Questions
from .run_document import RunEntry
from .shapes import Message

COMPILING = "codepad_compiling"
"""A message of our toolchain kernel: that compiling takes a while, and that it is over."""


class Conversation:
    """What a run hears of its kernel (a ``Talk``)."""

    def __init__(self, collector: OutputCollector, questions: Questions, entry: RunEntry) -> None:
        self._collector = collector
        self._questions = questions
        self._entry = entry
        self._steps = [True, False]

    def hear(self, message: Message) -> None:
        """Take an output message."""
        if message["msg_type"] == COMPILING:
            self._hear_compiling(message["content"].get("compiling"))
        else:
            self._collector.hear(message)

    def _hear_compiling(self, compiling: object) -> None:
        """Show it once in a run: code that is run may send such messages too, without end."""
        if self._steps and compiling is self._steps[0]:
            self._entry.show(compiling=self._steps.pop(0))

    async def ready(self) -> None:
        """Wait until more can be taken."""
        await self._collector.ready()

    def asked(self, prompt: str, password: bool) -> None:
        """The program asks for a line of input."""
        self._collector.hurry()
        self._questions.asked(prompt, password)

    def lost(self) -> None:
        """Some of the output has not come."""
        self._collector.lost()
