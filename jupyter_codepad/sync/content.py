"""What a document holds, apart from its history: hashes, first histories, other people's copies."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jupyter_ydoc import ydocs
from jupyter_ydoc.ynotebook import YNotebook
from pycrdt import Array, Doc, Map, Text, merge_updates

from .editing import set_content
from .merge import Content, as_far_as, likeness, merge

CLIENT_ID_BITS = 32
LAID_ANEW_BYTES = 4_000_000
"""Larger documents are not read twice: nobody's typing should wait for that."""

MARK = "codepad"
"""Name of the map in which a document says how its history began."""

EMPTY_CELL: dict[str, Any] = {
    "cell_type": "code",
    "execution_count": None,
    "metadata": {"trusted": True},
    "outputs": [],
    "source": "",
}


def content_hash(content: Any) -> str:
    """A hash of a document's content that is the same for what is shared and what is on disk.

    Text is taken as it is; of a notebook, marks that are never shared (trust) are left out.
    """
    if isinstance(content, dict):
        cells = [
            {**cell, "metadata": {k: v for k, v in cell["metadata"].items() if k != "trusted"}}
            for cell in content.get("cells", [])
        ]
        content = json.dumps({**content, "cells": cells}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def make_document(file_type: str, ydoc: Doc[Any]) -> Any:
    """The jupyter_ydoc document of a type, around a Yjs document; unknown types are text."""
    return ydocs.get(file_type, ydocs["file"])(ydoc)


def built(file_type: str, updates: list[bytes]) -> Any:
    """The jupyter_ydoc document that updates make."""
    ydoc: Doc[Any] = Doc()
    for update in updates:
        ydoc.apply_update(update)
    return make_document(file_type, ydoc)


def first_history(file_type: str, content: Any) -> bytes:
    """The history of a document that the log does not know.

    The Yjs client it begins with is derived from the content: if the log was lost, the same file
    gives the same history and people who reconnect see nothing doubled; another content cannot
    collide. Its name in a map of its own tells one history from others.
    """
    begun_by = int(content_hash(content), 16) >> (256 - CLIENT_ID_BITS)
    ydoc: Doc[Any] = Doc(client_id=begun_by)
    ydoc.get(MARK, type=Map)[str(begun_by)] = True
    document = make_document(file_type, ydoc)
    document.set(_named(content, begun_by) if isinstance(document, YNotebook) else content)
    return ydoc.get_update()


def _named(notebook: dict[str, Any], begun_by: int) -> dict[str, Any]:
    """A notebook in which every cell has an id; those that it lacks follow from its content.

    jupyter_ydoc would make up others each time, and an empty cell where there is none.
    """
    # Not secret: two servers must come to the same.
    made_up = random.Random(begun_by)  # noqa: S311
    cells = notebook["cells"] or [EMPTY_CELL]
    names = [str(UUID(int=made_up.getrandbits(128), version=4)) for _ in cells]
    named = [{"id": name, **cell} for name, cell in zip(names, cells, strict=True)]
    return {**notebook, "cells": named}


def histories(ydoc: Doc[Any]) -> set[int]:
    """The Yjs clients with which the histories began that are in a document: one, as a rule."""
    names = (name for name in ydoc.get(MARK, type=Map) if len(name) <= CLIENT_ID_BITS)
    return {int(name) for name in names if name.isdecimal()}


def emptied(file_type: str, state: bytes) -> bytes:
    """A whole document with its content deleted: merged into another, it adds nothing."""
    document = built(file_type, [state])
    ydoc = document.ydoc
    with ydoc.transaction():
        ydoc.get(MARK, type=Map).clear()
        if isinstance(document, YNotebook):
            ydoc.get("cells", type=Array).clear()
        else:
            ydoc.get("source", type=Text).clear()
    return bytes(ydoc.get_update())


def laid_anew(document: Any, file_type: str) -> bool:
    """See that somebody new reads what those read who were there before; whether it was so.

    Yjs puts a thing between the two neighbours that it names. Of made-up ones, the right before the
    left, each copy makes something else, by what else it has at that moment. Then the server puts
    all of the content in again: where the rest once was, nobody sees.
    """
    state = document.ydoc.get_update()
    if len(state) > LAID_ANEW_BYTES or _read(built(file_type, [state])) == _read(document):
        return True
    with document.ydoc.transaction():
        if isinstance(document, YNotebook):
            cells = document.ycells
            kept = [document.create_ycell(cell) for cell in cells.to_py() or []]
            cells.clear()
            cells.extend(kept)
        else:
            text = document.ydoc.get("source", type=Text)
            words = str(text)
            text.clear()
            text += words
    return False


def _read(document: Any) -> str:
    """What people read, to be compared; whether a file could have it or not."""
    if isinstance(document, YNotebook):
        return json.dumps(document.ycells.to_py(), sort_keys=True, default=repr)
    return str(document.ydoc.get("source", type=Text))


@dataclass(frozen=True)
class OutsideChange:
    """What others have written into the file of a document.

    ``base``: what they started from; ``update``: what it changes in the document, as a Yjs update;
    None where both have changed the same, and somebody has to choose.
    """

    base: Content
    update: bytes | None


def outside_change(
    file_type: str,
    bases: list[Content | list[bytes]],
    state: bytes,
    content: Content,
    *,
    unfinished: bool = False,
) -> OutsideChange:
    """Merge what others have written (``content``) with what a document has become meanwhile.

    ``bases``: what the file may have been before, newest last, each as content or as updates; after
    a crash in the middle of a save there are several, and the one that ``content`` is most like is
    taken. ``state``: the whole document as a Yjs update. ``unfinished``: the newest base may have
    been cut short, and nobody has deleted its end. Slow for large files: call it in a thread.
    """
    started = [built(file_type, one).get() if isinstance(one, list) else one for one in bases]
    if unfinished and isinstance(started[-1], str) and isinstance(content, str):
        started[-1] = as_far_as(started[-1], content)
    alike = [likeness(base, content) for base in started]
    # Of equals the newest: max() returns the first, so look from the end.
    base = started[max(reversed(range(len(started))), key=alike.__getitem__)]
    document = built(file_type, [state])
    merged, conflicts = merge(base, document.get(), content)
    return OutsideChange(base, None if conflicts else edited(document, merged))


def edited(document: Any, wanted: Content) -> bytes:
    """Give a jupyter_ydoc document another content; returns the Yjs update of that.

    Where the update is applied later to a document that has gone on, what was typed since stays.
    Slow for large documents: call it in a thread.
    """
    before = document.ydoc.get_state()
    if wanted != document.get():
        set_content(document, wanted)
    return bytes(document.ydoc.get_update(before))


@dataclass(frozen=True)
class Meeting:
    """What becomes of two histories of one document.

    ``update``: brings theirs into ours without doubling anything; ``theirs_emptied``: brings a
    client from its own history to ours; ``ours_went``: whether our content gave way to theirs;
    ``apart``: the content that gave way, when it has something that the other has not; ``gone``:
    the histories that gave way, and ``content``, what they held.
    """

    update: bytes
    theirs_emptied: bytes
    ours_went: bool = False
    apart: Content | None = None
    gone: frozenset[int] = frozenset()
    content: Content = ""


def meet(
    file_type: str,
    ours: bytes,
    theirs: bytes,
    *,
    untouched: bool,
    known: Mapping[int, Content] | None = None,
) -> Meeting:
    """Bring together two whole documents, neither of which knows the history of the other.

    That is so when the update log was lost and ours was made from the file again. Merged as they
    are, two histories of one text double it: so the content of one is deleted in the same update.
    Theirs is newer when nobody has touched ours since (``untouched``). ``known``: what histories
    held that gave way before; one more client with such a history may have nothing new.
    """
    document = built(file_type, [theirs])
    marks = frozenset(histories(document.ydoc))
    if not marks:  # it has only typed before it was greeted
        return Meeting(theirs, theirs)
    theirs_emptied = emptied(file_type, theirs)
    live = built(file_type, [ours])
    mine, other = live.get(), document.get()
    if mine == other:
        return Meeting(theirs_emptied, theirs_emptied, gone=marks, content=other)
    if untouched:
        needed = merge(None, other, mine)[0] != other
        update = merge_updates(emptied(file_type, ours), theirs)
        gone = frozenset(histories(live.ydoc))
        return Meeting(update, theirs_emptied, True, mine if needed else None, gone, mine)
    before = next((known[mark] for mark in marks if mark in known), None) if known else None
    if before is not None and merge(None, before, other)[0] == before:
        return Meeting(theirs_emptied, theirs_emptied, gone=marks, content=before)
    merged, clash = merge(None, mine, other)
    update = theirs_emptied
    if not clash:
        update = merge_updates(update, edited(live, merged))
    apart = other if clash else None
    return Meeting(update, theirs_emptied, apart=apart, gone=marks, content=other)
