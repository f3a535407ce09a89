"""The update log: every change of every document, on disk before anybody is told "saved".

Append-only, one SQLite file (WAL, ``synchronous=FULL``), written by one thread of its own so that
the event loop never waits for a disk. All that is handed over during one commit goes into the next.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import Any

from pycrdt import merge_updates

SAVES_KEPT = 8
GROWTH_FACTOR = 4
SCHEMA = """
CREATE TABLE IF NOT EXISTS updates (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    document TEXT NOT NULL,
    time REAL NOT NULL,
    author TEXT NOT NULL,
    kind TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS updates_of_document ON updates (document, seq);
CREATE TABLE IF NOT EXISTS saves (
    document TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    confirmed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (document, seq, hash)
);
"""


@dataclass(frozen=True)
class Update:
    """One change: ``content`` is a Yjs update, ``author`` a participant id or ``server``."""

    document: str
    content: bytes
    author: str
    kind: str = "edit"


@dataclass(frozen=True)
class Save:
    """The document's file had (or was about to get) the content with this hash at ``seq``."""

    seq: int
    hash: str
    confirmed: bool


@dataclass
class LoadedDocument:
    """What the log holds of a document, oldest first."""

    updates: list[bytes] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)

    def save_with(self, content_hash: str) -> Save | None:
        """The newest save of exactly this content."""
        return next((s for s in reversed(self.saves) if s.hash == content_hash), None)


@dataclass
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    done: Callable[[Any], None] | None = None
    failed: Callable[[BaseException], None] | None = None
    result: Any = None


