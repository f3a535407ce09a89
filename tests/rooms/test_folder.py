"""The folder of a room: nothing outside of it is read or written, whatever lies in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from tests.support.server import JupyterServer, lent, running
from tests.support.sync_client import until

OUTSIDE = "outside of the room\n"


@pytest.fixture(scope="module")
def server_of_links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server with things that lie in wait in and around its folder."""
    made = JupyterServer(tmp_path_factory.mktemp("links"))
    (made.home / "outside.py").write_text(OUTSIDE)
    os.mkfifo(made.root_dir / "pipe")
    yield from running(made)


@pytest.fixture
def linked(
    server_of_links: JupyterServer, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[JupyterServer]:
    """That server, with people of this test's own."""
    yield from lent(server_of_links, jp_asyncio_loop)


@pytest.mark.parametrize("kind", ["file", "folder", "device", "pipe"])
async def test_a_pad_that_is_a_way_out_is_not_opened(linked: JupyterServer, kind: str) -> None:
    server = linked
    outside = server.home / f"outside-{kind}"
    outside.mkdir()
    (outside / "main.py").write_text(OUTSIDE)
    room = await server.room(starter_text="inside\n")
    guest = await server.guest(room["id"])
    pad = server.pad_file(room)
    pad.unlink()
    if kind == "file":
        pad.symlink_to(outside / "main.py")
    elif kind == "folder":
        pad.parent.rename(pad.parent.with_name("moved"))
        pad.parent.symlink_to(outside)
    elif kind == "device":
        pad.symlink_to("/dev/zero")
    else:
        os.mkfifo(pad)
    client = await guest.document().connect()
    assert client.closed and client.close_code == 4404, client.close_code
    assert OUTSIDE not in str(client.text)
    run = await guest.api("POST", f"rooms/{room['id']}/runs", {})
    assert run.status_code in {404, 409}, run.text
    assert (outside / "main.py").read_text() == OUTSIDE
    assert (await guest.api("GET", f"rooms/{room['id']}")).status_code == 200


async def test_a_pad_that_becomes_a_way_out_is_not_written(linked: JupyterServer) -> None:
    server = linked
    room = await server.room(starter_text="inside\n")
    pad = await (await server.guest(room["id"])).document().connect()
    file = server.pad_file(room)
    file.unlink()
    file.symlink_to(server.home / "outside.py")
    pad.type("typed after\n")
    await until(lambda: pad.durable, "in the log")
    await until(lambda: "is a link or no plain file" in server.log, "the refusal")
    assert (server.home / "outside.py").read_text() == OUTSIDE
    file.unlink()
    file.write_text("inside\n")
    await until(lambda: file.read_text() == "inside\ntyped after\n", "saved once it is a file")


@pytest.mark.parametrize(
    "path",
    [
        "../outside.py",
        "/etc/passwd",
        "codepad-rooms/../../outside.py",
        "..%2foutside.py",
        "\u2025/outside.py",
        "pipe",
        "a\x00b.py",
        "x" * 5000,
    ],
)
async def test_a_room_is_made_from_a_file_below_the_root_only(
    linked: JupyterServer, path: str
) -> None:
    answer = await linked.host.api("POST", "rooms", {"title": "Room", "source_path": path})
    assert answer.status_code in {404, 409, 422}, answer.text
    assert "outside of the room" not in answer.text


@pytest.mark.parametrize("title", ["..", "../..", "CON", "\u202etitle", "a/b\\c", "🦊" * 60, "."])
async def test_a_title_makes_a_plain_folder(server: JupyterServer, title: str) -> None:
    room = await server.room(title=title)
    folder = server.pad_file(room).parent
    assert folder.resolve() == server.root_dir.resolve() / "codepad-rooms" / folder.name
    assert folder.name.isascii() and room["id"] in folder.name
    assert room["title"] == title.strip()
