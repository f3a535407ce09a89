"""The REST routes of people, the lobby and links."""

from __future__ import annotations

import io
import re

import segno

from ..access.identity import JupyterUser
from ..access.roles import Permission, Role
from ..errors import Invalid, NotFound
from ..handlers import FLAG, RoomHandler, requires
from ..storage.tables import InviteRecord
from .handlers import ROOM
from .models import (
    Admission,
    InviteCreate,
    InviteList,
    InviteModel,
    MainInviteCreate,
    MePatch,
    ParticipantAdd,
    ParticipantList,
    ParticipantModel,
    ParticipantPatch,
)

ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,253}")


class ParticipantsHandler(RoomHandler):
    """``rooms/<id>/participants``: the people of a room."""

    @requires(Permission.VIEW, summary="People, those here now first", answer=ParticipantList)
    async def get(self, room_id: str) -> None:
        self.answer(await self.codepad.people.everybody(self.access))

    @requires(
        Permission.MANAGE,
        summary="Give a Jupyter user of this server a role",
        body=ParticipantAdd,
        answer=ParticipantModel,
        status=201,
    )
    async def post(self, room_id: str) -> None:
        wish = self.body(ParticipantAdd)
        user = JupyterUser(wish.username, wish.name or wish.username)
        self.answer(await self.codepad.people.add_user(self.access, user, wish.role), 201)


class OneParticipantHandler(RoomHandler):
    """``rooms/<id>/participants/<participant>``: one person."""

    @requires(
        Permission.MANAGE,
        summary="Change somebody's role or name, or lower their hand",
        body=ParticipantPatch,
        answer=ParticipantModel,
    )
    async def patch(self, room_id: str, participant_id: str) -> None:
        patch = self.body(ParticipantPatch)
        self.answer(await self.codepad.people.change(self.access, participant_id, patch))

    @requires(Permission.MANAGE, summary="Remove somebody", status=204, query={"ban": FLAG})
    async def delete(self, room_id: str, participant_id: str) -> None:
        ban = self.flag("ban")
        await self.codepad.people.remove(self.access, participant_id, ban=ban)
        self.set_status(204)


class AdmitHandler(RoomHandler):
    """``rooms/<id>/participants/<participant>/admit``: out of the lobby, into the room."""

    @requires(Permission.INVITE, summary="Let somebody in", body=Admission, status=204)
    async def post(self, room_id: str, participant_id: str) -> None:
        role = self.body(Admission).role
        await self.codepad.doors.admit(self.access, participant_id, role)
        self.set_status(204)


class DenyHandler(RoomHandler):
    """``rooms/<id>/participants/<participant>/deny``: out of the lobby, and away."""

    @requires(Permission.INVITE, summary="Do not let somebody in", status=204)
    async def post(self, room_id: str, participant_id: str) -> None:
        await self.codepad.doors.deny(self.access, participant_id)
        self.set_status(204)


class AdmitAllHandler(RoomHandler):
    """``rooms/<id>/lobby/admit-all``: everybody who waits."""

    @requires(Permission.INVITE, summary="Let everybody in who waits", status=204)
    async def post(self, room_id: str) -> None:
        await self.codepad.doors.admit(self.access, None)
        self.set_status(204)


class TransferHandler(RoomHandler):
    """``rooms/<id>/participants/<participant>/transfer``: the room in other hands."""

    @requires(Permission.MANAGE, summary="Make somebody the owner of the room", status=204)
    async def post(self, room_id: str, participant_id: str) -> None:
        await self.codepad.people.transfer(self.access, participant_id)
        self.set_status(204)


class MeHandler(RoomHandler):
    """``rooms/<id>/me``: oneself."""

    @requires(
        Permission.VIEW,
        summary="Change one's own name or colour; raise or lower one's hand",
        body=MePatch,
        answer=ParticipantModel,
    )
    async def patch(self, room_id: str) -> None:
        self.answer(await self.codepad.people.change_me(self.access, self.body(MePatch)))


class LeaveHandler(RoomHandler):
    """``rooms/<id>/leave``: the way out for whoever is asking."""

    @requires(None, summary="Leave the room or its lobby; a guest's session ends", status=204)
    async def post(self, room_id: str) -> None:
        # The cookie stays: it opens nothing now, and shows who it is that comes back.
        await self.codepad.people.leave(self.access)
        self.set_status(204)


