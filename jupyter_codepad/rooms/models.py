"""The shapes of rooms, people and links on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from ..access.roles import Permission, Role

TITLE_LIMIT = 120
PASSWORD_LIMIT = 200
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

    PREPARED = "prepared"  # not open yet: only the host and interviewers are in
    OPEN = "open"
    CLOSED = "closed"
    EXPIRED = "expired"


class Body(BaseModel):
    """Base of everything a client may send: an unknown field is an error, not a silent nothing."""

    model_config = ConfigDict(extra="forbid")


class RoomCreate(Body):
    """A wish for a new room; the pad starts with ``starter_text`` or as a copy of a file."""

    title: Title
    language: str | None = Field(
        default=None, description="Null: that of the file which is copied, else Python."
    )
    pad_type: PadType = "file"
    starter_text: str | None = None
    source_path: str | None = Field(
        default=None,
        description="A code file or notebook below the Jupyter root; the pad becomes a copy of it.",
    )
    expires_in_hours: float | None = Field(default=None, gt=0)
    lobby: bool = Field(default=False, description="Newcomers wait until somebody lets them in.")
    prepared: bool = Field(default=False, description="Not open yet for others than interviewers.")
    opens_at: AwareDatetime | None = Field(default=None, description="When it opens by itself.")


class RoomPatch(Body):
    """Changes to a room; what is left out stays."""

    title: Title | None = None
    state: Literal["open", "closed", "prepared"] | None = None
    expires_in_hours: float | None = Field(default=None, gt=0, description="Counted from now.")
    locked: bool | None = Field(default=None, description="Nobody new can join.")
    lobby: bool | None = Field(
        default=None, description="Newcomers wait until somebody lets them in."
    )
    opens_at: AwareDatetime | None = Field(
        default=None, description="When a room that is not open yet opens by itself; null: never."
    )
    restrictions: dict[Role, list[Permission]] | None = Field(
        default=None, description="By role, the permissions that are switched off; replaces all."
    )


class InviteCreate(Body):
    """A wish for a share link."""

    role: Role = Role.MEMBER
    label: str = Field(default="", max_length=TITLE_LIMIT)
    expires_in_hours: float | None = Field(default=None, gt=0, le=24 * 366)
    max_uses: int | None = Field(default=None, ge=1, le=1_000_000)
    password: str | None = Field(default=None, min_length=1, max_length=PASSWORD_LIMIT)
    lobby: bool | None = Field(default=None, description="Null: as the room says.")


class MainInviteCreate(Body):
    """A wish for a new main link, in the place of the one before."""

    role: Role | None = Field(default=None, description="Null: that of the one before, or member.")


class ParticipantAdd(Body):
    """A role in the room for a Jupyter user of this server."""

    username: str = Field(min_length=1, max_length=255)
    role: Role = Role.INTERVIEWER
    name: str | None = Field(default=None, description="What others see; null: the username.")


class ParticipantPatch(Body):
    """Changes to somebody in the room; what is left out stays."""

    role: Role | None = None
    name: str | None = None
    hand_raised: Literal[False] | None = None


class MePatch(Body):
    """Changes to oneself; what is left out stays."""

    name: str | None = None
    color: str | None = Field(default=None, description="One of the colours that carets have.")
    hand_raised: bool | None = None


class Admission(Body):
    """How somebody is let in."""

    role: Role | None = Field(default=None, description="Null: the role that their link gives.")


class ParticipantModel(BaseModel):
    """A person in a room, as the asking person may see them."""

    id: str
    name: str
    color: str
    role: Role
    guest: bool
    owner: bool
    online: bool
    online_since: Moment | None
    idle: bool
    document: str | None = Field(description="What they look at now.")
    hand_raised_at: Moment | None
    joined_at: Moment
    you: bool
    username: str | None = Field(description="Only for those who may manage.")
    invite_id: str | None = Field(description="By which link; only for those who may invite.")


class WaitingModel(BaseModel):
    """A person in the lobby."""

    id: str
    name: str
    color: str
    role: Role
    guest: bool
    online: bool
    joined_at: Moment


class RoomModel(BaseModel):
    """A room, as the asking person may see it."""

    id: str
    title: str
    language: str
    pad_type: PadType
    pad_path: str | None = Field(description="Path below the Jupyter root; only for Jupyter users.")
    main_file: str | None = Field(
        description="The file that is run, by its path in the room's folder; null: the pad's."
    )
    state: RoomState
    created_at: Moment
    expires_at: Moment
    opens_at: Moment | None
    now: Moment = Field(description="This server's clock.")
    locked: bool
    lobby: bool
    restrictions: dict[Role, list[Permission]]
    owner: bool = Field(description="Whether the room is yours.")
    online: int
    waiting: int = Field(description="People in the lobby; only for those who may invite.")
    me: ParticipantModel | None
    permissions: list[Permission] = Field(description="What you may do now.")


class InviteModel(BaseModel):
    """A share link; ``code`` and ``url`` are there while it works."""

    id: str
    role: Role
    label: str
    created_at: Moment
    expires_at: Moment | None
    max_uses: int | None
    uses: int
    revoked: bool
    main: bool
    has_password: bool
    lobby: bool | None
    code: str | None = None
    url: str | None = Field(default=None, description="Path of the join page on this server.")


class ActivityModel(BaseModel):
    """One entry of the activity log; names are those of then."""

    id: int
    at: Moment
    kind: str
    actor: str | None
    subject: str | None
    detail: dict[str, Any]


class ActivityList(BaseModel):
    """Entries, newest first; ``more``: there are older ones."""

    activity: list[ActivityModel]
    more: bool


class RoomList(BaseModel):
    """Rooms, newest first."""

    rooms: list[RoomModel]


class InviteList(BaseModel):
    """Links, newest first."""

    invites: list[InviteModel]


class ParticipantList(BaseModel):
    """People of a room, those here now first; the lobby only for those who may invite."""

    participants: list[ParticipantModel]
    waiting: list[WaitingModel]
