"""OutputCollector: from a kernel's messages to outputs on everybody's screen.

Text is gathered for some milliseconds, the longer the more of it comes; what comes past a limit is
dropped, and what is written over is written rarely: output of any kind and amount costs the server
and those who watch a bounded part of their time.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from pycrdt import Doc

from .pace import Pace
from .shapes import (
    Message,
    Output,
    clean,
    count_of,
    display_id_of,
    display_output,
    error_output,
    left_out,
    size_of,
    too_large,
)
from .terminal import overwritten

FIRST_SECONDS = 0.002
"""After silence output is shown so soon: enough for what comes together to be shown together."""
STEP_SECONDS = 0.002
"""So long is worked at a time, before others have their turn."""
AGAIN_SECONDS = 0.006
SLICE_CHARACTERS = 4 * 1024
"""So much is worked on at a time of text that moves the cursor; of other text more."""
PLAIN_SLICE_CHARACTERS = 64 * 1024
DRAWN_LINES = 64
"""With so many lines in it a text that goes back to their beginning is such a text too."""
WAITING_CHARACTERS = 256 * 1024
"""With so much to be written no more is taken from the kernel."""
SHOWN_AT_ONCE_BYTES = 128 * 1024
"""With so much to be shown it is shown before its time."""
_MOVES = re.compile(r"[\r\b\x1b]")
_LONG_MOVES = re.compile(r"[\b\x1b]")
ERRORS_BEYOND = 3
"""So many errors are shown although there is too much output already."""
OUTPUTS_LIMIT = 2000
"""Outputs of one run; printing to stdout and stderr in turn makes one each time."""


@dataclass(frozen=True)
class Taken:
    """What taking in a text did: by how many bytes it grows what is shown (may be negative).

    ``made``: how many outputs are new; ``cut``: not all of the text fitted.
    """

    grown: int
    made: int = 0
    cut: bool = False


class Sink(Protocol):
    """A place that output is written to, in order."""

    @property
    def doc(self) -> Doc[Any]:
        """The shared document that it is in."""

    def append(self, output: Output) -> None:
        """Add an output in nbformat's shape."""

    def append_text(self, name: str, text: str, room: int) -> Taken:
        """Add text to ``stdout`` or ``stderr``, as a terminal does; ``room``: bytes to grow by.

        It is not in the document before ``write_text``, or before something else is written.
        """

    @property
    def unwritten(self) -> bool:
        """Whether ``write_text`` has something to do."""

    def goes_on(self, name: str) -> bool:
        """Whether text of this stream can be added without writing what was added before."""

    def write_text(self) -> int:
        """Write what was added; returns how many bytes took the place of others."""

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
        self._flush_at = 0.0
        self._pace = Pace()
        self._worked_at = 0.0
        self._shown_bytes = self._replaced = 0
        self._draining = False
        """Whether there are more outputs to write than one step had time for."""

    # -- what comes -------------------------------------------------------------------------------

    def hear(self, message: Message) -> None:
        """Take one message of the kernel's iopub channel."""
        content = message["content"]
        kind = message["msg_type"]
        if kind == "stream":
            name = "stderr" if content.get("name") == "stderr" else "stdout"
            self.hear_text(name, str(content.get("text", "")))
        elif kind in {"display_data", "execute_result", "update_display_data"}:
            self._hear_display(kind, content, left_out(message))
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
        self._pace.count(len(text))
        self._schedule()

    def hear_error(self, content: Message) -> None:
        """Take an error; it is shown however much there is already."""
        self.error = error = error_output(content)
        self._add(_Write(lambda: self._append_error(error)))

    def _hear_display(self, kind: str, content: Message, left_out_bytes: int) -> None:
        """One that is too large has words in its place, and what follows is shown all the same."""
        if self.truncated:
            return
        output = display_output(kind, content)
        size = max(size_of(output), left_out_bytes)
        if size > self._limit:
            output = too_large(output, size, self._limit)
            size = size_of(output)
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
        self._pace.count(write.size)
        self._schedule()

    def hurry(self) -> None:
        """Show soon what there is: somebody has to look at it."""
        self._pace.hurry()
        self._schedule()

    @property
    def waiting(self) -> int:
        """Characters that have come and are not written."""
        return self._amounts.waiting

    def cut(self) -> None:
        """Take no more output, as if there were too much already."""
        self._truncate()

    async def ready(self) -> None:
        """Wait until more can be taken."""
        while self._amounts.waiting > WAITING_CHARACTERS:  # noqa: ASYNC110 - it is written soon
            await asyncio.sleep(AGAIN_SECONDS)

    # -- what is written --------------------------------------------------------------------------

    async def finish(self) -> None:
        """Write all that is left."""
        self._step(last=True)
        while self._queue:
            await asyncio.sleep(AGAIN_SECONDS)
            self._step(last=True)
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        """Work soon on what takes long, and on the rest when it is time to show something."""
        loop = asyncio.get_running_loop()
        if self._draining or self._amounts.waiting > SLICE_CHARACTERS:
            at = self._worked_at + AGAIN_SECONDS
        else:
            at = max(loop.time() + FIRST_SECONDS, self._pace.next_at)
        if self._timer is not None and self._flush_at > at:
            self._cancel()
        if self._timer is None:
            self._timer, self._flush_at = loop.call_at(at, self._flush), at

    def _flush(self) -> None:
        self._timer = None
        self._step()
        if self._queue or self._sink.unwritten:
            self._schedule()

    def _step(self, *, last: bool = False) -> None:
        """Work for a while. What there is to show is shown when it is time, or with the last."""
        now = asyncio.get_running_loop().time()
        due = self._draining or now >= self._pace.next_at
        due = due or self._amounts.kept - self._shown_bytes > SHOWN_AT_ONCE_BYTES
        with self._sink.doc.transaction():
            rewritten = self._work(may_write=due or last)
            if due or (last and not self._queue):
                rewritten += self._sink.write_text()
                self._shown_bytes = self._amounts.kept
                if self.first_output_at is None:
                    self.first_output_at = time.monotonic()
                if not self._draining:
                    self._pace.shown(now, rewritten, self._replaced)
                self._draining = bool(self._queue) and not rewritten and not self._goes_on()
        self._worked_at = now

    def _goes_on(self) -> bool:
        """Whether what is next can be added to text that need not be shown yet."""
        first = self._queue[0]
        return isinstance(first, _Text) and self._sink.goes_on(first.name)

    def _work(self, *, may_write: bool) -> int:
        """Take what waits, for a while; returns how many bytes took others' place."""
        rewritten = 0
        until = time.perf_counter() + STEP_SECONDS
        while self._queue and (may_write or self._goes_on()) and time.perf_counter() < until:
            first = self._queue[0]
            if isinstance(first, _Text):
                self._take_text(first)
                continue
            self._queue.popleft()
            self._amounts.waiting -= first.size
            first.do()
            if first.display_id:
                rewritten += first.size
                self._replaced += 1
        return rewritten

    def _take_text(self, text: _Text) -> None:
        whole = text.parts[0] if len(text.parts) == 1 else "".join(text.parts)
        length, part = _next_part(whole)
        rest = whole[length:]
        self._amounts.waiting -= min(length, len(whole))
        if rest:
            text.parts = [rest]
        else:
            self._queue.popleft()
        taken = self._sink.append_text(text.name, clean(part), self._limit - self._amounts.kept)
        self._amounts.kept += taken.grown
        self._amounts.outputs += taken.made
        if taken.cut or self._amounts.outputs > OUTPUTS_LIMIT:
            self._truncate()

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
        if self._fits(size - before, outputs=0):
            self._amounts.displays[display_id] = size
            self._sink.update_display(display_id, output)

    def _fits(self, more: int, outputs: int = 1) -> bool:
        self._amounts.outputs += outputs
        if self._amounts.kept + more > self._limit or self._amounts.outputs > OUTPUTS_LIMIT:
            self._truncate()
            return False
        self._amounts.kept += more
        return True

    def _clear(self) -> None:
        self._replaced += 1
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
        self._pace.hurry()
        self._on_truncated()


def _next_part(text: str) -> tuple[int, str]:
    """How much of a text is taken next, and what of it is worth being drawn."""
    part = text[:PLAIN_SLICE_CHARACTERS]
    if _MOVES.search(part) is None:
        return PLAIN_SLICE_CHARACTERS, part
    if _LONG_MOVES.search(part) is None and part.count("\n") <= DRAWN_LINES:
        last = overwritten(part)
        if len(last) <= SLICE_CHARACTERS:
            return PLAIN_SLICE_CHARACTERS, last
    return SLICE_CHARACTERS, part[:SLICE_CHARACTERS]
