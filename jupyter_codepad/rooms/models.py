"""The shapes of rooms, people and links on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from ..access.roles import Permission, Role

TITLE_LIMIT = 120
PadType = Literal["file", "notebook"]
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_LIMIT)
]
Moment = Annotated[
    datetime,
    PlainSerializer(
        lambda moment: moment.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str
    ),
]


class RoomState(StrEnum):
    """Whether people can be in a room."""

    OPEN = "open"
    CLOSED = "closed"
    EXPIRED = "expired"


class Body(BaseModel):
    """Base of everything a client may send: an unknown field is an error, not a silent nothing."""

    model_config = ConfigDict(extra="forbid")


class RoomCreate(Body):
    """A wish for a new room; the pad starts with ``starter_text`` or as a copy of a file."""

    title: Title
    language: str = "python"
    pad_type: PadType = "file"
    starter_text: str | None = None
    source_path: str | None = Field(
        default=None, description="A file below the Jupyter root, copied."
    )
    expires_in_hours: float | None = Field(default=None, gt=0)


class RoomPatch(Body):
    """Changes to a room; what is left out stays."""

    title: Title | None = None
    state: Literal["open", "closed"] | None = None
    expires_in_hours: float | None = Field(default=None, gt=0, description="Counted from now.")


class InviteCreate(Body):
    """A wish for a share link."""

    role: Role = Role.MEMBER
    label: str = Field(default="", max_length=TITLE_LIMIT)
    expires_in_hours: float | None = Field(default=None, gt=0, le=24 * 366)
    max_uses: int | None = Field(default=None, ge=1, le=1_000_000)


class ParticipantModel(BaseModel):
    """A person in a room, as the others may see them."""

    id: str
    name: str
    color: str
    role: Role
    guest: bool
    online: bool
    joined_at: Moment
    you: bool


class RoomModel(BaseModel):
    """A room, as the asking person may see it."""

    id: str
    title: str
    language: str
    pad_type: PadType
    pad_path: str | None = Field(description="Path below the Jupyter root; only for Jupyter users.")
    state: RoomState
    created_at: Moment
    expires_at: Moment
    online: int
    me: ParticipantModel | None
    permissions: list[Permission]


class InviteModel(BaseModel):
    """A share link; ``code`` and ``url`` are only in the answer to its creation."""

    id: str
    role: Role
    label: str
    created_at: Moment
    expires_at: Moment | None
    max_uses: int | None
    uses: int
    revoked: bool
    code: str | None = None
    url: str | None = Field(default=None, description="Path of the join page on this server.")


class RoomList(BaseModel):
    """Rooms, newest first."""

    rooms: list[RoomModel]


class InviteList(BaseModel):
    """Links, newest first."""

    invites: list[InviteModel]


class ParticipantList(BaseModel):
    """People of a room, those here now first."""

    participants: list[ParticipantModel]
