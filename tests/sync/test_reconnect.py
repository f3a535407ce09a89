"""Lines, servers, logs and files that go away and come back: nothing lost, nothing doubled.

Each scenario goes over both roads to a document: the room page's socket on the pad of a room, and
JupyterLab's socket on a file of the server that belongs to no room.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import nbformat
import pytest
from pycrdt import Array, Map, Text

from jupyter_codepad.sync.updates import read_update
from tests.support.server import JupyterServer, Person, lent, running
from tests.support.sync_client import SyncClient, until

pytestmark = pytest.mark.apart

START = "one\ntwo\nthree\n"
ROADS = ("room page", "JupyterLab")


class Place:
    """A document, and the way of somebody to it."""

    def __init__(self, server: JupyterServer, file: Path, person: Person, key: str = "") -> None:
        self.server = server
        self.file = file
        self.person = person
        self.key = key

    @classmethod
    async def make(cls, server: JupyterServer, road: str, text: str = START) -> Place:
        """A code file with some lines."""
        if road == "room page":
            room = await server.room(starter_text=text)
            return cls(server, server.pad_file(room), await server.guest(room["id"]))
        file = server.root_dir / f"{uuid4().hex}.py"
        file.write_text(text)
        key, _ = await server.host.lab_key(file.name)
        return cls(server, file, server.host, key)

    @classmethod
    async def make_notebook(cls, server: JupyterServer, road: str, *, ids: bool) -> Place:
        """A notebook of two cells."""
        notebook = nbformat.v4.new_notebook()
        notebook["cells"] = [nbformat.v4.new_code_cell(f"cell = {n}") for n in range(2)]
        if not ids:
            notebook["nbformat_minor"] = 4
            for cell in notebook["cells"]:
                del cell["id"]
        file = server.root_dir / f"{uuid4().hex}.ipynb"
        nbformat.write(notebook, file)
        if road == "room page":
            room = await server.room(source_path=file.name)
            return cls(server, server.pad_file(room), await server.guest(room["id"]))
        key, _ = await server.host.lab_key(file.name, "json", "notebook")
        return cls(server, file, server.host, key)

    def socket(self) -> SyncClient:
        """A client on the document, not connected yet."""
        if self.key:
            return self.person.lab_socket(self.key)
        return self.person.document()

    async def open(self) -> SyncClient:
        """A connected client."""
        return await self.socket().connect()

    async def conflict(self) -> dict[str, Any] | None:
        """What there is to choose."""
        answer = await self.person.api("GET", self._conflict_path())
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] | None = answer.json()["conflict"]
        return found

    async def choose(self, conflict_id: str, keep: str) -> int:
        """Choose, and return the status of the answer."""
        body = {"id": conflict_id, "keep": keep}
        return (await self.person.api("POST", self._conflict_path(), body)).status_code

    def _conflict_path(self) -> str:
        if self.key:
            return f"conflicts?path={self.file.relative_to(self.server.root_dir)}"
        return f"rooms/{self.person.room_id}/conflict"

    async def type_and_save(self, client: SyncClient) -> None:
        """Somebody types ``typed`` at the end of a code file, and it is in the file."""
        client.type("typed\n")
        await until(lambda: self.file.read_text() == START + "typed\n", "the file")

    async def stop(self, *clients: SyncClient) -> None:
        """The server stops; everybody notices."""
        await self.server.stop()
        await until(lambda: all(client.closed for client in clients), "the end of the line")

    async def crash(self, *clients: SyncClient) -> None:
        """The server is killed; everybody notices."""
        await self.server.kill9()
        await until(lambda: all(client.closed for client in clients), "the end of the line")

    async def lose_log(self, *clients: SyncClient) -> None:
        """The server stops, and its update log is gone."""
        await self.stop(*clients)
        self.forget_log()

    def forget_log(self) -> None:
        """Lose the update log, while the server is down."""
        for part in self.server.home.rglob("updates.sqlite*"):
            part.unlink()


async def agree(place: Place, *clients: SyncClient, text: str) -> None:
    """Wait until everybody, a newcomer and the file have this text."""
    for client in clients:
        if client.closed:
            await client.connect()
    fresh = await place.open()
    for client in (*clients, fresh):
        await until(partial(has_text, client, text), f"the text, not {client.text}")
    await until(lambda: place.file.read_text() == text, "the file")
    await fresh.disconnect()


def has_text(client: SyncClient, text: str) -> bool:
    """Whether a client has this text."""
    return str(client.text) == text


def has_cells(client: SyncClient, sources: list[str]) -> bool:
    """Whether a client has cells with these sources."""
    return [str(cell["source"]) for cell in client.cells()] == sources


def sources_in(file: Path) -> list[str]:
    """The sources of a notebook's cells; none while it is being written."""
    try:
        return [cell["source"] for cell in nbformat.read(file, 4)["cells"]]
    except nbformat.reader.NotJSONError:
        return []


