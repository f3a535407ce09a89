"""A room that is deleted in the moment in which something about it is written down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from sqlalchemy import delete, event, select, update
from sqlalchemy.exc import IntegrityError

from jupyter_codepad.access.audit import AuditLog
from jupyter_codepad.access.guests import GuestSessionManager
from jupyter_codepad.errors import NotFound
from jupyter_codepad.execution.models import RunStatus
from jupyter_codepad.execution.records import RunRecords
from jupyter_codepad.execution.room_runs import RunAuthor, RunWish
from jupyter_codepad.rooms.access import Access
from jupyter_codepad.rooms.clock import RoomClock
from jupyter_codepad.rooms.folders import RoomFolders
from jupyter_codepad.rooms.manager import RoomManager
from jupyter_codepad.rooms.news import RoomNews
from jupyter_codepad.rooms.people import PeopleManager
from jupyter_codepad.storage import Database
from jupyter_codepad.storage.tables import ActivityRecord, ParticipantRecord, RoomRecord, utc_now
from tests.storage.test_database import opened, room
from tests.support.sync_client import until

ROOM, OTHER, PERSON = "a" * 12, "b" * 12, "p" * 12
LOG = logging.getLogger("deleted rooms")


async def delete_room(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(delete(RoomRecord).where(RoomRecord.id == ROOM))


def just_before(database: Database, table: str, act: Callable[[], Awaitable[None]]) -> list[str]:
    """Do something once, right before the first row goes into a table; returns what was done."""
    done: list[str] = []

    def look(connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith(f"INSERT INTO {table}") and not done:
            done.append(statement)
            connection.connection.dbapi_connection.run_async(lambda _driver: act())

    event.listen(database.engine.sync_engine, "before_cursor_execute", look)
    return done


class Looker:
    """An open socket."""

    document_name = "pad"

    def notify(self, message: str) -> None:
        """Hear the news."""

    def access_changed(self, access: Access) -> None:
        """Nothing changes here."""

    def cut(self, code: int, reason: str) -> None:
        """It is not cut."""


class World:
    """The managers of rooms on a database, with one person in one room."""

    def __init__(self, database: Database, root: Path) -> None:
        self.database = database
        folders = RoomFolders(
            contents=AsyncLargeFileManager(root_dir=str(root)),
            file_ids=lambda: cast(Any, None),
            parent="",
            document_limit_bytes=1000,
        )
        guests, audit = GuestSessionManager(), AuditLog(emit=lambda _about: None, kept=10)
        self.news = RoomNews(
            database=database,
            folders=folders,
            idle_seconds=100,
            connections_per_person_limit=10,
            log=LOG,
        )
        people = PeopleManager(
            database=database, news=self.news, guests=guests, audit=audit, participants_limit=10
        )
        self.rooms = RoomManager(
            database=database,
            folders=folders,
            sources=folders.sources(1000),
            people=people,
            news=self.news,
            guests=guests,
            audit=audit,
            starter=lambda language: (language, "", ""),
            recognise=lambda _source: "python",
            ttl_hours=1,
            ttl_limit_hours=1,
            rooms_per_owner_limit=10,
        )
        self.clock = RoomClock(
            database=database,
            rooms=self.rooms,
            news=self.news,
            audit=audit,
            log=LOG,
            retention_days=0,
            retention_deletes_files=False,
        )

    async def rest(self) -> None:
        """Wait until nothing goes on any more."""
        me = asyncio.current_task()
        await asyncio.wait([task for task in asyncio.all_tasks() if task is not me])

    async def activity(self, room_id: str) -> list[str]:
        async with self.database.transaction() as tx:
            query = select(ActivityRecord.kind).where(ActivityRecord.room_id == room_id)
            return list(await tx.scalars(query))


@asynccontextmanager
async def world(url: str, root: Path) -> AsyncIterator[World]:
    async with opened(url) as database:
        async with database.transaction() as tx:
            tx.add_all([room(), room(OTHER)])
            await tx.flush()
            person = {"name": "Ada", "name_key": "ada", "color": "#123456", "role": "member"}
            tx.add(ParticipantRecord(id=PERSON, room_id=ROOM, **person))
        made = World(database, root)
        try:
            yield made
        finally:
            await made.news.stop()


async def test_a_presence_that_the_deletion_overtakes_is_nobodys_fault(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Looker()
    async with world(url, tmp_path) as at:
        at.news.presence.connect(ROOM, PERSON, connection)
        await at.rest()
        assert await at.activity(ROOM) == ["connected"]
        deleted = just_before(at.database, "activity", lambda: delete_room(at.database))
        at.news.presence.disconnect(ROOM, PERSON, connection)
        await at.rest()
        assert deleted
        assert await at.activity(ROOM) == []
    assert caplog.records == []


async def test_the_clock_goes_on_when_a_room_is_deleted_as_its_time_ends(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []

    async def note(room_id: str) -> None:
        ended.append(room_id)

    async with world(url, tmp_path) as at:
        at.rooms.room_ended = note
        deleted = just_before(at.database, "activity", lambda: delete_room(at.database))
        await at.clock.start()
        await asyncio.sleep(0)  # it looks from now on
        async with at.database.transaction() as tx:
            await tx.execute(update(RoomRecord).values(expires_at=utc_now()))
        at.rooms.times_changed()
        await until(lambda: ended, "the end of the room that is left")
        assert deleted
        assert ended == [OTHER]
        assert await at.activity(OTHER) == ["room_expired"]
    assert caplog.records == []


async def test_a_run_of_a_deleted_room_is_not_written_down(url: str, tmp_path: Path) -> None:
    by = RunAuthor(PERSON, "Ada", "#123456")
    async with world(url, tmp_path) as at:
        records = RunRecords(at.database)
        [record] = await records.add(ROOM, by, [RunWish()])
        record.status = RunStatus.RUNNING.value
        await records.save(record)
        assert (await records.past_run(ROOM, record.id)).status is RunStatus.RUNNING
        await delete_room(at.database)
        await records.refuse([record], "The room was closed.")
        with pytest.raises(NotFound):
            await records.past_run(ROOM, record.id)
        with pytest.raises(NotFound) as refused:
            await records.add(ROOM, by, [RunWish()])
        assert isinstance(refused.value.__cause__, IntegrityError)
