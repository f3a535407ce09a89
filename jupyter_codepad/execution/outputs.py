"""OutputCollector: from a kernel's messages to outputs on everybody's screen.

Text is gathered for some milliseconds, what comes past a limit is dropped, and what is written over
is written rarely: output of any kind and amount costs the server and those who watch a bounded part
of their time.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from pycrdt import Doc

from .shapes import (
    Message,
    Output,
    clean,
    count_of,
    display_id_of,
    display_output,
    error_output,
    size_of,
)

BATCH_SECONDS = 0.03
FIRST_SECONDS = 0.002
"""After silence output is shown so soon: enough for what comes together to be shown together."""
FLUSH_SECONDS = 0.004
"""So long is written at a time, before others have their turn."""
AGAIN_SECONDS = 0.004
SLICE_CHARACTERS = 8 * 1024
PLAIN_SLICE_CHARACTERS = 64 * 1024
WAITING_CHARACTERS = 256 * 1024
"""With so much to be written no more is taken from the kernel."""
REWRITTEN_PER_SECOND = 256 * 1024
"""How many bytes that take the place of others are sent to everybody, for each second."""
ERRORS_BEYOND = 3
"""So many errors are shown although there is too much output already."""
OUTPUTS_LIMIT = 2000
"""Outputs of one run; printing to stdout and stderr in turn makes one each time."""


@dataclass(frozen=True)
class Written:
    """What writing a text did, in bytes (``grown`` may be negative).

    ``made``: how many outputs are new; ``cut``: not all of the text fitted.
    """

    grown: int
    rewritten: int
    made: int = 0
    cut: bool = False


class Sink(Protocol):
    """A place that output is written to, in order."""

    @property
    def doc(self) -> Doc[Any]:
        """The shared document that it is in."""

    def append(self, output: Output) -> None:
        """Add an output in nbformat's shape."""

    def append_text(self, name: str, text: str, room: int) -> Written:
        """Add text to ``stdout`` or ``stderr``, as a terminal does; ``room``: bytes to grow by."""

    def clear(self) -> None:
        """Remove all outputs."""

    def update_display(self, display_id: str, output: Output) -> None:
        """Replace the outputs with this display id, wherever they are."""


@dataclass
class _Text:
    """Text that waits to be written."""

    name: str
    parts: list[str]


@dataclass
class _Write:
    """Something else that waits: ``size``, and the ``display_id`` that it updates, if any."""

    do: Callable[[], None]
    size: int = 0
    display_id: str = ""


@dataclass
class _Amounts:
    """How much there is of what is bounded."""

    kept: int = 0
    outputs: int = 0
    waiting: int = 0
    displays: dict[str, int] = field(default_factory=dict)


