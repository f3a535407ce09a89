"""The REST routes of rooms, links and people."""

from __future__ import annotations

from ..access.guests import cookie_name
from ..access.roles import Permission, Role
from ..errors import Invalid
from ..handlers import CodepadHandler, RoomHandler, requires, signed_in
from ..storage.tables import InviteRecord
from .models import (
    InviteCreate,
    InviteList,
    InviteModel,
    ParticipantList,
    RoomCreate,
    RoomList,
    RoomModel,
    RoomPatch,
)


class RoomsHandler(CodepadHandler):
    """``rooms``: all my rooms."""

    @signed_in(summary="My rooms, newest first", answer=RoomList)
    async def get(self) -> None:
        assert self.user is not None
        rooms = self.codepad.rooms
        found = await rooms.rooms_of(self.user)
        self.answer(RoomList(rooms=[rooms.model(access) for access in found]))

    @signed_in(summary="Make a room", body=RoomCreate, answer=RoomModel, status=201)
    async def post(self) -> None:
        assert self.user is not None
        rooms = self.codepad.rooms
        access = await rooms.create(self.user, self.body(RoomCreate))
        self.answer(rooms.model(access), 201)


class OneRoomHandler(RoomHandler):
    """``rooms/<id>``: one room."""

    @requires(Permission.VIEW, summary="One room", answer=RoomModel)
    async def get(self, room_id: str) -> None:
        self.answer(self.codepad.rooms.model(self.access))

    @requires(
        Permission.MANAGE,
        summary="Rename, close, reopen or extend",
        body=RoomPatch,
        answer=RoomModel,
    )
    async def patch(self, room_id: str) -> None:
        rooms = self.codepad.rooms
        self.answer(rooms.model(await rooms.update(self.access, self.body(RoomPatch))))

    @requires(Permission.MANAGE, summary="Delete a room; its files stay unless asked", status=204)
    async def delete(self, room_id: str) -> None:
        asked = self.get_query_argument("delete_files", "false")
        if asked not in {"true", "false"}:
            raise Invalid("invalid_request", "delete_files: give true or false.")
        await self.codepad.rooms.delete(self.access, delete_files=asked == "true")
        self.set_status(204)


class InvitesHandler(RoomHandler):
    """``rooms/<id>/invites``: the share links of a room."""

    @requires(Permission.INVITE, summary="Links of a room, newest first", answer=InviteList)
    async def get(self, room_id: str) -> None:
        records = await self.codepad.rooms.list_invites(room_id)
        self.answer(InviteList(invites=[invite_model(record) for record in records]))

    @requires(
        Permission.INVITE, summary="Make a link", body=InviteCreate, answer=InviteModel, status=201
    )
    async def post(self, room_id: str) -> None:
        record, code = await self.codepad.rooms.create_invite(room_id, self.body(InviteCreate))
        model = invite_model(record)
        model.code, model.url = code, f"{self.codepad.prefix}join/{code}"
        self.answer(model, 201)

    @requires(Permission.INVITE, summary="Revoke all links", status=204)
    async def delete(self, room_id: str) -> None:
        await self.codepad.rooms.revoke_invites(room_id)
        self.set_status(204)


class OneInviteHandler(RoomHandler):
    """``rooms/<id>/invites/<invite>``: one share link."""

    @requires(Permission.INVITE, summary="Revoke a link", status=204)
    async def delete(self, room_id: str, invite_id: str) -> None:
        await self.codepad.rooms.revoke_invites(room_id, invite_id)
        self.set_status(204)


class ParticipantsHandler(RoomHandler):
    """``rooms/<id>/participants``: the people of a room."""

    @requires(Permission.VIEW, summary="People, those here now first", answer=ParticipantList)
    async def get(self, room_id: str) -> None:
        you = self.access.participant.id
        people = await self.codepad.rooms.participants(room_id, you)
        self.answer(ParticipantList(participants=people))


class LeaveHandler(RoomHandler):
    """``rooms/<id>/leave``: the way out for whoever is asking."""

    @requires(Permission.VIEW, summary="Leave; a guest's session ends", status=204)
    async def post(self, room_id: str) -> None:
        await self.codepad.rooms.leave(self.access)
        self.clear_cookie(cookie_name(self.codepad.port, room_id), path=self.codepad.prefix)
        self.set_status(204)


def invite_model(record: InviteRecord) -> InviteModel:
    """A link as the host may see it: never its code."""
    return InviteModel(
        id=record.id,
        role=Role(record.role),
        label=record.label,
        created_at=record.created_at,
        expires_at=record.expires_at,
        max_uses=record.max_uses,
        uses=record.uses,
        revoked=record.revoked_at is not None,
    )


ROOM = r"(?P<room_id>[A-Za-z0-9_-]{12})"
ROUTES = [
    (r"api/rooms", RoomsHandler),
    (rf"api/rooms/{ROOM}", OneRoomHandler),
    (rf"api/rooms/{ROOM}/invites", InvitesHandler),
    (rf"api/rooms/{ROOM}/invites/(?P<invite_id>[A-Za-z0-9_-]{{12}})", OneInviteHandler),
    (rf"api/rooms/{ROOM}/participants", ParticipantsHandler),
    (rf"api/rooms/{ROOM}/leave", LeaveHandler),
]
