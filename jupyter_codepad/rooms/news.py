"""RoomNews: tells everybody in a room what has changed, each as much as they may know."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from logging import Logger
from typing import Any, cast

from sqlalchemy import func, select

from ..access.roles import Permission
from ..errors import TooMany
from ..storage import Database
from ..storage.tables import ParticipantRecord, RoomRecord, utc_now
from .access import Access, Participant, Standing, state_of
from .folders import RoomFolders
from .models import PadType, ParticipantModel, RoomModel, WaitingModel
from .presence import Connection, Presence

PAUSE_SECONDS = 0.1
PAUSE_PER_PERSON_SECONDS = 0.004
"""News of a full room cost the more the more people are in it: they come the less often."""

PEOPLE_SHOWN = 1000
IDLE_CHECK_SECONDS = 15.0


class News(StrEnum):
    """What can be told."""

    ROOM = "room"
    PEOPLE = "participants"
    LOBBY = "lobby"


@dataclass(frozen=True)
class Snapshot:
    """A room and its people, as they are in the database now."""

    room: RoomRecord
    people: list[Participant]

    @property
    def inside(self) -> list[Participant]:
        """Those who are or were in the room."""
        return [person for person in self.people if person.standing is Standing.IN]

    @property
    def waiting(self) -> list[Participant]:
        """Those in the lobby."""
        return [person for person in self.people if person.standing is Standing.WAITING]


class RoomNews:
    """Tells the open connections of a room about its changes.

    Responsible for: what each person may see of a room, its people and its lobby; gathering
    changes so that a full class coming in at once is told in few messages; handing a changed access
    to the sockets it is about, at once.

    ``idle_seconds``: after which people who do nothing are shown as idle;
    ``connections_per_person_limit``: sockets that one person can have open in a room.
    """

    def __init__(
        self,
        *,
        database: Database,
        folders: RoomFolders,
        idle_seconds: float,
        connections_per_person_limit: int,
        log: Logger,
    ) -> None:
        self._db = database
        self._folders = folders
        self._idle_after = timedelta(seconds=idle_seconds)
        self._connections_limit = connections_per_person_limit
        self._log = log
        self.presence = Presence()
        self.lobby = Presence()
        self._due: dict[str, set[News]] = {}
        self._idle: dict[str, frozenset[str]] = {}
        self._looks = 0
        self._told: dict[str, int] = {}
        """Of each room the number of the look at it that somebody was told of last."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to watch who becomes idle."""
        self.own(self._watch_idle())

    async def stop(self) -> None:
        """Stop the tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def own(self, work: Awaitable[None]) -> None:
        """Run something in the background until the end of the server; failures are logged."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("A task about a room failed.", exc_info=error)

    def require_place(self, access: Access) -> None:
        """Raise ``TooMany`` when somebody has as many sockets in a room as one may have."""
        room_id, person = access.room.id, access.participant.id
        open_now = [
            *self.presence.connections(room_id, person),
            *self.lobby.connections(room_id, person),
        ]
        if len(open_now) >= self._connections_limit:
            raise TooMany(
                "too_many_connections",
                f"You have this room open {len(open_now)} times. Close some of its tabs.",
            )

    # -- telling ---------------------------------------------------------------------------------

    def soon(self, room_id: str, *what: News) -> None:
        """Tell about a change, together with what else changes in the next moment."""
        due = self._due.get(room_id)
        if due is not None:
            due.update(what)
            return
        self._due[room_id] = set(what)
        self.own(self._tell(room_id))

    async def apply(
        self,
        room_id: str,
        participant_id: str | None = None,
        *,
        what: Iterable[News] = tuple(News),
    ) -> None:
        """Hand what people may do now to their open sockets, of the room or of one person.

        ``what``: the news that come of it, and are told soon.
        """
        now = await self._newest(room_id)
        if now is None:
            return
        people = {person.id: person for person in now.people}
        for presence in (self.presence, self.lobby):
            for person, connection in presence.sockets(room_id, participant_id):
                if person in people:
                    connection.access_changed(Access(now.room, people[person]))
        self.soon(room_id, *what)

    def tell_of_files(self, room_id: str) -> None:
        """Tell that there are other programs in a room's folder; whoever may run them asks."""
        for connection in self.presence.connections(room_id):
            connection.notify('{"type":"files"}')

    async def greet(self, access: Access, connection: Connection) -> None:
        """Tell a new connection everything."""
        now = await self._newest(access.room.id)
        if now is not None:
            for news in News:
                self._send(now, news, [(access.participant.id, connection)])

    async def _tell(self, room_id: str) -> None:
        try:
            while what := self._due[room_id]:
                self._due[room_id] = set()
                now = await self._newest(room_id)
                if now is None:
                    return
                to = list(self.presence.sockets(room_id))
                for news in News:
                    if news in what:
                        self._send(now, news, to)
                await asyncio.sleep(PAUSE_SECONDS + PAUSE_PER_PERSON_SECONDS * len(to))
        finally:
            del self._due[room_id]

    def _send(self, now: Snapshot, news: News, to: Iterable[tuple[str, Connection]]) -> None:
        people = {person.id: person for person in now.inside}
        fragments = _PeopleText(self, now) if news is News.PEOPLE else None
        lobby = json.dumps([w.model_dump(mode="json") for w in self.waiting_models(now)])
        for person_id, connection in to:
            if person_id not in people:
                continue
            access = Access(now.room, people[person_id])
            if news is News.ROOM:
                text = self.room_model(access, len(now.waiting)).model_dump_json()
            elif fragments is not None:
                text = fragments.for_person(access)
            elif Permission.INVITE in access.permissions:
                text = lobby
            else:
                continue
            key = {News.ROOM: "room", News.PEOPLE: "participants", News.LOBBY: "waiting"}[news]
            connection.notify(f'{{"type":"{news.value}","{key}":{text}}}')

    async def _watch_idle(self) -> None:
        while True:
            await asyncio.sleep(min(IDLE_CHECK_SECONDS, self._idle_after.total_seconds()))
            idle = {
                room_id: self.presence.idle(room_id, self._idle_after)
                for room_id in self.presence.rooms()
            }
            for room_id, people in idle.items():
                if self._idle.get(room_id, frozenset()) != people:
                    self.soon(room_id, News.PEOPLE)
            self._idle = idle

    def active(self, room_id: str, participant_id: str) -> None:
        """Somebody did something: the others hear of it when they were shown as idle."""
        self.presence.active(room_id, participant_id)
        known = self._idle.get(room_id)
        if known and participant_id in known:
            self._idle[room_id] = known - {participant_id}
            self.soon(room_id, News.PEOPLE)

    # -- what people may see ---------------------------------------------------------------------

    async def snapshot(self, room: RoomRecord) -> Snapshot:
        """A room's people as they are now; the room as it was handed over when it is gone."""
        return await self._snapshot(room.id) or Snapshot(room, [])

    async def waiting(self, *room_ids: str) -> Counter[str]:
        """How many people are in the lobbies of rooms."""
        query = (
            select(ParticipantRecord.room_id, func.count())
            .where(
                ParticipantRecord.room_id.in_(room_ids),
                ParticipantRecord.standing == Standing.WAITING.value,
            )
            .group_by(ParticipantRecord.room_id)
        )
        async with self._db.transaction() as tx:
            return Counter({room_id: count for room_id, count in await tx.execute(query)})

    async def _newest(self, room_id: str) -> Snapshot | None:
        """What is so now, for who is told it at once.

        A look that began earlier may end later: whoever has been told of a newer one is told
        nothing older after it, neither what was nor what they might do then.
        """
        while True:
            self._looks += 1
            number = self._looks
            now = await self._snapshot(room_id)
            if self._told.get(room_id, 0) > number:
                continue
            if self.presence.online(room_id) or self.lobby.online(room_id):
                self._told[room_id] = number
            else:
                self._told.pop(room_id, None)
            return now

    async def _snapshot(self, room_id: str) -> Snapshot | None:
        async with self._db.transaction() as tx:
            room = await tx.get(RoomRecord, room_id)
            if room is None:
                return None
            query = (
                select(ParticipantRecord)
                .where(ParticipantRecord.room_id == room_id)
                .order_by(ParticipantRecord.joined_at.desc())
                .limit(PEOPLE_SHOWN)
            )
            people = [Participant.of(record) for record in await tx.scalars(query)]
        return Snapshot(room, people[::-1])

    def people_models(self, access: Access, now: Snapshot) -> list[ParticipantModel]:
        """Everybody in the room as this person may see them, those who are here now first."""
        you = access.participant.id
        models = [
            self.person_model(Access(now.room, person), you=person.id == you, seen_by=access)
            for person in now.inside
        ]
        return sorted(models, key=lambda person: not person.online)

    def waiting_models(self, now: Snapshot) -> list[WaitingModel]:
        """Everybody in the lobby, those who are still there first."""
        online = self.lobby.online(now.room.id)
        models = [
            WaitingModel(
                id=person.id,
                name=person.name,
                color=person.color,
                role=person.role,
                guest=person.guest,
                online=person.id in online,
                joined_at=person.joined_at,
            )
            for person in now.waiting
        ]
        return sorted(models, key=lambda person: not person.online)

    def person_model(
        self, access: Access, *, you: bool, seen_by: Access | None = None
    ) -> ParticipantModel:
        """One person, as somebody (themselves by default) may see them."""
        person, room_id = access.participant, access.room.id
        rights = (seen_by or access).permissions
        here = self.presence.here(room_id, person.id)
        idle = here is not None and here.last_active < utc_now() - self._idle_after
        return ParticipantModel(
            id=person.id,
            name=person.name,
            color=person.color,
            role=person.role,
            guest=person.guest,
            owner=access.owner,
            online=here is not None,
            online_since=here.since if here else None,
            idle=idle,
            document=here.document if here else None,
            hand_raised_at=person.hand_raised_at if here else None,
            joined_at=person.joined_at,
            you=you,
            username=person.username if Permission.MANAGE in rights else None,
            invite_id=person.invite_id if Permission.INVITE in rights else None,
        )

    def room_model(self, access: Access, waiting: int = 0) -> RoomModel:
        """A room as this person may see it; ``waiting``: how many people are in its lobby."""
        room, person, rights = access.room, access.participant, access.permissions
        path = None
        if not person.guest:
            path = self._folders.current_path(room.pad_file_id, room.pad_path)
        return RoomModel(
            id=room.id,
            title=room.title,
            language=room.language,
            pad_type=cast(PadType, room.pad_type),
            pad_path=path,
            main_file=room.main_file,
            state=state_of(room),
            created_at=room.created_at,
            expires_at=room.expires_at,
            opens_at=room.opens_at,
            now=utc_now(),
            locked=room.locked,
            lobby=room.lobby,
            restrictions=cast(Any, room.restrictions),
            owner=access.owner,
            online=len(self.presence.online(room.id)),
            waiting=waiting if Permission.INVITE in rights else 0,
            me=self.person_model(access, you=True),
            permissions=sorted(rights),
        )


class _PeopleText:
    """The list of people as JSON, written once for all who may see the same of it."""

    def __init__(self, news: RoomNews, now: Snapshot) -> None:
        self._news, self._now = news, now
        self._lists: dict[frozenset[Permission], tuple[dict[str, int], list[str]]] = {}

    def for_person(self, access: Access) -> str:
        """The list for one person, in which they find themselves as "you"."""
        rights = access.permissions & {Permission.INVITE, Permission.MANAGE}
        if rights not in self._lists:
            models = self._news.people_models(access, self._now)
            places = {model.id: place for place, model in enumerate(models)}
            texts = [model.model_copy(update={"you": False}).model_dump_json() for model in models]
            self._lists[rights] = places, texts
        places, texts = self._lists[rights]
        place = places[access.participant.id]
        mine = self._news.person_model(
            Access(self._now.room, access.participant), you=True, seen_by=access
        )
        return f"[{','.join([*texts[:place], mine.model_dump_json(), *texts[place + 1 :]])}]"
