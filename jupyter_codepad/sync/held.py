"""A room's notebook while code of it runs: outputs are written into it although nobody is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pycrdt import Array, Doc, Map

from ..errors import NotFound
from .document_room import DocumentRoom
from .sizes import size_of


class HeldNotebook:
    """Keeps a notebook in memory until it is closed.

    ``limit_bytes``: how large it may become; ``released``: called when it is not needed any more.
    """

    def __init__(
        self, document: DocumentRoom, limit_bytes: int, released: Callable[[DocumentRoom], None]
    ) -> None:
        self._document = document
        self._limit = limit_bytes
        self._released = released
        self._closed = False
        document.held += 1

    @property
    def doc(self) -> Doc[Any]:
        """The shared document."""
        doc: Doc[Any] = self._document.ydoc
        return doc

    @property
    def cells(self) -> Array[Map[Any]]:
        """Its cells."""
        cells: Array[Map[Any]] = self._document.document.ycells
        return cells

    @property
    def room(self) -> int:
        """How many bytes it may still grow by; a part is left for those who type."""
        return self._limit - self._limit // 20 - size_of(self._document.document)

    def again(self) -> HeldNotebook:
        """The same for somebody else."""
        return HeldNotebook(self._document, self._limit, self._released)

    def close(self) -> None:
        """It is not needed any more."""
        if not self._closed:
            self._closed = True
            self._document.held -= 1
            self._released(self._document)


def cell_sources(document: Any, cell_ids: Sequence[str]) -> list[str]:
    """The texts of cells. Raises ``NotFound`` when one is not there."""
    cells = _cells(document, cell_ids)
    texts = {cell_id: str(cell["source"]) for cell_id, cell in cells.items()}
    return [texts[cell_id] for cell_id in cell_ids]


def cell_outputs(document: Any, cell_id: str) -> list[Any]:
    """The outputs of a cell as plain data; none of a cell that has none. Raises ``NotFound``."""
    outputs = _cells(document, [cell_id])[cell_id].get("outputs")
    return list(outputs.to_py() or []) if isinstance(outputs, Array) else []


def _cells(document: Any, cell_ids: Sequence[str]) -> dict[str, Map[Any]]:
    wanted = set(cell_ids)
    # Of two with one id the first.
    found = {cell["id"]: cell for cell in reversed(document.ycells) if cell.get("id") in wanted}
    if len(found) < len(wanted):
        raise NotFound("cell_not_found", "That cell is not in the notebook any more.")
    return found


def rest_cells(document: Any) -> None:
    """Mark every cell as not running."""
    with document.ydoc.transaction():
        for cell in document.ycells:
            if cell.get("execution_state") == "running":
                cell["execution_state"] = "idle"
