"""RoomManager: rooms and their folders, from creation to deletion."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ..access.audit import ActivityKind, Actor, AuditLog
from ..access.guests import GuestSessionManager
from ..access.identity import JupyterUser
from ..access.roles import RESTRICTABLE, Permission, Role
from ..access.tokens import new_id
from ..errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from ..storage import Database
from ..storage.tables import ActivityRecord, ParticipantRecord, RoomRecord, utc_now
from .access import Access, Participant, Standing, state_of
from .folders import NOTEBOOK_SUFFIX, RoomFolders, notebook
from .models import PadType, RoomCreate, RoomPatch, RoomState
from .news import News, RoomNews
from .people import PeopleManager
from .sources import Source, SourceFiles

CLOSED, EXPIRED, DELETED = 4410, 4411, 4412
DEFAULT_LANGUAGE = "python"


class RoomManager:
    """The rules of rooms.

    Responsible for: rooms and their folders from creation to deletion; what a host can set about a
    room; ending rooms (sockets are cut, ``room_ended`` is awaited) and removing them.

    ``starter``: gives the file name, starter text and kernel name of a language id, or raises
    ``Invalid``; ``recognise``: gives the id of the language that a copied file is in, or raises
    ``Invalid``.
    """

    def __init__(
        self,
        *,
        database: Database,
        folders: RoomFolders,
        sources: SourceFiles,
        people: PeopleManager,
        news: RoomNews,
        guests: GuestSessionManager,
        audit: AuditLog,
        starter: Callable[[str], tuple[str, str, str]],
        recognise: Callable[[Source], str],
        ttl_hours: float,
        ttl_limit_hours: float,
        rooms_per_owner_limit: int,
    ) -> None:
        self._db = database
        self._folders = folders
        self._sources = sources
        self._people = people
        self._news = news
        self._guests = guests
        self._audit = audit
        self._starter = starter
        self._recognise = recognise
        self._ttl_hours = ttl_hours
        self._ttl_limit_hours = ttl_limit_hours
        self._rooms_limit = rooms_per_owner_limit
        self.room_ended: Callable[[str], Awaitable[None]] = _nothing_more
        self.room_deleted: Callable[[RoomRecord, bool], Awaitable[None]] = _nothing_more
        self.times_changed: Callable[[], None] = lambda: None

    # -- making ----------------------------------------------------------------------------------

    async def create(self, owner: JupyterUser, wish: RoomCreate) -> Access:
        """Make a room with its folder and pad; the owner is its host.

        Raises ``Invalid`` for an unknown language, a bad file or time, ``Conflict`` at the limit of
        rooms or when the folder cannot be written, ``TooLarge`` for the text.
        """
        expires_at = self._expiry(wish.expires_in_hours or self._ttl_hours)
        opens_at = self._opening(wish.opens_at, expires_at)
        async with self._db.transaction() as tx:
            count = await tx.scalar(select(func.count()).where(RoomRecord.owner == owner.username))
        if (count or 0) >= self._rooms_limit:
            raise Conflict(
                "too_many_rooms", f"You have {self._rooms_limit} rooms already. Delete some first."
            )
        language, file_name, pad_type, content = await self._first_content(wish)
        room_id = new_id()
        folder = self._folders.path_for(room_id, wish.title)
        pad_path = await self._folders.create(folder, file_name, pad_type, content)
        room = RoomRecord(
            id=room_id,
            owner=owner.username,
            title=wish.title,
            language=language,
            pad_type=pad_type,
            folder=folder,
            pad_path=pad_path,
            pad_file_id=self._folders.file_id(pad_path),
            created_at=utc_now(),
            expires_at=expires_at,
            prepared=wish.prepared or opens_at is not None,
            opens_at=opens_at,
            lobby=wish.lobby,
            locked=False,
            restrictions={},
        )
        async with self._db.transaction() as tx:
            tx.add(room)
            await tx.flush()
            host = await self._people.add(tx, room, owner.name, Role.HOST, username=owner.username)
            self._audit.note(tx, room.id, ActivityKind.ROOM_CREATED, actor=Actor.of(host))
        self.times_changed()
        return Access(room, Participant.of(host))

    async def _first_content(self, wish: RoomCreate) -> tuple[str, str, PadType, Any]:
        """Language, file name, kind and content of a new pad."""
        if wish.source_path is not None:
            if wish.starter_text is not None:
                raise Invalid(
                    "two_sources", "Give a starter text or an existing file, not both of them."
                )
            source = await self._sources.read(wish.source_path)
            language = self._recognise(source) if wish.language is None else wish.language
            kernel_name = self._starter(language)[2]
            if source.pad_type == "notebook" and not kernel_name:
                raise Invalid("no_notebook", "A notebook cannot be in this language.")
            return language, source.name, source.pad_type, source.content
        language = wish.language or DEFAULT_LANGUAGE
        file_name, starter_text, kernel_name = self._starter(language)
        text = starter_text if wish.starter_text is None else wish.starter_text
        text = text.replace("\r\n", "\n")
        self._folders.check_size(text)
        if wish.pad_type == "file":
            return language, file_name, "file", text
        if not kernel_name:
            raise Invalid("no_notebook", "A notebook cannot be in this language.")
        name = PurePosixPath(file_name).stem + NOTEBOOK_SUFFIX
        return language, name, "notebook", notebook(text.rstrip("\n"), kernel_name, language)

    def _expiry(self, hours: float) -> datetime:
        if hours > self._ttl_limit_hours:
            raise Invalid(
                "expiry_too_far", f"A room can last at most {self._ttl_limit_hours:g} hours."
            )
        return utc_now() + timedelta(hours=hours)

    def _opening(self, opens_at: datetime | None, expires_at: datetime) -> datetime | None:
        if opens_at is not None and not utc_now() < opens_at < expires_at:
            raise Invalid(
                "opening_out_of_range",
                "A room opens in the future and before it ends; this is not.",
            )
        return opens_at

    # -- looking ---------------------------------------------------------------------------------

    async def rooms_of(self, user: JupyterUser) -> list[Access]:
        """The rooms of a Jupyter user, newest first."""
        query = (
            select(RoomRecord, ParticipantRecord)
            .join(ParticipantRecord, ParticipantRecord.room_id == RoomRecord.id)
            .where(
                ParticipantRecord.username == user.username,
                ParticipantRecord.standing == Standing.IN.value,
            )
            .order_by(RoomRecord.created_at.desc())
        )
        async with self._db.transaction() as tx:
            rows = (await tx.execute(query)).all()
        return [Access(room, Participant.of(person)) for room, person in rows]

    async def room(self, room_id: str) -> RoomRecord | None:
        """A room by its id."""
        async with self._db.transaction() as tx:
            return await tx.get(RoomRecord, room_id)

    async def room_of_pad(self, file_id: str) -> RoomRecord | None:
        """The newest room whose pad is this file, if any."""
        async with self._db.transaction() as tx:
            query = select(RoomRecord).where(RoomRecord.pad_file_id == file_id)
            return await tx.scalar(query.order_by(RoomRecord.created_at.desc()).limit(1))

    async def activity(
        self, room_id: str, *, limit: int, before: int | None = None
    ) -> list[ActivityRecord]:
        """The newest entries of the activity log, newest first."""
        async with self._db.transaction() as tx:
            return await self._audit.read(tx, room_id, limit=limit, before=before)

    async def note(self, by: Access, kind: ActivityKind) -> None:
        """Write down that a person did something with the room."""
        async with self._db.transaction() as tx:
            self._audit.note(tx, by.room.id, kind, actor=by.actor)

    # -- changing --------------------------------------------------------------------------------

    async def update(self, access: Access, patch: RoomPatch) -> Access:
        """Change a room; what people may do changes on their open sockets before this returns.

        Raises ``Invalid`` for times out of range and for restrictions that cannot be.
        """
        async with self._db.transaction() as tx:
            room = await tx.get(RoomRecord, access.room.id)
            if room is None:
                raise no_room()
            before = state_of(room)
            await self._set(tx, room, patch)
            self._note_change(tx, access, room, before, patch)
        self.times_changed()
        if state_of(room) is RoomState.CLOSED:
            await self.end(room.id, CLOSED, "The host has closed this room.")
        await self._news.apply(room.id, what=(News.ROOM,))
        return Access(room, access.participant)

    async def _set(self, tx: AsyncSession, room: RoomRecord, patch: RoomPatch) -> None:
        if patch.title is not None:
            room.title = patch.title
        if patch.locked is not None:
            room.locked = patch.locked
        if patch.lobby is not None:
            room.lobby = patch.lobby
        if patch.restrictions is not None:
            room.restrictions = _restrictions(patch.restrictions)
        if patch.expires_in_hours is not None:
            room.expires_at = self._expiry(patch.expires_in_hours)
            await self._guests.extend(tx, room.id, room.expires_at)
        if patch.state == "closed" and room.closed_at is None:
            room.closed_at = utc_now()
        elif patch.state is not None and patch.state != "closed":
            room.closed_at = None
            room.prepared = patch.state == "prepared"
            room.opens_at = None
        if "opens_at" in patch.model_fields_set:
            room.opens_at = self._opening(patch.opens_at, room.expires_at)
            room.prepared = room.prepared or room.opens_at is not None

    async def set_language(self, access: Access, language: str, pad_path: str) -> Access:
        """Note what a room's pad is in now, and how its file is called; tell everybody."""
        async with self._db.transaction() as tx:
            room = await tx.get(RoomRecord, access.room.id)
            if room is None:
                raise no_room()
            if room.language != language:
                kind = ActivityKind.ROOM_CHANGED
                self._audit.note(tx, room.id, kind, actor=access.actor, language=language)
                room.main_file = None
            room.language, room.pad_path = language, pad_path
        await self._news.apply(room.id, what=(News.ROOM,))
        return Access(room, access.participant)

    async def set_main_file(self, access: Access, main_file: str | None) -> Access:
        """Note which file of a room's folder is run, None: the pad's; tell everybody."""
        async with self._db.transaction() as tx:
            room = await tx.get(RoomRecord, access.room.id)
            if room is None:
                raise no_room()
            room.main_file = main_file
        await self._news.apply(room.id, what=(News.ROOM,))
        return Access(room, access.participant)

    def _note_change(
        self,
        tx: AsyncSession,
        access: Access,
        room: RoomRecord,
        before: RoomState,
        patch: RoomPatch,
    ) -> None:
        after = state_of(room)
        if after is not before and after in STATE_KINDS:
            self._audit.note(tx, room.id, STATE_KINDS[after], actor=access.actor)
        changes = patch.model_dump(mode="json", exclude_unset=True, exclude={"state", "title"})
        if changes:
            self._audit.note(tx, room.id, ActivityKind.ROOM_CHANGED, actor=access.actor, **changes)

    # -- ending ----------------------------------------------------------------------------------

    async def end(self, room_id: str, code: int, reason: str) -> None:
        """Cut everybody's sockets, in the room and in its lobby, and end what runs."""
        self._news.presence.cut(room_id, code, reason)
        self._news.lobby.cut(room_id, code, reason)
        await self.room_ended(room_id)

    async def delete(self, access: Access, *, delete_files: bool) -> None:
        """Remove a room with its links, people, runs and log; its files stay unless asked.

        Raises ``Forbidden`` for all but the owner.
        """
        if not access.owner:
            raise Forbidden("owner_only", "Only the owner of the room can delete it.")
        await self.forget(access.room, delete_files=delete_files)

    async def forget(self, room: RoomRecord, *, delete_files: bool) -> None:
        """Remove a room and all records of it."""
        await self.end(room.id, DELETED, "The host has deleted this room.")
        if delete_files:
            await self._folders.delete(room.folder)
        await self.room_deleted(room, delete_files)
        async with self._db.transaction() as tx:
            await tx.execute(delete(RoomRecord).where(RoomRecord.id == room.id))