def has(file: Path, word: str) -> bool:
    """Whether a word is in a file."""
    return word in file.read_text()


def touch(file: Path, text: str) -> None:
    """Write a file as another program does, and be seen: some only look at the time."""
    before = file.stat().st_mtime_ns
    file.write_text(text)
    if file.stat().st_mtime_ns // 10**9 == before // 10**9:
        os.utime(file, ns=(before + 2 * 10**9, before + 2 * 10**9))


LAST_SAVES = "SELECT MAX(rowid) FROM saves GROUP BY document"


def doubt_last_saves(server: JupyterServer) -> None:
    """Have the log say that the server ended while it wrote its files; the server is down."""
    with closing(sqlite3.connect(next(server.home.rglob("updates.sqlite")))) as log:
        log.execute(f"UPDATE saves SET confirmed = 0 WHERE rowid IN ({LAST_SAVES})")
        log.commit()


def certain_of_save(place: Place) -> bool:
    """Whether the log says that the file was written whole."""
    last = "SELECT confirmed FROM saves JOIN documents d ON d.id = document WHERE d.name = ?"
    with closing(sqlite3.connect(next(place.server.home.rglob("updates.sqlite")))) as log:
        row = log.execute(f"{last} ORDER BY saves.rowid DESC LIMIT 1", (place.key,)).fetchone()
    return bool(row and row[0])


@pytest.fixture(scope="module")
def quick_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server that saves, looks at files and forgets unused documents at once."""
    options = [
        "--CodepadApp.save_delay_seconds=0.1",
        "--CodepadApp.cleanup_delay_seconds=0.2",
        "--YDocExtension.document_save_delay=0.1",
        "--YDocExtension.document_cleanup_delay=0.2",
        "--YDocExtension.file_poll_interval=0.2",
    ]
    yield from running(JupyterServer(tmp_path_factory.mktemp("quick"), options=options))


@pytest.fixture
def quick(
    quick_server: JupyterServer, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[JupyterServer]:
    """That server, running, with people of this test's own."""
    yield from lent(quick_server, jp_asyncio_loop)


# -- the log is lost ------------------------------------------------------------------------------


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("offline", [False, True])
async def test_the_log_is_lost_and_an_old_client_comes_back(
    quick: JupyterServer, road: str, *, offline: bool
) -> None:
    place = await Place.make(quick, road)
    old, other = await place.open(), await place.open()
    await place.type_and_save(old)
    await until(lambda: str(other.text) == START + "typed\n", "the other")
    await place.lose_log(old, other)
    if offline:
        old.type("offline\n")
    await quick.start()
    text = START + "typed\n" + ("offline\n" if offline else "")
    await agree(place, old, other, text=text)
    assert await place.conflict() is None
    other.type("after\n")
    await agree(place, old, other, text=text + "after\n")


