"""The files behind documents: when they are written, and how others' writing is noticed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from logging import Logger
from pathlib import Path
from typing import Protocol

PAUSE_LIMIT_SECONDS = 5.0
DELAYS_AT_MOST = 10
"""While people type on, the file is written once in so many delays."""


class SaveClock:
    """Says when a file is to be written: once nobody has typed for a moment, or at last.

    ``delay``: the moment, in seconds; None: only when somebody asks for it.
    """

    def __init__(self, delay: float | None, due: Callable[[], None]) -> None:
        self.delay = delay
        self._due = due
        self._timer: asyncio.TimerHandle | None = None
        self._changed_at = self._unsaved_since = 0.0

    def changed(self) -> None:
        """Somebody has typed."""
        self._changed_at = time.monotonic()
        if self._timer is None and self.delay is not None:
            self._unsaved_since = self._changed_at
            self._timer = asyncio.get_running_loop().call_later(self.delay, self._look)

    def within(self, seconds: float) -> None:
        """Write it in so many seconds, if it is not to be written before."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._fire)

    def stop(self) -> None:
        """Do not write it by itself, until something changes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        delay = self.delay or 0.0
        due = min(self._changed_at + delay, self._unsaved_since + DELAYS_AT_MOST * delay)
        left = due - time.monotonic()
        if left > delay / 20:
            self._timer = asyncio.get_running_loop().call_later(left, self._look)
        else:
            self._fire()

    def _fire(self) -> None:
        self._timer = None
        self._due()


class Saved(Protocol):
    """A document with a file."""

    path: str

    async def save(self) -> None:
        """Write the file, unless it has this content already."""

    async def look(self) -> None:
        """See whether somebody else has written or moved the file."""


class Files:
    """Writes the files of documents one after the other, and looks at all of them now and then.

    Everything is in the update log already: so writing files never takes more than a small part of
    the time, and many documents are written each the more rarely. Looking is one ``stat`` a file,
    where files are on this machine's disk below ``root``; elsewhere the contents manager is asked.

    ``poll_seconds``: time between two looks; None or 0: never. ``share``: the part of the time,
    from above 0 to 1, that may go into writing.
    """

    def __init__(
        self, *, root: str | None, poll_seconds: float | None, share: float, log: Logger
    ) -> None:
        self._root = Path(root) if root else None
        self._poll_seconds = poll_seconds
        self._pause = 1 / share - 1
        self._log = log
        self._due: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._watched: dict[Saved, tuple[int, int, int] | None] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to write and to look."""
        self._tasks = [asyncio.create_task(self._write())]
        if self._poll_seconds:
            self._tasks.append(asyncio.create_task(self._look(self._poll_seconds)))

    async def stop(self) -> None:
        """Write and look no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def save_soon(self, save: Callable[[], Awaitable[None]]) -> None:
        """Write a file when it is its turn."""
        self._due.put_nowait(save)

    def watch(self, document: Saved) -> None:
        """Look at a document's file from now on."""
        self._watched[document] = self._mark(document)

    def unwatch(self, document: Saved) -> None:
        """Look at a document's file no longer."""
        self._watched.pop(document, None)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            save = await self._due.get()
            started = loop.time()
            try:
                await save()
            except Exception:
                self._log.exception("A document could not be saved.")
            if not self._due.empty():
                pause = self._pause * (loop.time() - started)
                await asyncio.sleep(min(pause, PAUSE_LIMIT_SECONDS))

    async def _look(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            for document, known in list(self._watched.items()):
                found = self._mark(document)
                if found is not None and found == known:
                    continue
                try:
                    await document.look()
                except Exception as error:  # the contents manager may raise anything
                    self._log.debug("The file of a document cannot be looked at: %r", error)
                    found = None  # look again
                if document in self._watched:
                    self._watched[document] = found

    def _mark(self, document: Saved) -> tuple[int, int, int] | None:
        """What changes when a file is written or replaced; None where only asking tells."""
        if self._root is None:
            return None
        try:
            status = os.stat(self._root / document.path.lstrip("/"))
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size
