"""The stock JavaScript client of Yjs (y-websocket) speaks to a room unmodified."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from tests.support.server import JupyterServer
from tests.support.sync_client import until

LABEXTENSION = Path(__file__).parents[2] / "labextension"


async def test_y_websocket_syncs_with_everybody_else(server: JupyterServer) -> None:
    room = await server.room(starter_text="start\n")
    ada = await server.guest(room["id"], "Ada")
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    process = await asyncio.create_subprocess_exec(
        "node",
        "tests/support/stock-client.mjs",
        f"{server.ws_url}codepad/rooms/{room['id']}/documents",
        "pad/sync",
        ada.cookie_header,
        "from-stock",
        "from-bob",
        cwd=LABEXTENSION,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    await until(lambda: "from-stock" in str(bob.text), "the stock client's text")
    bob.type("from-bob\n")
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert sorted(out.decode().split()) == ["from-bob", "from-stock", "start"]
