"""The gate in front of jupyter-collaboration's documents: each of its holes, attacked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Text
from tornado.httpclient import HTTPClientError

from jupyter_codepad.sync.protocol import (
    AwarenessEntry,
    Kind,
    SyncStep,
    awareness_frame,
    sync_frame,
    var_bytes,
    var_uint,
)
from tests.support.server import JupyterServer, Person, lent, running
from tests.support.sync_client import SyncClient, until

GLOBAL = "JupyterLab:globalAwareness"
LIMIT_BYTES = 50_000

PEOPLE = """
from jupyter_server.auth import Authorizer, IdentityProvider, User

class People(IdentityProvider):
    async def get_user(self, handler):
        token = handler.request.headers.get("Authorization", "").removeprefix("token ")
        if token not in {"ada", "bob", "rita", "nina"}:
            return await super().get_user(handler)
        handler._token_authenticated = True
        return User(username=token, name=token.title())

class Rules(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return {"rita": action == "read", "nina": False}.get(user.username, True)

c = get_config()
c.ServerApp.identity_provider_class = People
c.ServerApp.authorizer_class = Rules
"""


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server with people: Ada and Bob write, Rita reads, Nina may do nothing."""
    home = tmp_path_factory.mktemp("people")
    made = JupyterServer(
        home,
        options=[
            f"--CodepadApp.collaboration_message_limit_bytes={LIMIT_BYTES}",
            "--CodepadApp.document_copies_limit=3",
            "--YDocExtension.document_cleanup_delay=0.2",
        ],
    )
    (home / "jupyter_config_dir" / "jupyter_server_config.py").write_text(PEOPLE)
    yield from running(made)


@pytest.fixture
def people(
    module_server: JupyterServer, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[JupyterServer]:
    """The server, with nobody of another test on it."""
    yield from lent(module_server, jp_asyncio_loop)


def somebody(server: JupyterServer, name: str) -> Person:
    person = Person(server, {"Authorization": f"token {name}"})
    server.people.append(person)
    return person


def file_of(server: JupyterServer, name: str, text: str = "start\n") -> Path:
    path = server.root_dir / name
    path.write_text(text)
    return path


async def refused(client: SyncClient) -> int:
    """The status with which a socket is refused before it opens."""
    with pytest.raises(HTTPClientError) as caught:
        await client.connect()
    return int(caught.value.code)


def user_of(client: SyncClient, who: SyncClient) -> Any:
    return client.awareness.get(who.ydoc.client_id, {}).get("user")


async def test_two_people_still_share_a_notebook(people: JupyterServer) -> None:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "first",
        "metadata": {},
        "outputs": [],
        "source": "x = 1",
    }
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    file = file_of(people, "shared.ipynb", json.dumps(notebook))
    ada, bob = [
        await somebody(people, name).lab_document("shared.ipynb", "json", "notebook")
        for name in ("ada", "bob")
    ]
    source = ada.cells()[0]["source"]
    source += "\ny = 2"
    await until(lambda: str(bob.cells()[0]["source"]) == "x = 1\ny = 2", "Ada's line at Bob's")
    source = bob.cells()[0]["source"]
    source += "\nz = 3"
    await until(lambda: "z = 3" in str(ada.cells()[0]["source"]), "Bob's line at Ada's")
    await until(lambda: "z = 3" in file.read_text(), "the notebook's file")
    ada.send_raw(bytes((Kind.JUPYTER,)) + var_bytes(b"save") + var_uint(7))
    answer = {"type": "save", "responseTo": 7, "status": "success"}
    await until(lambda: answer in ada.events, "the answer to Save")


async def test_a_message_has_a_limit(people: JupyterServer) -> None:
    file_of(people, "large.txt")
    ada, bob = [await somebody(people, name).lab_document("large.txt") for name in ("ada", "bob")]
    ada.type("x" * (LIMIT_BYTES + 1))
    await until(lambda: ada.closed, "the end of Ada's socket")
    assert (ada.close_code, ada.close_reason) == (1009, "That is more than can be sent at once.")
    bob.type("bob was here\n")
    late = await somebody(people, "ada").lab_document("large.txt")
    await until(lambda: str(late.text) == "start\nbob was here\n", "what is in the document")


async def test_everybody_speaks_for_themselves(people: JupyterServer) -> None:
    file_of(people, "names.txt")
    ada, bob = [await somebody(people, name).lab_document("names.txt") for name in ("ada", "bob")]
    cursors = {"cursors": [{"anchor": 1, "head": 2}], "current": "names.txt"}
    color = "var(--jp-collaborator-color3)"
    ada.say({**cursors, "user": {"username": "bob", "name": "Bob", "color": color}})
    await until(lambda: user_of(bob, ada), "Ada at Bob's")
    assert user_of(bob, ada) == {
        "username": "ada",
        "name": "Ada",
        "display_name": "Ada",
        "initials": None,
        "avatar_url": None,
        "color": color,
    }
    state = bob.awareness[ada.ydoc.client_id]
    assert {key: state[key] for key in cursors} == cursors
    bob.say({"user": {"color": "url(https://evil.example)"}})
    await until(lambda: user_of(ada, bob), "Bob at Ada's")
    assert user_of(ada, bob)["color"] is None
    # Neither as somebody else nor in their place.
    bob.say({"cursors": [], "forged": True}, ada.ydoc.client_id)
    bob.say(None, ada.ydoc.client_id)
    bob.say({"forged": True}, 12345)
    third = await somebody(people, "bob").lab_document("names.txt")
    await until(lambda: user_of(third, ada) and user_of(third, bob), "who is there, at once")
    third.say({"forged": True}, ada.ydoc.client_id)
    third.say({"last": True})
    await until(lambda: user_of(ada, third), "the third at Ada's")
    assert 12345 not in ada.awareness
    assert bob.awareness[ada.ydoc.client_id] == third.awareness[ada.ydoc.client_id] == state
    # Nobody hears what they have said themselves.
    assert ada.ydoc.client_id not in ada.awareness and bob.ydoc.client_id not in bob.awareness
    await ada.disconnect()
    await until(lambda: user_of(bob, ada) is None, "that Ada has gone")


async def test_the_servers_own_client_cannot_be_taken(people: JupyterServer) -> None:
    ada, bob = [
        await somebody(people, name).lab_socket(GLOBAL).connect() for name in ("ada", "bob")
    ]
    ada.say({"current": "a"})
    bob.say({"current": "b"})
    await until(lambda: user_of(ada, bob) and user_of(bob, ada), "each other")
    assert user_of(ada, bob)["name"] == "Bob"


async def test_a_room_without_a_document_keeps_none(people: JupyterServer) -> None:
    ada = await somebody(people, "ada").lab_socket(GLOBAL).connect()
    ada.type("x" * 1000)
    ada.say({"current": "a"})
    bob = await somebody(people, "bob").lab_socket(GLOBAL).connect()
    await until(lambda: user_of(bob, ada), "Ada at Bob's")
    assert str(bob.text) == ""


async def test_a_document_has_one_name(people: JupyterServer) -> None:
    file_of(people, "one.txt")
    ada = somebody(people, "ada")
    key, session = await ada.lab_key("one.txt")
    plain = await ada.lab_socket(key, session).connect()
    encoded = await ada.lab_socket(key.replace(":", "%3A"), session).connect()
    encoded.type("from the encoded name\n")
    await until(lambda: "encoded name" in str(plain.text), "one document under both names")
    file_id = key.split(":")[2]
    for name in (
        key.replace(":", "%253A"),
        f"text:file:{file_id}%2Fx",
        f"text:file:{file_id}:x",
        f"other:file:{file_id}",
        f"text:file:{'0' * 36}",
        "JupyterLab:other",
        "a",
        "%00",
        "",
        "0" * 32,
        "x" * 5000,
    ):
        assert await refused(ada.lab_socket(name, session)) == 404, name


def hostile_frames() -> dict[str, bytes | str]:
    garbage: Doc[Any] = Doc()
    garbage.get("source", type=Text).insert(0, "x" * 50)
    update = garbage.get_update()
    return {
        "empty": b"",
        "text": "save",
        "unknown kind": b"\x7d\x00",
        "half a number": b"\xff",
        "too long a number": b"\xff" * 20,
        "no content": b"\x00",
        "unknown step": b"\x00\x09\x00",
        "shorter than it says": b"\x00\x02\x7f\x01",
        "half an update": sync_frame(SyncStep.UPDATE, update[: len(update) // 2]),
        "no update": sync_frame(SyncStep.UPDATE, b"\xff" * 9),
        "no state": sync_frame(SyncStep.STATE, b"\x05\x01\xff\xff"),
        "a state that wants gigabytes": sync_frame(SyncStep.STATE, var_uint(2**31) + b"\1\2"),
        "an update that wants gigabytes": sync_frame(SyncStep.UPDATE, var_uint(2**31) + b"\1\2"),
        "awareness of half an entry": bytes((Kind.AWARENESS,)) + var_bytes(b"\x01\x05"),
        "awareness that is no JSON": bytes((Kind.AWARENESS,)) + var_bytes(b"\x01\x05\x01\x01{"),
        "awareness of too many": bytes((Kind.AWARENESS,)) + var_bytes(var_uint(10**6)),
        "awareness that is a list": bytes((Kind.AWARENESS,)) + var_bytes(b"\x01\x05\x01\x02[]"),
        "save without a number": bytes((Kind.JUPYTER,)) + var_bytes(b"save"),
        "save that is no text": bytes((Kind.JUPYTER,)) + var_bytes(b"\xff\xfe"),
    }


@pytest.mark.parametrize("what", hostile_frames())
async def test_what_cannot_be_read_closes_its_sender_only(people: JupyterServer, what: str) -> None:
    file_of(people, "stays.txt")
    bob = await somebody(people, "bob").lab_document("stays.txt")
    ada = await somebody(people, "ada").lab_document("stays.txt")
    ada.send_raw(hostile_frames()[what])
    await until(lambda: ada.closed, "the end of Ada's socket")
    assert ada.close_code == 4400 and ada.close_reason
    assert "A frame in text:file:" in people.log
    again = await somebody(people, "ada").lab_document("stays.txt")
    word = f"after {what}\n"
    again.type(word)
    await until(lambda: word in str(bob.text), "what Ada writes afterwards")


async def test_who_may_only_read_changes_nothing(people: JupyterServer) -> None:
    file = file_of(people, "read.txt")
    ada = await somebody(people, "ada").lab_document("read.txt")
    key = ada.url.rsplit("/", 1)[1]
    rita = await somebody(people, "rita").lab_socket(*key.split("?sessionId=")).connect()
    assert str(rita.text) == "start\n"
    rita.type("rita was here\n")
    rita.send_raw(bytes((Kind.JUPYTER,)) + var_bytes(b"save") + var_uint(3))
    await until(lambda: rita.events, "the answer to Save")
    assert rita.events == [{"type": "save", "responseTo": 3, "status": "failed"}]
    rita.say({"current": "x"})
    await until(lambda: user_of(ada, rita), "Rita at Ada's")
    assert str(ada.text) == file.read_text() == "start\n"
    ada.type("ada\n")
    await until(lambda: "ada" in str(rita.text), "Ada's line at Rita's")


async def test_who_may_not_even_read_builds_no_document(people: JupyterServer) -> None:
    file_of(people, "secret.txt")
    ada, nina = somebody(people, "ada"), somebody(people, "nina")
    key, session = await ada.lab_key("secret.txt")
    for name in (key, GLOBAL, "nothing"):
        assert await refused(nina.lab_socket(name, session)) == 403
        assert await refused(people.person().lab_socket(name, session)) == 403
    visitor = people.person()  # a browser that is signed in, on somebody else's page
    await visitor.http.get(f"{people.url}lab?token={people.token}")
    foreign = visitor.lab_socket(key, session)
    foreign.headers |= {"Cookie": visitor.cookie_header, "Origin": "https://evil.example"}
    assert await refused(foreign) == 403
    plain = await ada.http.get(f"{people.url}api/collaboration/room/{key}")
    assert plain.status_code == 400
    assert f"Content in room {key}" not in people.log


async def make_fork(person: Person, key: str, **wish: Any) -> Any:
    return await person.http.put(f"{person.server.url}api/collaboration/fork/{key}", json=wish)


async def delete_fork(person: Person, fork: str, merge: str = "false") -> int:
    url = f"{person.server.url}api/collaboration/fork/{fork}?merge={merge}"
    return (await person.http.delete(url)).status_code


async def test_forks_work_have_a_bound_and_go_with_their_document(people: JupyterServer) -> None:
    file_of(people, "fork.txt")
    ada = somebody(people, "ada")
    key, session = await ada.lab_key("fork.txt")
    assert (await make_fork(ada, key)).status_code == 404  # not open
    root = await ada.lab_socket(key, session).connect()
    answers = [await make_fork(ada, key, synchronize=True, title="t" * 5000) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    one, two = (answer.json()["fork_roomid"] for answer in answers[:2])
    known = (await ada.http.get(f"{people.url}api/collaboration/fork/{key}")).json()
    assert len(known) == 3 and len(known[one]["title"]) == 1000
    fork = await ada.lab_socket(one, session).connect()
    root.type("in the root\n")
    await until(lambda: "in the root" in str(fork.text), "the root's line in the fork")
    fork.type("in the fork\n")
    fork.send_raw(sync_frame(SyncStep.STATE, b"\x00"))
    await until(lambda: fork.updates_seen >= 2, "the fork's own line on the server")
    assert await delete_fork(ada, one, "true") == 200
    await until(lambda: fork.closed and "in the fork" in str(root.text), "the merge")
    assert await delete_fork(ada, one) == 404
    rita = somebody(people, "rita")
    assert (await make_fork(rita, key)).status_code == 403
    assert await delete_fork(rita, two) == 403
    assert (await make_fork(ada, two)).status_code == 404  # no fork of a fork
    other = await ada.lab_socket(two, session).connect()
    await root.disconnect()
    await until(lambda: other.closed, "the end of the forks with their document")
    assert (await ada.http.get(f"{people.url}api/collaboration/fork/{key}")).json() == {}
    assert await refused(ada.lab_socket(two, session)) == 404


async def test_timelines_have_a_bound(people: JupyterServer) -> None:
    file_of(people, "time.txt")
    ada = somebody(people, "ada")
    root = await ada.lab_document("time.txt")
    root.type("more\n")
    url = f"{people.url}api/collaboration/timeline/time.txt?format=text&&type=file"
    copies = []
    for _ in range(5):
        answer = await ada.http.get(url)
        assert answer.status_code == 200, answer.text
        copies.append(answer.json()["forkRoom"])
    step = f"{people.url}api/collaboration/undo_redo/x?action=undo&steps=1&forkRoom="
    codes = [(await ada.http.put(step + copy)).status_code for copy in copies]
    assert codes == [404, 404, 200, 200, 200]
    for wrong in ("action=undo&steps=x", "action=undo&steps=-1", "action=no&steps=1"):
        bad = f"{people.url}api/collaboration/undo_redo/x?{wrong}&forkRoom={copies[-1]}"
        assert (await ada.http.put(bad)).status_code == 400
    assert (await make_fork(ada, root.url.rsplit("/", 1)[1].split("?")[0])).status_code == 429
    missing = f"{people.url}api/collaboration/timeline/none.txt?format=text&type=file"
    assert (await ada.http.get(missing)).status_code == 404
    await root.disconnect()

    async def gone() -> bool:
        return bool((await ada.http.put(step + copies[-1])).status_code == 404)

    deadline = asyncio.get_running_loop().time() + 20
    while not await gone():
        assert asyncio.get_running_loop().time() < deadline, "the timelines stay"


async def test_the_pad_of_a_room_has_neither(people: JupyterServer) -> None:
    ada = somebody(people, "ada")
    made = await ada.api("POST", "rooms", {"title": "Room"})
    assert made.status_code == 201, made.text
    path = made.json()["pad_path"]
    key, session = await ada.lab_key(path)
    pad = await ada.lab_socket(key, session).connect()
    assert (await make_fork(ada, key)).status_code == 409
    timeline = f"{people.url}api/collaboration/timeline/{path}?format=text&type=file"
    assert (await ada.http.get(timeline)).status_code == 409
    rita = await somebody(people, "rita").lab_socket(key, session).connect()
    before = str(pad.text)
    rita.type("rita was here")
    rita.send_raw(bytes((Kind.JUPYTER,)) + var_bytes(b"save") + var_uint(1))
    await until(lambda: rita.events, "the answer to Save")
    assert rita.events[0]["status"] == "failed" and str(pad.text) == before


async def test_clients_that_repeat_what_they_hear_do_no_harm(people: JupyterServer) -> None:
    file_of(people, "repeat.txt")
    ada, bob = [await somebody(people, name).lab_document("repeat.txt") for name in ("ada", "bob")]
    ada.say({"place": 1})
    await until(lambda: user_of(bob, ada), "Ada at Bob's")
    # As y-websocket does: one frame about oneself and everybody else.
    bob.send_raw(
        awareness_frame(
            [
                AwarenessEntry(ada.ydoc.client_id, 1, {"user": {"name": "Ada"}}),
                AwarenessEntry(bob.ydoc.client_id, 1, {"place": 2}),
            ]
        )
    )
    await until(lambda: user_of(ada, bob), "Bob at Ada's")
    assert user_of(ada, bob)["name"] == "Bob" and user_of(bob, ada)["name"] == "Ada"


async def test_a_pad_is_one_kind_of_document_only(people: JupyterServer) -> None:
    """A second document on the pad's file would overwrite what the room saves."""
    host = people.host
    room = await people.room(pad_type="notebook")
    session = await host.http.put(
        f"{people.url}api/collaboration/session/{room['pad_path']}",
        json={"format": "text", "type": "file"},
    )
    described = session.json()
    key = f"text:file:{described['fileId']}"
    assert await refused(host.lab_socket(key, described["sessionId"])) == 409
    right = f"json:notebook:{described['fileId']}"
    pad = await host.lab_socket(right, described["sessionId"]).connect()
    assert not pad.closed


def has_word(client: SyncClient, word: str) -> bool:
    return word in str(client.text).split()


async def test_a_document_is_not_released_while_somebody_is_on_the_way(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path, options=["--YDocExtension.document_cleanup_delay=0.0001"])
    try:
        await server.start()
        (server.root_dir / "file.py").write_text("start\n")
        key, _ = await server.host.lab_key("file.py")
        for number in range(10):
            # A session that is not known takes a moment to look up.
            late = await server.host.lab_socket(key, f"unknown-{number}").connect()
            other = await server.host.lab_socket(key).connect()
            late.type(f"{number}\n")
            await until(partial(has_word, other, f"{number}"), "the other sees it")
            await late.disconnect()
            await other.disconnect()
    finally:
        await server.close()
