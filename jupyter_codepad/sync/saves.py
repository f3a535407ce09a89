"""What the update log knows of a document's file: what was written to it, and by whom."""

from __future__ import annotations

import json
import sqlite3
import zlib
from dataclasses import dataclass
from typing import Any

SAVES_KEPT = 16


@dataclass(frozen=True)
class Save:
    """The document's file had (or was about to get) the content with this hash at ``seq``.

    ``packed``: what it had, where that was not the document's own state because others wrote it.
    """

    seq: int
    hash: str
    confirmed: bool
    packed: bytes | None = None

    @property
    def content(self) -> Any:
        """What others wrote."""
        return json.loads(zlib.decompress(self.packed)) if self.packed else None


def since_certain(saves: list[Save]) -> list[Save]:
    """What the file may be a state of: the last save that is certain, and all tries since."""
    last = max((i for i, save in enumerate(saves) if save.confirmed), default=0)
    return saves[last:]


def note(connection: sqlite3.Connection, document: int, content_hash: str) -> None:
    """The file is about to get the state that the document has now."""
    _insert(connection, document, content_hash, None)


def note_others(
    connection: sqlite3.Connection, document: int, content_hash: str, content: Any
) -> None:
    """Others have written this content into the file, and the document has taken it in."""
    packed = zlib.compress(json.dumps(content).encode())
    _insert(connection, document, content_hash, packed)


def confirm(connection: sqlite3.Connection, document: int, content_hash: str) -> None:
    """The file has the content that it was about to get."""
    connection.execute(
        "UPDATE saves SET confirmed = 1 WHERE rowid = (SELECT rowid FROM saves"
        " WHERE document = ? AND hash = ? ORDER BY seq DESC, rowid DESC LIMIT 1)",
        (document, content_hash),
    )
    # What others had written before is not asked for any more.
    connection.execute(
        "UPDATE saves SET content = NULL WHERE document = ? AND hash != ?",
        (document, content_hash),
    )


def withdraw(connection: sqlite3.Connection, document: int, content_hash: str) -> None:
    """The file was not written after all."""
    connection.execute(
        "DELETE FROM saves WHERE document = ? AND hash = ? AND NOT confirmed",
        (document, content_hash),
    )


def read(connection: sqlite3.Connection, document: int) -> list[Save]:
    """All that is known, oldest first."""
    rows = connection.execute(
        "SELECT seq, hash, confirmed, content FROM saves WHERE document = ? ORDER BY seq, rowid",
        (document,),
    )
    return [Save(seq, name, bool(sure), packed) for seq, name, sure, packed in rows]


def _insert(
    connection: sqlite3.Connection, document: int, content_hash: str, packed: bytes | None
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO saves (document, seq, hash, confirmed, content) VALUES (?, MAX("
        "(SELECT COALESCE(MAX(seq), 0) FROM updates WHERE document = ?),"
        "(SELECT COALESCE(MAX(seq), 0) FROM checkpoints WHERE document = ?)), ?, ?, ?)",
        (document, document, document, content_hash, packed is not None, packed),
    )
    connection.execute(
        "DELETE FROM saves WHERE document = ? AND rowid NOT IN (SELECT rowid FROM saves"
        " WHERE document = ? ORDER BY seq DESC, rowid DESC LIMIT ?) AND rowid IS NOT"
        " (SELECT rowid FROM saves WHERE document = ? AND confirmed"
        " ORDER BY seq DESC, rowid DESC LIMIT 1)",
        (document, document, SAVES_KEPT, document),
    )
