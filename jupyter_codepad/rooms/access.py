"""What a person's way into a room amounts to: the room, who they are in it, what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..access.roles import Permission, Role
from ..errors import Forbidden
from ..storage.tables import ParticipantRecord, RoomRecord, utc_now
from .models import ParticipantModel, RoomState


@dataclass(frozen=True)
class Participant:
    """A person in a room; ``username`` is None for guests."""

    id: str
    room_id: str
    username: str | None
    name: str
    color: str
    role: Role
    joined_at: datetime

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
            joined_at=record.joined_at,
        )

    @property
    def guest(self) -> bool:
        """Whether this person has no account on the server."""
        return self.username is None

    def model(self, *, online: bool, you: bool) -> ParticipantModel:
        """This person as the others may see them."""
        return ParticipantModel(
            id=self.id,
            name=self.name,
            color=self.color,
            role=self.role,
            guest=self.guest,
            online=online,
            joined_at=self.joined_at,
            you=you,
        )


@dataclass(frozen=True)
class Access:
    """One participant's standing in one room, at the moment it was looked up."""

    room: RoomRecord
    participant: Participant

    @property
    def permissions(self) -> frozenset[Permission]:
        """What this person may do here now."""
        return self.participant.role.permissions

    def require(self, permission: Permission) -> None:
        """Raise ``Forbidden`` in words unless this person may do it."""
        if permission not in self.permissions:
            raise Forbidden("forbidden", FORBIDDEN_WORDS[permission])


FORBIDDEN_WORDS = {
    Permission.VIEW: "You may not see this room.",
    Permission.EDIT: "You may watch this room but not change it.",
    Permission.RUN: "You may watch this room but not run code in it.",
    Permission.INVITE: "Only the host can invite people to this room.",
    Permission.MANAGE: "Only the host can do this.",
}


def state_of(room: RoomRecord) -> RoomState:
    """Whether people can be in a room now; closing comes before expiry."""
    if room.closed_at is not None:
        return RoomState.CLOSED
    return RoomState.EXPIRED if room.expires_at <= utc_now() else RoomState.OPEN
