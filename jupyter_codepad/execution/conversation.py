"""One run's talk with its kernel: output goes one way, questions another."""

from __future__ import annotations

from .outputs import OutputCollector
from .questions import Questions
from .shapes import Message


class Conversation:
    """What a run hears of its kernel (a ``kernels.Talk``)."""

    def __init__(self, collector: OutputCollector, questions: Questions) -> None:
        self._collector = collector
        self._questions = questions

    def hear(self, message: Message) -> None:
        """Take an output message."""
        self._collector.hear(message)

    async def ready(self) -> None:
        """Wait until more can be taken."""
        await self._collector.ready()

    def asked(self, prompt: str, password: bool) -> None:
        """The program asks for a line of input."""
        self._questions.asked(prompt, password)

    def lost(self) -> None:
        """Some of the output has not come."""
        self._collector.lost()
