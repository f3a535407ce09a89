"""Two sides of one document brought together: what can be merged, and where somebody must choose.

Three-way merging by Arch's and Bazaar's algorithm (the ``merge3`` package), first of lines, then,
where both sides changed the same lines, of the words in them. Two insertions at one place are no
conflict, both stay; two changes of the same words are one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from merge3 import Merge3

WORDS = re.compile(r"\w+|\s|[^\w\s]")
REGION_LIMIT = 4000
"""Characters of a place up to which its words are compared."""

COMPARISONS_LIMIT = 1_000_000
"""Lines that differ on one side times those on the other: with more, they are not compared.

Comparing takes that much time at worst, and whoever writes the lines could choose them so.
"""

Content = str | dict[str, Any]


def merge(base: Content | None, mine: Content, theirs: Content) -> tuple[Content, bool]:
    """Both sides in one, and whether they are in conflict somewhere.

    Where they are, what is mine comes first and what is theirs follows. Without a ``base`` nothing
    is known to be deleted: all that is on either side is kept, and a conflict is said whenever both
    have something that the other has not.
    """
    if isinstance(mine, str) and isinstance(theirs, str):
        if any(too_much(one, theirs) for one in (mine, base) if isinstance(one, str)):
            return _one_after_the_other(mine, theirs), True
        if base is None:
            merged = _merge_lines(_common(mine, theirs), mine, theirs)[0]
            return merged, merged not in (mine, theirs)
        return _merge_lines(str(base), mine, theirs)
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return _merge_notebooks(base if isinstance(base, dict) else None, mine, theirs)
    return mine, mine != theirs


def as_text(content: Content) -> str:
    """A document as people compare it; a notebook cell by cell."""
    if isinstance(content, str):
        return content
    parts = []
    for cell in content.get("cells", []):
        source = cell.get("source", "")
        parts.append(f"# %% [{cell.get('cell_type', 'raw')}]\n{joined(source).rstrip()}\n")
    return "\n".join(parts)


def joined(source: Any) -> str:
    return "".join(source) if isinstance(source, list) else str(source)


def too_much(one: str, other: str) -> bool:
    """Whether comparing two texts line by line could take too long."""
    old, new = one.splitlines(), other.splitlines()
    head = shared_start(old, new)
    tail = shared_start(old[head:][::-1], new[head:][::-1])
    return (len(old) - head - tail) * (len(new) - head - tail) > COMPARISONS_LIMIT


def _common(one: str, other: str) -> str:
    """The lines that two texts have in common, in order."""
    lines = one.splitlines(True)
    matcher = SequenceMatcher(None, lines, other.splitlines(True), autojunk=False)
    return "".join("".join(lines[m.a : m.a + m.size]) for m in matcher.get_matching_blocks())


def _merge_lines(base: str, mine: str, theirs: str) -> tuple[str, bool]:
    merged: list[str] = []
    conflict = False
    groups = Merge3(
        base.splitlines(True), mine.splitlines(True), theirs.splitlines(True)
    ).merge_groups()
    for group in groups:
        if group[0] != "conflict":
            merged.extend(group[1])
            continue
        there, ours, others = ("".join(lines) for lines in group[1:])
        together = _merge_words(there, ours, others)
        conflict = conflict or together is None
        merged.append(_one_after_the_other(ours, others) if together is None else together)
    return "".join(merged), conflict


def _merge_words(base: str, mine: str, theirs: str) -> str | None:
    """A place that both changed, merged word by word; None when they changed the same words."""
    if not base:
        return _one_after_the_other(mine, theirs)
    if max(len(base), len(mine), len(theirs)) > REGION_LIMIT:
        return None
    merged: list[str] = []
    groups = Merge3(WORDS.findall(base), WORDS.findall(mine), WORDS.findall(theirs)).merge_groups()
    for group in groups:
        if group[0] != "conflict":
            merged.extend(group[1])
            continue
        there, ours, others = ("".join(words) for words in group[1:])
        if ours.startswith(there) and others.startswith(there):
            merged.append(ours + others[len(there) :])
        elif ours.endswith(there) and others.endswith(there):
            merged.append(ours[: len(ours) - len(there)] + others)
        else:
            return None
    return "".join(merged)


def _one_after_the_other(one: str, other: str) -> str:
    gap = "\n" if one and other and not one.endswith("\n") else ""
    return one + gap + other


# -- notebooks ------------------------------------------------------------------------------------


def _merge_notebooks(
    base: dict[str, Any] | None, mine: dict[str, Any], theirs: dict[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Cells are what lines are in a text; inside of a cell that both changed, its lines are."""
    old = list(base["cells"]) if base is not None else []
    if len(mine["cells"]) * max(len(theirs["cells"]), len(old)) > COMPARISONS_LIMIT:
        return {**mine, "cells": [*mine["cells"], *theirs["cells"]]}, True
    names = [f"base {number}" for number in range(len(old))]
    ours, ours_new = named(old, names, mine["cells"], "mine")
    others, others_new = named(old, names, theirs["cells"], "theirs")
    if base is None:
        shared, _ = named(mine["cells"], list(ours_new), theirs["cells"], "theirs")
        others, others_new = shared, dict(zip(shared, theirs["cells"], strict=True))
    there = dict(zip(names, old, strict=True))
    order, conflict = _merge_order(names, ours, others)
    cells = []
    for name in order:
        before, one, other = there.get(name), ours_new.get(name), others_new.get(name)
        if one is None or other is None:
            kept = one or other
            # Deleted here and changed there: what was changed stays, and somebody has to choose.
            if before is not None and kept is not None:
                if _same(before, kept):
                    continue
                conflict = True
            if kept is not None:
                cells.append(kept)
            continue
        cell, clash = _merge_cells(before, one, other)
        conflict = conflict or clash
        cells.append(cell)
    if base is None:
        conflict = conflict or (
            len(cells) > len(mine["cells"]) and len(cells) > len(theirs["cells"])
        )
    metadata = mine["metadata"] if base is None or mine["metadata"] != base["metadata"] else None
    return {**theirs, "metadata": metadata or theirs["metadata"], "cells": cells}, conflict


