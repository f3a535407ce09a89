"""Turns: what came in one turn of the event loop is written down once and sent on once."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from .client import SyncClient
from .lifelines import Lifelines
from .update_log import Update, UpdateLog

if TYPE_CHECKING:
    from .shared_document import SharedDocument

QUICK_SECONDS = 0.002
"""A turn that took less waits for nobody: not one change for a hundred people, on its own."""
PAUSE_LIMIT_SECONDS = 0.010
LATER_SECONDS = 2.0
"""For how long a document may be behind what is typed in it."""
LATER_STEP_SECONDS = 0.002
ACKS_AT_ONCE = 8
RIDE_SECONDS = 0.03
"""For how long a word of what is on disk waits for a change that goes to the same client."""
ACTIVE_SECONDS = 1.0


class Turns:
    """Calls every document that has something to say, at the end of the turn.

    Where little goes on, the turn is as soon as a client's frames are read. Under load a turn takes
    longer, the next one waits as long as the last took (at most ``PAUSE_LIMIT_SECONDS``), and more
    comes together in it: the work for one change becomes less the more changes there are. All of a
    turn goes into one transaction of the update log.

    ``timeout_seconds``: see ``Lifelines``;
    ``active``: told now and then that people are doing something.
    """

    def __init__(
        self, update_log: UpdateLog, *, timeout_seconds: float, active: Callable[[], None]
    ) -> None:
        self._update_log = update_log
        update_log.written = self._durable
        self._active = active
        self._active_told = 0.0
        self._lifelines = Lifelines(timeout_seconds)
        self._due: dict[SharedDocument, None] = {}
        self._acks_due: deque[tuple[float, SyncClient]] = deque()
        self._acknowledging: asyncio.TimerHandle | None = None
        self._behind: dict[SharedDocument, float] = {}
        self._catching_up: asyncio.TimerHandle | None = None
        self._scheduled = self._reading = False
        self._cost = 0.0
        self._ended = 0.0

    @property
    def log_full(self) -> bool:
        """Whether nothing should be taken in now, because the disk does not take it."""
        return self._update_log.full

    def soon(self, document: SharedDocument) -> None:
        """Have a document called at the end of this turn."""
        self._due[document] = None
        if not self._scheduled and not self._reading:
            self._schedule()

    def reading(self) -> None:
        """Somebody's frames are being read: their turn comes when the last of them is."""
        self._reading = True

    def rested(self) -> None:
        """They are read: where little goes on, the turn is at once."""
        self._reading = False
        if self._due and not self._scheduled:
            if self._cost < QUICK_SECONDS and time.perf_counter() - self._ended > self._cost:
                self._run()
            else:
                self._schedule()

    def _schedule(self) -> None:
        self._scheduled = True
        loop = asyncio.get_running_loop()
        if self._cost < QUICK_SECONDS:
            loop.call_soon(self._run)
        else:
            pause = min(self._cost, PAUSE_LIMIT_SECONDS) - (time.perf_counter() - self._ended)
            loop.call_later(max(0.0, pause), self._run)

    def later(self, document: SharedDocument) -> None:
        """Have a document apply some time what it has put off."""
        if document in self._behind:
            return
        loop = asyncio.get_running_loop()
        self._behind[document] = loop.time() + LATER_SECONDS
        if self._catching_up is None:
            self._catching_up = loop.call_later(LATER_SECONDS, self._catch_up)

    def _catch_up(self) -> None:
        """Let those apply what they have put off who did so first: not all at the same time."""
        self._catching_up = None
        loop = asyncio.get_running_loop()
        document, due = next(iter(self._behind.items()), (None, 0.0))
        if document is not None and due <= loop.time():
            del self._behind[document]
            try:
                document.catch_up()
            except BaseException as fault:
                _only_its_own(document, fault)
        if self._behind:
            again = max(next(iter(self._behind.values())), loop.time() + LATER_STEP_SECONDS)
            self._catching_up = loop.call_at(again, self._catch_up)

    def now(self, document: SharedDocument) -> None:
        """Have one document's turn without waiting for the others'."""
        self._due.pop(document, None)
        updates, acks = document.take_turn()
        self._write(updates, acks)

    def _run(self) -> None:
        started = time.perf_counter()
        due, self._due = self._due, {}
        self._scheduled = False
        updates: list[Update] = []
        acks: list[tuple[SyncClient, int]] = []
        for document in due:
            try:
                more_updates, more_acks = document.take_turn()
            except BaseException as fault:
                _only_its_own(document, fault)
                continue
            updates += more_updates
            acks += more_acks
        self._write(updates, acks)
        self._ended = time.perf_counter()
        self._cost = self._ended - started
        if self._ended - self._active_told >= ACTIVE_SECONDS:
            self._active_told = self._ended
            self._active()

    def _write(self, updates: list[Update], acks: list[tuple[SyncClient, int]]) -> None:
        if updates or acks:
            self._update_log.append(updates, acks)

    def _durable(self, acks: list[tuple[SyncClient, int]]) -> None:
        """Tell those whose changes are on disk; of many, most hear it with the next change.

        A call of the system costs as much as all of Python for it.
        """
        now = asyncio.get_running_loop().time()
        due = now if len(acks) <= ACKS_AT_ONCE and not self._scheduled else now + RIDE_SECONDS
        for client, count in acks:
            client.ack_due = count
            self._acks_due.append((due, client))
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Tell some of those who have waited long enough, and the others in time."""
        if self._acknowledging is not None:
            self._acknowledging.cancel()
            self._acknowledging = None
        loop = asyncio.get_running_loop()
        told, now = 0, loop.time()
        while self._acks_due:
            due, client = self._acks_due[0]
            if client.ack_due and due <= now:
                if told == ACKS_AT_ONCE:
                    break
                client.connection.send(client.take_ack())
                told += 1
            elif client.ack_due:
                break
            self._acks_due.popleft()  # it has gone out, perhaps with a change
        if self._acks_due:
            self._acknowledging = loop.call_at(self._acks_due[0][0], self._acknowledge)

    async def durable(self, document: SharedDocument) -> None:
        """Wait until all that is in a document now is on disk."""
        self.now(document)
        await self._update_log.flushed()

    def add(self, document: SharedDocument) -> None:
        """Look after a document's clients from now on."""
        self._lifelines.add(document)

    def remove(self, document: SharedDocument) -> None:
        """Forget a document."""
        self._lifelines.remove(document)
        self._due.pop(document, None)
        self._behind.pop(document, None)


def _only_its_own(document: SharedDocument, fault: BaseException) -> None:
    """One document's fault is not the others', even a panic of yrs, which is no ``Exception``."""
    if isinstance(fault, KeyboardInterrupt | SystemExit):
        raise fault
    document.fail()