class UpdateLog:
    """Appends, loads and squashes the updates of documents.

    ``path``: the SQLite file (not on a network file system); ``squash_above``: a document with more
    rows than this is rewritten as one row for each saved state when it is loaded, and again after
    each four times as many while it is edited.
    While the disk refuses (full, read-only) nothing is acknowledged, everything is kept and tried
    again each second.
    """

    def __init__(self, path: Path, *, log: Logger, squash_above: int = 500) -> None:
        self._path = path
        self._log = log
        self._squash_above = squash_above
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._appended: dict[str, int] = {}

    async def start(self) -> None:
        """Open the file and start the writer thread."""
        self._loop = asyncio.get_running_loop()
        connection = await asyncio.to_thread(self._open)
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self._write_forever, args=(connection,), name="codepad-update-log", daemon=True
        )
        self._thread.start()

    async def stop(self) -> None:
        """Write what is waiting, then close."""
        if self._thread is not None:
            self._stopping.set()
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def append(self, updates: list[Update], done: Callable[[], None]) -> None:
        """Write updates in this order; ``done`` is called on the loop once they are on disk.

        With no updates ``done`` is called when all that was appended before is on disk.
        """
        now = time.time()
        rows = [(u.document, now, u.author, u.kind, u.content) for u in updates]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO updates (document, time, author, kind, content) VALUES (?,?,?,?,?)",
                rows,
            )
            for update in updates:
                self._count(connection, update.document)

        self._jobs.put(_Job(work, lambda _: done()))

    async def load(self, document: str) -> LoadedDocument:
        """Everything the log holds of a document, squashed if it had grown long."""
        loaded: LoadedDocument = await self._ask(lambda c: self._load(c, document))
        return loaded

    async def load_until(self, document: str, seq: int) -> list[bytes]:
        """The updates of a document up to and with ``seq``."""

        def work(connection: sqlite3.Connection) -> list[bytes]:
            rows = connection.execute(
                "SELECT content FROM updates WHERE document = ? AND seq <= ? ORDER BY seq",
                (document, seq),
            )
            return [row[0] for row in rows]

        updates: list[bytes] = await self._ask(work)
        return updates

    async def note_save(self, document: str, content_hash: str, *, confirmed: bool) -> None:
        """Note that the file is about to get (or has) the content of all updates appended so far.

        The intention is noted before the file is written: after a crash in between, the file's
        content is known either way and never mistaken for somebody else's edit.
        """

        def work(connection: sqlite3.Connection) -> None:
            if confirmed:
                connection.execute(
                    "UPDATE saves SET confirmed = 1 WHERE rowid = (SELECT rowid FROM saves"
                    " WHERE document = ? AND hash = ? ORDER BY seq DESC LIMIT 1)",
                    (document, content_hash),
                )
                return
            connection.execute(
                "INSERT OR IGNORE INTO saves (document, seq, hash) VALUES"
                " (?, (SELECT COALESCE(MAX(seq), 0) FROM updates WHERE document = ?), ?)",
                (document, document, content_hash),
            )
            connection.execute(
                "DELETE FROM saves WHERE document = ? AND rowid NOT IN (SELECT rowid FROM saves"
                " WHERE document = ? ORDER BY seq DESC, rowid DESC LIMIT ?)",
                (document, document, SAVES_KEPT),
            )

        await self._ask(work)

    async def forget(self, document: str) -> None:
        """Remove all that is known of a document."""

        def work(connection: sqlite3.Connection) -> None:
            for table in ("updates", "saves"):
                connection.execute(f"DELETE FROM {table} WHERE document = ?", (document,))  # noqa: S608

        await self._ask(work)

    # -- in the writer thread ---------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(
            self._path, check_same_thread=False, isolation_level=None, timeout=10
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(SCHEMA)
        return connection

    def _write_forever(self, connection: sqlite3.Connection) -> None:
        ending = False
        while not ending:
            jobs: list[_Job] = []
            job = self._jobs.get()
            while True:
                if job is None:
                    ending = True
                else:
                    jobs.append(job)
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            if jobs:
                self._commit(connection, jobs)
        connection.close()

    def _commit(self, connection: sqlite3.Connection, jobs: list[_Job]) -> None:
        while True:
            failures: dict[int, BaseException] = {}
            try:
                connection.execute("BEGIN IMMEDIATE")
                for job in jobs:
                    if job.failed is None:
                        job.result = job.work(connection)
                        continue
                    try:
                        job.result = job.work(connection)
                    except ValueError as error:
                        failures[id(job)] = error
                connection.execute("COMMIT")
                break
            except sqlite3.Error as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._log.error("The update log cannot be written (%s); trying again.", error)
                if self._stopping.wait(1.0):
                    self._log.critical("Stopped with %d unwritten entries.", len(jobs))
                    return
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._answer, jobs, failures)

    def _answer(self, jobs: list[_Job], failures: dict[int, BaseException]) -> None:
        for job in jobs:
            failure = failures.get(id(job))
            if failure is not None and job.failed is not None:
                job.failed(failure)
            elif job.done is not None:
                job.done(job.result)

    async def _ask(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        assert self._loop is not None
        answer: asyncio.Future[Any] = self._loop.create_future()

        def done(result: Any) -> None:
            if not answer.done():
                answer.set_result(result)

        def failed(error: BaseException) -> None:
            if not answer.done():
                answer.set_exception(error)

        self._jobs.put(_Job(work, done, failed))
        return await answer

    def _count(self, connection: sqlite3.Connection, document: str) -> None:
        """Squash a document that has grown long while it is being edited."""
        count = self._appended.get(document, 0) + 1
        if count > GROWTH_FACTOR * self._squash_above:
            self._load(connection, document)
            count = 0
        self._appended[document] = count

    def _load(self, connection: sqlite3.Connection, document: str) -> LoadedDocument:
        rows = connection.execute(
            "SELECT seq, content FROM updates WHERE document = ? ORDER BY seq", (document,)
        ).fetchall()
        saves = [
            Save(seq, content_hash, bool(confirmed))
            for seq, content_hash, confirmed in connection.execute(
                "SELECT seq, hash, confirmed FROM saves WHERE document = ? ORDER BY seq, rowid",
                (document,),
            )
        ]
        if len(rows) > self._squash_above:
            rows = self._squash(connection, document, rows, {save.seq for save in saves})
        return LoadedDocument([content for _, content in rows], saves)

    def _squash(
        self,
        connection: sqlite3.Connection,
        document: str,
        rows: list[tuple[int, bytes]],
        cuts: set[int],
    ) -> list[tuple[int, bytes]]:
        """Merge the rows between two saves into one, so that each saved state can be rebuilt."""
        merged: list[tuple[int, bytes]] = []
        group: list[bytes] = []
        for position, (seq, content) in enumerate(rows):
            group.append(content)
            if seq in cuts or position == len(rows) - 1:
                merged.append((seq, merge_updates(*group) if len(group) > 1 else group[0]))
                group = []
        kept = {seq for seq, _ in merged}
        connection.executemany(
            "DELETE FROM updates WHERE seq = ?", [(seq,) for seq, _ in rows if seq not in kept]
        )
        connection.executemany(
            "UPDATE updates SET content = ?, kind = 'squashed' WHERE seq = ?",
            [(content, seq) for seq, content in merged],
        )
        return merged
