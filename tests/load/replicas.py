"""Whether those who typed have the text that the server has."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pycrdt import Doc, Text


def updates_in(path: Path) -> Iterator[bytes]:
    """The Yjs updates of a file: each after its length, four bytes, lowest first."""
    data = path.read_bytes()
    at = 0
    while at + 4 <= len(data):
        (length,) = struct.unpack_from("<I", data, at)
        yield data[at + 4 : at + 4 + length]
        at += 4 + length


def text_of(path: Path) -> str:
    """The text of a document that starts empty and gets all updates of a file."""
    ydoc: Doc[Any] = Doc()
    text = ydoc.get("source", type=Text)
    with ydoc.transaction():
        for update in updates_in(path):
            ydoc.apply_update(update)
    return str(text)


def compare(folder: Path) -> tuple[int, int]:
    """How many replicas were compared with the server's text, and how many differ from it.

    A text that the server did not give when it was asked counts as different.
    """
    replicas = sorted(folder.glob("*.replica"))
    diverged = 0
    for replica in replicas:
        server = replica.with_suffix(".server")
        if not server.exists() or server.stat().st_size == 0:
            diverged += 1
        else:
            diverged += text_of(server) != text_of(replica)
    return len(replicas), diverged
