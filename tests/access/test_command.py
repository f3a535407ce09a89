"""The host's command on a server with several users: roles, ownership, names, the activity log."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import JupyterServer, Person
from tests.support.sync_client import SOON, until

USERS = """
from jupyter_server.auth.identity import IdentityProvider, User

class ByHeader(IdentityProvider):
    def get_user(self, handler):
        name = handler.request.headers.get("X-User")
        return User(username=name, name=name.title()) if name else None

    def should_check_origin(self, handler):
        return False

c = get_config()
c.ServerApp.identity_provider_class = ByHeader
c.ServerApp.disable_check_xsrf = True
"""


@pytest.fixture
def users(tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
    """A server on which people have accounts."""
    made = JupyterServer(tmp_path)
    (tmp_path / "jupyter_config_dir" / "jupyter_server_config.py").write_text(USERS)
    try:
        jp_asyncio_loop.run_until_complete(made.start())
        yield made
    finally:
        jp_asyncio_loop.run_until_complete(made.close())


def user(server: JupyterServer, name: str) -> Person:
    person = Person(server, {"X-User": name})
    server.people.append(person)
    return person


async def people_of(person: Person, room_id: str) -> dict[str, dict[str, Any]]:
    answer = (await person.api("GET", f"rooms/{room_id}/participants")).json()
    return {one["name"]: one for one in answer["participants"]}


async def test_several_hosts_and_the_owner_decides(users: JupyterServer) -> None:
    anna, ben, cleo = (user(users, name) for name in ("anna", "ben", "cleo"))
    room = (await anna.api("POST", "rooms", {"title": "Panel"})).json()
    path = f"rooms/{room['id']}"
    assert (await ben.api("GET", path)).status_code == 404
    added = await anna.api("POST", f"{path}/participants", {"username": "ben", "name": "Ben"})
    assert added.json()["role"] == "interviewer" and added.json()["username"] == "ben"
    assert (await ben.api("GET", path)).json()["permissions"].count("grade") == 1
    assert [r["title"] for r in (await ben.api("GET", "rooms")).json()["rooms"]] == ["Panel"]
    people = await people_of(anna, room["id"])
    ben_path = f"{path}/participants/{people['Ben']['id']}"
    anna_path = f"{path}/participants/{people['Anna']['id']}"
    assert (await ben.api("PATCH", ben_path, {"role": "host"})).status_code == 403
    assert (await anna.api("PATCH", ben_path, {"role": "host"})).json()["role"] == "host"
    # A host runs the room, but the owner stays the owner.
    for method, target, body in (
        ("PATCH", anna_path, {"role": "observer"}),
        ("DELETE", anna_path, None),
        ("POST", f"{ben_path}/transfer", {}),
        ("POST", f"{path}/participants", {"username": "cleo", "role": "host"}),
        ("DELETE", path, None),
    ):
        answer = await ben.api(method, target, body)
        assert answer.status_code in {403, 409}, (method, target, answer.text)
    assert (await anna.api("PATCH", anna_path, {"role": "member"})).status_code == 409
    assert (await ben.api("PATCH", path, {"title": "Ben's panel"})).status_code == 200
    assert (await anna.api("POST", f"{ben_path}/transfer", {})).status_code == 204
    assert (await ben.api("GET", path)).json()["owner"] is True
    assert (await anna.api("GET", path)).json()["owner"] is False
    assert (await ben.api("PATCH", anna_path, {"role": "observer"})).json()["role"] == "observer"
    assert (await anna.api("PATCH", path, {"title": "x"})).status_code == 403
    assert (await cleo.api("GET", path)).status_code == 404
    assert (await ben.api("DELETE", anna_path)).status_code == 204
    assert (await anna.api("GET", path)).status_code == 404


async def test_a_guest_never_becomes_host(server: JupyterServer) -> None:
    room = await server.room()
    await server.guest(room["id"])
    ada = (await people_of(server.host, room["id"]))["Ada"]
    path = f"rooms/{room['id']}/participants/{ada['id']}"
    answer = await server.host.api("PATCH", path, {"role": "host"})
    assert (answer.status_code, answer.json()["code"]) == (422, "host_needs_account")
    answer = await server.host.api("POST", f"{path}/transfer", {})
    assert (answer.status_code, answer.json()["code"]) == (422, "owner_needs_account")


async def test_nobody_is_reached_through_another_room(server: JupyterServer) -> None:
    mine, other = await server.room(), await server.room()
    await server.guest(other["id"], "Ada")
    ada = (await people_of(server.host, other["id"]))["Ada"]
    path = f"rooms/{mine['id']}/participants/{ada['id']}"
    for method, target, body in (
        ("PATCH", path, {"role": "observer"}),
        ("DELETE", path, None),
        ("POST", f"{path}/admit", {}),
        ("POST", f"{path}/deny", {}),
        ("POST", f"{path}/transfer", {}),
    ):
        assert (await server.host.api(method, target, body)).status_code == 404, target
    link = (await server.host.api("POST", f"rooms/{other['id']}/invites", {})).json()
    for target in (f"invites/{link['id']}", f"invites/{link['id']}?remove_people=true"):
        answer = await server.host.api("DELETE", f"rooms/{mine['id']}/{target}")
        assert answer.status_code == 404
    qr = await server.host.api("GET", f"rooms/{mine['id']}/invites/{link['id']}/qr.svg")
    assert qr.status_code == 404
    assert (await people_of(server.host, other["id"]))["Ada"]["role"] == "member"


async def test_names_colours_and_hands(server: JupyterServer) -> None:
    room = await server.room()
    ada, bob = await server.guest(room["id"], "Ada"), await server.guest(room["id"], "Bob")
    pad = await bob.document().connect()
    watching = await ada.document().connect()
    me = f"rooms/{room['id']}/me"
    assert (await bob.api("PATCH", me, {"name": "Аda"})).json()["name"] == "Аda (2)"
    assert (await bob.api("PATCH", me, {"name": "Host"})).json()["name"] == "Host (2)"
    assert (await bob.api("PATCH", me, {"name": "\u200b"})).json()["code"] == "name_required"
    assert (await bob.api("PATCH", me, {"color": "red"})).json()["code"] == "unknown_color"
    assert (await bob.api("PATCH", me, {"color": "#2e7d32"})).json()["color"] == "#2e7d32"
    assert (await bob.api("PATCH", me, {"role": "host"})).status_code == 422
    assert (await bob.api("PATCH", me, {"hand_raised": True})).json()["hand_raised_at"]

    def hands() -> list[str]:
        told = [e for e in watching.events if e["type"] == "participants"]
        return [p["name"] for p in told[-1]["participants"] if p["hand_raised_at"]] if told else []

    await until(lambda: hands() == ["Host (2)"], "the hand", SOON)
    person = (await people_of(server.host, room["id"]))["Host (2)"]
    path = f"rooms/{room['id']}/participants/{person['id']}"
    await server.host.api("PATCH", path, {"hand_raised": False, "name": "Bob"})
    await until(lambda: hands() == [], "the hand is down", SOON)
    assert not pad.closed
    kinds = [
        (e["kind"], e["subject"], e["detail"].get("before"))
        for e in (await server.host.api("GET", f"rooms/{room['id']}/activity")).json()["activity"]
    ]
    assert ("renamed", "Bob (guest)", "Host (2)") in kinds


async def test_presence_says_since_when_where_and_whether_idle(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path, options=["--CodepadApp.idle_seconds=0.5"])
    try:
        await server.start()
        room = await server.room()
        ada = await server.guest(room["id"])
        pad = await ada.document().connect()
        watching = await server.host.document("runs", room_id=room["id"]).connect()

        async def shown() -> dict[str, Any]:
            return (await people_of(server.host, room["id"]))["Ada"]

        first = await shown()
        assert first["online"] and first["document"] == "pad" and first["online_since"]
        assert (await people_of(server.host, room["id"]))["Host"]["document"] == "runs"

        def idle() -> list[bool]:
            told = [e["participants"] for e in pad.events if e["type"] == "participants"]
            return [bool(p["idle"]) for people in told for p in people if p["name"] == "Ada"]

        await until(lambda: idle()[-1:] == [True], "Ada is idle")
        before = len(idle())
        pad.say({"active": 5})
        await until(lambda: False in idle()[before:], "Ada is back")
        assert not watching.closed
    finally:
        await server.close()


async def test_the_log_says_what_happened_and_no_content(server: JupyterServer) -> None:
    room = await server.room(starter_text="the secret task")
    path = f"rooms/{room['id']}"
    name = "=HYPERLINK(1)"
    ada = await server.guest(room["id"], name)
    pad = await ada.document().connect()
    await pad.disconnect()
    person = (await people_of(server.host, room["id"]))[name]
    await server.host.api("PATCH", f"{path}/participants/{person['id']}", {"role": "observer"})
    await server.host.api("PATCH", path, {"locked": True, "restrictions": {"member": ["ask"]}})
    await server.host.api("DELETE", f"{path}/participants/{person['id']}?ban=true")
    found: list[str] = []

    async def kinds() -> list[str]:
        answer = (await server.host.api("GET", f"{path}/activity")).json()
        return [entry["kind"] for entry in answer["activity"]]

    for _ in range(200):
        found = await kinds()
        if "disconnected" in found:
            break
    assert set(found) == {
        "room_created",
        "link_created",
        "joined",
        "connected",
        "disconnected",
        "role_changed",
        "room_changed",
        "banned",
    }
    page = (await server.host.api("GET", f"{path}/activity?limit=2")).json()
    assert len(page["activity"]) == 2 and page["more"]
    older = (
        await server.host.api("GET", f"{path}/activity?before={page['activity'][-1]['id']}")
    ).json()
    assert len(older["activity"]) == len(found) - 2 and not older["more"]
    assert (await server.host.api("GET", f"{path}/activity?limit=x")).status_code == 422
    text = (await server.host.http.get(f"api/{path}/activity.csv")).text
    assert "the secret task" not in text
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["at", "kind", "actor", "subject", "detail"]
    assert all(not cell.startswith("=") for row in rows for cell in row)


async def test_operators_hear_of_it_as_events_without_names(server: JupyterServer) -> None:
    from tornado.httpclient import HTTPRequest  # noqa: PLC0415
    from tornado.websocket import websocket_connect  # noqa: PLC0415

    url = f"{server.ws_url}api/events/subscribe"
    headers = {"Authorization": f"token {server.token}"}
    socket = await websocket_connect(HTTPRequest(url, headers=headers))
    room = await server.room()
    await server.guest(room["id"], "Ada")
    seen: list[dict[str, Any]] = []
    while not any(e.get("kind") == "joined" and e["room_id"] == room["id"] for e in seen):
        message = await asyncio.wait_for(socket.read_message(), 20)
        assert message is not None
        event = json.loads(message)
        if event["schema_id"].startswith("https://events.jupyter.org/jupyter_codepad"):
            seen.append(event)
    assert "Ada" not in json.dumps(seen)
    socket.close()


async def test_an_export_holds_the_files_and_nothing_from_outside(server: JupyterServer) -> None:
    room = await server.room(starter_text="x = 1\n")
    guest = await server.guest(room["id"])
    pad = await guest.document().connect()
    pad.type("y = 2\n")
    await until(lambda: pad.durable, "saved")
    folder = server.pad_file(room).parent
    (server.home / "outside.txt").write_text("outside of the room")
    (folder / "link.txt").symlink_to(server.home / "outside.txt")
    (folder / "folder").symlink_to(server.home)
    os.mkfifo(folder / "pipe")
    (folder / "data").mkdir()
    (folder / "data" / "täst\u202e.csv").write_text("1,2\n")
    await server.host.api("PATCH", f"rooms/{room['id']}", {"state": "closed"})
    answer = await server.host.http.get(f"api/rooms/{room['id']}/export")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = set(archive.namelist())
        assert names == {
            "room.json",
            "people.json",
            "activity.csv",
            "files/main.py",
            "files/data/täst\u202e.csv",
        }
        assert archive.read("files/main.py").decode() == "x = 1\ny = 2\n"
        assert b"outside of the room" not in b"".join(archive.read(name) for name in names)
    assert (await guest.api("GET", f"rooms/{room['id']}/export")).status_code == 403


async def test_ended_rooms_are_frozen_for_everybody_in_them(server: JupyterServer) -> None:
    room = await server.room(starter_text="as it was\n")
    guest = await server.guest(room["id"])
    pad = await guest.document().connect()
    await server.host.api("PATCH", f"rooms/{room['id']}", {"state": "closed"})
    await until(lambda: pad.closed, "the end", SOON)
    assert pad.close_code == 4410
    for person in (guest, server.host):
        client = await person.document(room_id=room["id"]).connect()
        assert client.close_code == 4410
        run = await person.api("POST", f"rooms/{room['id']}/runs", {})
        assert (run.status_code, run.json()["code"]) == (410, "room_closed")
    assert server.pad_file(room).read_text() == "as it was\n"


async def test_what_is_kept_no_longer_is_removed(tmp_path: Path) -> None:
    server = JupyterServer(
        tmp_path, options=["--CodepadApp.retention_days=7", "--CodepadApp.activity_kept=3"]
    )
    try:
        await server.start()
        old, new = await server.room(title="Old"), await server.room(title="New")
        await server.guest(old["id"])
        for number in range(5):
            await server.host.api("PATCH", f"rooms/{new['id']}", {"locked": number % 2 == 0})
        await server.stop()
        store = server.home / "jupyter_data_dir/codepad/codepad.sqlite"
        with sqlite3.connect(store) as db:
            db.execute(
                "UPDATE rooms SET expires_at = '2020-01-01 00:00:00.000000' WHERE id = ?",
                (old["id"],),
            )
        await server.start()

        def rooms_left() -> int:
            with sqlite3.connect(store) as db:
                return int(db.execute("SELECT count(*) FROM rooms").fetchone()[0])

        await until(lambda: rooms_left() == 1, "the purge")
        with sqlite3.connect(store) as db:
            for table in ("participants", "invites", "guest_sessions", "activity"):
                query = f"SELECT count(*) FROM {table} WHERE room_id = ?"
                assert db.execute(query, (old["id"],)).fetchone() == (0,), table
            kept = db.execute("SELECT count(*) FROM activity").fetchone()
        assert kept == (3,)
        assert server.pad_file(old).exists()
    finally:
        await server.close()
