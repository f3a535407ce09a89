"""Rate limits that several servers count together, in a real Redis; and what happens without it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.server import JupyterServer, free_port

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")
LIMITS = "--CodepadApp.rate_limits={'rooms_per_user': '3 per hour'}"


@contextmanager
def redis(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis that keeps nothing on disk, as long as the context."""
    assert PROGRAM is not None
    folder.mkdir()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([PROGRAM, *options], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def make_rooms(server: JupyterServer, count: int) -> list[int]:
    return [
        (await server.host.api("POST", "rooms", {"title": "Room"})).status_code
        for _ in range(count)
    ]


@pytest.mark.skipif(PROGRAM is None, reason="Redis is not installed")
async def test_two_servers_count_together(tmp_path: Path) -> None:
    port = free_port()
    option = f"--CodepadApp.rate_limit_storage=async+redis://127.0.0.1:{port}"
    servers = [JupyterServer(tmp_path / name, options=[LIMITS, option]) for name in ("one", "two")]
    try:
        with redis(tmp_path / "redis", port) as process:
            await asyncio.gather(*(server.start() for server in servers))
            assert await make_rooms(servers[0], 2) == [201, 201]
            assert await make_rooms(servers[1], 2) == [201, 429]
            assert await make_rooms(servers[0], 1) == [429]
            refused = await servers[0].host.api("POST", "rooms", {"title": "Room"})
            assert int(refused.headers["Retry-After"]) > 0
            process.kill()
            process.wait()
            # Without Redis each server counts alone: nobody is let do more than the limit in one
            # place, and nobody is kept out because a store is down.
            assert await make_rooms(servers[0], 4) == [201, 201, 201, 429]
            assert "The store of rate limits does not answer" in servers[0].log
    finally:
        for server in servers:
            await server.close()
