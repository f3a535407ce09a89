"""Every table of the record store, one class each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, Index, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID_LENGTH = 12


def utc_now() -> datetime:
    """The present moment, aware and in UTC: the only kind of time that is stored."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes in Python on every database (SQLite stores and returns naive ones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
    }


class RoomRecord(Base):
    """A room; ``closed_at`` set means closed, ``expires_at`` in the past means expired.

    ``prepared``: not open yet, until ``opens_at`` if that is set. ``restrictions``: the permissions
    that are switched off, by role. ``main_file``: the file of the folder that is run, by its path
    in it; None: the pad's.
    """

    __tablename__ = "rooms"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255), index=True)
    title: Mapped[str] = mapped_column(String(120))
    language: Mapped[str] = mapped_column(String(32))
    pad_type: Mapped[str] = mapped_column(String(16))
    folder: Mapped[str] = mapped_column(Text)
    pad_path: Mapped[str] = mapped_column(Text)
    pad_file_id: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    prepared: Mapped[bool] = mapped_column(default=False)
    opens_at: Mapped[datetime | None]
    locked: Mapped[bool] = mapped_column(default=False)
    lobby: Mapped[bool] = mapped_column(default=False)
    restrictions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    main_file: Mapped[str | None] = mapped_column(Text)


class InviteRecord(Base):
    """A share link; only the hash of its code is kept.

    ``main``: the one that the room shows and renews; ``lobby`` None: as the room says.
    """

    __tablename__ = "invites"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    label: Mapped[str] = mapped_column(String(120), default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    max_uses: Mapped[int | None]
    uses: Mapped[int] = mapped_column(default=0)
    revoked_at: Mapped[datetime | None]
    main: Mapped[bool] = mapped_column(default=False)
    password_hash: Mapped[str | None] = mapped_column(Text)
    lobby: Mapped[bool | None]


class ParticipantRecord(Base):
    """A person in a room: a Jupyter user (``username`` set) or a guest.

    ``standing``: whether they are in, wait in the lobby, or were sent away; ``name_key``: what
    their name looks like, so that no two in a room can be taken for each other.
    """

    __tablename__ = "participants"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), index=True)
    username: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(64))
    color: Mapped[str] = mapped_column(String(7))
    role: Mapped[str] = mapped_column(String(16))
    invite_id: Mapped[str | None] = mapped_column(ForeignKey("invites.id", ondelete="SET NULL"))
    joined_at: Mapped[datetime] = mapped_column(default=utc_now)
    left_at: Mapped[datetime | None]
    standing: Mapped[str] = mapped_column(String(16), default="in")
    name_key: Mapped[str] = mapped_column(String(128))
    hand_raised_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_participants_room_username", "room_id", "username", unique=True),
        Index("ix_participants_room_name_key", "room_id", "name_key", unique=True),
    )


class GuestSessionRecord(Base):
    """What a guest's cookie stands for; only the hash of its secret is kept."""

    __tablename__ = "guest_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), index=True)
    participant_id: Mapped[str] = mapped_column(
        ForeignKey("participants.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class RunRecord(Base):
    """One execution: who, when, how it ended. Its output lives in the room's run document."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), index=True)
    participant_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    participant_name: Mapped[str] = mapped_column(String(64))
    document: Mapped[str] = mapped_column(String(255))
    cell_id: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16), index=True)
    queued_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    execution_count: Mapped[int | None]
    message: Mapped[str] = mapped_column(Text, default="")


class ActivityRecord(Base):
    """One entry of a room's activity log; the names are those of then."""

    __tablename__ = "activity"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(default=utc_now)
    kind: Mapped[str] = mapped_column(String(32))
    actor_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    actor: Mapped[str | None] = mapped_column(String(255))
    subject_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    subject: Mapped[str | None] = mapped_column(String(255))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
