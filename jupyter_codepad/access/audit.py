"""The activity log: what happened at a room's doors, who did it, and to whom. Never content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, event, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ..metrics import ACTIVITY
from ..storage.tables import ActivityRecord, ParticipantRecord, utc_now
from .identity import marked


class ActivityKind(StrEnum):
    """What can happen."""

    ROOM_CREATED = "room_created"
    ROOM_CHANGED = "room_changed"
    ROOM_OPENED = "room_opened"
    ROOM_CLOSED = "room_closed"
    ROOM_EXPIRED = "room_expired"
    ROOM_EXPORTED = "room_exported"
    JOINED = "joined"
    WAITING = "waiting"
    ADMITTED = "admitted"
    DENIED = "denied"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    LEFT = "left"
    REMOVED = "removed"
    BANNED = "banned"
    JOIN_REFUSED = "join_refused"
    PASSWORD_FAILED = "password_failed"  # noqa: S105 - the name of an event
    ROLE_CHANGED = "role_changed"
    RENAMED = "renamed"
    OWNER_CHANGED = "owner_changed"
    LINK_CREATED = "link_created"
    LINK_REVOKED = "link_revoked"


@dataclass(frozen=True)
class Actor:
    """Somebody in the log: id of the participant where they are one, and the name of then.

    The name of a guest carries the mark of one.
    """

    id: str | None
    name: str

    @classmethod
    def of(cls, record: ParticipantRecord) -> Actor:
        """The person behind a record."""
        return cls(record.id, marked(record.name, guest=record.username is None))


class AuditLog:
    """Writes what happened in the caller's transaction, and tells operators once it is committed.

    ``emit``: gets a dictionary for jupyter_events (ids and kinds, no names); ``kept``: entries kept
    of one room, the newest.
    """

    def __init__(self, *, emit: Callable[[dict[str, Any]], None], kept: int) -> None:
        self._emit = emit
        self._kept = kept

    def note(
        self,
        tx: AsyncSession,
        room_id: str,
        kind: ActivityKind,
        *,
        actor: Actor | None = None,
        subject: Actor | None = None,
        **detail: Any,
    ) -> None:
        """Write one entry: who did it (None: the server), and whom it was about."""
        record = ActivityRecord(
            room_id=room_id,
            at=utc_now(),
            kind=kind.value,
            actor_id=actor.id if actor else None,
            actor=actor.name if actor else None,
            subject_id=subject.id if subject else None,
            subject=subject.name if subject else None,
            detail={key: value for key, value in detail.items() if value is not None},
        )
        tx.add(record)

        def told(_session: Any) -> None:
            ACTIVITY.labels(kind=kind.value).inc()
            self._emit(
                {
                    "room_id": room_id,
                    "kind": kind.value,
                    "actor_id": record.actor_id,
                    "subject_id": record.subject_id,
                }
            )

        event.listen(tx.sync_session, "after_commit", told, once=True)

    async def read(
        self, tx: AsyncSession, room_id: str, *, limit: int, before: int | None = None
    ) -> list[ActivityRecord]:
        """The newest entries of a room, newest first; ``before``: only those with a smaller id."""
        query = select(ActivityRecord).where(ActivityRecord.room_id == room_id)
        if before is not None:
            query = query.where(ActivityRecord.id < before)
        return list(await tx.scalars(query.order_by(ActivityRecord.id.desc()).limit(limit)))

    async def trim(self, tx: AsyncSession) -> None:
        """Forget the oldest entries of rooms that have more than is kept."""
        counts = select(ActivityRecord.room_id).group_by(ActivityRecord.room_id)
        crowded = await tx.scalars(counts.having(func.count() > self._kept))
        for room_id in list(crowded):
            newest = (
                select(ActivityRecord.id)
                .where(ActivityRecord.room_id == room_id)
                .order_by(ActivityRecord.id.desc())
            )
            border = await tx.scalar(newest.offset(self._kept - 1).limit(1))
            await tx.execute(
                delete(ActivityRecord).where(
                    ActivityRecord.room_id == room_id, ActivityRecord.id < border
                )
            )
