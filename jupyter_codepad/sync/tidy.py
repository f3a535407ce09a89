"""What may not be in a room's pad, taken out or put right before anything of it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from jupyter_ydoc.ynotebook import YNotebook
from jupyter_ydoc.yunicode import YUnicode
from pycrdt import Array, Map, Text

CELL_TYPES = ("code", "markdown", "raw")
NBFORMAT = {"nbformat": 4, "nbformat_minor": 0}


class Tidy:
    """Keeps a document clean once people write in it who are not trusted.

    Called, it takes out what came in since the last time.
    """

    def __init__(self, document: Any) -> None:
        self._document = document
        self._due: set[Callable[[], None]] = set()
        self.on = False

    def start(self, *, now: bool) -> None:
        """Keep it clean from now on, and clean what is there already if it is loaded (``now``)."""
        self.on = True
        if now and isinstance(self._document, YNotebook):
            self._repair_cells()
            self._repair_meta()

    def changed(self, target: str, event: Any) -> None:
        """Note what a change may have brought in."""
        if not self.on:
            return
        if target == "cells" and any(map(_concerns_cells, event)):
            self._due.add(self._repair_cells)
        elif target == "meta":
            self._due.add(self._repair_meta)

    def look_again(self) -> None:
        """Something came in of which nobody has heard what it is; of notebooks one hears."""
        if self.on and isinstance(self._document, YUnicode):
            self._due.add(self._remove_embeds)

    def soon(self, repair: Callable[[], None]) -> None:
        """Have something else put right: what observes a document cannot change it."""
        self._due.add(repair)

    def __call__(self, objects: bool = False) -> bool:
        """Put right what is due, and a text into which ``objects`` came; whether anything was."""
        if objects:
            self.look_again()
        if not self._due:
            return False
        while self._due:
            self._due.pop()()
        return True

    def _repair_cells(self) -> None:
        """Trust no cell of a room: JupyterLab would run what anybody has put into its output.

        A cell stays untrusted for the host too, because its output can be written by a guest later.
        What is no cell goes: neither JupyterLab nor the file could have it.
        """
        cells = self._document.ycells
        with self._document.ydoc.transaction():
            for place, cell in reversed(list(enumerate(cells))):
                if _is_cell(cell):
                    _repair_cell(cell)
                else:
                    del cells[place]
            _part_twins(cells)

    def _repair_meta(self) -> None:
        """What is said of the notebook as a whole has to be there, and to be what it should be."""
        meta = self._document.ydoc.get("meta", type=Map)
        with self._document.ydoc.transaction():
            for name, number in NBFORMAT.items():
                found = meta.get(name)
                if not isinstance(found, float | int) or not number <= found < number + 10:
                    meta[name] = number
            if not isinstance(meta.get("metadata"), Map | dict):
                meta["metadata"] = Map({})

    def _remove_embeds(self) -> None:
        """Take objects out of a text: no editor of code can show one, and some break on it."""
        text = self._document.ydoc.get("source", type=Text)
        position = 0
        with self._document.ydoc.transaction():
            for value, _attributes in text.diff():
                if isinstance(value, str):
                    position += len(value.encode())
                else:
                    del text[position : position + 1]


def _concerns_cells(part: Any) -> bool:
    """Whether cells came in, or something of a cell changed that is looked after."""
    path = part.path
    keys = getattr(part, "keys", None) if len(path) == 1 else None
    if keys is not None:  # of a cell: a run says often how far it is, and there may be many cells
        return not all(_is_of_a_run(name, key.get("newValue", "")) for name, key in keys.items())
    if len(path) < 2:
        return True
    if path[1] == "outputs" and len(path) == 2:
        inserted = [value for change in part.delta for value in change.get("insert", ())]
        return not all(map(_is_output, inserted))
    if path[1] == "outputs" and len(path) == 3:
        return not _is_output(part.target)
    return path[1] in ("metadata", "attachments")


def _is_cell(cell: Any) -> bool:
    return isinstance(cell, Map) and cell.get("cell_type") in CELL_TYPES


def _repair_cell(cell: Map[Any]) -> None:
    _repair_metadata(cell)
    if not isinstance(cell.get("source"), Text):
        cell["source"] = Text()
    if "id" in cell and not isinstance(cell["id"], str):
        del cell["id"]
    if "attachments" in cell and not _are_attachments(cell["attachments"]):
        del cell["attachments"]
    if cell["cell_type"] == "code" and not _is_count(cell.get("execution_count", "")):
        cell["execution_count"] = None
    if cell["cell_type"] == "code" or "outputs" in cell:
        _repair_outputs(cell)


def _repair_metadata(cell: Map[Any]) -> None:
    metadata = cell.get("metadata")
    if isinstance(metadata, Map):
        if "trusted" in metadata:
            del metadata["trusted"]
    elif not isinstance(metadata, dict):
        cell["metadata"] = Map({})
    elif "trusted" in metadata:
        cell["metadata"] = Map({k: v for k, v in metadata.items() if k != "trusted"})


def _is_of_a_run(name: str, value: Any) -> bool:
    """Whether it is what the server says of a cell that runs; ``""``: it was taken away."""
    return name == "execution_state" or (name == "execution_count" and _is_count(value))


def _is_count(value: Any) -> bool:
    """Whether a code cell may have it as its number; one that has none at all is not valid."""
    return value is None or (isinstance(value, float | int) and 0 <= value < 2**53)


def _part_twins(cells: Array[Any]) -> None:
    """Let no two cells have one id, as the file cannot have them either.

    Two people who move a cell at the same time make two of it: the second goes. One that differs
    stays, under an id of its own.
    """
    places: dict[str, int] = {}
    twins: list[tuple[int, int]] = []
    for place, cell in enumerate(cells):
        first = places.setdefault(cell["id"], place) if "id" in cell else place
        if first != place:
            twins.append((place, first))
    for place, first in reversed(twins):
        if _content(cells[place]) == _content(cells[first]):
            del cells[place]
        else:
            cells[place]["id"] = str(uuid4())


def _content(cell: Map[Any]) -> dict[str, Any]:
    return {
        name: value for name, value in (cell.to_py() or {}).items() if name != "execution_state"
    }


def _repair_outputs(cell: Map[Any]) -> None:
    outputs = cell.get("outputs")
    if not isinstance(outputs, Array):
        cell["outputs"] = Array()
        return
    for place, output in reversed(list(enumerate(outputs))):
        if not _is_output(output):
            del outputs[place]


def _is_output(output: Any) -> bool:
    """Whether nbformat could write it."""
    if not isinstance(output, Map | dict):
        return False
    kind = output.get("output_type")
    if kind == "stream":
        return output.get("text") is not None
    if kind in ("display_data", "execute_result"):
        return isinstance(output.get("data"), Map | dict)
    return bool(kind == "error")


def _are_attachments(attachments: Any) -> bool:
    return isinstance(attachments, Map | dict) and all(
        isinstance(bundle, Map | dict) for bundle in attachments.values()
    )
