"""What the update log keeps of a document's past, and what it lets go.

A document's history is a row for each change, and now and then a checkpoint: the whole state, from
which the document is loaded without all that came before. When history grows past a multiple of the
document, the oldest goes first from single changes to strokes (what one person did within a few
seconds), then to checkpoints alone, then to fewer of these. So replay can always step through the
whole life of a document, the finer the more recent.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from dataclasses import dataclass

from pycrdt import merge_updates

ROW_BYTES = 40
"""What a row takes besides its content, with its place in the index."""

STROKE_SECONDS = 3.0
CHECKPOINTS_KEPT = 3
"""At least so many stay, whatever their size: the oldest, and the newest two."""

EMPTY = b"\0\0"
"""An update of Yjs that changes nothing."""
COMPRESSION = 1
FREE_PAGES = 4096


@dataclass
class Tail:
    """What has come after the last checkpoint."""

    rows: int = 0
    bytes: int = 0
    state: int = 0  # bytes of the last checkpoint
    asked: bool = False


@dataclass(frozen=True)
class Limits:
    """How long the history of a document may become.

    ``factor``: times the size of the document's state; ``floor_bytes``: below this nothing is let
    go; ``tail_rows`` and ``tail_bytes``: after so much a checkpoint is made.
    """

    factor: float = 6.0
    floor_bytes: int = 256 * 1024
    tail_rows: int = 4000
    tail_bytes: int = 128 * 1024

    def too_long(self, tail: Tail) -> bool:
        """Whether it is time for a checkpoint."""
        return tail.rows >= self.tail_rows or tail.bytes >= max(self.tail_bytes, 2 * tail.state)


@dataclass
class _Checkpoint:
    seq: int
    time: float
    bytes: int


def tail(connection: sqlite3.Connection, document: int) -> Tail:
    """What has come after a document's last checkpoint."""
    row = connection.execute(
        "SELECT seq, LENGTH(content) FROM checkpoints WHERE document = ? ORDER BY seq DESC LIMIT 1",
        (document,),
    ).fetchone()
    seq, state = row or (0, 0)
    rows, size = connection.execute(
        "SELECT COUNT(*), COALESCE(SUM(LENGTH(content)), 0) FROM updates"
        " WHERE document = ? AND seq > ?",
        (document, seq),
    ).fetchone()
    return Tail(rows, size + rows * ROW_BYTES, state)


def updates(connection: sqlite3.Connection, document: int, until: int | None = None) -> list[bytes]:
    """The updates that make a document's state at a place in the log (by default, now)."""
    last = until if until is not None else 2**62
    row = connection.execute(
        "SELECT seq, content FROM checkpoints WHERE document = ? AND seq <= ?"
        " ORDER BY seq DESC LIMIT 1",
        (document, last),
    ).fetchone()
    start = row[0] if row else 0
    rows = connection.execute(
        "SELECT content FROM updates WHERE document = ? AND seq > ? AND seq <= ? ORDER BY seq",
        (document, start, last),
    )
    return [*([zlib.decompress(row[1])] if row else []), *(content for (content,) in rows)]


def past(connection: sqlite3.Connection, document: int) -> list[tuple[float, bytes]]:
    """All that is kept of a document's life, oldest first, each with its time.

    Applied in this order they are the document as it became what it is.
    """
    rows = connection.execute(
        "SELECT seq, 1, time, content FROM updates WHERE document = ?"
        " UNION ALL SELECT seq, 2, time, content FROM checkpoints WHERE document = ?"
        " ORDER BY 1, 2",
        (document, document),
    )
    return [(at, zlib.decompress(c) if kind == 2 else c) for _, kind, at, c in rows]