@pytest.mark.parametrize("road", ROADS)
async def test_the_log_is_lost_and_two_old_clients_come_back_at_once(
    quick: JupyterServer, road: str
) -> None:
    place = await Place.make(quick, road)
    one, other = await place.open(), await place.open()
    await place.type_and_save(one)
    await until(lambda: str(other.text) == str(one.text), "the other")
    await place.lose_log(one, other)
    one.type("one\n")
    other.type("other\n")
    await quick.start()
    other.deaf = True
    await other.connect()
    await until(lambda: other.unheard, "the other is asked for all that it has")
    await one.connect()
    await until(lambda: has(place.file, "one\n"), "the first one is back")
    other.listen()
    await until(lambda: {"one", "other"} <= set(str(one.text).split()), "both are back")
    await agree(place, one, other, text=str(one.text))
    assert sorted(str(one.text).split()) == sorted(f"{START}typed one other".split())


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("lost", [False, True])
async def test_an_old_client_comes_back_with_much_in_many_frames(
    quick: JupyterServer, road: str, *, lost: bool
) -> None:
    place = await Place.make(quick, road)
    old = await place.open()
    old.in_parts = True
    await place.type_and_save(old)
    await place.stop(old)
    if lost:
        place.forget_log()
    lines = [f"offline {n}\n" for n in range(20)]
    for line in lines:
        old.type(line)
    await quick.start()
    await agree(place, old, text=START + "typed\n" + "".join(lines))
    if road == "room page":
        await until(lambda: old.durable, "all of it on disk")
    assert await place.conflict() is None


@pytest.mark.parametrize("road", ROADS)
async def test_the_log_is_lost_and_both_old_clients_have_typed(
    quick: JupyterServer, road: str
) -> None:
    place = await Place.make(quick, road)
    one, other = await place.open(), await place.open()
    await place.type_and_save(one)
    await until(lambda: str(other.text) == START + "typed\n", "the other")
    await place.lose_log(one, other)
    one.type("from one\n")
    other.type("from other\n", at=0)
    await quick.start()
    await agree(place, one, other, text="from other\n" + START + "typed\nfrom one\n")


@pytest.mark.parametrize("road", ROADS)
async def test_the_log_is_lost_and_somebody_has_typed_before_the_old_client_is_back(
    quick: JupyterServer, road: str
) -> None:
    place = await Place.make(quick, road)
    old = await place.open()
    await place.type_and_save(old)
    await place.lose_log(old)
    old.type("by the old one\n")
    await quick.start()
    new = await place.open()
    new.type("by the new one\n", at=0)
    third = await place.open()
    await until(lambda: "new one" in str(third.text), "the server's text")
    await agree(place, old, new, text="by the new one\n" + START + "typed\n")
    found = await place.conflict()
    assert found is not None
    assert found["reason"] == "old_client"
    assert found["theirs"] == START + "typed\nby the old one\n"
    assert await place.choose(found["id"], "both") == 200
    await agree(place, old, new, text="by the new one\n" + START + "typed\nby the old one\n")
    assert await place.choose(found["id"], "mine") == 409


@pytest.mark.parametrize("road", ROADS)
async def test_the_log_is_lost_and_another_program_has_written_before_the_old_client_is_back(
    quick: JupyterServer, road: str
) -> None:
    """A document that was changed from outside is not untouched: it does not give way."""
    place = await Place.make(quick, road)
    old = await place.open()
    await place.type_and_save(old)
    await place.lose_log(old)
    old.type("by the old one\n")
    await quick.start()
    new = await place.open()
    await until(lambda: str(new.text) == START + "typed\n", "the server's text")
    text = "by another program\n" + START + "typed\n"
    place.file.write_text(text)
    await until(lambda: str(new.text) == text, "what the other program has written")
    await new.disconnect()
    await agree(place, old, text=text)
    found = await place.conflict()
    assert found is not None
    assert found["reason"] == "old_client"
    assert found["theirs"] == START + "typed\nby the old one\n"


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("road", ROADS)
async def test_the_log_is_lost_and_an_old_notebook_comes_back(
    quick: JupyterServer, road: str, *, ids: bool
) -> None:
    place = await Place.make_notebook(quick, road, ids=ids)
    old = await place.open()
    await until(lambda: len(old.cells()) == 2, "the cells")
    source = old.cells()[0]["source"]
    source += " + 1"
    await until(lambda: "cell = 0 + 1" in place.file.read_text(), "the file")
    await place.lose_log(old)
    old.cells().append(
        Map(
            {
                "id": "new",
                "cell_type": "code",
                "source": Text("offline"),
                "metadata": Map({}),
                "outputs": Array(),
                "execution_count": None,
            }
        )
    )
    await quick.start()
    await old.connect()
    fresh = await place.open()
    expected = ["cell = 0 + 1", "cell = 1", "offline"]
    for client in (old, fresh):
        await until(partial(has_cells, client, expected), "the cells")
    await until(lambda: sources_in(place.file) == expected, "the file")


