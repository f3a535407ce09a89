"""Where output goes: the room's run document, or the cells of its notebook.

Both are shared documents that the server writes; a notebook's cells can be changed by everybody
else too, at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pycrdt import Array, Doc, Map, Text

from .models import Run, RunStatus
from .outputs import Taken
from .shapes import Output
from .terminal import Terminal

PROMPT_CHARACTERS = 1000


@dataclass
class _Stream:
    """The stream output that is written now.

    ``new``: it is not in the document yet; ``length``: of its text there, in bytes; ``drop`` and
    ``more``: bytes to take off its end and to put there, which is not done yet.
    """

    name: str
    length: int = 0
    new: bool = False
    drop: int = 0
    more: bytes = b""
    terminal: Terminal = field(default_factory=Terminal)

    def change(self, drop: int, more: bytes) -> None:
        """Change what is there once what is not done yet is done."""
        kept = len(self.more) - drop
        self.drop += max(0, -kept)
        self.more = self.more[: max(0, kept)] + more

    def written(self, length: int) -> None:
        """It is done; ``length``: of the text now."""
        self.length, self.new, self.drop, self.more = length, False, 0, b""


class SharedOutputs:
    """A shared array of outputs as a ``Sink``, in jupyter_ydoc's shape."""

    def __init__(self, doc: Doc[Any]) -> None:
        self._doc = doc
        self._stream: _Stream | None = None

    @property
    def doc(self) -> Doc[Any]:
        """The shared document that the outputs are in."""
        return self._doc

    def outputs(self) -> Array[Any] | None:
        """The outputs; None when they are not there any more."""
        raise NotImplementedError

    def everywhere(self) -> Iterator[Array[Any]]:
        """All outputs in which a display may be that this run updates."""
        outputs = self.outputs()
        if outputs is not None:
            yield outputs

    def append(self, output: Output) -> None:
        """See ``Sink``."""
        self.write_text()
        self._stream = None
        outputs = self.outputs()
        if outputs is not None:
            outputs.append(Map(output))

    def append_text(self, name: str, text: str, room: int) -> Taken:
        """See ``Sink``."""
        made = 0
        before = self._stream
        if before is None or before.name != name or not (before.new or self.unwritten):
            self.write_text()
            outputs = self.outputs()
            if outputs is None:
                return Taken(0)
            made = self._begin(outputs, name)
        stream = self._stream
        assert stream is not None
        edit = stream.terminal.feed(text)
        more = edit.text.encode()
        cut = len(more) > room + edit.drop
        if cut:
            more = more[: max(0, room + edit.drop)]
        stream.change(edit.drop, more)
        return Taken(len(more) - edit.drop, made, cut)

    def goes_on(self, name: str) -> bool:
        """See ``Sink``."""
        return not self.unwritten or (self._stream is not None and self._stream.name == name)

    @property
    def unwritten(self) -> bool:
        """See ``Sink``."""
        stream = self._stream
        return stream is not None and (stream.drop > 0 or len(stream.more) > 0)

    def write_text(self) -> int:
        """See ``Sink``."""
        stream = self._stream
        if stream is None or not self.unwritten:
            return 0
        outputs = self.outputs()
        if outputs is None:
            self._stream = None
            return 0
        drop, more = stream.drop, stream.more
        shared = None if stream.new else _last_text(outputs, stream.name)
        if not stream.new and (shared is None or len(shared) != stream.length):
            drop, self._stream = 0, _Stream(stream.name)  # somebody else has changed it
        if shared is None:
            outputs.append(Map({"output_type": "stream", "name": stream.name, "text": Text()}))
            shared = outputs[len(outputs) - 1]["text"]
        length = len(shared)
        if more:
            shared.insert(length, more.decode(errors="ignore"))
        if drop:
            # After the new text is there, so that others hear of a deletion first: JupyterLab takes
            # what is deleted off the end of what it has.
            del shared[length - drop : length]
        assert self._stream is not None
        self._stream.written(len(shared))
        return min(len(more), drop)

    def _begin(self, outputs: Array[Any], name: str) -> int:
        """Go on with the last output, if it is this stream, or a new one; how many are new."""
        stream, shared = self._stream, _last_text(outputs, name)
        if shared is None:
            self._stream = _Stream(name, new=True)
            return 1
        length = len(shared)
        if stream is None or stream.name != name or stream.length != length:
            self._stream = _Stream(name, length)  # somebody else has changed it
        return 0

    def clear(self) -> None:
        """See ``Sink``."""
        self._stream = None
        outputs = self.outputs()
        if outputs is not None and len(outputs):
            outputs.clear()

    def update_display(self, display_id: str, output: Output) -> None:
        """See ``Sink``. Where the cursor is in the text that is written now stays as it is."""
        self.write_text()
        for outputs in self.everywhere():
            for place, old in enumerate(outputs):
                if _display_id(old) == display_id:
                    metadata = {**output["metadata"], "display_id": display_id}
                    new = {**output, "metadata": metadata}
                    if old.get("output_type") == "execute_result":
                        new["output_type"] = "execute_result"
                        new["execution_count"] = old.get("execution_count")
                    outputs[place] = Map(new)


