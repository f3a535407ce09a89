"""What is typed in a room's text is sent on first, and applied to the server's own copy later."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest
from pycrdt import Map

from jupyter_codepad.sync import turns
from jupyter_codepad.sync.protocol import Kind
from jupyter_codepad.sync.replica import PUT_OFF_LIMIT, Replica
from jupyter_codepad.sync.updates import read_state, read_update
from tests.fuzz.room import Honest, Room
from tests.support.server import JupyterServer
from tests.support.sync_client import SyncClient, until
from tests.sync.test_intake import beside

LISTENER = """
import json
from jupyter_server.base.handlers import JupyterHandler

heard = []

class Listen(JupyterHandler):
    async def get(self):
        [collaboration] = self.serverapp.extension_manager.extension_apps["jupyter_server_ydoc"]
        document = await collaboration.get_document(
            path=self.get_argument("path"), content_type="file", file_format="text", copy=False,
        )
        if not heard:
            document.observe(lambda target, event: heard.append(str(document.source)))
        self.finish(json.dumps({"text": document.source, "heard": heard}))

def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*", [("/listen", Listen)])
"""


async def type_slowly(room: Room, person: Honest, letters: str) -> None:
    """So that each letter has a turn of its own."""
    for letter in letters:
        person.text.insert(len(person.text), letter)
        await until(lambda: not room.turns._due, "the letter's turn")


def heard(person: Honest) -> str:
    person.read()
    return str(person.text)


async def test_typing_is_applied_with_what_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LATER_SECONDS", 3.0)
    room = Room("file")
    ada, bob = Honest(room), Honest(room)
    await type_slowly(room, ada, "hello")
    await until(lambda: heard(bob).endswith("hello"), "the letters at Bob's")
    assert not str(room.document.source).endswith("hello")
    late = Honest(room)
    assert str(late.text) == str(bob.text) == str(room.document.source)
    ada.text.insert(len(ada.text), "!")
    await until(lambda: heard(bob).endswith("!"), "the last letter at Bob's")
    assert not str(room.document.source).endswith("!")
    await until(
        lambda: str(room.document.source).endswith("hello!"),
        "the letters in the server's own copy",
        seconds=turns.LATER_SECONDS + 5,
    )
    for person in (ada, bob, late):
        person.leave()
    room.stop()


async def test_not_much_is_put_off() -> None:
    room = Room("file")
    ada = Honest(room)
    bob = Honest(room)
    for count in range(PUT_OFF_LIMIT + 2):
        ada.text.insert(len(ada.text), str(count % 10))
        await until(lambda: heard(bob) == str(ada.text), "the digit at Bob's")
    assert len(str(ada.text)) - len(str(room.document.source)) <= 2
    bob.leave()
    ada.leave()
    room.stop()


async def test_what_cannot_be_applied_after_all_ends_the_document_for_everybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They come back with what they have; the others' documents are not touched."""
    room, other = Room("file"), Room("file")
    ada, bob = Honest(room), Honest(other)
    await type_slowly(room, ada, "hello")
    await type_slowly(other, bob, "hello")

    def broken(self: Replica) -> None:
        if self.ydoc is room.shared.ydoc:
            raise RuntimeError("yrs has panicked")
        caught_up(self)

    caught_up = Replica.catch_up
    monkeypatch.setattr(Replica, "catch_up", broken)
    for one in (room, other):
        one.turns._behind = dict.fromkeys(one.turns._behind, 0.0)
        one.turns._catch_up()
    monkeypatch.undo()
    assert ada.wire.over
    assert not bob.wire.over
    assert str(other.document.source).endswith("hello")
    bob.leave()
    room.stop()
    other.stop()


def told(person: Honest) -> bool:
    """Whether somebody has heard that their first change is on disk."""
    return bytes((130, 2, Kind.ACK, 1)) in person.wire.received


async def test_of_many_most_hear_that_it_is_on_disk_with_the_next_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "RIDE_SECONDS", 1.0)
    room = Room("file")
    people = [Honest(room) for _ in range(2 * turns.ACKS_AT_ONCE)]
    room.turns._cost, room.turns._ended = 1.0, time.perf_counter()  # much goes on
    for person in people:
        person.text.insert(0, "x")
    await until(lambda: not room.turns._due, "their turn")
    assert not any(map(told, people))
    ada, *others = people
    ada.text.insert(0, "y")
    await until(lambda: not room.turns._due, "Ada's turn")
    assert all(map(told, others))
    await until(lambda: bytes((130, 2, Kind.ACK, 2)) in ada.wire.received, "Ada's own")
    await until(lambda: not room.turns._acks_due, "the end of waiting")
    one, *_ = others
    one.text.insert(0, "z")
    await until(lambda: bytes((130, 2, Kind.ACK, 2)) in one.wire.received, "a lone one, at once")
    for person in people:
        person.leave()
    room.stop()


async def test_nobody_ever_sees_a_path_that_a_guest_has_said(server: JupyterServer) -> None:
    """Even beside what is known of the document, where nothing but a text is looked for."""
    room = await server.room(starter_text="text\n")
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    seen: list[object] = []
    state = bob.ydoc.get("state", type=Map)
    path = state["path"]
    state.observe(lambda event: seen.append(state.get("path")))
    for letter in "typing":
        mallory.type(letter)
    mine = mallory.ydoc.client_id
    blocks = read_update(mallory.ydoc.get_update(), trusted=True).blocks
    said = [
        (who, block.clock) for who in blocks for block in blocks[who] if block.parent == "state"
    ]
    assert said
    for left in said:
        for _ in range(3):
            clock = read_state(mallory.ydoc.get_state())[mine]
            mallory.ydoc.apply_update(beside(mine, clock, left, "evil"))
            left = (mine, clock + 3)  # noqa: PLW2901
    mallory.type("the end")
    await until(lambda: "the end" in str(bob.text), "what was typed last")
    assert set(seen) <= {path}
    assert state["path"] == path


async def listened(server: JupyterServer, path: str) -> dict[str, object]:
    async with httpx.AsyncClient(headers=server.host.headers, timeout=20) as http:
        answer = await http.get(f"{server.url}listen", params={"path": path})
    answer.raise_for_status()
    found: dict[str, object] = json.loads(answer.text)
    return found


async def test_another_extension_that_listens_hears_of_every_change(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path)
    (tmp_path / "codepad_listener.py").write_text(LISTENER)
    server.configure({"ServerApp": {"jpserver_extensions": {"codepad_listener": True}}})
    try:
        await server.start()
        room = await server.room(starter_text="")
        guest: SyncClient = await (await server.guest(room["id"])).document().connect()
        for letter in "before":
            guest.type(letter)
        await until(lambda: guest.durable, "the first letters on disk")
        assert (await listened(server, room["pad_path"]))["text"] == "before"
        for letter in "after":
            guest.type(letter)
            await until(lambda: guest.durable, "the letter on disk")
        heard = (await listened(server, room["pad_path"]))["heard"]
        assert heard == [f"before{'after'[: n + 1]}" for n in range(5)]
    finally:
        await server.close()
