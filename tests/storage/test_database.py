"""The record store: migrations, transactions and time, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from jupyter_codepad.storage import Database
from jupyter_codepad.storage.database import async_url
from jupyter_codepad.storage.tables import (
    Base,
    InviteRecord,
    ParticipantRecord,
    RoomRecord,
    utc_now,
)

OLD_MOMENT = "2026-01-01 00:00:00"
OLD_ROOM = (
    "INSERT INTO rooms (id, owner, title, language, pad_type, folder, pad_path, pad_file_id,"
    " created_at, expires_at) VALUES ('room00000000', 'local', 'T', 'python', 'file', 'f',"
    f" 'f/main.py', 'x', '{OLD_MOMENT}', '{OLD_MOMENT}')"
)
"""A room in the tables of every revision."""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


def room(room_id: str = "a" * 12, **values: Any) -> RoomRecord:
    fields: dict[str, Any] = {
        "id": room_id,
        "owner": "local",
        "title": "T",
        "language": "python",
        "pad_type": "file",
        "folder": "f",
        "pad_path": "f/main.py",
        "pad_file_id": "x",
        "expires_at": utc_now() + timedelta(hours=1),
    }
    return RoomRecord(**{**fields, **values})


async def test_migrations_make_exactly_the_tables_of_the_code(url: str) -> None:
    def difference(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    async with opened(url) as database, database.engine.connect() as connection:
        assert await connection.run_sync(difference) == []
        tables = await connection.run_sync(lambda c: set(inspect(c).get_table_names()))
    assert tables >= {"rooms", "participants", "invites", "guest_sessions", "runs"}


async def test_starting_again_keeps_what_is_there(url: str) -> None:
    async with opened(url) as database, database.transaction() as tx:
        tx.add(room())
    async with opened(url) as database, database.transaction() as tx:
        found = await tx.get(RoomRecord, "a" * 12)
    assert found is not None and found.title == "T"


async def test_times_come_back_aware_and_in_utc(url: str) -> None:
    moment = datetime(2026, 5, 4, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    async with opened(url) as database:
        async with database.transaction() as tx:
            tx.add(room(expires_at=moment))
        async with database.transaction() as tx:
            found = (await tx.scalars(select(RoomRecord))).one()
    assert found.expires_at == moment
    assert found.expires_at.tzinfo is UTC


async def test_a_naive_time_is_refused(url: str) -> None:
    async with opened(url) as database:
        with pytest.raises(StatementError, match="naive"):
            async with database.transaction() as tx:
                tx.add(room(expires_at=datetime(2026, 5, 4)))


async def test_a_transaction_that_raises_leaves_nothing(url: str) -> None:
    async with opened(url) as database:
        with pytest.raises(RuntimeError, match="stop"):
            async with database.transaction() as tx:
                tx.add(room())
                await tx.flush()
                raise RuntimeError("stop")
        async with database.transaction() as tx:
            assert await tx.get(RoomRecord, "a" * 12) is None


async def test_deleting_a_room_takes_everything_of_it_along(url: str) -> None:
    async with opened(url) as database:
        async with database.transaction() as tx:
            tx.add(room())
            await tx.flush()
            tx.add(InviteRecord(id="i" * 12, room_id="a" * 12, code_hash="h", role="member"))
            await tx.flush()
            tx.add(
                ParticipantRecord(
                    id="p" * 12,
                    room_id="a" * 12,
                    name="Ada",
                    name_key="ada",
                    color="#123456",
                    role="member",
                    invite_id="i" * 12,
                )
            )
        async with database.transaction() as tx:
            await tx.execute(text("DELETE FROM rooms"))
        async with database.transaction() as tx:
            assert (await tx.scalars(select(ParticipantRecord))).all() == []
            assert (await tx.scalars(select(InviteRecord))).all() == []


async def test_two_people_of_a_room_cannot_have_one_name(url: str) -> None:
    async with opened(url) as database:
        async with database.transaction() as tx:
            tx.add(room())
        people = [
            ParticipantRecord(
                id=letter * 12,
                room_id="a" * 12,
                name="Ada",
                name_key="ada",
                color="#123456",
                role="member",
            )
            for letter in "pq"
        ]
        with pytest.raises(IntegrityError):
            async with database.transaction() as tx:
                tx.add_all(people)


def test_plain_urls_get_our_async_drivers() -> None:
    assert async_url("sqlite:///x.db").drivername == "sqlite+aiosqlite"
    assert async_url("postgresql://h/d").drivername == "postgresql+asyncpg"
    assert async_url("postgresql+psycopg://h/d").drivername == "postgresql+psycopg"


async def test_rooms_of_0002_run_their_pads(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'codepad.sqlite'}"
    old = Database(url)
    await old.start("0002")
    async with old.engine.begin() as connection:
        await connection.execute(text(OLD_ROOM))
    await old.stop()
    async with opened(url) as new, new.transaction() as tx:
        room = await tx.get_one(RoomRecord, "room00000000")
        assert (room.title, room.main_file) == ("T", None)


async def test_people_of_the_first_version_keep_their_names(url: str) -> None:
    """From revision 0001: names that only differ in case get keys that differ."""
    old = Database(url)
    await old.start("0001")
    moment = OLD_MOMENT
    async with old.engine.begin() as connection:
        await connection.execute(text(OLD_ROOM))
        await connection.execute(
            text(
                "INSERT INTO invites (id, room_id, code_hash, role, label, created_at, uses)"
                f" VALUES ('invite000000', 'room00000000', 'h', 'member', '', '{moment}', 0)"
            )
        )
        for number, name in enumerate(("Ada", "ADA", "Bob")):
            await connection.execute(
                text(
                    "INSERT INTO participants (id, room_id, name, color, role, joined_at) VALUES"
                    f" ('person00000{number}', 'room00000000', '{name}', '#1565c0', 'member',"
                    f" '{moment}')"
                )
            )
        await connection.execute(
            text(
                "INSERT INTO guest_sessions (token_hash, room_id, participant_id, created_at,"
                " expires_at) VALUES ('h', 'room00000000', 'person000000',"
                f" '{moment}', '{moment}')"
            )
        )
    await old.stop()
    async with opened(url) as database, database.transaction() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM guest_sessions")) == 1
        people = list(await tx.scalars(select(ParticipantRecord).order_by(ParticipantRecord.id)))
        found = await tx.get_one(RoomRecord, "room00000000")
        invite = await tx.get_one(InviteRecord, "invite000000")
    assert [(p.name, p.name_key, p.standing) for p in people] == [
        ("Ada", "ada", "in"),
        ("ADA", "ada (2)", "in"),
        ("Bob", "bob", "in"),
    ]
    assert (found.prepared, found.locked, found.lobby, found.restrictions) == (False,) * 3 + ({},)
    assert (invite.main, invite.password_hash, invite.lobby) == (False, None, None)


async def test_whoever_finds_the_database_busy_gets_a_turn(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path / 'codepad.sqlite'}") as database:
        async with database.transaction() as tx:
            tx.add(room(title="0"))

        async def count() -> None:
            async with database.transaction() as tx:
                found = await tx.scalar(select(RoomRecord))
                assert found is not None
                found.title = str(int(found.title) + 1)

        await asyncio.gather(*(count() for _ in range(40)))
        async with database.transaction() as tx:
            assert await tx.scalar(select(RoomRecord.title)) == "40"


async def test_one_transaction_may_read_within_another(url: str) -> None:
    async with opened(url) as database:
        async with database.transaction() as tx:
            tx.add(room())
        async with database.transaction() as outer, database.transaction() as inner:
            assert await outer.scalar(select(RoomRecord.title)) == "T"
            assert await inner.scalar(select(RoomRecord.title)) == "T"
        async with database.transaction() as tx:
            assert await tx.scalar(select(RoomRecord.title)) == "T"