async def test_an_observer_with_an_old_text_gets_the_new_one(quick: JupyterServer) -> None:
    room = await quick.room(starter_text=START)
    watcher = await (await quick.guest(room["id"], "Watcher", "observer")).document().connect()
    await until(lambda: str(watcher.text) == START, "the text")
    await quick.stop()
    await until(lambda: watcher.closed, "the end of the line")
    place = Place(quick, quick.pad_file(room), watcher_person(quick))
    place.forget_log()
    touch(place.file, "something else\n")
    await quick.start()
    await watcher.connect()
    await until(lambda: str(watcher.text) == "something else\n", "the new text")


def watcher_person(server: JupyterServer) -> Person:
    """Whoever came last."""
    return server.people[-1]


# -- the document is forgotten, the server dies ---------------------------------------------------


@pytest.mark.parametrize("road", ROADS)
async def test_a_laptop_sleeps_past_the_cleanup_and_wakes(quick: JupyterServer, road: str) -> None:
    place = await Place.make(quick, road)
    asleep = await place.open()
    asleep.type("before\n")
    await until(lambda: "before" in place.file.read_text(), "the file")
    await asleep.disconnect()
    asleep.type("asleep\n", at=0)
    await until(lambda: documents_in(quick) == 0, "a forgotten document")
    awake = await place.open()
    awake.type("meanwhile\n")
    await agree(place, asleep, awake, text=f"asleep\n{START}before\nmeanwhile\n")


def documents_in(server: JupyterServer) -> int:
    """Shared documents in memory, from the server's metrics."""
    import httpx  # noqa: PLC0415

    answer = httpx.get(server.url + "metrics", headers=server.host.headers)
    line = next(x for x in answer.text.splitlines() if x.startswith("codepad_sync_documents "))
    return int(float(line.split()[1]))


@pytest.mark.parametrize("how", ["kill9", "restart"])
@pytest.mark.parametrize("road", ROADS)
async def test_five_hundred_edits_made_offline_come_back(
    quick: JupyterServer, road: str, how: str
) -> None:
    place = await Place.make(quick, road)
    away, here = await place.open(), await place.open()
    await away.disconnect()
    for number in range(500):
        away.type(f"away {number}\n", at=0)
    here.type("here\n")
    await until(lambda: "here" in place.file.read_text(), "the file")
    await getattr(quick, "kill9" if how == "kill9" else "stop")()
    await until(lambda: here.closed, "the end of the line")
    here.type("while it was down\n")
    await quick.start()
    typed = "".join(f"away {number}\n" for number in reversed(range(500)))
    await agree(place, away, here, text=f"{typed}{START}here\nwhile it was down\n")


@pytest.mark.parametrize("road", ROADS)
async def test_two_tabs_of_one_person(quick: JupyterServer, road: str) -> None:
    place = await Place.make(quick, road)
    first, second = await place.open(), await place.open()
    first.type("first\n")
    second.type("second\n", at=0)
    await first.disconnect()
    second.type("more\n", at=0)
    await agree(place, first, second, text=f"more\nsecond\n{START}first\n")


@pytest.mark.parametrize("road", ROADS)
async def test_after_a_crash_no_change_waits_for_one_that_was_never_logged(
    quick: JupyterServer, road: str
) -> None:
    """pycrdt shows what comes after a gap; Yjs in a browser waits for ever for what is in it."""
    place = await Place.make(quick, road)
    client = await place.open()
    await place.type_and_save(client)
    await place.crash(client)
    await quick.start()
    fresh = await place.open()
    await until(lambda: str(fresh.text) == START + "typed\n", "the text")
    contents = read_update(fresh.ydoc.get_update(), trusted=True)
    assert {blocks[0].clock for blocks in contents.blocks.values()} == {0}


