"""DoorManager: the ways into a room, by link, by account and through the lobby."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ..access.audit import ActivityKind, Actor, AuditLog
from ..access.guests import GuestSessionManager
from ..access.identity import JupyterUser, clean_name, marked, name_key
from ..access.invites import InviteManager
from ..access.passwords import Passwords
from ..access.rate_limit import RateLimiter
from ..access.roles import Permission, Role
from ..errors import Conflict, Forbidden, NotFound
from ..storage import Database
from ..storage.tables import InviteRecord, ParticipantRecord, RoomRecord
from .access import PRESENT, Access, Participant, Standing, require_open
from .models import InviteCreate
from .news import News, RoomNews
from .people import PeopleManager

WRONG_PASSWORD = "That is not the password of this link."  # noqa: S105 - words about one


@dataclass(frozen=True)
class Visitor:
    """Who stands at the door: from which address, with which session, with which account.

    ``address``: as it is counted for rate limits; ``token``: the session token that this browser
    has for the room, valid or not.
    """

    address: str
    token: str | None = None
    user: JupyterUser | None = None


@dataclass(frozen=True)
class Invited:
    """What a link leads to."""

    room: RoomRecord
    invite_id: str
    needs_password: bool


class DoorManager:
    """The rules of getting into rooms.

    Responsible for: what somebody may do in a room when they come with an account or a session;
    exchanging links, with passwords, locks, bans and rate limits in the way; the lobby; making and
    ending links. Refusals and failures are in the room's activity log.
    """

    def __init__(
        self,
        *,
        database: Database,
        people: PeopleManager,
        news: RoomNews,
        invites: InviteManager,
        guests: GuestSessionManager,
        passwords: Passwords,
        limiter: RateLimiter,
        audit: AuditLog,
        allow_guests: bool,
    ) -> None:
        self._db = database
        self._people = people
        self._news = news
        self._invites = invites
        self._guests = guests
        self._passwords = passwords
        self._limiter = limiter
        self._audit = audit
        self._allow_guests = allow_guests

    # -- who is in already -----------------------------------------------------------------------

    async def access_for_user(self, user: JupyterUser, room_id: str) -> Access | None:
        """What a Jupyter user is in a room, or None when they have no part in it."""
        async with self._db.transaction() as tx:
            room = await tx.get(RoomRecord, room_id)
            person = await _of_user(tx, room_id, user) if room else None
        if room is None or person is None or person.standing not in PRESENT:
            return None
        return Access(room, Participant.of(person))

    async def access_for_guest(self, token: str, room_id: str) -> Access | None:
        """What the guest with this session token is in a room, or None."""
        if not self._allow_guests:
            return None
        async with self._db.transaction() as tx:
            person = await self._guests.find(tx, token, room_id)
            room = await tx.get(RoomRecord, room_id) if person else None
        return Access(room, Participant.of(person)) if room and person else None

    # -- by a link -------------------------------------------------------------------------------

    async def invited(self, code: str, visitor: Visitor) -> Invited:
        """Where a code leads.

        Raises ``NotFound`` (dead link), ``Gone`` (dead room), ``TooMany`` after many dead links,
        and ``Forbidden`` for guests where guests are not allowed.
        """
        await self._limiter.check("dead_links_per_address", visitor.address)
        try:
            async with self._db.transaction() as tx:
                invite, room = await self._find(tx, code)
        except NotFound:
            await self._limiter.hit("dead_links_per_address", visitor.address)
            raise
        if visitor.user is None and not self._allow_guests:
            raise Forbidden(
                "guests_not_allowed",
                "This server lets nobody in without an account. Sign in first.",
            )
        return Invited(room, invite.id, invite.password_hash is not None)

    async def _find(self, tx: AsyncSession, code: str) -> tuple[InviteRecord, RoomRecord]:
        invite = await self._invites.find(tx, code)
        room = await tx.get_one(RoomRecord, invite.room_id)
        require_open(room)
        return invite, room

    async def join(
        self, code: str, visitor: Visitor, *, name: str = "", password: str = ""
    ) -> tuple[Access, str | None]:
        """Let somebody in by a link, or into the lobby.

        Returns their access and, for a guest, the token of their new session. Somebody who was in
        the room before is that person again: by their account, or by the session that their browser
        still has. A use of the link is counted only when they are in.

        Raises ``NotFound`` or ``Gone`` for the link, ``Invalid`` for the name, ``Forbidden`` for a
        wrong password or a ban, ``Conflict`` when the room is locked or full, ``TooMany``.
        """
        wanted = visitor.user.name if visitor.user else clean_name(name)
        room = (await self.invited(code, visitor)).room
        # Wrong passwords have limits of their own: who tries them shuts the door on nobody else.
        await self._check_password(code, visitor, password)
        await self._limiter.hit("joins_per_address", visitor.address)
        await self._limiter.hit("joins_per_room", room.id)
        await self._limiter.hit("joins")
        try:
            return await self._enter(code, visitor, wanted)
        except (Conflict, Forbidden) as refusal:
            async with self._db.transaction() as tx:
                actor = Actor(None, marked(wanted, guest=visitor.user is None))
                self._audit.note(
                    tx, room.id, ActivityKind.JOIN_REFUSED, actor=actor, reason=refusal.code
                )
            raise

    async def _check_password(self, code: str, visitor: Visitor, password: str) -> None:
        """Raise ``Forbidden`` unless the password is right; one wrong try costs one of each limit.

        The turn is taken first: tries that come all at once cannot get past the count.
        """
        async with self._passwords.turn:
            async with self._db.transaction() as tx:
                invite, room = await self._find(tx, code)
            if invite.password_hash is None:
                return
            limits = {
                "password_failures_per_address": visitor.address,
                "password_failures_per_room": room.id,
                "password_failures": "",
            }
            for limit, key in limits.items():
                await self._limiter.check(limit, key)
            if await self._passwords.matches(invite.password_hash, password):
                return
            for limit, key in limits.items():
                await self._limiter.hit(limit, key)
        async with self._db.transaction() as tx:
            self._audit.note(
                tx, room.id, ActivityKind.PASSWORD_FAILED, link=invite.label or invite.id
            )
        raise Forbidden("wrong_password", WRONG_PASSWORD)

    async def _enter(self, code: str, visitor: Visitor, wanted: str) -> tuple[Access, str | None]:
        async with self._db.transaction() as tx:
            invite, room = await self._find(tx, code)
            person = await self._former(tx, room, visitor)
            await self._require_not_banned(tx, room, visitor, person, wanted)
            known = person is not None and person.standing in PRESENT
            if room.locked and not known:
                raise Conflict("room_locked", "The host has locked this room: nobody can join now.")
            role = await self._invites.exchange(tx, invite)
            lobby = room.lobby if invite.lobby is None else invite.lobby
            standing = Standing.WAITING if lobby else Standing.IN
            if person is None:
                username = visitor.user.username if visitor.user else None
                person = await self._people.add(
                    tx,
                    room,
                    wanted,
                    role,
                    username=username,
                    invite_id=invite.id,
                    standing=standing,
                )
            else:
                if not known:
                    # Sent away: what comes back is whom the link makes them, not who they were.
                    person.standing, person.role = standing.value, role.value
                    person.invite_id = invite.id
                person.left_at = None
                if visitor.user is None and name_key(wanted) != person.name_key:
                    await self._people.rename(tx, person, wanted)
            self._audit.note(
                tx,
                room.id,
                ActivityKind.WAITING
                if person.standing == Standing.WAITING.value
                else ActivityKind.JOINED,
                actor=Actor.of(person),
                role=person.role,
                link=invite.label or invite.id,
            )
            token = None
            if visitor.user is None:
                token = await self._guests.create(tx, person, room.expires_at)
        self._news.soon(room.id, News.PEOPLE, News.LOBBY, News.ROOM)
        return Access(room, Participant.of(person)), token

    async def _former(
        self, tx: AsyncSession, room: RoomRecord, visitor: Visitor
    ) -> ParticipantRecord | None:
        if visitor.user is not None:
            return await _of_user(tx, room.id, visitor.user)
        if visitor.token is None:
            return None
        return await self._guests.find_former(tx, visitor.token, room.id)

    async def _require_not_banned(
        self,
        tx: AsyncSession,
        room: RoomRecord,
        visitor: Visitor,
        person: ParticipantRecord | None,
        wanted: str,
    ) -> None:
        banned = person is not None and person.standing == Standing.BANNED.value
        if visitor.user is None and not banned:
            query = select(ParticipantRecord.id).where(
                ParticipantRecord.room_id == room.id,
                ParticipantRecord.standing == Standing.BANNED.value,
                ParticipantRecord.name_key == name_key(wanted),
            )
            banned = await tx.scalar(query.limit(1)) is not None
        if banned:
            raise Forbidden("banned", "The host does not let you into this room.")

    # -- the lobby -------------------------------------------------------------------------------

    async def admit(self, by: Access, participant_id: str | None, role: Role | None = None) -> None:
        """Let somebody in who waits, or everybody (None).

        Raises ``NotFound`` for somebody who does not wait, ``Forbidden`` for a role that is not the
        asking person's to give.
        """
        if role is not None and not by.participant.role.may_give(role):
            raise Forbidden("role_too_high", f"You cannot let somebody in as {role.value}.")
        async with self._db.transaction() as tx:
            for record in await self._waiting(tx, by.room.id, participant_id):
                record.standing = Standing.IN.value
                record.role = role.value if role is not None else record.role
                self._audit.note(
                    tx,
                    by.room.id,
                    ActivityKind.ADMITTED,
                    actor=by.actor,
                    subject=Actor.of(record),
                    role=record.role,
                )
        await self._news.apply(by.room.id, participant_id)

    async def deny(self, by: Access, participant_id: str) -> None:
        """Send somebody away who waits. Raises ``NotFound`` for somebody who does not."""
        async with self._db.transaction() as tx:
            records = await self._waiting(tx, by.room.id, participant_id)
            for record in records:
                await self._people.send_away(tx, record, Standing.DENIED)
                self._audit.note(
                    tx,
                    by.room.id,
                    ActivityKind.DENIED,
                    actor=by.actor,
                    subject=Actor.of(record),
                )
        await self._news.apply(by.room.id, participant_id)

    async def _waiting(
        self, tx: AsyncSession, room_id: str, participant_id: str | None
    ) -> list[ParticipantRecord]:
        query = select(ParticipantRecord).where(
            ParticipantRecord.room_id == room_id,
            ParticipantRecord.standing == Standing.WAITING.value,
        )
        if participant_id is not None:
            query = query.where(ParticipantRecord.id == participant_id)
        records = list(await tx.scalars(query))
        if participant_id is not None and not records:
            raise NotFound("not_waiting", "Nobody with this id waits in the lobby.")
        return records

    # -- links -----------------------------------------------------------------------------------

    def code(self, invite: InviteRecord) -> str | None:
        """The code of a link while it works."""
        return self._invites.code(invite)

    async def links(self, room_id: str) -> list[InviteRecord]:
        """All links of a room, newest first."""
        async with self._db.transaction() as tx:
            return await self._invites.all_of(tx, room_id)

    async def link(self, room_id: str, invite_id: str) -> InviteRecord:
        """One link of a room. Raises ``NotFound``."""
        async with self._db.transaction() as tx:
            return await self._invites.get(tx, room_id, invite_id)

    async def create_link(self, by: Access, wish: InviteCreate) -> InviteRecord:
        """Make a share link. Raises as ``InviteManager.create`` does."""
        ttl = timedelta(hours=wish.expires_in_hours) if wish.expires_in_hours else None
        hashed = await self._passwords.hash(wish.password) if wish.password else None
        async with self._db.transaction() as tx:
            record = await self._invites.create(
                tx,
                by.room.id,
                wish.role,
                giver=by.participant.role,
                label=wish.label,
                ttl=ttl,
                max_uses=wish.max_uses,
                password_hash=hashed,
                lobby=wish.lobby,
            )
            self._note_link(tx, by, ActivityKind.LINK_CREATED, record)
        return record

    async def renew_main_link(self, by: Access, role: Role | None) -> InviteRecord:
        """Make the room's main link anew; the one before stops working in the same moment."""
        async with self._db.transaction() as tx:
            before = await self._invites.main_of(tx, by.room.id)
            if before is not None:
                await self._invites.revoke(tx, by.room.id, before.id)
                self._note_link(tx, by, ActivityKind.LINK_REVOKED, before)
            record = await self._invites.create(
                tx,
                by.room.id,
                role or (Role(before.role) if before else Role.MEMBER),
                giver=by.participant.role,
                label="Main link",
                main=True,
                password_hash=before.password_hash if before else None,
                lobby=before.lobby if before else None,
            )
            self._note_link(tx, by, ActivityKind.LINK_CREATED, record)
        return record

    async def revoke_links(
        self, by: Access, invite_id: str | None = None, *, remove_people: bool = False
    ) -> None:
        """End one link of a room or all of them, and if wished remove everybody who came by it.

        Raises ``NotFound`` for a link that is not of this room.
        """
        if remove_people:
            by.require(Permission.MANAGE)
        gone: list[str] = []
        async with self._db.transaction() as tx:
            records = [await self._invites.get(tx, by.room.id, invite_id)] if invite_id else []
            await self._invites.revoke(tx, by.room.id, invite_id)
            for record in records:
                self._note_link(tx, by, ActivityKind.LINK_REVOKED, record)
            if not records:
                actor = by.actor
                self._audit.note(tx, by.room.id, ActivityKind.LINK_REVOKED, actor=actor, link="all")
            if remove_people:
                gone = await self._remove_who_came_by(tx, by, invite_id)
        self._people.cut_sent_away(by.room.id, gone, Standing.REMOVED)

    async def _remove_who_came_by(
        self, tx: AsyncSession, by: Access, invite_id: str | None
    ) -> list[str]:
        query = select(ParticipantRecord).where(
            ParticipantRecord.room_id == by.room.id,
            ParticipantRecord.role != Role.HOST.value,
            ParticipantRecord.id != by.participant.id,
            ParticipantRecord.standing.in_(PRESENT),
            ParticipantRecord.invite_id == invite_id
            if invite_id
            else ParticipantRecord.invite_id.is_not(None),
        )
        people = list(await tx.scalars(query))
        for person in people:
            await self._people.send_away(tx, person, Standing.REMOVED)
            self._audit.note(
                tx,
                by.room.id,
                ActivityKind.REMOVED,
                actor=by.actor,
                subject=Actor.of(person),
            )
        return [person.id for person in people]

    def _note_link(
        self, tx: AsyncSession, by: Access, kind: ActivityKind, record: InviteRecord
    ) -> None:
        self._audit.note(
            tx,
            by.room.id,
            kind,
            actor=by.actor,
            link=record.label or record.id,
            role=record.role,
        )


async def _of_user(tx: AsyncSession, room_id: str, user: JupyterUser) -> ParticipantRecord | None:
    query = select(ParticipantRecord).where(
        ParticipantRecord.room_id == room_id, ParticipantRecord.username == user.username
    )
    return await tx.scalar(query)