class InvitesHandler(RoomHandler):
    """``rooms/<id>/invites``: the share links of a room."""

    @requires(Permission.INVITE, summary="Links of a room, newest first", answer=InviteList)
    async def get(self, room_id: str) -> None:
        records = await self.codepad.doors.links(room_id)
        self.answer(InviteList(invites=[link_model(self, record) for record in records]))

    @requires(
        Permission.INVITE, summary="Make a link", body=InviteCreate, answer=InviteModel, status=201
    )
    async def post(self, room_id: str) -> None:
        record = await self.codepad.doors.create_link(self.access, self.body(InviteCreate))
        self.answer(link_model(self, record), 201)

    @requires(
        Permission.INVITE, summary="Revoke all links", status=204, query={"remove_people": FLAG}
    )
    async def delete(self, room_id: str) -> None:
        remove = self.flag("remove_people")
        await self.codepad.doors.revoke_links(self.access, remove_people=remove)
        self.set_status(204)


class OneInviteHandler(RoomHandler):
    """``rooms/<id>/invites/<invite>``: one share link."""

    @requires(Permission.INVITE, summary="Revoke a link", status=204, query={"remove_people": FLAG})
    async def delete(self, room_id: str, invite_id: str) -> None:
        remove = self.flag("remove_people")
        await self.codepad.doors.revoke_links(self.access, invite_id, remove_people=remove)
        self.set_status(204)


class MainInviteHandler(RoomHandler):
    """``rooms/<id>/main-invite``: the link that the room shows."""

    @requires(
        Permission.INVITE,
        summary="Make the main link anew; the one before stops working",
        body=MainInviteCreate,
        answer=InviteModel,
        status=201,
    )
    async def post(self, room_id: str) -> None:
        role = self.body(MainInviteCreate).role
        record = await self.codepad.doors.renew_main_link(self.access, role)
        self.answer(link_model(self, record), 201)


class QrHandler(RoomHandler):
    """``rooms/<id>/invites/<invite>/qr.svg``: a link to point a phone at."""

    @requires(
        Permission.INVITE,
        summary="A link as a QR code",
        media="image/svg+xml",
        query={"origin": {"type": "string"}},
    )
    async def get(self, room_id: str, invite_id: str) -> None:
        record = await self.codepad.doors.link(room_id, invite_id)
        path = link_model(self, record).url
        if path is None:
            raise NotFound("invite_over", "This link does not work any more.")
        own = f"{self.request.protocol}://{self.request.host}"
        origin = self.get_query_argument("origin", own)
        if not ORIGIN.fullmatch(origin):
            raise Invalid("invalid_request", "origin: give the address of a server.")
        image = io.BytesIO()
        code = segno.make(origin + path, error="m", micro=False)
        code.save(image, kind="svg", scale=8, border=4, light="#fff", xmldecl=False)
        self.set_header("Content-Type", "image/svg+xml")
        self.finish(image.getvalue())


def link_model(handler: RoomHandler, record: InviteRecord) -> InviteModel:
    """A link as those may see it who may invite; its code while it works."""
    code = handler.codepad.doors.code(record)
    return InviteModel(
        id=record.id,
        role=Role(record.role),
        label=record.label,
        created_at=record.created_at,
        expires_at=record.expires_at,
        max_uses=record.max_uses,
        uses=record.uses,
        revoked=record.revoked_at is not None,
        main=record.main,
        has_password=record.password_hash is not None,
        lobby=record.lobby,
        code=code,
        url=f"{handler.codepad.prefix}join/{code}" if code else None,
    )


PERSON = r"(?P<participant_id>[A-Za-z0-9_-]{12})"
INVITE = r"(?P<invite_id>[A-Za-z0-9_-]{12})"
ROUTES = [
    (rf"api/rooms/{ROOM}/participants", ParticipantsHandler),
    (rf"api/rooms/{ROOM}/participants/{PERSON}", OneParticipantHandler),
    (rf"api/rooms/{ROOM}/participants/{PERSON}/admit", AdmitHandler),
    (rf"api/rooms/{ROOM}/participants/{PERSON}/deny", DenyHandler),
    (rf"api/rooms/{ROOM}/participants/{PERSON}/transfer", TransferHandler),
    (rf"api/rooms/{ROOM}/lobby/admit-all", AdmitAllHandler),
    (rf"api/rooms/{ROOM}/me", MeHandler),
    (rf"api/rooms/{ROOM}/leave", LeaveHandler),
    (rf"api/rooms/{ROOM}/invites", InvitesHandler),
    (rf"api/rooms/{ROOM}/invites/{INVITE}", OneInviteHandler),
    (rf"api/rooms/{ROOM}/invites/{INVITE}/qr\.svg", QrHandler),
    (rf"api/rooms/{ROOM}/main-invite", MainInviteHandler),
]