async def test_a_crash_cuts_files_short_and_they_are_whole_again(quick: JupyterServer) -> None:
    whole = f"{START}wörd\n".encode()
    ends = {"nothing": 0, "half": 6, "half a letter": whole.index(b"\xb6"), "all": len(whole)}
    texts = [(await Place.make(quick, road), end) for road in ROADS for end in ends.values()]
    books = [
        (await Place.make_notebook(quick, road, ids=True), end) for road in ROADS for end in (0, 99)
    ]
    clients = {place: await place.open() for place, _ in (*texts, *books)}
    for place, _ in texts:
        clients[place].type("wörd\n")
    for place, _ in books:
        clients[place].cells()[0]["source"].insert(0, "a ")
    before = ["a cell = 0", "cell = 1"]
    await until(lambda: all(place.file.read_bytes() == whole for place, _ in texts), "the texts")
    await until(lambda: all(sources_in(place.file) == before for place, _ in books), "notebooks")
    await quick.kill9()
    await until(lambda: all(client.closed for client in clients.values()), "the end of the lines")
    doubt_last_saves(quick)
    for place, end in (*texts, *books):
        place.file.write_bytes(place.file.read_bytes()[:end])
    for place, _ in texts:
        clients[place].type("typed meanwhile\n")
    await quick.start()
    for place, _ in texts:
        await agree(place, clients[place], text=f"{whole.decode()}typed meanwhile\n")
    for place, _ in books:
        await clients[place].connect()
        clients[place].cells()[1]["source"].insert(0, "b ")
    after = ["a cell = 0", "b cell = 1"]
    await until(lambda: all(sources_in(place.file) == after for place, _ in books), "notebooks")
    for place in clients:
        assert await place.conflict() is None


async def test_what_a_crash_did_not_cut_short_is_somebodys_edit(quick: JupyterServer) -> None:
    place = await Place.make(quick, "JupyterLab")
    client = await place.open()
    await place.type_and_save(client)
    await until(lambda: certain_of_save(place), "that it was written whole")
    await place.crash(client)
    touch(place.file, "one\n")
    await quick.start()
    await agree(place, client, text="one\n")


# -- the file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("when", ["open", "nobody there", "server down"])
async def test_another_program_changes_other_lines(
    quick: JupyterServer, road: str, when: str
) -> None:
    place = await Place.make(quick, road)
    client = await place.open()
    await place.type_and_save(client)
    if when == "nobody there":
        await client.disconnect()
        await until(lambda: documents_in(quick) == 0, "a forgotten document")
    elif when == "server down":
        await place.crash(client)
        client.type("offline\n")
    touch(place.file, START.replace("two", "TWO") + "typed\n")
    if when == "server down":
        await quick.start()
    rest = "typed\noffline\n" if when == "server down" else "typed\n"
    await agree(place, client, text=START.replace("two", "TWO") + rest)
    assert await place.conflict() is None


@pytest.mark.parametrize("road", ROADS)
async def test_an_older_version_is_checked_out_again(quick: JupyterServer, road: str) -> None:
    """Also when it is one that we have written ourselves, some saves ago."""
    place = await Place.make(quick, road)
    client = await place.open()
    for word in ("first", "second", "third"):
        client.type(f"{word}\n")
        await until(partial(has, place.file, word), "the file")
    touch(place.file, START + "first\n")
    await agree(place, client, text=START + "first\n")
    client.type("after\n")
    await agree(place, client, text=START + "first\nafter\n")


@pytest.mark.parametrize("road", ROADS)
async def test_an_editor_replaces_the_file(quick: JupyterServer, road: str) -> None:
    place = await Place.make(quick, road)
    client = await place.open()
    await place.type_and_save(client)
    new = place.file.with_name("new.tmp")
    shutil.copy2(place.file, new)
    touch(new, "zero\n" + START + "typed\n")
    new.replace(place.file)
    await agree(place, client, text="zero\n" + START + "typed\n")


@pytest.mark.parametrize("road", ROADS)
async def test_a_file_is_put_back_with_the_time_that_it_had(
    quick: JupyterServer, road: str
) -> None:
    place = await Place.make(quick, road)
    backup = place.file.with_name("backup.py")
    shutil.copy2(place.file, backup)
    client = await place.open()
    await place.type_and_save(client)
    backup.replace(place.file)
    await agree(place, client, text=START)


