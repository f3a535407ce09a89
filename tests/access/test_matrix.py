"""Who may do what: every role at every route and every frame, made from the routes themselves."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from jupyter_codepad.access.roles import ROLE_PERMISSIONS, Permission, Role
from jupyter_codepad.app import API_ROUTES
from jupyter_codepad.handlers import RULE, Rule
from jupyter_codepad.openapi import METHODS, template
from jupyter_codepad.sync.protocol import Kind, SyncStep, ack_frame, event_frame, sync_frame
from tests.support.server import JupyterServer, Person
from tests.support.sync_client import SOON, SyncClient, until

STRANGER = "stranger"
WAITING = "in the lobby"
EARLY = "before it opens"
REMOVED = "removed"
OTHER_ROOM = "guest of another room"
OUTSIDE = (STRANGER, REMOVED, OTHER_ROOM)

BODIES: dict[tuple[str, str], Any] = {
    ("post", "/api/rooms"): {"title": "Made"},
    ("patch", "/api/rooms/{room_id}"): {"title": "Renamed"},
    ("post", "/api/rooms/{room_id}/participants"): {"username": "somebody", "role": "member"},
    ("patch", "/api/rooms/{room_id}/participants/{participant_id}"): {"name": "Renamed"},
    ("patch", "/api/rooms/{room_id}/me"): {"hand_raised": True},
    ("post", "/api/rooms/{room_id}/invites"): {"role": "observer"},
    ("post", "/api/rooms/{room_id}/runs"): {"document": "pad"},
    ("post", "/api/rooms/{room_id}/runs/{run_id}/input"): {"text": "x"},
}


def operations() -> list[tuple[str, str, Rule]]:
    """Every method of every REST route and page, with its rule; without one the test fails."""
    found = []
    for pattern, handler in API_ROUTES:
        path = template(pattern)
        if path.endswith("/sync") or path.endswith("/lobby") or "static" in path:
            continue
        for method in METHODS:
            function = getattr(handler, method)
            owner = next(c for c in handler.__mro__ if method in vars(c))
            if owner.__module__.startswith("jupyter_codepad"):
                found.append((method, path, getattr(function, RULE)))
    return found


OPERATIONS = operations()
DESTRUCTIVE = {
    ("delete", "/api/rooms/{room_id}"),
    ("post", "/api/rooms/{room_id}/leave"),
    ("delete", "/api/rooms/{room_id}/invites"),
    ("post", "/api/rooms/{room_id}/participants/{participant_id}/transfer"),
}


class Cast:
    """A room with somebody in every role, and people at all of its doors."""

    def __init__(self, server: JupyterServer) -> None:
        self.server = server
        self.people: dict[str, Person] = {}
        self.room: dict[str, Any] = {}
        self.parts: dict[str, str] = {}

    async def gather(self) -> Cast:
        server = self.server
        self.room = await server.room(starter_text="print('the text of the room')\n")
        room_id = self.room["id"]
        self.people = {Role.HOST.value: server.host, STRANGER: server.person()}
        for role in Role:
            if role.can_be_invited:
                self.people[role.value] = await server.guest(room_id, role.value, role.value)
        await server.guest(room_id, "Spare")
        self.people[REMOVED] = await server.guest(room_id, "Removed")
        other = await server.room(title="Other")
        self.people[OTHER_ROOM] = await server.guest(other["id"], "Other")
        code = await server.invite(room_id, lobby=True)
        self.people[WAITING] = await server.person().join(code, "Waiting")
        listed = (await server.host.api("GET", f"rooms/{room_id}/participants")).json()
        ids = {person["name"]: person["id"] for person in listed["participants"]}
        removal = f"rooms/{room_id}/participants/{ids['Removed']}"
        assert (await server.host.api("DELETE", removal)).status_code == 204
        invite = (await server.host.api("POST", f"rooms/{room_id}/invites", {})).json()
        self.parts = {
            "room_id": room_id,
            "participant_id": ids["Spare"],
            "invite_id": invite["id"],
            "run_id": "x" * 12,
            "code": "x" * 22,
        }
        await self.people[STRANGER].http.get(f"join/{invite['code']}")  # for an XSRF cookie
        return self

    async def ask(self, who: str, method: str, path: str) -> httpx.Response:
        person = self.people[who]
        body = BODIES.get((method, path), {} if method in {"post", "patch"} else None)
        return await person.http.request(
            method.upper(),
            path.format(**self.parts).lstrip("/"),
            json=body,
            headers=person.xsrf,
        )


def expected(who: str, rule: Rule) -> set[int] | None:
    """The statuses of a refusal, or None where the request must get past the door."""
    if rule.kind == "public":
        return None
    if rule.kind == "signed_in":
        return None if who == Role.HOST.value else {401}
    if who in OUTSIDE:
        return {401}
    if rule.permission is None:
        return None
    if who == WAITING:
        return {403}
    return None if rule.permission in ROLE_PERMISSIONS[Role(who)] else {403}


PEOPLE = [*(role.value for role in Role), WAITING, *OUTSIDE]


@pytest.mark.parametrize("who", PEOPLE)
async def test_every_role_at_every_route(server: JupyterServer, who: str) -> None:
    everybody = await Cast(server).gather()
    asked = 0
    ordered = sorted(OPERATIONS, key=lambda o: (o[0], o[1]) in DESTRUCTIVE)
    for method, path, rule in ordered:
        if (method, path) in DESTRUCTIVE and expected(who, rule) is None:
            continue  # tested where its effect is
        answer = await everybody.ask(who, method, path)
        refusal = expected(who, rule)
        place = (who, method, path, answer.status_code, answer.text[:200])
        if refusal is not None:
            assert answer.status_code in refusal, place
            assert "the text of the room" not in answer.text, place
        else:
            assert answer.status_code not in {401, 403, 500}, place
        asked += 1
    assert asked >= 25


async def test_no_write_goes_without_the_xsrf_token(server: JupyterServer) -> None:
    """Another site can make a browser send its cookies, and has no way to the token."""
    everybody = await Cast(server).gather()
    person, asked = everybody.people[Role.INTERVIEWER.value], 0
    for method, path, _ in OPERATIONS:
        if method == "get":
            continue
        answer = await person.http.request(
            method.upper(), path.format(**everybody.parts).lstrip("/"), json={}
        )
        assert answer.status_code == 403, (method, path)
        asked += 1
    assert asked >= 15
    assert (await person.api("GET", f"rooms/{everybody.room['id']}")).status_code == 200


async def test_before_a_room_opens_only_those_who_prepare_it_are_in(server: JupyterServer) -> None:
    everybody = await Cast(server).gather()
    room_id = everybody.room["id"]
    await server.host.api("PATCH", f"rooms/{room_id}", {"state": "prepared"})
    for method, path, rule in OPERATIONS:
        if rule.kind != "room" or (method, path) in DESTRUCTIVE:
            continue
        for role in Role:
            answer = await everybody.ask(role.value, method, path)
            if rule.permission is None or (
                role.prepares and rule.permission in ROLE_PERMISSIONS[role]
            ):
                assert answer.status_code not in {401, 403}, (role, method, path, answer.text)
            else:
                assert answer.status_code == 403, (role, method, path)
                assert "the text of the room" not in answer.text


async def closed(client: SyncClient) -> None:
    await until(lambda: client.closed, "the cut")


def frames() -> dict[str, bytes]:
    """A frame of every kind and step, with something in it."""
    made = {
        "update": sync_frame(SyncStep.UPDATE, b"\x00\x00"),
        "missing": sync_frame(SyncStep.MISSING, b"\x00\x00"),
        "state": sync_frame(SyncStep.STATE, b"\x00"),
        "awareness": bytes((Kind.AWARENESS, 1, 0)),
        "query": bytes((Kind.QUERY_AWARENESS,)),
        "jupyter": bytes((Kind.JUPYTER, 4)) + b"save",
        "ack": ack_frame(7),
        "event": event_frame('{"type":"room","room":{"title":"forged"}}'),
    }
    assert len(Kind) == 6 and len(SyncStep) == 3, "a new kind of frame needs a line here"
    return made


@pytest.mark.parametrize("document", ["pad", "runs"])
@pytest.mark.parametrize("frame", frames())
async def test_every_role_with_every_frame(
    server: JupyterServer, document: str, frame: str
) -> None:
    """No frame of anybody changes what they may not change, or speaks for the server."""
    everybody = await Cast(server).gather()
    watching = await server.host.document(document, room_id=everybody.room["id"]).connect()
    before = len([e for e in watching.events if e.get("room", {}).get("title") == "forged"])
    for who, person in everybody.people.items():
        client = await person.document(document, room_id=everybody.room["id"]).connect()
        if who in OUTSIDE:
            assert client.close_code == 4401, who
            continue
        if who == WAITING:
            assert client.close_code == 4425, who
            assert str(client.text) == ""
            continue
        client.send_raw(frames()[frame])
        if frame in {"jupyter", "ack", "event"}:
            await closed(client)
            assert client.close_code == 4400
        else:
            probe = await person.api("GET", f"rooms/{everybody.room['id']}")
            assert probe.status_code == 200
            assert not client.closed, who
    assert not watching.closed
    after = [e for e in watching.events if e.get("room", {}).get("title") == "forged"]
    assert len(after) == before == 0


@pytest.mark.parametrize("role", list(Role))
async def test_typing_running_and_stopping_follow_the_role(
    server: JupyterServer, role: Role
) -> None:
    everybody = await Cast(server).gather()
    room_id, person = everybody.room["id"], everybody.people[role.value]
    client = await person.document(room_id=room_id).connect()
    watching = await server.host.document(room_id=room_id).connect()
    mark = f"# typed by {role.value}\n"
    client.type(mark)
    await until(lambda: client.durable, "the answer")
    may_edit = Permission.EDIT in ROLE_PERMISSIONS[role]
    if may_edit:
        await until(lambda: mark in str(watching.text), "the typing of an editor")
    reader = await server.host.document(room_id=room_id).connect()
    assert (mark in str(reader.text)) is may_edit
    of_run = [f"runs/{'x' * 12}/{what}" for what in ("interrupt", "input")]
    for path in ("runs", *of_run, "kernel/restart"):
        answer = await person.api("POST", f"rooms/{room_id}/{path}", {})
        may_run = Permission.RUN in ROLE_PERMISSIONS[role]
        assert (answer.status_code != 403) is may_run, (path, answer.text)


async def test_a_right_that_is_taken_away_is_gone_on_open_connections(
    server: JupyterServer,
) -> None:
    room = await server.room(starter_text="")
    path = f"rooms/{room['id']}"
    guest = await server.guest(room["id"], role="candidate")
    pad = await guest.document().connect()
    pad.type("before\n")
    await until(lambda: pad.durable, "saved")

    def rights() -> list[str]:
        told = [event["room"] for event in pad.events if event["type"] == "room"]
        return list(told[-1]["permissions"]) if told else []

    await until(lambda: "edit" in rights(), "the first news")
    answer = await server.host.api("PATCH", path, {"restrictions": {"candidate": ["run", "edit"]}})
    assert answer.json()["restrictions"] == {"candidate": ["edit", "run"]}
    # In force when the host has the answer, not only when the candidate's screen says so.
    pad.type("after\n")
    refused = await guest.api("POST", f"{path}/runs", {})
    assert (refused.status_code, refused.json()["code"]) == (403, "switched_off")
    await until(lambda: "edit" not in rights(), "the news of it", SOON)
    await until(lambda: any(e["type"] == "refused" for e in pad.events), "word of the refusal")
    reader = await server.host.document(room_id=room["id"]).connect()
    assert str(reader.text) == "before\n"
    await server.host.api("PATCH", path, {"restrictions": {}})
    fresh = await guest.document().connect()
    fresh.type("again\n")
    await until(lambda: "again" in str(reader.text), "editing is back")


async def test_a_role_changes_on_open_connections(server: JupyterServer) -> None:
    room = await server.room(starter_text="")
    guest = await server.guest(room["id"], role="observer")
    pad = await guest.document().connect()
    pad.say({"cursors": []})
    watching = await server.host.document(room_id=room["id"]).connect()
    await until(lambda: watching.awareness, "the observer's caret")
    people = (await server.host.api("GET", f"rooms/{room['id']}/participants")).json()
    ada = next(p for p in people["participants"] if p["name"] == "Ada")
    path = f"rooms/{room['id']}/participants/{ada['id']}"
    answer = await server.host.api("PATCH", path, {"role": "member", "name": "Ada L."})
    assert (answer.json()["role"], answer.json()["name"]) == ("member", "Ada L.")
    pad.type("now a member\n")
    await until(lambda: "now a member" in str(watching.text), "typing", SOON)
    await until(
        lambda: (
            [s["user"]["display_name"] for s in watching.awareness.values()] == ["Ada L. (guest)"]
        ),
        "the new name on the caret",
        SOON,
    )
    pad.say({"cursors": [], "typing": True})
    await until(lambda: any(s.get("typing") for s in watching.awareness.values()), "the next state")


def test_the_table_in_the_documentation_is_the_code_s() -> None:
    from scripts.write_reference import permissions  # noqa: PLC0415 - loads all of Jupyter

    rows = [line for line in permissions() if re.match(r"\| (?!---|\|)", line)]
    for row, permission in zip(rows[-len(Permission) :], Permission, strict=True):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[0] == permission.value
        assert [bool(c) for c in cells[1:]] == [permission in r.permissions for r in Role]