STATE_KINDS = {
    RoomState.OPEN: ActivityKind.ROOM_OPENED,
    RoomState.CLOSED: ActivityKind.ROOM_CLOSED,
}


async def _nothing_more(*_about: object) -> None:
    return None


def _restrictions(wish: dict[Role, list[Permission]]) -> dict[str, Any]:
    """Restrictions as they are stored. Raises ``Invalid`` for what cannot be switched off."""
    for role, permissions in wish.items():
        if not role.can_be_restricted:
            raise Invalid("host_not_restricted", "Nothing can be switched off for the host.")
        for permission in permissions:
            if permission not in RESTRICTABLE:
                raise Invalid(
                    "not_restrictable",
                    f"“{permission.value}” cannot be switched off; change the person's role.",
                )
    return {role.value: sorted({p.value for p in off}) for role, off in wish.items() if off}


def no_room() -> NotFound:
    """There is no such room, or nobody must know."""
    return NotFound("room_not_found", "There is no such room, or you are not in it.")


def require_access(access: Access | None, *, signed_in: bool) -> Access:
    """The access, or ``NotFound`` (signed in elsewhere) or ``Unauthenticated`` (nobody at all)."""
    if access is not None:
        return access
    if signed_in:
        raise no_room()
    raise Unauthenticated("not_signed_in", "Open the link that you were sent to enter the room.")