@pytest.mark.parametrize("road", ROADS)
async def test_a_file_that_was_in_conflict_is_changed_again(slow: JupyterServer, road: str) -> None:
    place = await Place.make(slow, road)
    client, other = await place.open(), await place.open()
    with client.ydoc.transaction():
        client.type("zwei", at=START.index("two"))
        del client.text[START.index("two") + 4 : START.index("three") + 3]
    await until(lambda: str(other.text) == "one\nzwei\nthree\n", "the other")
    touch(place.file, "one\ndeux\nthree\n")
    assert (await conflict_of(place))["theirs"] == "one\ndeux\nthree\n"
    touch(place.file, f"{START}more\n")
    await until(lambda: str(client.text) == "one\nzwei\nthree\nmore\n", "both sides")
    assert await place.conflict() is None


@pytest.mark.parametrize("road", ROADS)
async def test_what_cannot_be_read_is_not_written_over(quick: JupyterServer, road: str) -> None:
    place = await Place.make(quick, road)
    client = await place.open()
    said = "Error loading content from file"
    before = quick.log.count(said)
    place.file.write_bytes(b"one\n\xff\xfe")
    client.type("typed\n")
    await until(lambda: quick.log.count(said) >= before + 2, "a look, and a save that was tried")
    assert place.file.read_bytes() == b"one\n\xff\xfe"
    touch(place.file, f"zero\n{START}")
    await agree(place, client, text=f"zero\n{START}typed\n")