def named(
    old: Sequence[dict[str, Any]], names: Sequence[str], new: Sequence[dict[str, Any]], prefix: str
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Give cells the names of the old ones that they are, by their ids or else their sources."""
    by_id = {cell["id"]: name for name, cell in zip(names, old, strict=True) if cell.get("id")}
    found: list[str | None] = [by_id.get(cell.get("id", "")) for cell in new]
    if not by_id:
        matcher = SequenceMatcher(
            None, [_key(c) for c in old], [_key(c) for c in new], autojunk=False
        )
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            if tag in {"equal", "replace"}:
                for i, j in zip(range(i1, i2), range(j1, j2), strict=False):
                    found[j] = names[i]
    result = [name or f"{prefix} {number}" for number, name in enumerate(found)]
    return result, dict(zip(result, new, strict=True))


def _merge_order(base: list[str], mine: list[str], theirs: list[str]) -> tuple[list[str], bool]:
    order: list[str] = []
    for group in Merge3(base, mine, theirs).merge_groups():
        for names in group[1:] if group[0] != "conflict" else group[2:]:
            order.extend(name for name in names if name not in order)
    # A cell that one side deleted is looked at too: the other may have changed it.
    for name in [*mine, *theirs]:
        if name not in order:
            order.append(name)
    return order, False


def _merge_cells(
    base: dict[str, Any] | None, mine: dict[str, Any], theirs: dict[str, Any]
) -> tuple[dict[str, Any], bool]:
    if _same(mine, theirs) or base is None:
        source, conflict = merge(
            None if base is None else joined(base["source"]),
            joined(mine["source"]),
            joined(theirs["source"]),
        )
        return {**mine, "source": source}, conflict
    merged = dict(mine)
    for field in ("outputs", "execution_count", "metadata", "cell_type", "attachments"):
        if field in theirs and mine.get(field) == base.get(field):
            merged[field] = theirs[field]
    source, conflict = _merge_lines(
        joined(base["source"]), joined(mine["source"]), joined(theirs["source"])
    )
    return {**merged, "source": source}, conflict


def _key(cell: dict[str, Any]) -> str:
    return f"{cell.get('cell_type')} {joined(cell.get('source', ''))}"


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return _key(one) == _key(other)


def shared_start(one: Sequence[str], other: Sequence[str]) -> int:
    """How many characters (or lines) two texts have in common at their beginning."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))


def as_far_as(whole: str, other: str) -> str:
    """The lines of a text up to the last that another has in common with it."""
    lines, others = whole.splitlines(True), other.splitlines(True)
    if too_much(whole, other):
        return "".join(lines[: shared_start(lines, others)])
    *blocks, _ = SequenceMatcher(None, lines, others, autojunk=False).get_matching_blocks()
    return "".join(lines[: blocks[-1].a + blocks[-1].size]) if blocks else ""


def likeness(one: Any, other: Any) -> float:
    """How much two documents have in common, from 0 to 1."""
    old, new = (value if isinstance(value, str) else _in_lines(value) for value in (one, other))
    if too_much(old, new):
        return shared_start(old, new) / max(1, len(old), len(new))
    return SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False).ratio()


def _in_lines(notebook: dict[str, Any]) -> str:
    """All of a notebook as text, with the lines of its cells as lines."""
    return json.dumps(notebook, indent=0, sort_keys=True).replace("\\n", "\n")
