"""RoomClock: opens and ends rooms on time, and removes what is kept no longer."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from logging import Logger

from sqlalchemy import delete, func, or_, select
from sqlalchemy.exc import IntegrityError

from ..access.audit import ActivityKind, AuditLog
from ..storage import Database
from ..storage.tables import GuestSessionRecord, RoomRecord, utc_now
from .manager import EXPIRED, RoomManager
from .news import RoomNews

POLL_SECONDS = 30.0
"""Longest sleep between two looks at the clock: the clock itself may be set."""

PURGE_SECONDS = 3600.0
SESSIONS_KEPT = timedelta(days=1)


class RoomClock:
    """Does what is due in rooms, whether anybody is there or not.

    ``retention_days``: how long the records of a room are kept after its end (0: for ever);
    ``retention_deletes_files``: whether its folder goes with them.
    """

    def __init__(
        self,
        *,
        database: Database,
        rooms: RoomManager,
        news: RoomNews,
        audit: AuditLog,
        log: Logger,
        retention_days: float,
        retention_deletes_files: bool,
    ) -> None:
        self._db = database
        self._rooms = rooms
        self._news = news
        self._audit = audit
        self._log = log
        self._retention = timedelta(days=retention_days) if retention_days else None
        self._deletes_files = retention_deletes_files
        self._wake = asyncio.Event()
        rooms.times_changed = self._wake.set

    async def start(self) -> None:
        """Begin to watch."""
        self._news.own(self._watch())
        self._news.own(self._purge_on_time())

    async def _watch(self) -> None:
        since = utc_now()
        while True:
            self._wake.clear()
            now, pause = utc_now(), POLL_SECONDS
            try:
                await self._open_and_end(since, now)
                since = now
                pause = await self._pause(now)
            except IntegrityError:
                continue  # a room that was due has been deleted meanwhile
            except Exception:  # one look that fails must not end the watch
                self._log.exception("What is due in rooms could not be done; it is tried again.")
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    async def _open_and_end(self, since: datetime, now: datetime) -> None:
        async with self._db.transaction() as tx:
            open_rooms = RoomRecord.closed_at.is_(None)
            ended = await tx.scalars(
                select(RoomRecord.id).where(
                    open_rooms, RoomRecord.expires_at > since, RoomRecord.expires_at <= now
                )
            )
            expired = list(ended)
            due = await tx.scalars(
                select(RoomRecord.id).where(
                    open_rooms,
                    RoomRecord.prepared.is_(True),
                    RoomRecord.opens_at > since,
                    RoomRecord.opens_at <= now,
                )
            )
            opened = list(due)
            for room_id in expired:
                self._audit.note(tx, room_id, ActivityKind.ROOM_EXPIRED)
            for room_id in opened:
                self._audit.note(tx, room_id, ActivityKind.ROOM_OPENED)
        for room_id in expired:
            await self._rooms.end(room_id, EXPIRED, "This room's time is over.")
        for room_id in opened:
            await self._news.apply(room_id)

    async def _pause(self, now: datetime) -> float:
        async with self._db.transaction() as tx:
            ends = select(func.min(RoomRecord.expires_at)).where(RoomRecord.expires_at > now)
            opens = select(func.min(RoomRecord.opens_at)).where(
                RoomRecord.opens_at > now, RoomRecord.prepared.is_(True)
            )
            times = [await tx.scalar(ends), await tx.scalar(opens)]
        upcoming = min((moment for moment in times if moment is not None), default=None)
        if upcoming is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.05, (upcoming - utc_now()).total_seconds()))

    async def _purge_on_time(self) -> None:
        while True:
            try:
                await self.purge()
            except Exception:  # one room that cannot be removed must not end the watch
                self._log.exception("Old rooms could not be removed.")
            await asyncio.sleep(PURGE_SECONDS)

    async def purge(self) -> int:
        """Remove what is kept no longer; returns how many rooms went."""
        now = utc_now()
        async with self._db.transaction() as tx:
            await self._audit.trim(tx)
            await tx.execute(
                delete(GuestSessionRecord).where(
                    GuestSessionRecord.expires_at < now - SESSIONS_KEPT
                )
            )
            if self._retention is None:
                return 0
            border = now - self._retention
            over = or_(RoomRecord.expires_at < border, RoomRecord.closed_at < border)
            rooms = list(await tx.scalars(select(RoomRecord).where(over)))
        for room in rooms:
            await self._rooms.forget(room, delete_files=self._deletes_files)
            self._log.info("Room %s was removed: it ended long ago.", room.id)
        return len(rooms)