async def conflict_of(place: Place) -> dict[str, Any]:
    """Wait for a conflict."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 20
    while loop.time() < deadline:
        if found := await place.conflict():
            return found
    raise AssertionError("no conflict")


@pytest.mark.parametrize("keep", ["mine", "theirs", "both"])
@pytest.mark.parametrize("road", ROADS)
async def test_the_same_line_was_changed_outside_and_here(
    slow: JupyterServer, road: str, keep: str
) -> None:
    place = await Place.make(slow, road)
    client = await place.open()
    start = str(client.text).index("two")
    del client.text[start : start + 3]
    client.text.insert(start, "HERE")
    watcher = await place.open()
    await until(lambda: "HERE" in str(watcher.text), "the other's text")
    mine, theirs = (START.replace("two", word) for word in ("HERE", "OUTSIDE"))
    touch(place.file, theirs)
    found = await conflict_of(place)
    assert (found["mine"], found["theirs"]) == (mine, theirs)
    assert found["reason"] == "file_changed"
    if keep == "both":  # it is kept over a kill, too
        await slow.kill9()
        await until(lambda: client.closed and watcher.closed, "the end of the line")
        await slow.start()
        await client.connect()
        found = await conflict_of(place)
        assert (found["mine"], found["theirs"]) == (mine, theirs)
    # Typing goes on meanwhile, and neither side is touched.
    client.type("typed\n")
    fresh = await place.open()
    await until(lambda: "typed" in str(fresh.text), "the text")
    assert place.file.read_text() == theirs
    assert await place.choose(found["id"], keep) == 200
    both = START.replace("two\n", "HERE\nOUTSIDE\n")
    text = {"mine": mine + "typed\n", "theirs": theirs, "both": both + "typed\n"}[keep]
    await until(lambda: str(client.text) == text, "the text that was chosen")
    assert await place.conflict() is None
    assert await place.choose(found["id"], keep) == 409
    await slow.stop()
    assert place.file.read_text() == text


async def test_who_may_not_edit_chooses_nothing(slow: JupyterServer) -> None:
    place = await Place.make(slow, "room page")
    client = await place.open()
    client.text.insert(0, "HERE ")
    await until(lambda: client.durable, "on disk")
    touch(place.file, "OUTSIDE " + START[3:])
    found = await conflict_of(place)
    await until(lambda: {"type": "conflict"} in client.events, "the news of it")
    observer = await slow.guest(place.person.room_id, "Watcher", "observer")
    path = f"rooms/{place.person.room_id}/conflict"
    assert (await observer.api("GET", path)).status_code == 403
    choice = {"id": found["id"], "keep": "mine"}
    assert (await observer.api("POST", path, choice)).status_code == 403
    stranger = slow.person()
    where = place.file.relative_to(slow.root_dir)
    assert (await stranger.api("GET", f"conflicts?path={where}")).status_code in {401, 403}
    assert (await place.person.api("GET", f"conflicts?path={where}")).status_code in {401, 403}
    # The host sees where it lies, a guest only its name.
    assert found["path"] == place.file.name
    of_host = (await slow.host.api("GET", f"conflicts?path={where}")).json()["conflict"]
    assert of_host["path"] == str(where)


@pytest.mark.parametrize("road", ROADS)
async def test_the_file_is_renamed_and_typed_on(quick: JupyterServer, road: str) -> None:
    place = await Place.make(quick, road)
    client = await place.open()
    old = place.file.relative_to(quick.root_dir)
    new = old.with_name(f"{uuid4().hex}.py")
    answer = await quick.host.http.patch(f"{quick.url}api/contents/{old}", json={"path": str(new)})
    assert answer.status_code == 200
    client.type("typed\n")
    place.file = quick.root_dir / new
    await agree(place, client, text=START + "typed\n")
    assert not (quick.root_dir / old).exists()


@pytest.mark.parametrize("road", ROADS)
async def test_the_file_is_deleted_and_what_was_typed_is_not(
    quick: JupyterServer, road: str
) -> None:
    place = await Place.make(quick, road)
    client = await place.open()
    client.type("typed\n")
    await until(lambda: "typed" in place.file.read_text(), "the file")
    place.file.unlink()
    client.type("on and on\n")
    other = await place.open()
    assert not other.closed
    await until(lambda: str(other.text) == START + "typed\non and on\n", "the text")
    # It comes back, with everything, as soon as somebody has typed on.
    await until(place.file.exists, "the file")
    await agree(place, client, other, text=START + "typed\non and on\n")


# -- the disk -------------------------------------------------------------------------------------


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_for_files_loses_nothing(tmp_path: Path, tiny_disk: Path) -> None:
    server = JupyterServer(tmp_path, options=["--CodepadApp.save_delay_seconds=0.1"])
    server.root_dir = tiny_disk
    try:
        await server.start()
        place = await Place.make(server, "room page")
        client = await place.open()
        filler = tiny_disk / "filler"
        filler.write_bytes(b"x" * (4000 * 1024))
        client.type("long " * 40_000)
        await until(lambda: client.durable, "on disk in the log")
        await until(lambda: "Error saving file" in server.log, "a complaint")
        text = str(client.text)
        assert (await place.open()).closed is False
        filler.unlink()
        await agree(place, client, text=text)
    finally:
        await server.close()


async def test_a_full_disk_for_the_log_says_so_and_loses_nothing(
    tmp_path: Path, tiny_disk: Path
) -> None:
    limit = "--CodepadApp.log_waiting_limit_bytes=150000"
    server = JupyterServer(tmp_path, options=[f"--CodepadApp.state_dir={tiny_disk}", limit])
    try:
        await server.start()
        place = await Place.make(server, "room page")
        client = await place.open()
        await until(lambda: client.durable, "on disk")
        filler = tiny_disk / "filler"
        file = os.open(filler, os.O_WRONLY | os.O_CREAT)
        with suppress(OSError):
            while True:
                os.write(file, b"x" * 4096)
        os.close(file)
        client.type("typed on a full disk\n" * 5_000)
        await until(lambda: "update log cannot be written" in server.log, "a complaint")
        assert client.acked < client.sent
        other = await place.open()
        await until(lambda: str(other.text) == str(client.text), "the text for everybody")
        for _ in range(2):  # more than the server keeps in memory stays with who typed it
            client.type("and more\n" * 10_000)
        await until(lambda: client.closed, "no more is taken in")
        assert client.close_code == 1013
        text = str(client.text)
        filler.unlink()
        deadline = asyncio.get_running_loop().time() + 20
        while not client.durable:  # it tries again, as a page does, until the server has room
            assert asyncio.get_running_loop().time() < deadline, "not on disk in the end"
            if client.closed:
                await client.connect()
            await asyncio.sleep(0.05)
        await agree(place, client, other, text=text)
    finally:
        await server.close()
