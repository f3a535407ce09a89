"""The update log: every change of every document, on disk before anybody is told "saved".

One SQLite file (WAL, ``synchronous=FULL``), written by one thread of its own so that the event loop
never waits for a disk. All that is handed over during one commit goes into the next. How a
document's part is kept short is ``history.py``'s business.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import Any, NamedTuple

from . import history, saves
from .history import Limits
from .log_schema import TABLES, open_log
from .saves import Save

SERVER = "server"
"""The author of what nobody in particular has written."""

RETRY_SECONDS = 1.0
COMMIT_PAUSE_SECONDS = 0.04
"""After a commit the next one waits so long: some twenty transactions a second are enough.

Unless somebody waits for an answer, or so much has come that it would only take memory.
"""

PAUSE_BYTES = 256 * 1024

ROWS_AT_ONCE = 64
INSERT = "INSERT INTO updates (document, time, author, kind, content) VALUES "

WAITING_LIMIT_BYTES = 64 * 1024 * 1024


class Update(NamedTuple):
    """One change: ``content`` is a Yjs update, ``author`` a participant id or ``SERVER``."""

    document: str
    content: bytes
    author: str
    kind: str = "edit"


@dataclass
class LoadedDocument:
    """What the log holds of a document: updates that make it, oldest first."""

    updates: list[bytes] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)
    conflicts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def unfinished(self) -> Save | None:
        """The last write of the file, when nobody knows whether it came to an end."""
        return self.saves[-1] if self.saves and not self.saves[-1].confirmed else None

    def wrote(self, content_hash: str) -> bool:
        """Whether a file of this content is one that we left behind, and nobody changed since."""
        return any(save.hash == content_hash for save in saves.since_certain(self.saves))


class _Entries(NamedTuple):
    time: float
    updates: list[Update]
    receipts: list[Any]
    size: int


@dataclass
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    done: Callable[[Any], None] | None = None
    failed: Callable[[BaseException], None] | None = None
    result: Any = None


class UpdateLog:
    """Appends and loads the updates of documents.

    ``path``: the SQLite file (not on a network file system); ``limits``: how long a document's part
    may become; ``waiting_limit_bytes``: from how much that waits for the disk the log is ``full``.
    While the disk refuses (full, read-only) nothing is acknowledged, everything is kept and tried
    again each second. ``written`` is called on the loop with the receipts of what is on disk now.
    ``wants_checkpoint`` is called on the loop with the name of a document that has grown; its live
    state, handed to ``checkpoint``, makes its history shorter.
    """

    def __init__(
        self,
        path: Path,
        *,
        log: Logger,
        limits: Limits | None = None,
        waiting_limit_bytes: int = WAITING_LIMIT_BYTES,
    ) -> None:
        self._path = path
        self._log = log
        self._limits = limits or Limits()
        self._waiting = 0
        self._waiting_limit = waiting_limit_bytes
        self._jobs: queue.SimpleQueue[_Job | _Entries | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._ids: dict[str, int] = {}
        self._tails: dict[int, history.Tail] = {}
        self.wants_checkpoint: Callable[[str], None] = lambda document: None
        self.written: Callable[[list[Any]], None] = lambda receipts: None

    async def start(self) -> None:
        """Open the file and start the writer thread."""
        self._loop = asyncio.get_running_loop()
        connection = await asyncio.to_thread(open_log, self._path)
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
            self._hurry.set()
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def append(self, updates: list[Update], receipts: list[Any]) -> None:
        """Write updates in this order; ``written`` gets the receipts once they are on disk.

        With no updates it gets them when all that was appended before is on disk.
        """
        size = 0
        for update in updates:
            size += len(update.content)
        self._waiting += size
        self._jobs.put(_Entries(time.time(), updates, receipts, size))
        if self._waiting > PAUSE_BYTES:
            self._hurry.set()

    async def flushed(self) -> None:
        """Wait until all that was appended is on disk."""
        await self._ask(lambda connection: None)

    @property
    def full(self) -> bool:
        """Whether so much waits for the disk that no more should be taken in."""
        return self._waiting > self._waiting_limit

    async def load(self, document: str) -> LoadedDocument:
        """Everything the log holds of a document."""

        def work(connection: sqlite3.Connection) -> LoadedDocument:
            number = self._known(connection, document)
            if number is None:
                return LoadedDocument()
            conflict = connection.execute(
                "SELECT content FROM conflicts WHERE document = ?", (number,)
            ).fetchone()
            self._tails[number] = history.tail(connection, number)
            return LoadedDocument(
                history.updates(connection, number),
                saves.read(connection, number),
                _conflicts(json.loads(conflict[0])) if conflict else [],
            )

        loaded: LoadedDocument = await self._ask(work)
        return loaded

    async def load_until(self, document: str, seq: int) -> list[bytes]:
        """The updates that make the state that a document had at ``seq``."""

        def work(connection: sqlite3.Connection) -> list[bytes]:
            number = self._known(connection, document)
            return history.updates(connection, number, seq) if number is not None else []

        updates: list[bytes] = await self._ask(work)
        return updates

    async def bases(self, document: str, loaded: LoadedDocument) -> list[Any]:
        """What the file of a document may be, oldest first: a content, or updates that make it."""
        return [
            await self.load_until(document, save.seq) if save.packed is None else save.content
            for save in saves.since_certain(loaded.saves)
        ] or [loaded.updates]

    async def past(self, document: str) -> list[tuple[float, bytes]]:
        """All that is kept of a document's life, oldest first: when, and the update."""

        def work(connection: sqlite3.Connection) -> list[tuple[float, bytes]]:
            number = self._known(connection, document)
            return history.past(connection, number) if number is not None else []

        found: list[tuple[float, bytes]] = await self._ask(work)
        return found

    async def note_save(self, document: str, content_hash: str, *, confirmed: bool) -> None:
        """Note that the file is about to get (or has) the content of all updates appended so far.

        The intention is noted before the file is written: after a crash in between, the file's
        content is known either way and never mistaken for somebody else's edit.
        """

        def work(connection: sqlite3.Connection) -> None:
            number = self._id(connection, document)
            if confirmed:
                saves.confirm(connection, number, content_hash)
            else:
                saves.note(connection, number, content_hash)

        await self._ask(work)

    async def withdraw_save(self, document: str, content_hash: str) -> None:
        """Note that the file has not got what it was about to get: others were faster."""

        def work(connection: sqlite3.Connection) -> None:
            saves.withdraw(connection, self._id(connection, document), content_hash)

        await self._ask(work)

    async def note_outside(
        self, document: str, content_hash: str, content: Any, update: bytes | None
    ) -> None:
        """Note that others have written the file, and, as ``update``, what it changes for us.

        All at once: the next start must not take it for news once more. Wait for this before the
        change is sent to anybody.
        """

        def work(connection: sqlite3.Connection) -> None:
            number = self._id(connection, document)
            if update is not None:
                self._insert(connection, [(time.time(), Update(document, update, SERVER))])
            saves.note_others(connection, number, content_hash, content)

        await self._ask(work)

    def note_conflicts(self, document: str, conflicts: list[dict[str, Any]]) -> None:
        """Keep what there is to choose; it is on disk no later than what is appended after this."""

        def work(connection: sqlite3.Connection) -> None:
            number = self._id(connection, document)
            connection.execute("DELETE FROM conflicts WHERE document = ?", (number,))
            if conflicts:
                connection.execute(
                    "INSERT INTO conflicts (document, content) VALUES (?, ?)",
                    (number, json.dumps(conflicts)),
                )

        self._jobs.put(_Job(work))

    def checkpoint(self, document: str, state: bytes) -> None:
        """Keep a document's whole state, as of all that was appended before it."""

        def work(connection: sqlite3.Connection) -> None:
            number = self._id(connection, document)
            bases = [save.seq for save in saves.since_certain(saves.read(connection, number))]
            self._tails[number] = history.shorten(connection, number, state, self._limits, bases)

        self._jobs.put(_Job(work))

    async def forget(self, document: str) -> None:
        """Remove all that is known of a document."""

        def work(connection: sqlite3.Connection) -> None:
            number = self._known(connection, document)
            if number is None:
                return
            for table in TABLES:
                connection.execute(f"DELETE FROM {table} WHERE document = ?", (number,))  # noqa: S608
            connection.execute("DELETE FROM documents WHERE id = ?", (number,))
            del self._ids[document]
            self._tails.pop(number, None)

        await self._ask(work)

    # -- in the writer thread ---------------------------------------------------------------------

    def _known(self, connection: sqlite3.Connection, document: str) -> int | None:
        number = self._ids.get(document)
        if number is None:
            row = connection.execute(
                "SELECT id FROM documents WHERE name = ?", (document,)
            ).fetchone()
            if row is None:
                return None
            number = self._ids[document] = int(row[0])
        return number

    def _id(self, connection: sqlite3.Connection, document: str) -> int:
        number = self._known(connection, document)
        if number is None:
            cursor = connection.execute("INSERT INTO documents (name) VALUES (?)", (document,))
            number = self._ids[document] = int(cursor.lastrowid or 0)
        return number

    def _insert(self, connection: sqlite3.Connection, updates: list[tuple[float, Update]]) -> None:
        for start in range(0, len(updates), ROWS_AT_ONCE):
            rows = updates[start : start + ROWS_AT_ONCE]
            values: list[Any] = []
            for when, (document, content, author, kind) in rows:
                values += (self._id(connection, document), when, author, kind, content)
            # One step of SQLite's for all: around each of them threads take turns.
            connection.execute(INSERT + ",".join(["(?,?,?,?,?)"] * len(rows)), values)
        for _, update in updates:
            self._count(connection, update)

    def _count(self, connection: sqlite3.Connection, update: Update) -> None:
        """Ask for a checkpoint of a document that has grown long while it is being edited."""
        number = self._ids[update.document]
        tail = self._tails.get(number)
        if tail is None:
            tail = self._tails[number] = history.tail(connection, number)
        else:
            tail.rows += 1
            tail.bytes += len(update.content) + history.ROW_BYTES
        if not tail.asked and self._limits.too_long(tail):
            tail.asked = True
            self._tell(lambda: self.wants_checkpoint(update.document))

    def _write_forever(self, connection: sqlite3.Connection) -> None:
        ending = False
        while not ending:
            jobs: list[_Job | _Entries] = []
            job = self._jobs.get()
            self._hurry.clear()
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
                # What comes meanwhile goes into one transaction, and wakes nobody.
                self._hurry.wait(COMMIT_PAUSE_SECONDS)
        connection.close()

    def _commit(self, connection: sqlite3.Connection, jobs: list[_Job | _Entries]) -> None:
        while True:
            failures: dict[int, BaseException] = {}
            try:
                connection.execute("BEGIN IMMEDIATE")
                updates: list[tuple[float, Update]] = []
                for job in jobs:
                    if isinstance(job, _Entries):
                        updates += [(job.time, update) for update in job.updates]
                        continue
                    self._insert(connection, updates)
                    updates = []
                    try:
                        job.result = job.work(connection)
                    except ValueError as error:
                        if job.failed is None:
                            raise
                        failures[id(job)] = error
                self._insert(connection, updates)
                connection.execute("COMMIT")
                break
            except sqlite3.Error as error:
                if connection.in_transaction:
                    connection.rollback()
                self._ids.clear()
                self._tails.clear()
                self._log.error("The update log cannot be written (%s); trying again.", error)
                if self._stopping.wait(RETRY_SECONDS):
                    self._log.critical("Stopped with %d unwritten entries.", len(jobs))
                    return
        self._tell(lambda: self._answer(jobs, failures))

    def _answer(self, jobs: list[_Job | _Entries], failures: dict[int, BaseException]) -> None:
        receipts: list[Any] = []
        for job in jobs:
            if isinstance(job, _Entries):
                receipts += job.receipts
                self._waiting -= job.size
                continue
            failure = failures.get(id(job))
            if failure is not None and job.failed is not None:
                job.failed(failure)
            elif job.done is not None:
                job.done(job.result)
        if receipts:
            self.written(receipts)

    def _tell(self, news: Callable[[], None]) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(news)

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
        self._hurry.set()
        return await answer


def _conflicts(stored: Any) -> list[dict[str, Any]]:
    """Several conflicts; earlier versions kept one."""
    return stored if isinstance(stored, list) else [stored]
