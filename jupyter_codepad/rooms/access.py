"""What a person's way into a room amounts to: the room, who they are in it, what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..access.audit import Actor
from ..access.identity import marked
from ..access.roles import Permission, Role
from ..errors import CodepadError, Forbidden, Gone
from ..storage.tables import ParticipantRecord, RoomRecord, utc_now
from .models import RoomState


class Standing(StrEnum):
    """Whether somebody who came to a room is in it."""

    IN = "in"
    WAITING = "waiting"  # in the lobby
    DENIED = "denied"
    REMOVED = "removed"  # may come again by a link
    BANNED = "banned"  # may not


PRESENT = (Standing.IN, Standing.WAITING)
"""Those who have a way in, or may get one."""


@dataclass(frozen=True)
class Participant:
    """A person in a room; ``username`` is None for guests."""

    id: str
    room_id: str
    username: str | None
    name: str
    color: str
    role: Role
    standing: Standing
    joined_at: datetime
    hand_raised_at: datetime | None
    invite_id: str | None

    @classmethod
    def of(cls, record: ParticipantRecord) -> Participant:
        """The person behind a record."""
        return cls(
            id=record.id,
            room_id=record.room_id,
            username=record.username,
            name=record.name,
            color=record.color,
            role=Role(record.role),
            standing=Standing(record.standing),
            joined_at=record.joined_at,
            hand_raised_at=record.hand_raised_at,
            invite_id=record.invite_id,
        )

    @property
    def guest(self) -> bool:
        """Whether this person has no account on the server."""
        return self.username is None

    @property
    def marked_name(self) -> str:
        """The name with the mark of a guest, for places that show nothing but a name."""
        return marked(self.name, guest=self.guest)


@dataclass(frozen=True)
class Access:
    """One participant's standing in one room, at the moment it was looked up."""

    room: RoomRecord
    participant: Participant

    @property
    def owner(self) -> bool:
        """Whether the room is this person's own."""
        return self.participant.username == self.room.owner

    @property
    def actor(self) -> Actor:
        """This person as the activity log names them."""
        return Actor(self.participant.id, self.participant.marked_name)

    @property
    def refusal(self) -> CodepadError | None:
        """Why this person is not let in now, or None."""
        if self.participant.standing is Standing.WAITING:
            return Forbidden("in_lobby", "The host has not let you in yet.")
        if self.participant.standing is not Standing.IN:
            return Forbidden("removed", "You are not in this room any more.")
        if state_of(self.room) is RoomState.PREPARED and not self.participant.role.prepares:
            return Forbidden("room_not_open", "This room is not open yet.")
        return None

    @property
    def end(self) -> CodepadError | None:
        """How the room has ended, or None while it lasts."""
        try:
            require_open(self.room)
        except Gone as end:
            return end
        return None

    @property
    def permissions(self) -> frozenset[Permission]:
        """What this person may do here now."""
        if self.refusal is not None:
            return frozenset()
        role = self.participant.role
        switched_off = self.room.restrictions.get(role, ()) if role.can_be_restricted else ()
        allowed = role.permissions - {Permission(name) for name in switched_off}
        if state_of(self.room) in OVER:
            return frozenset(p for p in allowed if not p.needs_open_room)
        return frozenset(allowed)

    def require(self, permission: Permission) -> None:
        """Raise ``Forbidden`` in words unless they may do it, ``Gone`` in a room that has ended."""
        if self.refusal is not None:
            raise self.refusal
        if permission.needs_open_room:
            require_open(self.room)
        if permission in self.permissions:
            return
        if permission in self.participant.role.permissions:
            raise Forbidden("switched_off", SWITCHED_OFF_WORDS[permission])
        raise Forbidden("forbidden", FORBIDDEN_WORDS[permission])


OVER = (RoomState.CLOSED, RoomState.EXPIRED)

FORBIDDEN_WORDS = {
    Permission.VIEW: "You may not see this room.",
    Permission.EDIT: "You may watch this room but not change it.",
    Permission.RUN: "You may watch this room but not run code in it.",
    Permission.SUBMIT: "You may watch this room but not submit anything.",
    Permission.ASK: "You may not use the assistant in this room.",
    Permission.CHAT: "You may not write in this room's chat.",
    Permission.GRADE: "Only interviewers and the host can do this.",
    Permission.INVITE: "Only the host and interviewers can invite people to this room.",
    Permission.MANAGE: "Only the host can do this.",
}

SWITCHED_OFF_WORDS = {
    Permission.EDIT: "The host has paused editing for you.",
    Permission.RUN: "The host has paused running code for you.",
    Permission.SUBMIT: "The host has paused submitting for you.",
    Permission.ASK: "The host has paused the assistant for you.",
    Permission.CHAT: "The host has paused the chat for you.",
}


def state_of(room: RoomRecord) -> RoomState:
    """Whether people can be in a room now; closing comes before expiry, and both before opening."""
    now = utc_now()
    if room.closed_at is not None:
        return RoomState.CLOSED
    if room.expires_at <= now:
        return RoomState.EXPIRED
    if room.prepared and (room.opens_at is None or room.opens_at > now):
        return RoomState.PREPARED
    return RoomState.OPEN


def require_open(room: RoomRecord) -> None:
    """Raise ``Gone`` in words when a room has been closed or has expired."""
    state = state_of(room)
    if state is RoomState.CLOSED:
        raise Gone("room_closed", "The host has closed this room.")
    if state is RoomState.EXPIRED:
        raise Gone("room_expired", "This room's time is over.")
