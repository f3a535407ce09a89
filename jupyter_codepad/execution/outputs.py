"""Where output goes: the room's run document, or the cells of its notebook.

Both are shared documents that the server writes. Text is gathered for some milliseconds before it
is written, what comes past a limit is dropped, and only kinds of output that a browser can be
shown safely are taken at all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol

from pycrdt import Array, Doc, Map, Text

from .models import Run, RunStatus

BATCH_SECONDS = 0.03
SAFE_MIME_TYPES = frozenset(
    {
        "text/plain",
        "text/html",
        "text/markdown",
        "text/latex",
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/svg+xml",
        "application/json",
    }
)
TRACEBACK_LINES = 200

Message = dict[str, Any]
Output = dict[str, Any]


class Sink(Protocol):
    """A place that output is written to, in order."""

    def append(self, output: Output) -> None:
        """Add an output in nbformat's shape."""

    def append_text(self, name: str, text: str) -> None:
        """Add text to the stream ``stdout`` or ``stderr``, to the last output if it is that."""

    def clear(self) -> None:
        """Remove all outputs."""

    def update_display(self, display_id: str, output: Output) -> None:
        """Replace the outputs with this display id."""


class OutputCollector:
    """Turns a kernel's messages into outputs in ``doc``, gathered and bounded.

    ``limit_bytes``: past it output is dropped, ``truncated`` becomes true and ``on_truncated`` is
    called once; errors are always shown.
    """

    def __init__(
        self, sink: Sink, doc: Doc[Any], *, limit_bytes: int, on_truncated: Callable[[], None]
    ) -> None:
        self._sink = sink
        self._doc = doc
        self._left = limit_bytes
        self._on_truncated = on_truncated
        self.truncated = False
        self.execution_count: int | None = None
        self._pending: list[Callable[[], None]] = []
        self._text: tuple[str, list[str]] | None = None
        self._clear_first = False
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, message: Message) -> None:
        """Take one message of the kernel's iopub channel."""
        content = message["content"]
        kind = message["msg_type"]
        if kind == "stream":
            self._hear_text(str(content.get("name", "stdout")), str(content.get("text", "")))
        elif kind in {"display_data", "execute_result", "update_display_data"}:
            self._hear_display(kind, content)
        elif kind == "error":
            self._finish_text()
            self._add(lambda: self._sink.append(error_output(content)))
        elif kind == "clear_output":
            self._hear_clear(wait=bool(content.get("wait")))
        elif kind == "execute_input":
            count = content.get("execution_count")
            self.execution_count = count if isinstance(count, int) else None

    def flush(self) -> None:
        """Write what is gathered now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._finish_text()
        pending, self._pending = self._pending, []
        if pending:
            with self._doc.transaction():
                for write in pending:
                    write()

    def _add(self, write: Callable[[], None]) -> None:
        if self._clear_first:
            self._clear_first = False
            self._pending.append(self._sink.clear)
        self._pending.append(write)
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(BATCH_SECONDS, self._flush_by_timer)

    def _flush_by_timer(self) -> None:
        self._timer = None
        self.flush()

    def _hear_text(self, name: str, text: str) -> None:
        text = self._fit(text)
        if not text:
            return
        if self._text is None or self._text[0] != name:
            self._finish_text()
            self._text = (name, [])
        self._text[1].append(text)
        self._schedule()

    def _finish_text(self) -> None:
        if self._text is not None:
            (name, parts), self._text = self._text, None
            text = "".join(parts)
            self._add(lambda: self._sink.append_text(name, text))

    def _fit(self, text: str) -> str:
        size = len(text.encode("utf-8", "replace"))
        if size <= self._left:
            self._left -= size
            return text
        kept = text.encode("utf-8", "replace")[: max(0, self._left)].decode("utf-8", "ignore")
        self._left = 0
        self._mark_truncated()
        return kept

    def _mark_truncated(self) -> None:
        if not self.truncated:
            self.truncated = True
            self._on_truncated()

    def _hear_display(self, kind: str, content: Message) -> None:
        output = display_output(kind, content)
        size = len(json.dumps(output))
        if size > self._left:
            self._mark_truncated()
            return
        self._left -= size
        self._finish_text()
        display_id = str((content.get("transient") or {}).get("display_id") or "")
        if kind == "update_display_data":
            self._add(lambda: self._sink.update_display(display_id, output))
            return
        if display_id:
            output["metadata"] = {**output["metadata"], "display_id": display_id}
        self._add(lambda: self._sink.append(output))

    def _hear_clear(self, *, wait: bool) -> None:
        self._finish_text()
        if wait:
            self._clear_first = True
        else:
            self._add(self._sink.clear)


def display_output(kind: str, content: Message) -> Output:
    """A display or result in nbformat's shape, with the safe kinds of data only."""
    data = content.get("data") or {}
    output: Output = {
        "output_type": "execute_result" if kind == "execute_result" else "display_data",
        "data": {mime: value for mime, value in data.items() if mime in SAFE_MIME_TYPES},
        "metadata": {},
    }
    if kind == "execute_result":
        count = content.get("execution_count")
        output["execution_count"] = count if isinstance(count, int) else None
    return output


