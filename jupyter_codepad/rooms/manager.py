"""RoomManager: rooms, the people in them, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from logging import Logger
from pathlib import PurePosixPath
from typing import Any, cast

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ..access.guests import GuestSessionManager
from ..access.identity import COLORS, JupyterUser, clean_name, unique_name
from ..access.invites import InviteManager
from ..access.roles import Role
from ..access.tokens import new_id
from ..errors import Conflict, Gone, Invalid, NotFound, Unauthenticated
from ..storage import Database
from ..storage.tables import InviteRecord, ParticipantRecord, RoomRecord, utc_now
from .access import Access, Participant, state_of
from .folders import NOTEBOOK_SUFFIX, RoomFolders, notebook
from .models import (
    InviteCreate,
    PadType,
    ParticipantModel,
    RoomCreate,
    RoomModel,
    RoomPatch,
    RoomState,
)
from .presence import Presence

CLOSED, EXPIRED, DELETED = 4410, 4411, 4412
LEFT = 4401

EXPIRY_POLL_SECONDS = 30.0
"""Longest sleep between two looks for expired rooms: the clock itself may be set."""


class RoomManager:
    """The rules of rooms.

    Responsible for: rooms and their folders from creation to deletion; who is a participant and by
    which door they came; ending rooms on time (sockets are cut, ``room_ended`` is awaited).

    ``starter``: gives the file name, starter text, kernel name and editor mode of a language id,
    or raises ``Invalid``.
    """

    def __init__(
        self,
        *,
        database: Database,
        folders: RoomFolders,
        invites: InviteManager,
        starter: Callable[[str], tuple[str, str, str]],
        log: Logger,
        ttl_hours: float,
        ttl_limit_hours: float,
        rooms_per_owner_limit: int,
        participants_limit: int,
    ) -> None:
        self._db = database
        self._folders = folders
        self._invites = invites
        self._guests = GuestSessionManager()
        self._starter = starter
        self._log = log
        self._ttl_hours = ttl_hours
        self._ttl_limit_hours = ttl_limit_hours
        self._rooms_limit = rooms_per_owner_limit
        self._people_limit = participants_limit
        self.presence = Presence()
        self.presence.on_change = self._presence_changed
        self.room_ended: Callable[[str], Awaitable[None]] = _nothing_more
        self.room_deleted: Callable[[RoomRecord, bool], Awaitable[None]] = _nothing_more
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to end rooms on time."""
        self._own(self._end_expired_rooms())

    async def stop(self) -> None:
        """Stop the tasks; rooms stay as they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- rooms -----------------------------------------------------------------------------------

    async def create(self, owner: JupyterUser, wish: RoomCreate) -> Access:
        """Make a room with its folder and pad; the owner is its host.

        Raises ``Invalid`` for an unknown language, a bad file or time, ``Conflict`` at the limit of
        rooms or when the folder cannot be written, ``TooLarge`` for the text.
        """
        expires_at = self._expiry(wish.expires_in_hours or self._ttl_hours)
        async with self._db.transaction() as tx:
            count = await tx.scalar(select(func.count()).where(RoomRecord.owner == owner.username))
        if (count or 0) >= self._rooms_limit:
            raise Conflict(
                "too_many_rooms", f"You have {self._rooms_limit} rooms already. Delete some first."
            )
        file_name, pad_type, content = await self._first_content(wish)
        room_id = new_id()
        folder = self._folders.path_for(room_id, wish.title)
        pad_path = await self._folders.create(folder, file_name, pad_type, content)
        room = RoomRecord(
            id=room_id,
            owner=owner.username,
            title=wish.title,
            language=wish.language,
            pad_type=pad_type,
            folder=folder,
            pad_path=pad_path,
            pad_file_id=self._folders.file_id(pad_path),
            expires_at=expires_at,
        )
        async with self._db.transaction() as tx:
            tx.add(room)
            await tx.flush()
            host = await self._add_participant(
                tx, room, owner.name, Role.HOST, username=owner.username
            )
        self._wake.set()
        return Access(room, Participant.of(host))

    async def _first_content(self, wish: RoomCreate) -> tuple[str, PadType, Any]:
        file_name, starter_text, kernel_name = self._starter(wish.language)
        if wish.source_path is not None:
            if wish.starter_text is not None:
                raise Invalid(
                    "two_sources", "Give a starter text or an existing file, not both of them."
                )
            return await self._folders.read(wish.source_path)
        text = starter_text if wish.starter_text is None else wish.starter_text
        text = text.replace("\r\n", "\n")
        self._folders.check_size(text)
        if wish.pad_type == "file":
            return file_name, "file", text
        name = PurePosixPath(file_name).stem + NOTEBOOK_SUFFIX
        return name, "notebook", notebook(text.rstrip("\n"), kernel_name, wish.language)

    def _expiry(self, hours: float) -> datetime:
        if hours > self._ttl_limit_hours:
            raise Invalid(
                "expiry_too_far", f"A room can last at most {self._ttl_limit_hours:g} hours."
            )
        return utc_now() + timedelta(hours=hours)

    async def rooms_of(self, user: JupyterUser) -> list[Access]:
        """The rooms of a Jupyter user, newest first."""
        query = (
            select(RoomRecord, ParticipantRecord)
            .join(ParticipantRecord, ParticipantRecord.room_id == RoomRecord.id)
            .where(ParticipantRecord.username == user.username)
            .order_by(RoomRecord.created_at.desc())
        )
        async with self._db.transaction() as tx:
            rows = (await tx.execute(query)).all()
        return [Access(room, Participant.of(person)) for room, person in rows]

    async def update(self, access: Access, patch: RoomPatch) -> Access:
        """Change title, state or expiry; closing cuts everybody's sockets."""
        async with self._db.transaction() as tx:
            room = await tx.get(RoomRecord, access.room.id)
            if room is None:
                raise _no_room()
            if patch.title is not None:
                room.title = patch.title
            if patch.expires_in_hours is not None:
                room.expires_at = self._expiry(patch.expires_in_hours)
                await self._guests.extend(tx, room.id, room.expires_at)
            if patch.state == "closed" and room.closed_at is None:
                room.closed_at = utc_now()
            elif patch.state == "open":
                room.closed_at = None
        self._wake.set()
        if state_of(room) is RoomState.CLOSED:
            await self._end(room.id, CLOSED, "The host has closed this room.")
        await self._announce_room(room)
        return Access(room, access.participant)

    async def _announce_room(self, room: RoomRecord) -> None:
        async with self._db.transaction() as tx:
            query = select(ParticipantRecord).where(ParticipantRecord.room_id == room.id)
            people = [Participant.of(record) for record in await tx.scalars(query)]
        for person in people:
            connections = self.presence.connections(room.id, person.id)
            if connections:
                model = self.model(Access(room, person)).model_dump(mode="json")
                for connection in connections:
                    connection.notify({"type": "room", "room": model})

    async def delete(self, access: Access, *, delete_files: bool) -> None:
        """Remove a room with its links, people and runs; its files stay unless asked."""
        await self._end(access.room.id, DELETED, "The host has deleted this room.")
        if delete_files:
            await self._folders.delete(access.room.folder)
        await self.room_deleted(access.room, delete_files)
        async with self._db.transaction() as tx:
            await tx.execute(delete(RoomRecord).where(RoomRecord.id == access.room.id))

    # -- the ways in -----------------------------------------------------------------------------

    async def access_for_user(self, user: JupyterUser, room_id: str) -> Access | None:
        """What a Jupyter user is in a room, or None when they have no part in it."""
        async with self._db.transaction() as tx:
            room = await tx.get(RoomRecord, room_id)
            if room is None:
                return None
            query = select(ParticipantRecord).where(
                ParticipantRecord.room_id == room_id, ParticipantRecord.username == user.username
            )
            person = await tx.scalar(query)
        return Access(room, Participant.of(person)) if person else None

    async def access_for_guest(self, token: str, room_id: str) -> Access | None:
        """What the guest with this session token is in a room, or None."""
        async with self._db.transaction() as tx:
            person = await self._guests.find(tx, token, room_id)
            room = await tx.get(RoomRecord, room_id) if person else None
        return Access(room, Participant.of(person)) if room and person else None

    async def invited_room(self, code: str) -> RoomRecord:
        """The room a code leads to. Raises ``NotFound`` (dead link) or ``Gone`` (dead room)."""
        async with self._db.transaction() as tx:
            invite = await self._invites.find(tx, code)
            return await self._open_room(tx, invite)

    async def join(self, code: str, name: str) -> tuple[Access, str]:
        """Let a guest in by a link; returns their access and their session token.

        Raises ``NotFound`` or ``Gone`` for the link, ``Invalid`` for the name, ``Conflict`` when
        the room is full. A use of the link is counted only when they are in.
        """
        wanted = clean_name(name)
        async with self._db.transaction() as tx:
            invite = await self._invites.find(tx, code)
            room = await self._open_room(tx, invite)
            role = await self._invites.exchange(tx, invite)
            person = await self._add_participant(
                tx, room, wanted, role, username=None, invite_id=invite.id
            )
            token = await self._guests.create(tx, person, room.expires_at)
        return Access(room, Participant.of(person)), token

    async def join_as_user(self, code: str, user: JupyterUser) -> Access:
        """Let another Jupyter user of this server in by a link, under their own name."""
        room = await self.invited_room(code)
        access = await self.access_for_user(user, room.id)
        if access is not None:
            return access
        async with self._db.transaction() as tx:
            invite = await self._invites.find(tx, code)
            role = await self._invites.exchange(tx, invite)
            person = await self._add_participant(
                tx, room, user.name, role, username=user.username, invite_id=invite.id
            )
        return Access(room, Participant.of(person))

    async def leave(self, access: Access) -> None:
        """End a person's way into the room: sessions are revoked, sockets are cut."""
        async with self._db.transaction() as tx:
            await self._guests.revoke(tx, access.participant.id)
        self.presence.cut(access.room.id, LEFT, "You have left this room.", access.participant.id)

    async def _open_room(self, tx: AsyncSession, invite: InviteRecord) -> RoomRecord:
        room = await tx.get(RoomRecord, invite.room_id)
        if room is None:
            raise _no_room()
        require_open(room)
        return room

    async def _add_participant(
        self,
        tx: AsyncSession,
        room: RoomRecord,
        name: str,
        role: Role,
        *,
        username: str | None,
        invite_id: str | None = None,
    ) -> ParticipantRecord:
        """Record a person under a name of their own; two who race for one name both get one."""
        for _attempt in range(5):
            query = select(ParticipantRecord.name).where(ParticipantRecord.room_id == room.id)
            taken = set(await tx.scalars(query))
            if len(taken) >= self._people_limit:
                raise Conflict(
                    "room_full", f"This room is full: it has had {self._people_limit} people."
                )
            person = ParticipantRecord(
                id=new_id(),
                room_id=room.id,
                username=username,
                name=unique_name(name, taken),
                color=COLORS[len(taken) % len(COLORS)],
                role=role.value,
                invite_id=invite_id,
                joined_at=utc_now(),
            )
            try:
                async with tx.begin_nested():
                    tx.add(person)
            except IntegrityError:
                continue
            return person
        raise Conflict("name_taken", "Somebody just took that name. Please try again.")

    # -- people and links ------------------------------------------------------------------------

    async def participants(self, room_id: str, you: str | None = None) -> list[ParticipantModel]:
        """Everybody who ever joined a room, those who are here now first."""
        async with self._db.transaction() as tx:
            query = select(ParticipantRecord).where(ParticipantRecord.room_id == room_id)
            records = list(await tx.scalars(query.order_by(ParticipantRecord.joined_at)))
        online = self.presence.online(room_id)
        people = [
            Participant.of(record).model(online=record.id in online, you=record.id == you)
            for record in records
        ]
        return sorted(people, key=lambda person: not person.online)

    async def create_invite(self, room_id: str, wish: InviteCreate) -> tuple[InviteRecord, str]:
        """Make a share link; returns its record and its code."""
        ttl = timedelta(hours=wish.expires_in_hours) if wish.expires_in_hours else None
        async with self._db.transaction() as tx:
            return await self._invites.create(
                tx, room_id, wish.role, label=wish.label, ttl=ttl, max_uses=wish.max_uses
            )

    async def list_invites(self, room_id: str) -> list[InviteRecord]:
        """All links of a room, newest first."""
        async with self._db.transaction() as tx:
            return await self._invites.all_of(tx, room_id)

    async def revoke_invites(self, room_id: str, invite_id: str | None = None) -> None:
        """End one link of a room, or all of them."""
        async with self._db.transaction() as tx:
            await self._invites.revoke(tx, room_id, invite_id)

    async def room(self, room_id: str) -> RoomRecord | None:
        """A room by its id."""
        async with self._db.transaction() as tx:
            return await tx.get(RoomRecord, room_id)

    async def room_of_pad(self, file_id: str) -> RoomRecord | None:
        """The newest room whose pad is this file, if any."""
        async with self._db.transaction() as tx:
            query = select(RoomRecord).where(RoomRecord.pad_file_id == file_id)
            return await tx.scalar(query.order_by(RoomRecord.created_at.desc()).limit(1))

    def model(self, access: Access) -> RoomModel:
        """A room as this person may see it."""
        room, person = access.room, access.participant
        online = self.presence.online(room.id)
        path = None
        if not person.guest:
            path = self._folders.current_path(room.pad_file_id, room.pad_path)
        return RoomModel(
            id=room.id,
            title=room.title,
            language=room.language,
            pad_type=cast(PadType, room.pad_type),
            pad_path=path,
            state=state_of(room),
            created_at=room.created_at,
            expires_at=room.expires_at,
            online=len(online),
            me=person.model(online=person.id in online, you=True),
            permissions=sorted(access.permissions),
        )

    # -- their end -------------------------------------------------------------------------------

    def _own(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _presence_changed(self, room_id: str) -> None:
        self._own(self._announce(room_id))

    async def _announce(self, room_id: str) -> None:
        online = self.presence.online(room_id)
        if online:
            people = await self.participants(room_id)
            self.presence.announce(room_id, people)

    async def _end(self, room_id: str, code: int, reason: str) -> None:
        self.presence.cut(room_id, code, reason)
        await self.room_ended(room_id)

    async def _end_expired_rooms(self) -> None:
        since = utc_now()
        while True:
            self._wake.clear()
            now = utc_now()
            async with self._db.transaction() as tx:
                query = select(RoomRecord.id).where(
                    RoomRecord.expires_at > since, RoomRecord.expires_at <= now
                )
                expired = list(await tx.scalars(query))
                upcoming = await tx.scalar(
                    select(func.min(RoomRecord.expires_at)).where(RoomRecord.expires_at > now)
                )
            since = now
            for room_id in expired:
                await self._end(room_id, EXPIRED, "This room's time is over.")
            pause = EXPIRY_POLL_SECONDS
            if upcoming is not None:
                pause = min(pause, max(0.05, (upcoming - utc_now()).total_seconds()))
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue


async def _nothing_more(*_about: object) -> None:
    return None


def _no_room() -> NotFound:
    return NotFound("room_not_found", "There is no such room, or you are not in it.")


def require_access(access: Access | None, *, signed_in: bool) -> Access:
    """The access, or ``NotFound`` (signed in elsewhere) or ``Unauthenticated`` (nobody at all)."""
    if access is not None:
        return access
    if signed_in:
        raise _no_room()
    raise Unauthenticated("not_signed_in", "Open the link that you were sent to enter the room.")


def require_open(room: RoomRecord) -> None:
    """Raise ``Gone`` in words when a room has been closed or has expired."""
    state = state_of(room)
    if state is RoomState.CLOSED:
        raise Gone("room_closed", "The host has closed this room.")
    if state is RoomState.EXPIRED:
        raise Gone("room_expired", "This room's time is over.")
