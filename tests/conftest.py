"""Fixtures that every test can use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nursery import Nursery
from tests.support.postgres import Postgres, postgres_programs, run_postgres
from tests.support.server import JupyterServer, lent, running

pytest_plugins = ["pytest_jupyter.jupyter_server"]


@pytest.fixture(scope="session", autouse=True)
def quick_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Servers start in less time, and prepare only once what serves all of them."""
    JupyterServer.cache = tmp_path_factory.mktemp("cache")
    JupyterServer.nursery = made = Nursery()
    yield
    JupyterServer.nursery = None
    made.close()


@pytest.fixture(scope="session")
def session_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """One server for all tests that leave it as it is."""
    yield from running(JupyterServer(tmp_path_factory.mktemp("server")))


@pytest.fixture
def server(
    session_server: JupyterServer, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[JupyterServer]:
    """The shared server, with people of this test's own."""
    yield from lent(session_server, jp_asyncio_loop)


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server that takes its time to write files, but sees at once when others do."""
    options = [
        "--CodepadApp.save_delay_seconds=30",
        "--YDocExtension.document_save_delay=30",
        "--YDocExtension.file_poll_interval=0.2",
    ]
    yield from running(JupyterServer(tmp_path_factory.mktemp("slow"), options=options))


@pytest.fixture
def slow(
    slow_server: JupyterServer, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[JupyterServer]:
    """That server, with people of this test's own."""
    yield from lent(slow_server, jp_asyncio_loop)


@pytest.fixture
def own_server(
    tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[JupyterServer]:
    """A server of this test's own, to restart, kill or configure."""
    made = JupyterServer(tmp_path)
    try:
        jp_asyncio_loop.run_until_complete(made.start())
        yield made
    finally:
        jp_asyncio_loop.run_until_complete(made.close())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this test run."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    with run_postgres(programs) as running:
        yield running


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """URL of a new, empty PostgreSQL database."""
    return postgres.database()
