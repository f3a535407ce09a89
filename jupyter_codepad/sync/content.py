"""What a document holds, apart from its history: hashes, first histories, other people's copies."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from jupyter_ydoc import ydocs
from jupyter_ydoc.ynotebook import YNotebook
from jupyter_ydoc.yunicode import YUnicode
from pycrdt import Array, Doc, Map, Text, merge_updates

from .merge import Content, edit_lines, likeness, merge

CLIENT_ID_BITS = 32
MARK = "codepad"
"""Name of the map in which a document says how its history began."""


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
    make_document(file_type, ydoc).set(content)
    return ydoc.get_update()


def histories(ydoc: Doc[Any]) -> set[int]:
    """The Yjs clients with which the histories began that are in a document: one, as a rule."""
    names = (name for name in ydoc.get(MARK, type=Map) if len(name) <= CLIENT_ID_BITS)
    return {int(name) for name in names if name.isdecimal()}


def emptied(file_type: str, state: bytes) -> bytes:
    """A whole document with its content deleted: merged into another, it adds nothing."""
    document = built(file_type, [state])
    ydoc = document.ydoc
    with ydoc.transaction():
        if isinstance(document, YNotebook):
            ydoc.get("cells", type=Array).clear()
        else:
            ydoc.get("source", type=Text).clear()
    return bytes(ydoc.get_update())


def set_content(document: Any, content: Content) -> None:
    """Turn a shared document into ``content`` by the smallest changes."""
    if isinstance(content, str) and isinstance(document, YUnicode):
        with document.ydoc.transaction():
            edit_lines(document.ydoc.get("source", type=Text), content)
    else:
        document.set(content)


def outside_change(file_type: str, bases: list[list[bytes]], content: Any) -> tuple[bytes, Content]:
    """What was changed outside, as a Yjs update, and the content that it started from.

    ``bases``: what the file may have been before, each as its updates, newest last; after a crash
    in the middle of a save there are several, and the one that ``content`` is most like is taken.
    Applied to the live document the update brings in exactly what was changed outside, and keeps
    what was typed in the meantime. Slow for large files: call it in a thread.
    """
    documents = [built(file_type, updates) for updates in bases]
    alike = [likeness(document.get(), content) for document in documents]
    # Of equals the newest: max() returns the first, so look from the end.
    best = max(reversed(range(len(documents))), key=alike.__getitem__)
    document = documents[best]
    base = document.get()
    before = document.ydoc.get_state()
    set_content(document, content)
    return bytes(document.ydoc.get_update(before)), base


@dataclass(frozen=True)
class Meeting:
    """What becomes of two histories of one document.

    ``update``: brings theirs into ours without doubling anything; ``theirs_emptied``: brings a
    client from its own history to ours; ``ours_went``: whether our content gave way to theirs;
    ``apart``: the content that gave way, when it has something that the other has not.
    """

    update: bytes
    theirs_emptied: bytes
    ours_went: bool
    apart: Content | None


def meet(file_type: str, ours: bytes, theirs: bytes, *, untouched: bool) -> Meeting:
    """Bring together two whole documents, neither of which knows the history of the other.

    That is so when the update log was lost and ours was made from the file again. Merged as they
    are, two histories of one text double it: so the content of one is deleted in the same update.
    Theirs is newer when nobody has touched ours since (``untouched``).
    """
    document = built(file_type, [theirs])
    theirs_emptied = emptied(file_type, theirs)
    if not histories(document.ydoc):  # it has only typed before it was greeted
        return Meeting(theirs, theirs, False, None)
    mine, other = built(file_type, [ours]).get(), document.get()
    if mine == other:
        return Meeting(theirs_emptied, theirs_emptied, False, None)
    if not untouched:
        needed = merge(None, mine, other)[0] != mine
        return Meeting(theirs_emptied, theirs_emptied, False, other if needed else None)
    needed = merge(None, other, mine)[0] != other
    update = merge_updates(emptied(file_type, ours), theirs)
    return Meeting(update, theirs_emptied, True, mine if needed else None)