def _last_text(outputs: Array[Any], name: str) -> Text | None:
    """The text of the last output, if it is this stream."""
    last = outputs[len(outputs) - 1] if len(outputs) else None
    if not isinstance(last, Map) or last.get("output_type") != "stream":
        return None
    text = last.get("text")
    return text if last.get("name") == name and isinstance(text, Text) else None


def _display_id(output: Any) -> str | None:
    metadata = output.get("metadata") if isinstance(output, Map) else None
    found = metadata.get("display_id") if isinstance(metadata, dict | Map) else None
    return found if isinstance(found, str) else None


class RunEntry(SharedOutputs):
    """One run in the run document, with its output."""

    def __init__(self, doc: Doc[Any], entry: Map[Any], all_runs: Array[Map[Any]]) -> None:
        super().__init__(doc)
        self._entry = entry
        self._all_runs = all_runs

    def outputs(self) -> Array[Any] | None:
        outputs: Array[Any] = self._entry["outputs"]
        return outputs

    def everywhere(self) -> Iterator[Array[Any]]:
        for entry in self._all_runs:
            yield entry["outputs"]

    def set(self, run: Run, **more: Any) -> None:
        """Show how the run stands."""
        values = run.model_dump(mode="json", exclude={"id", "document", "cell_id"})
        self.show(**values, **more)

    def show(self, **values: Any) -> None:
        """Show something about the run."""
        with self.doc.transaction():
            for name, value in values.items():
                if self._entry.get(name) != value:
                    self._entry[name] = value

    def show_place(self, position: int) -> None:
        """Show how many runs go before this one in the server's queue."""
        self.show(position=position)

    def note_files(self, written: str = "", warning: str = "") -> None:
        """Show which files this run has written, and what did not go well with its files."""
        before = self._entry.get("files_warning")
        both = "; ".join(filter(None, (before, warning)))
        self.show(
            **{"files": written} if written else {}, **{"files_warning": both} if both else {}
        )

    def ask(self, prompt: str, *, password: bool) -> None:
        """Show that the program waits for input."""
        self.show(input={"prompt": prompt[-PROMPT_CHARACTERS:], "password": password})

    def answered(self, name: str | None = None) -> None:
        """Show that it does not wait any more, and who has answered."""
        self.show(input=None, **({"answered_by": name} if name is not None else {}))


