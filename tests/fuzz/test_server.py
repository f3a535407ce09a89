"""Hostile clients at a real server, while honest people type: they feel nothing of it.

Guests come by the room page's socket and the host by JupyterLab's. In one room hostile people may
only watch, so that each honest word has to stay; in others they may edit, and what they do to the
text there is their right: everybody has to see the same.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from pycrdt import Doc, Map

from jupyter_codepad.sync.updates import read_state
from tests.fuzz.hostile import Attack, World, attack, frame, upgrade_attack
from tests.fuzz.plan import MINUTES, keep, memory_bytes, seeds
from tests.support.server import JupyterServer, lent, running
from tests.support.sync_client import SyncClient, until

pytestmark = pytest.mark.apart

SECONDS = 5.0
BATCH = 32
AT_ONCE = 4
STALL_SECONDS = 2.0
"""Longest that a honest key may take to the other honest person."""

GROWTH_BYTES = 200 * 2**20
FILES = 15
"""Files that a server may have open more at the end than at the beginning."""

ANSWER_SECONDS = 15.0
FAULTS = ("Traceback", "Exception in callback", "never retrieved", "Fatal error", "panicked")


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server that writes its files at once."""
    made = JupyterServer(
        tmp_path_factory.mktemp("fuzz"),
        options=[
            "--CodepadApp.save_delay_seconds=0.1",
            "--CodepadApp.cleanup_delay_seconds=1",
            "--CodepadApp.collaboration_message_limit_bytes=1048576",
            "--CodepadApp.links_per_room_limit=100000",
            "--CodepadApp.participants_per_room_limit=100000",
        ],
    )
    made.configure({"CodepadApp": {"rate_limits": {"joins_per_room": ""}}})
    yield from running(made)