class OutputCollector:
    """Turns a kernel's messages into outputs in ``sink``, gathered and bounded.

    ``limit_bytes``: more is not kept at a time; then ``truncated`` becomes true, ``on_truncated``
    is called once, and the rest is dropped; errors are always shown.
    """

    def __init__(self, sink: Sink, *, limit_bytes: int, on_truncated: Callable[[], None]) -> None:
        self._sink = sink
        self._limit = limit_bytes
        self._on_truncated = on_truncated
        self.truncated = False
        self.execution_count: int | None = None
        self.error: Output | None = None
        """The last error that was shown."""
        self.first_output_at: float | None = None
        """When the first output was written, on the clock of ``time.monotonic``."""
        self._amounts = _Amounts()
        self._errors_beyond = 0
        self._queue: deque[_Text | _Write] = deque()
        self._clear_first = False
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    # -- what comes -------------------------------------------------------------------------------

    def hear(self, message: Message) -> None:
        """Take one message of the kernel's iopub channel."""
        content = message["content"]
        kind = message["msg_type"]
        if kind == "stream":
            name = "stderr" if content.get("name") == "stderr" else "stdout"
            self.hear_text(name, str(content.get("text", "")))
        elif kind in {"display_data", "execute_result", "update_display_data"}:
            self._hear_display(kind, content)
        elif kind == "error":
            self.hear_error(content)
        elif kind == "clear_output":
            self._hear_clear(wait=bool(content.get("wait")))
        elif kind == "execute_input":
            self.execution_count = count_of(content)

    def hear_text(self, name: str, text: str) -> None:
        """Take text that was printed to ``stdout`` or ``stderr``."""
        if not text or self.truncated:
            return
        self._begin_clear()
        last = self._queue[-1] if self._queue else None
        if isinstance(last, _Text) and last.name == name:
            last.parts.append(text)
        else:
            self._queue.append(_Text(name, [text]))
        self._amounts.waiting += len(text)
        self._schedule()

    def hear_error(self, content: Message) -> None:
        """Take an error; it is shown however much there is already."""
        self.error = error = error_output(content)
        self._add(_Write(lambda: self._append_error(error)))

    def _hear_display(self, kind: str, content: Message) -> None:
        if self.truncated:
            return
        output = display_output(kind, content)
        size = size_of(output)
        if size > self._limit:
            self._truncate()
            return
        display_id = display_id_of(content)
        if kind == "update_display_data":
            self._hear_update(display_id, output, size)
            return
        if display_id:
            output["metadata"] = {**output["metadata"], "display_id": display_id}
            self._amounts.displays[display_id] = size
        self._add(_Write(lambda: self._append(output, size), size))

    def _hear_update(self, display_id: str, output: Output, size: int) -> None:
        """An update takes the place of one for the same display that is not written yet."""
        write = _Write(lambda: self._update(display_id, output, size), size, display_id)
        for place, other in enumerate(self._queue):
            if isinstance(other, _Write) and other.display_id == display_id:
                self._amounts.waiting += size - other.size
                self._queue[place] = write
                return
        self._add(write)

    def _hear_clear(self, *, wait: bool) -> None:
        self._clear_first = True
        if not wait:
            self._begin_clear()

    def _begin_clear(self) -> None:
        """What waits would be removed at once: it is not written at all."""
        if self._clear_first:
            self._clear_first = False
            self._queue.clear()
            self._amounts.waiting = 0
            self._queue.append(_Write(self._clear))
            self._schedule()

    def _add(self, write: _Write) -> None:
        self._begin_clear()
        self._queue.append(write)
        self._amounts.waiting += write.size
        self._schedule()

    async def ready(self) -> None:
        """Wait until more can be taken."""
        while self._amounts.waiting > WAITING_CHARACTERS:  # noqa: ASYNC110 - it is written soon
            await asyncio.sleep(AGAIN_SECONDS)

    # -- what is written --------------------------------------------------------------------------

    async def finish(self) -> None:
        """Write all that is left."""
        self._cancel()
        while self._queue:
            self._flush()
            self._cancel()
            if self._queue:
                await asyncio.sleep(AGAIN_SECONDS)

    def stop(self) -> None:
        """Write nothing more."""
        self._queue.clear()
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            delay = max(FIRST_SECONDS, self._not_before - loop.time())
            self._timer = loop.call_later(delay, self._flush)

    def _flush(self) -> None:
        """Write for a while; what is left is written soon."""
        self._timer = None
        loop = asyncio.get_running_loop()
        if self.first_output_at is None:
            self.first_output_at = time.monotonic()
        started, rewritten = time.perf_counter(), 0
        with self._sink.doc.transaction():
            while self._queue and time.perf_counter() - started < FLUSH_SECONDS:
                rewritten += self._write_next()
        pause = max(BATCH_SECONDS, rewritten / REWRITTEN_PER_SECOND)
        self._not_before = loop.time() + pause
        if self._queue:
            self._timer = loop.call_later(max(AGAIN_SECONDS, pause - BATCH_SECONDS), self._flush)

    def _write_next(self) -> int:
        """Write the next thing, or a part of it; returns how many bytes took others' place."""
        first = self._queue[0]
        if isinstance(first, _Text):
            return self._write_text(first)
        self._queue.popleft()
        self._amounts.waiting -= first.size
        first.do()
        return first.size if first.display_id else 0

    def _write_text(self, text: _Text) -> int:
        whole = text.parts[0] if len(text.parts) == 1 else "".join(text.parts)
        busy = "\r" in whole or "\b" in whole or "\x1b" in whole
        length = SLICE_CHARACTERS if busy else PLAIN_SLICE_CHARACTERS
        part, rest = whole[:length], whole[length:]
        self._amounts.waiting -= len(part)
        if rest:
            text.parts = [rest]
        else:
            self._queue.popleft()
        written = self._sink.append_text(text.name, clean(part), self._limit - self._amounts.kept)
        self._amounts.kept += written.grown
        self._amounts.outputs += written.made
        if written.cut or self._amounts.outputs > OUTPUTS_LIMIT:
            self._truncate()
        return written.rewritten

    def _append(self, output: Output, size: int) -> None:
        if self._fits(size):
            self._sink.append(output)

    def _append_error(self, error: Output) -> None:
        size = size_of(error)
        if self._amounts.kept + size > self._limit:
            self._errors_beyond += 1
            self._truncate()
        if self._errors_beyond <= ERRORS_BEYOND:
            self._amounts.kept += size
            self._sink.append(error)

    def _update(self, display_id: str, output: Output, size: int) -> None:
        before = self._amounts.displays.get(display_id, 0)
        if self._fits(size - before):
            self._amounts.displays[display_id] = size
            self._sink.update_display(display_id, output)

    def _fits(self, more: int) -> bool:
        self._amounts.outputs += 1
        if self._amounts.kept + more > self._limit or self._amounts.outputs > OUTPUTS_LIMIT:
            self._truncate()
            return False
        self._amounts.kept += more
        return True

    def _clear(self) -> None:
        self._amounts = _Amounts(waiting=self._amounts.waiting)
        self._sink.clear()

    def lost(self) -> None:
        """Some of the output has not come: a kernel drops what is not read fast enough."""
        if not self.truncated:
            self.truncated = True
            self._on_truncated()

    def _truncate(self) -> None:
        """Drop all that waits or comes, but errors."""
        if self.truncated:
            return
        self.truncated = True
        self._queue = deque(x for x in self._queue if isinstance(x, _Write) and not x.size)
        self._amounts.waiting = 0
        self._on_truncated()