def shorten(
    connection: sqlite3.Connection,
    document: int,
    state: bytes,
    limits: Limits,
    bases: list[int],
) -> Tail:
    """Add a checkpoint and let go of what is too much.

    ``bases``: places in the log whose states may still be asked for (the file may be one of them).
    """
    newest, moment = connection.execute(
        "SELECT seq, time FROM updates WHERE document = ? ORDER BY seq DESC LIMIT 1", (document,)
    ).fetchone() or (0, time.time())
    content = zlib.compress(state, COMPRESSION)
    connection.execute(
        "INSERT OR REPLACE INTO checkpoints (document, seq, time, content) VALUES (?, ?, ?, ?)",
        (document, newest, moment, content),
    )
    checkpoints = [
        _Checkpoint(*row)
        for row in connection.execute(
            "SELECT seq, time, LENGTH(content) FROM checkpoints WHERE document = ? ORDER BY seq",
            (document,),
        )
    ]
    keep_from = newest
    if bases:
        keep_from = max((c.seq for c in checkpoints if c.seq <= min(bases)), default=0)
    budget = max(limits.floor_bytes, int(limits.factor * len(state)))
    _merge_strokes(connection, document, sorted({*bases, *(c.seq for c in checkpoints)}))
    total = _size(connection, document) + sum(c.bytes for c in checkpoints)
    if total > budget:
        total -= _drop_rows(connection, document, keep_from, total - budget)
    while total > budget and len(checkpoints) > CHECKPOINTS_KEPT:
        gone = _least_needed(checkpoints, keep_from)
        if gone is None:
            break
        checkpoints.remove(gone)
        connection.execute(
            "DELETE FROM checkpoints WHERE document = ? AND seq = ?", (document, gone.seq)
        )
        total -= gone.bytes
    connection.execute(f"PRAGMA incremental_vacuum({FREE_PAGES})")
    return Tail(state=len(content))


def _size(connection: sqlite3.Connection, document: int) -> int:
    rows, size = connection.execute(
        "SELECT COUNT(*), COALESCE(SUM(LENGTH(content)), 0) FROM updates WHERE document = ?",
        (document,),
    ).fetchone()
    return int(size) + int(rows) * ROW_BYTES


def _merge_strokes(connection: sqlite3.Connection, document: int, borders: list[int]) -> None:
    """Merge what one person did within a few seconds.

    Rows with a border between them are never merged: each belongs to the state that it leads to.
    """
    rows = connection.execute(
        "SELECT seq, time, author, content FROM updates"
        " WHERE document = ? AND kind = 'edit' ORDER BY seq",
        (document,),
    ).fetchall()
    group: list[tuple[int, float, str, bytes]] = []
    gone: list[tuple[int]] = []
    merged: list[tuple[bytes, float, int]] = []

    def close_group() -> None:
        content = merge_updates(*(row[3] for row in group)) if len(group) > 1 else group[0][3]
        merged.append((content, group[0][1], group[-1][0]))
        gone.extend((row[0],) for row in group[:-1])

    place = 0
    for row in rows:
        while place < len(borders) and borders[place] < row[0]:
            place += 1
            if group and group[-1][0] <= borders[place - 1]:
                close_group()
                group = []
        if group and (row[2] != group[0][2] or row[1] - group[0][1] > STROKE_SECONDS):
            close_group()
            group = []
        group.append(row)
    if group:
        close_group()
    connection.executemany("DELETE FROM updates WHERE seq = ?", gone)
    connection.executemany(
        "UPDATE updates SET content = ?, time = ?, kind = 'stroke' WHERE seq = ?", merged
    )


def _drop_rows(connection: sqlite3.Connection, document: int, before: int, too_much: int) -> int:
    """Let go of the oldest changes that checkpoints make up for; returns how many bytes went.

    The newest row stays, if need be with nothing in it: its place in the log must not be given to
    what comes next, which would seem to be in the checkpoint already.
    """
    went = 0
    last = 0
    for seq, size in connection.execute(
        "SELECT seq, LENGTH(content) FROM updates WHERE document = ? AND seq <= ? ORDER BY seq",
        (document, before),
    ):
        if went >= too_much:
            break
        went += size + ROW_BYTES
        last = seq
    (newest,) = connection.execute(
        "SELECT MAX(seq) FROM updates WHERE document = ?", (document,)
    ).fetchone()
    if last and last == newest:
        connection.execute("UPDATE updates SET content = ? WHERE seq = ?", (EMPTY, newest))
        last -= 1
    connection.execute("DELETE FROM updates WHERE document = ? AND seq <= ?", (document, last))
    return went


def _least_needed(checkpoints: list[_Checkpoint], keep_from: int) -> _Checkpoint | None:
    """The checkpoint whose neighbours are closest to each other in time; never an end or a base."""
    candidates = [
        (after.time - before.time, this)
        for before, this, after in zip(checkpoints, checkpoints[1:], checkpoints[2:], strict=False)
        if this.seq != keep_from
    ]
    return min(candidates, key=lambda found: found[0])[1] if candidates else None
