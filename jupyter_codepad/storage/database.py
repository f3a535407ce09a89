"""The one way to the records: an async engine, migrations at start, transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry

MIGRATIONS = Path(__file__).parent / "migrations"

ASYNC_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


def async_url(url: str) -> URL:
    """Give a plain ``sqlite:`` or ``postgresql:`` URL the async driver we ship for it.

    A URL that names its driver is kept. Raises ``sqlalchemy.exc.ArgumentError`` for nonsense.
    """
    parsed = make_url(url)
    return parsed.set(drivername=ASYNC_DRIVERS.get(parsed.drivername, parsed.drivername))


def _configure_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=10000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Database:
    """Owns the engine of the record store; ``transaction()`` is the only place that commits.

    ``url``: any SQLAlchemy URL; ``sqlite:`` and ``postgresql:`` get their async drivers.
    """

    def __init__(self, url: str) -> None:
        self.url = async_url(url)
        self._engine: AsyncEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None
        self._turn: asyncio.Lock | None = None
        self._holder: asyncio.Task[Any] | None = None

    @property
    def engine(self) -> AsyncEngine:
        if self._engine is None:
            raise RuntimeError("the database is not started")
        return self._engine

    async def start(self, revision: str = "head") -> None:
        """Open the database and bring its tables to ``revision``."""
        file = self.url.database if self.url.drivername.startswith("sqlite") else None
        if file and file != ":memory:":
            folder = Path(file).parent
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        engine = create_async_engine(self.url)
        if engine.dialect.name == "sqlite":
            event.listen(engine.sync_engine, "connect", _configure_sqlite)
            self._turn = asyncio.Lock()
        self._engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        async with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                # SQLite changes a table by making it anew; dropping the old one would take along
                # everything that belongs to its rows.
                await connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
                await connection.commit()
            async with connection.begin():
                await connection.run_sync(_migrate, revision)
            if engine.dialect.name == "sqlite":
                await connection.exec_driver_sql("PRAGMA foreign_keys=ON")
                await connection.commit()

    async def stop(self) -> None:
        """Close every connection; the database can be started again."""
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None
            self._sessions = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends well, rolled back when it raises.

        On SQLite one after the other, in the order they were asked for: it has a single writer,
        and lets those who find it busy try again until one of them has tried for too long. One
        within another may read only.
        """
        if self._sessions is None:
            raise RuntimeError("the database is not started")
        async with self._in_turn(), self._sessions() as tx, tx.begin():
            yield tx

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        own = asyncio.current_task()
        if self._turn is None or self._holder is own:
            yield
            return
        async with self._turn:
            self._holder = own
            try:
                yield
            finally:
                self._holder = None


def alembic_config() -> Config:
    """The Alembic configuration of our migrations, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def _migrate(connection: Connection, revision: str) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        # Two servers starting on one database must not both migrate it.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4918203)")
    command.upgrade(config, revision)
