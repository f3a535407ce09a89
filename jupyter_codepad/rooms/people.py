"""PeopleManager: who is in a room, in which role, under which name; and sending people away."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ..access.audit import ActivityKind, Actor, AuditLog
from ..access.guests import GuestSessionManager
from ..access.identity import COLORS, JupyterUser, clean_name, name_key, unique_name
from ..access.roles import Role
from ..access.tokens import new_id
from ..errors import Conflict, Forbidden, Invalid, NotFound
from ..storage import Database
from ..storage.tables import ParticipantRecord, RoomRecord, utc_now
from .access import PRESENT, Access, Participant, Standing
from .models import MePatch, ParticipantList, ParticipantModel, ParticipantPatch
from .news import News, RoomNews

LEFT, REMOVED = 4401, 4403
RECORDS_FACTOR = 10
"""How many records of people a room may have for each that it can hold: people come and go."""

SENT_AWAY_WORDS = {
    Standing.REMOVED: "The host has removed you from this room.",
    Standing.BANNED: "The host has removed you from this room for good.",
}


class PeopleManager:
    """The rules about people in rooms.

    Responsible for: the records of participants and their names, which nobody can take for
    another's; roles, and who may change whose; leaving, removing and banning, which end sessions
    and cut sockets at once.

    ``participants_limit``: the most people who can have a way into one room at the same time.
    """

    def __init__(
        self,
        *,
        database: Database,
        news: RoomNews,
        guests: GuestSessionManager,
        audit: AuditLog,
        participants_limit: int,
    ) -> None:
        self._db = database
        self._news = news
        self._guests = guests
        self._audit = audit
        self._limit = participants_limit
        news.presence.on_change = self._came_or_went
        news.lobby.on_change = self._lobby_changed

    # -- records ---------------------------------------------------------------------------------

    async def add(
        self,
        tx: AsyncSession,
        room: RoomRecord,
        name: str,
        role: Role,
        *,
        username: str | None,
        invite_id: str | None = None,
        standing: Standing = Standing.IN,
    ) -> ParticipantRecord:
        """Record a person under a name of their own; two who race for one name both get one.

        Raises ``Conflict`` when the room is full.
        """
        for _attempt in range(5):
            keys = await self._name_keys(tx, room.id)
            here = await tx.scalar(
                select(func.count()).where(
                    ParticipantRecord.room_id == room.id,
                    ParticipantRecord.standing.in_(PRESENT),
                    ParticipantRecord.left_at.is_(None),
                )
            )
            if (here or 0) >= self._limit or len(keys) >= RECORDS_FACTOR * self._limit:
                raise Conflict("room_full", f"This room is full: it can have {self._limit} people.")
            own_name = unique_name(name, keys)
            person = ParticipantRecord(
                id=new_id(),
                room_id=room.id,
                username=username,
                name=own_name,
                name_key=name_key(own_name),
                color=COLORS[len(keys) % len(COLORS)],
                role=role.value,
                invite_id=invite_id,
                standing=standing.value,
                joined_at=utc_now(),
            )
            try:
                async with tx.begin_nested():
                    tx.add(person)
            except IntegrityError:
                continue
            return person
        raise Conflict("name_taken", "Somebody just took that name. Please try again.")

    async def _name_keys(
        self, tx: AsyncSession, room_id: str, *, but: str | None = None
    ) -> set[str]:
        query = select(ParticipantRecord.name_key).where(
            ParticipantRecord.room_id == room_id, ParticipantRecord.id != (but or "")
        )
        return set(await tx.scalars(query))

    async def rename(self, tx: AsyncSession, record: ParticipantRecord, name: str) -> None:
        """Give somebody another name, with a number where it is taken. Raises ``Invalid``."""
        wanted = clean_name(name)
        record.name = unique_name(wanted, await self._name_keys(tx, record.room_id, but=record.id))
        record.name_key = name_key(record.name)

    async def _record(
        self, tx: AsyncSession, room_id: str, participant_id: str
    ) -> ParticipantRecord:
        record = await tx.get(ParticipantRecord, participant_id)
        if record is None or record.room_id != room_id:
            raise NotFound("participant_not_found", "This person is not in the room.")
        return record

    async def everybody(self, access: Access) -> ParticipantList:
        """Everybody who is or was in the room, and the lobby for those who may invite."""
        now = await self._news.snapshot(access.room)
        may_invite = "invite" in access.permissions
        return ParticipantList(
            participants=self._news.people_models(access, now),
            waiting=self._news.waiting_models(now) if may_invite else [],
        )

    # -- the host's command ----------------------------------------------------------------------

    async def add_user(self, by: Access, user: JupyterUser, role: Role) -> ParticipantModel:
        """Give a Jupyter user of this server a role in the room, before they come or again.

        Raises ``Forbidden`` for a role or a person that is not the asking person's to change.
        """
        async with self._db.transaction() as tx:
            query = select(ParticipantRecord).where(
                ParticipantRecord.room_id == by.room.id,
                ParticipantRecord.username == user.username,
            )
            record = await tx.scalar(query)
            if record is None:
                self._require_role_is_ours(by, role)
                name = clean_name(user.name)
                record = await self.add(tx, by.room, name, role, username=user.username)
                self._audit.note(
                    tx,
                    by.room.id,
                    ActivityKind.ADMITTED,
                    actor=by.actor,
                    subject=Actor.of(record),
                    role=role.value,
                )
            else:
                self._change_role(tx, by, record, role)
                record.standing = Standing.IN.value
                record.left_at = None
        await self._news.apply(by.room.id, record.id)
        person = Access(by.room, Participant.of(record))
        return self._news.person_model(person, you=False, seen_by=by)

    async def change(
        self, by: Access, participant_id: str, patch: ParticipantPatch
    ) -> ParticipantModel:
        """Change somebody's role or name, or lower their hand; at once on their open sockets.

        Raises ``NotFound``, ``Forbidden`` (the owner's role is nobody's to change; hosts are the
        owner's to make and unmake) and ``Invalid`` for a name or a host without an account.
        """
        async with self._db.transaction() as tx:
            record = await self._record(tx, by.room.id, participant_id)
            if patch.role is not None:
                self._change_role(tx, by, record, patch.role)
            if patch.name is not None:
                await self._rename(tx, by, record, patch.name)
            if patch.hand_raised is False:
                record.hand_raised_at = None
        await self._news.apply(by.room.id, record.id)
        person = Participant.of(record)
        return self._news.person_model(
            Access(by.room, person), you=person.id == by.participant.id, seen_by=by
        )

    async def change_me(self, by: Access, patch: MePatch) -> ParticipantModel:
        """Change one's own name or colour, raise or lower one's hand. Raises ``Invalid``."""
        if patch.color is not None and patch.color not in COLORS:
            raise Invalid("unknown_color", f"Choose one of these colours: {', '.join(COLORS)}.")
        async with self._db.transaction() as tx:
            record = await self._record(tx, by.room.id, by.participant.id)
            if patch.name is not None:
                await self._rename(tx, by, record, patch.name)
            if patch.color is not None:
                record.color = patch.color
            if patch.hand_raised is not None:
                record.hand_raised_at = utc_now() if patch.hand_raised else None
        await self._news.apply(by.room.id, record.id)
        return self._news.person_model(Access(by.room, Participant.of(record)), you=True)

    async def _rename(
        self, tx: AsyncSession, by: Access, record: ParticipantRecord, name: str
    ) -> None:
        before = record.name
        if record.id != by.participant.id:
            self._require_mine(by, record)
        await self.rename(tx, record, name)
        if record.name != before:
            self._audit.note(
                tx,
                by.room.id,
                ActivityKind.RENAMED,
                actor=by.actor,
                subject=Actor.of(record),
                before=before,
            )

    def _require_mine(self, by: Access, record: ParticipantRecord) -> None:
        if record.username is not None and record.username == by.room.owner and not by.owner:
            raise Forbidden("owner_stays", "This room is theirs: only they can do that.")
        if record.role == Role.HOST.value and not by.owner and record.id != by.participant.id:
            raise Forbidden("owner_only", "Only the owner of the room can do that to a host.")

    def _require_role_is_ours(self, by: Access, role: Role) -> None:
        if role is Role.HOST and not by.owner:
            raise Forbidden("owner_only", "Only the owner of the room can make somebody host.")

    def _change_role(
        self, tx: AsyncSession, by: Access, record: ParticipantRecord, role: Role
    ) -> None:
        if record.role == role.value:
            return
        self._require_mine(by, record)
        self._require_role_is_ours(by, role)
        if record.username == by.room.owner and record.username is not None:
            raise Conflict("owner_stays", "Make somebody else the owner of the room first.")
        if role is Role.HOST and record.username is None:
            raise Invalid(
                "host_needs_account",
                "A host needs an account on this Jupyter server; make them interviewer instead.",
            )
        before, record.role = record.role, role.value
        self._audit.note(
            tx,
            by.room.id,
            ActivityKind.ROLE_CHANGED,
            actor=by.actor,
            subject=Actor.of(record),
            role=role.value,
            before=before,
        )

    async def transfer(self, by: Access, participant_id: str) -> None:
        """Make another Jupyter user the owner of the room; the one before stays a host.

        Raises ``Forbidden`` for all but the owner and ``Invalid`` for people without an account.
        """
        if not by.owner:
            raise Forbidden("owner_only", "Only the owner of the room can do this.")
        async with self._db.transaction() as tx:
            record = await self._record(tx, by.room.id, participant_id)
            if record.username is None or record.standing != Standing.IN.value:
                raise Invalid(
                    "owner_needs_account",
                    "The owner of a room needs an account on this Jupyter server.",
                )
            room = await tx.get_one(RoomRecord, by.room.id)
            room.owner = record.username
            record.role = Role.HOST.value
            self._audit.note(
                tx,
                room.id,
                ActivityKind.OWNER_CHANGED,
                actor=by.actor,
                subject=Actor.of(record),
            )
        await self._news.apply(by.room.id)

    # -- going -----------------------------------------------------------------------------------

    async def leave(self, access: Access) -> None:
        """End a person's way into the room: sessions are revoked, sockets are cut."""
        async with self._db.transaction() as tx:
            record = await self._record(tx, access.room.id, access.participant.id)
            await self._guests.revoke(tx, record.id)
            record.hand_raised_at = None
            if access.participant.guest:
                record.left_at = utc_now()
            self._audit.note(tx, access.room.id, ActivityKind.LEFT, actor=Actor.of(record))
        self._cut(access.room.id, record.id, LEFT, "You have left this room.")

    async def remove(self, by: Access, participant_id: str, *, ban: bool) -> None:
        """Send somebody away; banned, they cannot come again in that browser or under that name.

        Their sockets are cut before this returns. Raises ``NotFound`` and ``Forbidden``.
        """
        standing = Standing.BANNED if ban else Standing.REMOVED
        async with self._db.transaction() as tx:
            record = await self._record(tx, by.room.id, participant_id)
            self._require_mine(by, record)
            if record.id == by.participant.id:
                raise Conflict("not_yourself", "You cannot remove yourself; end the room instead.")
            await self.send_away(tx, record, standing)
            kind = ActivityKind.BANNED if ban else ActivityKind.REMOVED
            self._audit.note(tx, by.room.id, kind, actor=by.actor, subject=Actor.of(record))
        self.cut_sent_away(by.room.id, [record.id], standing)

    async def send_away(
        self, tx: AsyncSession, record: ParticipantRecord, standing: Standing
    ) -> None:
        """End somebody's sessions and standing; call ``cut_sent_away`` once it is committed."""
        await self._guests.revoke(tx, record.id)
        record.standing = standing.value
        record.hand_raised_at = None

    def cut_sent_away(self, room_id: str, participant_ids: list[str], standing: Standing) -> None:
        """Cut the sockets of people who were sent away, and tell the others."""
        for participant_id in participant_ids:
            self._cut(room_id, participant_id, REMOVED, SENT_AWAY_WORDS[standing])
        self._news.soon(room_id, News.PEOPLE, News.LOBBY, News.ROOM)

    def _cut(self, room_id: str, participant_id: str, code: int, words: str) -> None:
        for presence in (self._news.presence, self._news.lobby):
            presence.cut(room_id, code, words, participant_id)

    # -- coming and going of sockets -------------------------------------------------------------

    def _came_or_went(self, room_id: str, participant_id: str, came: bool) -> None:
        self._news.soon(room_id, News.PEOPLE, News.ROOM)
        self._news.own(self._note_presence(room_id, participant_id, came))

    async def _note_presence(self, room_id: str, participant_id: str, came: bool) -> None:
        try:
            async with self._db.transaction() as tx:
                record = await tx.get(ParticipantRecord, participant_id)
                if record is not None:
                    kind = ActivityKind.CONNECTED if came else ActivityKind.DISCONNECTED
                    self._audit.note(tx, room_id, kind, actor=Actor.of(record))
        except IntegrityError:  # a room that has just been deleted has no log any more
            async with self._db.transaction() as tx:
                if await tx.get(RoomRecord, room_id) is not None:
                    raise

    def _lobby_changed(self, room_id: str, _participant_id: str, _came: bool) -> None:
        self._news.soon(room_id, News.LOBBY)