class RunDocument:
    """The run document of a room: its newest runs with their output, and the kernel's state.

    ``doc`` is the shared document; what is written into it reaches everybody in the room. ``keep``:
    runs that stay; ``keep_bytes``: what their outputs may be together, before old ones go earlier.
    """

    def __init__(self, doc: Doc[Any], *, keep: int, keep_bytes: int) -> None:
        self.doc = doc
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._runs: Array[Map[Any]] = doc.get("runs", type=Array)
        self._kernel: Map[Any] = doc.get("kernel", type=Map)

    def set_kernel(self, status: str, message: str = "") -> None:
        """Show the kernel's state: off, starting, idle, busy, dead or unavailable."""
        if self._kernel.get("status") == status and self._kernel.get("message") == message:
            return
        with self.doc.transaction():
            self._kernel["status"] = status
            self._kernel["message"] = message

    def add(self, runs: Sequence[Run], color: str, main: str | None = None) -> list[RunEntry]:
        """Add runs; the oldest that are over go when there are too many, or too much output.

        ``main``: the file that is run, None: the pad.
        """
        shown = {
            "color": color,
            "main": main,
            "compiling": False,
            "truncated": False,
            "input": None,
            "answered_by": None,
            "position": 0,
        }
        with self.doc.transaction():
            for run in runs:
                values = {**run.model_dump(mode="json"), **shown}
                self._runs.append(Map({**values, "outputs": Array()}))
            while len(self._runs) > self._keep and self._oldest_is_over():
                del self._runs[0]
            sizes = [text_size(entry["outputs"]) for entry in self._runs]
            while sum(sizes) > self._keep_bytes and self._oldest_is_over():
                del self._runs[0]
                del sizes[0]
        first = len(self._runs) - len(runs)
        return [
            RunEntry(self.doc, self._runs[first + place], self._runs) for place in range(len(runs))
        ]

    def _oldest_is_over(self) -> bool:
        return RunStatus(self._runs[0]["status"]).over

    def end_all(self, status: RunStatus, message: str) -> None:
        """Mark every run that is not over as ended in this way."""
        with self.doc.transaction():
            for entry in self._runs:
                if not RunStatus(entry["status"]).over:
                    entry["status"] = status.value
                    entry["message"] = message
                    entry["input"] = None

    def find(self, run_id: str) -> dict[str, Any] | None:
        """A run with its outputs, if it is still kept."""
        for entry in self._runs:
            if entry.get("id") == run_id:
                found: dict[str, Any] = entry.to_py() or {}
                return found
        return None

    def newest_of_cell(self, cell_id: str) -> str | None:
        """The id of the last run of a notebook's cell."""
        newest = None
        for entry in self._runs:
            if entry.get("cell_id") == cell_id:
                newest = str(entry["id"])
        return newest


def text_size(outputs: Array[Any]) -> int:
    """About how many bytes outputs are."""
    total = 0
    for output in outputs:
        text = output.get("text")
        total += len(text) if isinstance(text, Text) else len(str(output.get("data") or ""))
    return total


class CellOutputs(SharedOutputs):
    """The outputs of a notebook's code cell, and whether it runs.

    The cell is looked up each time: somebody may move it, which is a deletion and a copy, or delete
    it; what is written then is nowhere. ``place``: where it is looked for first.
    """

    def __init__(self, doc: Doc[Any], cells: Array[Map[Any]], cell_id: str, place: int = 0) -> None:
        super().__init__(doc)
        self._cells = cells
        self._cell_id = cell_id
        self._place = place

    def _cell(self) -> Map[Any] | None:
        cells = self._cells
        if self._place >= len(cells) or cells[self._place].get("id") != self._cell_id:
            ids = (cell.get("id") for cell in cells)
            self._place = next((n for n, own in enumerate(ids) if own == self._cell_id), -1)
        if self._place < 0:
            self._place = len(cells)
            return None
        cell: Map[Any] = cells[self._place]
        return cell

    def outputs(self) -> Array[Any] | None:
        cell = self._cell()
        outputs = cell.get("outputs") if cell is not None else None
        return outputs if isinstance(outputs, Array) else None

    def everywhere(self) -> Iterator[Array[Any]]:
        for cell in self._cells:
            outputs = cell.get("outputs")
            if isinstance(outputs, Array):
                yield outputs

    def queue(self) -> None:
        """Show that the cell is going to run."""
        self._show("running", None)

    def start(self) -> None:
        """Empty the cell and show that it runs."""
        with self.doc.transaction():
            self.clear()
            self._show("running", None)

    def finish(self, execution_count: int | None) -> None:
        """Show that the cell is done."""
        self._show("idle", execution_count)

    def _show(self, state: str, execution_count: int | None) -> None:
        with self.doc.transaction():
            cell = self._cell()
            if cell is not None:
                cell["execution_count"] = execution_count
                cell["execution_state"] = state