@pytest.fixture
def attacked(
    module_server: JupyterServer, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[JupyterServer]:
    """That server, with people of this test's own."""
    yield from lent(module_server, jp_asyncio_loop)


@dataclass
class Door:
    """A way in for hostile people: where the socket is and what lets them in."""

    url: str
    headers: dict[str, str]

    def request(self) -> bytes:
        """What opens the socket."""
        parts = urlsplit(self.url)
        lines = [
            f"GET {parts.path}?{parts.query} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version: 13",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Pair:
    """Two honest people at the pad of one room: guests, or a guest and the host in JupyterLab."""

    def __init__(self, room: dict[str, Any], file: Path, one: SyncClient, other: SyncClient):
        self.room = room
        self.file = file
        self.people = (one, other)
        self.words: list[str] = []
        self.slowest = 0.0
        self._number = 0

    @classmethod
    async def make(cls, server: JupyterServer, *, host: bool, **wish: Any) -> Pair:
        """A new room with two honest people."""
        room = await server.room(**wish)
        guest = await (await server.guest(room["id"], "Honest")).document().connect()
        if host:
            other = await server.host.lab_document(str(room["pad_path"]))
        else:
            other = await (await server.guest(room["id"], "Other")).document().connect()
        return cls(room, server.pad_file(room), guest, other)

    async def type_for_ever(self) -> None:
        """Type in turn, each word when the other has seen the last."""
        loop = asyncio.get_running_loop()
        while True:
            self._number += 1
            one, other = self.people if self._number % 2 else self.people[::-1]
            word = f"w{self._number}x"
            typed = loop.time()
            one.type(f"{word}\n", at=0)
            self.words.append(word)
            await until(partial(self._seen, other, one), f"{word} at the other", 10)
            self.slowest = max(self.slowest, loop.time() - typed)
            await asyncio.sleep(0.02)

    def _seen(self, other: SyncClient, one: SyncClient) -> bool:
        """Whether all that one has is at the other: a word may be deleted by then."""
        mine = one.ydoc.client_id
        return clock(other.ydoc, mine) >= clock(one.ydoc, mine)

    async def agree(self, *, every_word: bool) -> None:
        """Both have the same as the file, and their lines were never cut."""
        one, other = self.people
        assert [client.close_code for client in self.people] == [None, None]
        assert not one.closed and not other.closed
        await until(lambda: str(one.text) == str(other.text), "the same text")
        await until(lambda: one.durable, "all of it on disk")
        if every_word:
            assert sorted(str(one.text).split()) == sorted(self.words)
        if self.room["pad_type"] == "notebook":
            await until(lambda: sources(one) == sources(other) == saved(self.file), "the notebook")
        else:
            await until(lambda: self.file.read_text() == str(one.text), "the file")


def clock(ydoc: Doc[Any], client: int) -> int:
    """How much of what somebody has written is in a document."""
    return read_state(ydoc.get_state()).get(client, 0)


def sources(client: SyncClient) -> list[str]:
    """The sources of a notebook's cells."""
    return [str(cell["source"]) for cell in client.cells()]


def saved(file: Path) -> list[str]:
    """The same in the file; none while it is being written."""
    try:
        return [cell["source"] for cell in nbformat.read(file, 4)["cells"]]
    except nbformat.reader.NotJSONError:
        return []


def world_of(client: SyncClient) -> World:
    """What somebody in the room knows."""
    return World(client.ydoc.get_update(), client.ydoc.get_state(), client.ydoc.client_id)


async def carry_out(door: Door, wanted: Attack) -> None:
    """Do what is planned; the server has to close what it cannot have understood."""
    parts = urlsplit(door.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**26)
    try:
        writer.write(wanted.upgrade if wanted.upgrade is not None else door.request())
        if wanted.upgrade is not None:
            writer.write_eof()
            await over(reader, wanted.name)
            return
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_SECONDS)
        assert head.startswith(b"HTTP/1.1 101"), head
        for chunk in wanted.chunks:
            writer.write(chunk)
            if wanted.reads:
                await asyncio.wait_for(writer.drain(), ANSWER_SECONDS)
        if not wanted.reads:
            with suppress(TimeoutError):
                await asyncio.wait_for(writer.drain(), 0.3)
        elif wanted.closes:
            await over(reader, wanted.name)
        else:
            writer.write(frame(b"\x03\xe8", 8))
            writer.write_eof()
            await over(reader, wanted.name)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # it has hung up on us
    finally:
        writer.transport.abort()


async def over(reader: asyncio.StreamReader, name: str) -> None:
    """Read until the server has hung up."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            while await reader.read(2**20):
                pass
    except TimeoutError:
        raise AssertionError(f"{name}: still open") from None


class Siege:
    """A server, honest people and where hostile ones get in."""

    def __init__(self, server: JupyterServer, safe: Pair) -> None:
        self.server = server
        self.safe = safe
        self.slowest = 0.0
        self.doors: list[tuple[Door, SyncClient]] = []

    async def begin(self, rng: random.Random) -> Pair:
        """A room for this batch, with hostile members, a hostile host and hostile watchers."""
        self.doors = []
        kind = rng.choice(("file", "notebook"))
        wild = await Pair.make(self.server, host=False, pad_type=kind)
        form = ("json", "notebook") if kind == "notebook" else ("text", "file")
        host = self.server.host
        socket = host.lab_socket(*await host.lab_key(str(wild.room["pad_path"]), *form))
        self._enter(socket.url, socket.headers, wild)
        for pair, role in ((wild, "member"), (wild, "member"), (self.safe, "observer")):
            person = await self.server.guest(pair.room["id"], "Hostile", role)
            for name in ("pad", "runs"):
                client = person.document(name)
                self._enter(client.url, client.headers, pair)
        return wild

    def _enter(self, url: str, headers: dict[str, str], pair: Pair) -> None:
        self.doors.append((Door(url, headers), pair.people[0]))

    def plan(self, seed: int) -> tuple[Door, Attack]:
        """What somebody does with this seed."""
        rng = random.Random(seed)
        door, insider = rng.choice(self.doors)
        if rng.random() < 0.15:
            return door, upgrade_attack(rng, door.request())
        return door, attack(rng, world_of(insider))

    async def batch(self, batch: list[int]) -> None:
        """Some cases at once, while the honest type; then everything has to be well."""
        before = list(self.server.people)
        wild = await self.begin(random.Random(batch[0]))
        planned: list[Attack] = []
        typing = [asyncio.create_task(pair.type_for_ever()) for pair in (self.safe, wild)]
        try:
            for start in range(0, len(batch), AT_ONCE):
                plans = [self.plan(seed) for seed in batch[start : start + AT_ONCE]]
                planned += [wanted for _, wanted in plans]
                await asyncio.gather(*(carry_out(*plan) for plan in plans))
                for task in typing:
                    if task.done():
                        task.result()
            for task in typing:
                task.cancel()
            await asyncio.gather(*typing, return_exceptions=True)
            self.check(wild)
            await wild.agree(every_word=False)
            await self.safe.agree(every_word=True)
            self.check(wild)
        except BaseException as error:
            kept = [keep(wanted.wire or wanted.upgrade or b"").name for wanted in planned[-BATCH:]]
            told = f"seeds {batch[0]} to {batch[-1]}: {error}\nkept: {' '.join(kept)}"
            raise AssertionError(told) from error
        finally:
            for task in typing:
                task.cancel()
        for person in [one for one in self.server.people if one not in before]:
            await person.close()
            self.server.people.remove(person)

    def check(self, wild: Pair) -> None:
        """The server is the same, and has nothing to complain about."""
        process = self.server.process
        assert process is not None and process.poll() is None
        self.slowest = max(self.slowest, self.safe.slowest, wild.slowest)
        assert self.slowest < STALL_SECONDS
        log = self.server.log
        for place in [log.index(fault) for fault in FAULTS if fault in log]:
            raise AssertionError(log[max(0, place - 300) : place + 3000])


def open_files(pid: int) -> int:
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


async def test_nobody_else_says_where_the_file_is(attacked: JupyterServer) -> None:
    pair = await Pair.make(attacked, host=False)
    one, other = (client.ydoc.get("state", type=Map) for client in pair.people)
    path = one["path"]
    one["path"] = "elsewhere.py"
    await until(lambda: one["path"] == other["path"] == path, "the path")
    await pair.agree(every_word=False)
    assert "Traceback" not in attacked.log


@pytest.mark.timeout(120 + MINUTES * 60)
@pytest.mark.filterwarnings("ignore:Non-unique cell ID")
async def test_hostile_clients_close_themselves_and_nobody_else(attacked: JupyterServer) -> None:
    siege = Siege(attacked, await Pair.make(attacked, host=True, starter_text=""))
    assert attacked.process is not None
    pid, cases, batch = attacked.process.pid, 0, list[int]()
    memory = files = 0
    for seed in seeds(0.6, SECONDS):
        batch.append(seed)
        if len(batch) < BATCH:
            continue
        await siege.batch(batch)
        cases, batch = cases + len(batch), []
        if not memory:  # the first has loaded what is loaded once
            memory, files = memory_bytes(pid), open_files(pid)
    grown = memory_bytes(pid) - memory
    print(f"{cases} cases, slowest key {siege.slowest:.2f} s, grown by {grown / 2**20:.0f} MiB")
    print(f"{open_files(pid)} files open, {files} at first")
    assert cases and attacked.process.pid == pid
    assert grown < GROWTH_BYTES
    await until(lambda: open_files(pid) < files + FILES, "closed files")
    assert len(siege.safe.words) > cases / BATCH