def error_output(content: Message) -> Output:
    """A traceback in nbformat's shape, of bounded length."""
    lines = [str(line)[:20_000] for line in content.get("traceback") or []]
    if len(lines) > TRACEBACK_LINES:
        half = TRACEBACK_LINES // 2
        lines = [*lines[:half], "…", *lines[-half:]]
    return {
        "output_type": "error",
        "ename": str(content.get("ename", ""))[:1000],
        "evalue": str(content.get("evalue", ""))[:10_000],
        "traceback": lines,
    }


class SharedOutputs:
    """A shared array of outputs (of a run, of a cell) as a ``Sink``, in jupyter_ydoc's shape."""

    def __init__(self, outputs: Array[Any]) -> None:
        self._outputs = outputs

    def append(self, output: Output) -> None:
        self._outputs.append(Map(output))

    def append_text(self, name: str, text: str) -> None:
        outputs = self._outputs
        if len(outputs):
            last = outputs[len(outputs) - 1]
            if last.get("output_type") == "stream" and last.get("name") == name:
                shared: Text = last["text"]
                shared += text
                return
        outputs.append(Map({"output_type": "stream", "name": name, "text": Text(text)}))

    def clear(self) -> None:
        self._outputs.clear()

    def update_display(self, display_id: str, output: Output) -> None:
        for place, old in enumerate(self._outputs):
            if (old.get("metadata") or {}).get("display_id") == display_id:
                new = {**output, "metadata": {"display_id": display_id}}
                self._outputs[place] = Map(new)


class RunEntry(SharedOutputs):
    """One run in the run document, with its output."""

    def __init__(self, doc: Doc[Any], entry: Map[Any]) -> None:
        super().__init__(entry["outputs"])
        self.doc = doc
        self._entry = entry

    def set(self, run: Run, **more: Any) -> None:
        """Show how the run stands."""
        values = run.model_dump(mode="json", exclude={"id", "document", "cell_id"})
        with self.doc.transaction():
            for name, value in {**values, **more}.items():
                if self._entry.get(name) != value:
                    self._entry[name] = value

    def show_place(self, position: int) -> None:
        """Show how many runs go before this one in the server's queue."""
        if self._entry.get("position", 0) != position:
            self._entry["position"] = position

    def note_files(self, words: str) -> None:
        """Show what there is to say about the files of this run."""
        with self.doc.transaction():
            before = self._entry.get("files")
            self._entry["files"] = f"{before}; {words}" if before else words


class RunDocument:
    """The run document of a room: its newest runs with their output, and the kernel's state.

    ``doc`` is the shared document; what is written into it reaches everybody in the room.
    """

    def __init__(self, doc: Doc[Any], *, keep: int) -> None:
        self.doc = doc
        self._keep = keep
        self._runs: Array[Map[Any]] = doc.get("runs", type=Array)
        self._kernel: Map[Any] = doc.get("kernel", type=Map)

    def set_kernel(self, status: str, message: str = "") -> None:
        """Show the kernel's state: off, starting, idle, busy, dead or unavailable."""
        if self._kernel.get("status") == status and self._kernel.get("message") == message:
            return
        with self.doc.transaction():
            self._kernel["status"] = status
            self._kernel["message"] = message

    def add(self, run: Run, color: str) -> RunEntry:
        """Add a run; the oldest that are over go when there are too many."""
        values = {**run.model_dump(mode="json"), "color": color, "truncated": False}
        with self.doc.transaction():
            self._runs.append(Map({**values, "outputs": Array()}))
            while len(self._runs) > self._keep and RunStatus(self._runs[0]["status"]).over:
                del self._runs[0]
        return RunEntry(self.doc, self._runs[len(self._runs) - 1])

    def end_all(self, status: RunStatus, message: str) -> None:
        """Mark every run that is not over as ended in this way."""
        with self.doc.transaction():
            for entry in self._runs:
                if not RunStatus(entry["status"]).over:
                    entry["status"] = status.value
                    entry["message"] = message


class CellOutputs(SharedOutputs):
    """The outputs of a notebook's code cell, and whether it runs."""

    def __init__(self, cell: Map[Any]) -> None:
        super().__init__(cell["outputs"])
        self.doc: Doc[Any] = cell.doc
        self._cell = cell

    def start(self) -> None:
        """Empty the cell and show that it runs."""
        with self.doc.transaction():
            self.clear()
            self._cell["execution_count"] = None
            self._cell["execution_state"] = "running"

    def finish(self, execution_count: int | None) -> None:
        """Show that the cell is done."""
        with self.doc.transaction():
            self._cell["execution_count"] = execution_count
            self._cell["execution_state"] = "idle"
