"""A shared document turned into another content by the smallest changes.

What is left alone keeps what others type in it at the same time; what is written anew does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any
from uuid import uuid4

from jupyter_ydoc.ynotebook import YNotebook
from jupyter_ydoc.yunicode import YUnicode
from pycrdt import Map, Text

from .merge import Content, joined, named, shared_start, too_much


def set_content(document: Any, content: Content) -> None:
    """Turn a shared document into ``content`` by the smallest changes."""
    with document.ydoc.transaction():
        if isinstance(content, str) and isinstance(document, YUnicode):
            edit_lines(document.ydoc.get("source", type=Text), content)
        elif isinstance(content, dict) and isinstance(document, YNotebook):
            edit_cells(document, content)
        else:
            document.set(content)


def edit_cells(document: YNotebook, wanted: dict[str, Any]) -> None:
    """Turn a shared notebook into ``wanted``: cells stay, only what is different in them changes.

    Cells are the same when their ids are; in notebooks without ids, when their sources are, or
    when they stand between the same ones. jupyter_ydoc's own ``set`` writes a changed cell anew,
    and those that stand before a moved one, so it gets only what is left to do.
    """
    cells = _with_ids(document, wanted["cells"])
    there: dict[str, Map[Any]] = {}
    for ycell in document.ycells:
        there.setdefault(str(ycell.get("id")), ycell)
    for cell in cells:
        ycell = there.get(cell["id"])
        if ycell is not None and ycell.get("cell_type") == cell["cell_type"]:
            _edit_cell(document, ycell, cell)
    _arrange(document, cells)
    document.set({**wanted, "cells": cells})


def _with_ids(document: YNotebook, cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    if any("id" in cell for cell in cells):
        return [cell if "id" in cell else {**cell, "id": str(uuid4())} for cell in cells]
    ids = [str(ycell.get("id")) for ycell in document.ycells]
    old = document.get(deduplicate=False)["cells"]
    names, _ = named([{**cell, "id": ""} for cell in old], ids, cells, "new")
    known = set(ids)
    return [
        {**cell, "id": name if name in known else str(uuid4())}
        for cell, name in zip(cells, names, strict=True)
    ]


def _edit_cell(document: YNotebook, ycell: Map[Any], cell: dict[str, Any]) -> None:
    source = ycell.get("source")
    if isinstance(source, Text):
        edit_lines(source, joined(cell["source"]))
    if cell["cell_type"] == "code":
        outputs = cell.get("outputs", [])
        if document._cell_to_py(ycell).get("outputs") != outputs:
            document._set_ycell_outputs(ycell, outputs)


def _arrange(document: YNotebook, cells: Sequence[dict[str, Any]]) -> None:
    """Delete, insert and move cells; as many as can be stay where they are."""
    ycells = document.ycells
    old = [str(ycell.get("id")) for ycell in ycells]
    new = [cell["id"] for cell in cells]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    place = 0
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            place += i2 - i1
            continue
        for _ in range(i1, i2):
            del ycells[place]
        for cell in cells[j1:j2]:
            ycells.insert(place, document.create_ycell(cell))
            place += 1


def edit_lines(text: Text, wanted: str) -> None:
    """Turn a shared text into ``wanted`` by editing only the lines that differ.

    Within a changed block the common beginning and end are left alone, so that what others type
    beside the change stays where it is. Python's ``difflib`` finds the lines.
    """
    before = str(text)
    if too_much(before, wanted):
        old_lines, new_lines = [before], [wanted]
    else:
        old_lines, new_lines = before.splitlines(True), wanted.splitlines(True)
    matcher = SequenceMatcher(None, old_lines, new_lines, autojunk=False)
    position = 0  # in UTF-8 bytes, as pycrdt counts
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        old, new = "".join(old_lines[i1:i2]), "".join(new_lines[j1:j2])
        if tag != "equal":
            head = shared_start(old, new)
            tail = shared_start(old[head:][::-1], new[head:][::-1])
            start = position + len(old[:head].encode())
            removed = old[head : len(old) - tail].encode()
            if removed:
                del text[start : start + len(removed)]
            if added := new[head : len(new) - tail]:
                text.insert(start, added)
        position += len(new.encode())
