"""The ways in: passwords, locks, bans, the lobby, opening hours; and being sent away."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.support.server import JupyterServer, Person
from tests.support.sync_client import SOON, until


async def knock(
    server: JupyterServer, code: str, name: str = "Ada", password: str = "", **headers: str
) -> httpx.Response:
    """Send the join form as somebody new; returns the answer."""
    return await knock_again(server.person(), code, name, password, **headers)


async def knock_again(
    person: Person, code: str, name: str = "Ada", password: str = "", **headers: str
) -> httpx.Response:
    form = await person.http.get(f"join/{code}", headers=headers)
    token = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
    if token is None:
        return form
    data = {"name": name, "password": password, "_xsrf": token.group(1)}
    return await person.http.post(f"join/{code}", data=data, headers=headers)


async def people_of(server: JupyterServer, room_id: str) -> dict[str, dict[str, Any]]:
    answer = (await server.host.api("GET", f"rooms/{room_id}/participants")).json()
    return {person["name"]: person for person in answer["participants"]}


async def waiting_in(server: JupyterServer, room_id: str) -> dict[str, dict[str, Any]]:
    answer = (await server.host.api("GET", f"rooms/{room_id}/participants")).json()
    return {person["name"]: person for person in answer["waiting"]}


class LobbySocket:
    """The socket of the lobby page."""

    def __init__(self, person: Person, room_id: str) -> None:
        self.url = f"{person.server.ws_url}codepad/rooms/{room_id}/lobby"
        self.headers = {"Cookie": person.cookie_header, **person.headers}
        self.states: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> LobbySocket:
        socket = await websocket_connect(HTTPRequest(self.url, headers=self.headers))
        self._reader = asyncio.create_task(self._read(socket))
        return self

    async def _read(self, socket: WebSocketClientConnection) -> None:
        while (message := await socket.read_message()) is not None:
            self.states.append(json.loads(message))
        self.close_code = socket.close_code
        socket.close()

    @property
    def state(self) -> str:
        return str(self.states[-1]["state"]) if self.states else ""

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)


# -- passwords -----------------------------------------------------------------------------------


async def test_a_link_with_a_password(server: JupyterServer) -> None:
    room = await server.room()
    code = await server.invite(room["id"], password="opensesame")
    links = (await server.host.api("GET", f"rooms/{room['id']}/invites")).json()["invites"]
    assert links[0]["has_password"] is True and "opensesame" not in json.dumps(links)
    form = await server.person().http.get(f"join/{code}")
    assert 'type="password"' in form.text
    wrong = await knock(server, code, password="opensesam")
    assert wrong.status_code == 403 and "not the password" in wrong.text
    assert (await knock(server, code)).status_code == 403
    right = await knock(server, code, password="opensesame")
    assert right.status_code == 303
    assert set(await people_of(server, room["id"])) == {"Host", "Ada"}
    stored = (server.home / "jupyter_data_dir/codepad/codepad.sqlite").read_bytes()
    assert b"opensesame" not in stored
    log = (await server.host.api("GET", f"rooms/{room['id']}/activity")).json()["activity"]
    assert [entry["kind"] for entry in log].count("password_failed") == 2
    assert "opensesam" not in json.dumps(log)


@pytest.fixture
def strict_server(tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
    """A server with all limits as they are by default, behind a proxy on this machine."""
    made = JupyterServer(
        tmp_path,
        options=["--CodepadApp.rate_limits={}", "--CodepadApp.trusted_proxies=127.0.0.1"],
    )
    try:
        jp_asyncio_loop.run_until_complete(made.start())
        yield made
    finally:
        jp_asyncio_loop.run_until_complete(made.close())


async def test_a_thousand_wrong_passwords_let_nobody_in_and_lock_nobody_out(
    strict_server: JupyterServer,
) -> None:
    server = strict_server
    room = await server.room()
    code = await server.invite(room["id"], password="correct horse")
    inside = server.person()
    assert (await knock_again(inside, code, "Inside", "correct horse")).status_code == 303
    mallory = server.person()
    form = await mallory.http.get(f"join/{code}")
    token = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
    assert token is not None

    async def attempt(number: int) -> int:
        data = {"name": "Mallory", "password": f"guess {number}", "_xsrf": token.group(1)}
        address = f"10.{number // 250}.{number % 250}.7"
        headers = {"X-Forwarded-For": address, "X-Real-Ip": "10.9.9.9"}
        return (await mallory.http.post(f"join/{code}", data=data, headers=headers)).status_code

    gate = asyncio.Semaphore(20)

    async def gated(number: int) -> int:
        async with gate:
            return await attempt(number)

    statuses = await asyncio.gather(*(gated(number) for number in range(1000)))
    assert set(statuses) == {403, 429}
    assert 100 <= statuses.count(403) <= 104  # those under way when the limit is reached
    assert set(await people_of(server, room["id"])) == {"Host", "Inside"}
    # The host gets in, who is in stays in, and the host can let others in by another link.
    assert (await server.host.http.get(f"rooms/{room['id']}")).status_code == 200
    assert (await inside.http.get(f"rooms/{room['id']}")).status_code == 200
    assert (await knock(server, await server.invite(room["id"]), "Late")).status_code == 303
    refused = await knock(server, code, "Late", "correct horse")
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    metrics = (await server.host.http.get(f"{server.url}metrics")).text
    counted = re.search(
        r'codepad_rate_limited_total\{limit="password_failures_per_room"\} (\d+)', metrics
    )
    assert counted is not None and int(counted.group(1)) >= 890


async def test_an_address_is_counted_behind_a_trusted_proxy_only(
    strict_server: JupyterServer,
) -> None:
    """What a client writes into the header itself stands left of what the proxy appends."""
    server = strict_server
    room = await server.room()
    code = await server.invite(room["id"], password="x")
    statuses = []
    for number in range(25):
        forged = {"X-Forwarded-For": f"1.2.3.{number}, 10.0.0.1", "X-Real-Ip": f"1.2.4.{number}"}
        statuses.append((await knock(server, code, "M", "wrong", **forged)).status_code)
    assert statuses == [403] * 20 + [429] * 5
    elsewhere = await knock(server, code, "M", "wrong", **{"X-Forwarded-For": "10.0.0.2"})
    assert elsewhere.status_code == 403


async def test_guessing_links_is_limited(strict_server: JupyterServer) -> None:
    server = strict_server
    room = await server.room()
    statuses = []
    for number in range(70):
        answer = await server.person().http.get(f"join/{number:022d}")
        statuses.append(answer.status_code)
    assert statuses == [404] * 60 + [429] * 10
    elsewhere = {"X-Forwarded-For": "10.0.0.2"}
    assert (await knock(server, await server.invite(room["id"]), **elsewhere)).status_code == 303


async def test_limits_on_rooms_requests_and_runs(strict_server: JupyterServer) -> None:
    server = strict_server
    statuses = [
        (await server.host.api("POST", "rooms", {"title": "Room"})).status_code for _ in range(11)
    ]
    assert statuses == [201] * 10 + [429]
    answer = await server.host.api("POST", "rooms", {"title": "Room"})
    assert answer.json()["code"] == "too_many_requests" and "minutes" in answer.json()["message"]
    assert 0 < int(answer.headers["Retry-After"]) <= 900
    rooms = (await server.host.api("GET", "rooms")).json()["rooms"]
    guest = await server.guest(rooms[0]["id"])
    answers = [(await guest.api("GET", f"rooms/{rooms[0]['id']}")).status_code for _ in range(105)]
    assert answers.count(200) in (99, 100) and answers[-1] == 429
    # One person's limit is no other person's.
    other = await server.guest(rooms[0]["id"], "Bob")
    assert (await other.api("GET", f"rooms/{rooms[0]['id']}")).status_code == 200


async def test_too_many_frames_close_that_socket_only(tmp_path: Path) -> None:
    server = JupyterServer(
        tmp_path,
        options=["--CodepadApp.rate_limits={'messages_per_connection': '50 per minute'}"],
    )
    try:
        await server.start()
        room = await server.room(starter_text="")
        flood = await (await server.guest(room["id"])).document().connect()
        calm = await (await server.guest(room["id"], "Bob")).document().connect()
        for number in range(60):
            if flood.socket is not None:
                flood.say({"active": number})
        await until(lambda: flood.closed, "the flood's end")
        assert flood.close_code == 4429
        calm.type("still here")
        await until(lambda: calm.durable, "the other's typing")
    finally:
        await server.close()


async def test_one_person_has_a_bounded_number_of_sockets(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path, options=["--CodepadApp.connections_per_person_limit=3"])
    try:
        await server.start()
        room = await server.room()
        ada, bob = await server.guest(room["id"], "Ada"), await server.guest(room["id"], "Bob")
        pads = [await ada.document().connect() for _ in range(4)]
        assert [pad.close_code for pad in pads] == [None, None, None, 4429]
        assert not (await bob.document().connect()).closed
        await pads[0].disconnect()
        again = await ada.document().connect()
        for _ in range(100):  # the server may not have seen the end of the other yet
            if not again.closed:
                break
            again = await ada.document().connect()
        assert not again.closed
    finally:
        await server.close()


async def test_an_unknown_limit_is_a_clear_error(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path, options=["--CodepadApp.rate_limits={'sneezes': '1 per day'}"])
    try:
        with pytest.raises(AssertionError):
            await server.start()
        assert "there is no limit 'sneezes'" in server.log
    finally:
        await server.close()


# -- locks and bans ------------------------------------------------------------------------------


async def test_a_locked_room_takes_nobody_new(server: JupyterServer) -> None:
    room = await server.room()
    code = await server.invite(room["id"])
    ada = server.person()
    assert (await knock_again(ada, code, "Ada")).status_code == 303
    await server.host.api("PATCH", f"rooms/{room['id']}", {"locked": True})
    refused = await knock(server, code, "Bob")
    assert refused.status_code == 409 and "locked" in refused.text
    assert (await ada.http.get(f"rooms/{room['id']}")).status_code == 200
    assert (await ada.api("POST", f"rooms/{room['id']}/leave")).status_code == 204
    assert (await knock_again(ada, code, "Ada")).status_code == 303
    await server.host.api("PATCH", f"rooms/{room['id']}", {"locked": False})
    assert (await knock(server, code, "Bob")).status_code == 303
    kinds = [
        (entry["kind"], entry["actor"])
        for entry in (await server.host.api("GET", f"rooms/{room['id']}/activity")).json()[
            "activity"
        ]
    ]
    assert ("join_refused", "Bob (guest)") in kinds


async def test_removing_cuts_at_once_and_the_link_leads_back(server: JupyterServer) -> None:
    room = await server.room()
    code = await server.invite(room["id"])
    ada = await server.person().join(code, "Ada")
    pad, runs = await ada.document().connect(), await ada.document("runs").connect()
    person = (await people_of(server, room["id"]))["Ada"]
    path = f"rooms/{room['id']}/participants/{person['id']}"
    assert (await server.host.api("DELETE", path)).status_code == 204
    await until(lambda: pad.closed and runs.closed, "both sockets", SOON)
    assert pad.close_code == 4403 and "removed" in (pad.close_reason or "")
    assert (await ada.api("GET", f"rooms/{room['id']}")).status_code == 401
    assert (await ada.document().connect()).close_code == 4401
    assert (await knock_again(ada, code, "Ada")).status_code == 303
    assert (await people_of(server, room["id"]))["Ada"]["id"] == person["id"]


async def test_a_ban_holds_for_the_browser_and_for_the_name(server: JupyterServer) -> None:
    room = await server.room()
    code = await server.invite(room["id"])
    ada = await server.person().join(code, "Ada")
    pad = await ada.document().connect()
    person = (await people_of(server, room["id"]))["Ada"]
    path = f"rooms/{room['id']}/participants/{person['id']}?ban=true"
    assert (await server.host.api("DELETE", path)).status_code == 204
    await until(lambda: pad.closed, "the socket", SOON)
    same_browser = await knock_again(ada, code, "Somebody else")
    assert same_browser.status_code == 403 and "does not let you" in same_browser.text
    for name in ("Ada", "ADA", "Аdа"):
        assert (await knock(server, code, name)).status_code == 403, name
    assert (await knock(server, code, "Bob")).status_code == 303
    assert set(await people_of(server, room["id"])) == {"Host", "Bob"}


async def test_who_comes_back_is_the_same_person_with_the_same_role(server: JupyterServer) -> None:
    room = await server.room()
    code = await server.invite(room["id"])
    ada = await server.person().join(code, "Ada")
    person = (await people_of(server, room["id"]))["Ada"]
    path = f"rooms/{room['id']}/participants/{person['id']}"
    await server.host.api("PATCH", path, {"role": "observer"})
    assert (await ada.api("POST", f"rooms/{room['id']}/leave")).status_code == 204
    form = await ada.http.get(f"join/{code}")
    assert 'value="Ada"' in form.text
    assert (await knock_again(ada, code, "Ada")).status_code == 303
    people = await people_of(server, room["id"])
    assert set(people) == {"Host", "Ada"} and people["Ada"]["role"] == "observer"


async def test_who_was_removed_does_not_come_back_as_who_they_were(server: JupyterServer) -> None:
    room = await server.room()
    ivy = await server.guest(room["id"], "Ivy", "interviewer")
    person = (await people_of(server, room["id"]))["Ivy"]
    path = f"rooms/{room['id']}/participants/{person['id']}"
    assert (await server.host.api("DELETE", path)).status_code == 204
    code = await server.invite(room["id"], "observer")
    assert (await knock_again(ivy, code, "Ivy")).status_code == 303
    assert (await people_of(server, room["id"]))["Ivy"]["role"] == "observer"
    assert (await ivy.api("GET", f"rooms/{room['id']}/invites")).status_code == 403


# -- revoking links ------------------------------------------------------------------------------


async def test_revoking_a_link_can_throw_out_who_came_by_it(server: JupyterServer) -> None:
    room = await server.room()
    path = f"rooms/{room['id']}/invites"
    made = [(await server.host.api("POST", path, {})).json() for _ in range(2)]
    ada = await server.person().join(made[0]["code"], "Ada")
    bob = await server.person().join(made[1]["code"], "Bob")
    pads = [await person.document().connect() for person in (ada, bob)]
    answer = await server.host.api("DELETE", f"{path}/{made[0]['id']}?remove_people=true")
    assert answer.status_code == 204
    await until(lambda: pads[0].closed, "Ada's socket", SOON)
    assert not pads[1].closed
    assert (await knock(server, made[0]["code"])).status_code == 404
    assert (await server.host.api("DELETE", f"{path}/{made[1]['id']}")).status_code == 204
    assert (await bob.api("GET", f"rooms/{room['id']}")).status_code == 200
    links = (await server.host.api("GET", path)).json()["invites"]
    assert all(link["revoked"] and link["uses"] == 1 for link in links)


async def test_the_main_link_rotates(server: JupyterServer) -> None:
    room = await server.room()
    path = f"rooms/{room['id']}/main-invite"
    first = (await server.host.api("POST", path, {"role": "candidate"})).json()
    second = (await server.host.api("POST", path, {})).json()
    assert second["role"] == "candidate" and second["main"] and second["code"] != first["code"]
    assert (await knock(server, first["code"])).status_code == 404
    assert (await knock(server, second["code"])).status_code == 303
    links = (await server.host.api("GET", f"rooms/{room['id']}/invites")).json()["invites"]
    assert [link["main"] and not link["revoked"] for link in links].count(True) == 1
    qr = await server.host.http.get(
        f"api/rooms/{room['id']}/invites/{second['id']}/qr.svg?origin=https://hub.example"
    )
    assert qr.status_code == 200 and qr.headers["Content-Type"] == "image/svg+xml"
    assert "<script" not in qr.text and "<path" in qr.text
    bad = await server.host.http.get(
        f"api/rooms/{room['id']}/invites/{second['id']}/qr.svg?origin=javascript:alert(1)"
    )
    assert bad.status_code == 422


async def test_an_interviewer_invites_but_not_above_themselves(server: JupyterServer) -> None:
    room = await server.room()
    ivy = await server.guest(room["id"], "Ivy", "interviewer")
    path = f"rooms/{room['id']}/invites"
    assert (await ivy.api("POST", path, {"role": "candidate"})).status_code == 201
    for role, status in (("interviewer", 403), ("host", 422)):
        assert (await ivy.api("POST", path, {"role": role})).status_code == status
    member = await server.guest(room["id"], "Mia")
    person = (await people_of(server, room["id"]))["Mia"]
    target = f"rooms/{room['id']}/participants/{person['id']}"
    assert (await ivy.api("PATCH", target, {"role": "interviewer"})).status_code == 403
    assert (await ivy.api("DELETE", f"{path}?remove_people=true")).status_code == 403
    assert (await member.api("GET", f"rooms/{room['id']}")).status_code == 200


async def test_a_link_into_a_closed_room_is_dead(server: JupyterServer) -> None:
    room = await server.room()
    code = await server.invite(room["id"])
    await server.host.api("PATCH", f"rooms/{room['id']}", {"state": "closed"})
    answer = await knock(server, code)
    assert answer.status_code == 410 and "closed this room" in answer.text


# -- the lobby -----------------------------------------------------------------------------------


async def test_nobody_in_the_lobby_gets_a_byte_of_the_room(server: JupyterServer) -> None:
    room = await server.room(starter_text="the secret task\n", lobby=True)
    code = await server.invite(room["id"], "candidate")
    host = await server.host.document(room_id=room["id"]).connect()
    ada = await server.person().join(code, "Ada")
    waiting = await LobbySocket(ada, room["id"]).open()
    await until(lambda: waiting.state == "waiting", "the lobby")

    def lobby() -> list[str]:
        told = [event for event in host.events if event["type"] == "lobby"]
        return [person["name"] for person in told[-1]["waiting"]] if told else []

    await until(lambda: lobby() == ["Ada"], "word of Ada")
    for name in ("pad", "runs"):
        client = await ada.document(name).connect()
        assert client.close_code == 4425 and client.updates_seen == 0
    for path in ("", "/participants", "/invites", "/activity", "/export"):
        answer = await ada.api("GET", f"rooms/{room['id']}{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "in_lobby"), path
        assert "secret" not in answer.text
    ident = (await waiting_in(server, room["id"]))["Ada"]["id"]
    target = f"rooms/{room['id']}/participants/{ident}/admit"
    assert (await server.host.api("POST", target, {})).status_code == 204
    await until(lambda: waiting.state == "in", "admission", SOON)
    pad = await ada.document().connect()
    assert "the secret task" in str(pad.text)
    await until(lambda: lobby() == [], "an empty lobby")
    await waiting.close()


async def test_denied_is_denied(server: JupyterServer) -> None:
    room = await server.room(lobby=True)
    code = await server.invite(room["id"])
    ada = await server.person().join(code, "Ada")
    waiting = await LobbySocket(ada, room["id"]).open()
    await until(lambda: waiting.state == "waiting", "the lobby")
    ident = (await waiting_in(server, room["id"]))["Ada"]["id"]
    target = f"rooms/{room['id']}/participants/{ident}"
    assert (await server.host.api("POST", f"{target}/deny", {})).status_code == 204
    await until(lambda: waiting.state == "denied", "the denial", SOON)
    assert (await ada.http.get(f"rooms/{room['id']}")).status_code == 401
    assert (await server.host.api("POST", f"{target}/admit", {})).status_code == 404
    assert await waiting_in(server, room["id"]) == {}
    await waiting.close()


async def test_a_class_is_let_in_at_once_and_by_role(server: JupyterServer) -> None:
    room = await server.room(lobby=True)
    code = await server.invite(room["id"])
    people = [await server.person().join(code, f"Student {n}") for n in range(5)]
    sockets = [await LobbySocket(person, room["id"]).open() for person in people]
    await until(lambda: all(s.state == "waiting" for s in sockets), "the lobby")
    waiting = await waiting_in(server, room["id"])
    first = waiting["Student 0"]["id"]
    path = f"rooms/{room['id']}/participants/{first}/admit"
    assert (await server.host.api("POST", path, {"role": "host"})).status_code == 403
    assert (await server.host.api("POST", path, {"role": "observer"})).status_code == 204
    admit_all = f"rooms/{room['id']}/lobby/admit-all"
    assert (await server.host.api("POST", admit_all, {})).status_code == 204
    await until(lambda: all(s.state == "in" for s in sockets), "everybody in", SOON)
    inside = await people_of(server, room["id"])
    assert inside["Student 0"]["role"] == "observer" and inside["Student 4"]["role"] == "member"
    for socket in sockets:
        await socket.close()


async def test_a_lobby_can_be_a_link_s_own(server: JupyterServer) -> None:
    room = await server.room(lobby=True)
    direct = await server.invite(room["id"], lobby=False)
    ada = await server.person().join(direct, "Ada")
    assert (await ada.api("GET", f"rooms/{room['id']}")).status_code == 200
    await server.host.api("PATCH", f"rooms/{room['id']}", {"lobby": False})
    guarded = await server.invite(room["id"], lobby=True)
    bob = await server.person().join(guarded, "Bob")
    assert (await bob.api("GET", f"rooms/{room['id']}")).status_code == 403


async def test_the_lobby_ends_with_the_room(server: JupyterServer) -> None:
    room = await server.room(lobby=True)
    ada = await server.person().join(await server.invite(room["id"]), "Ada")
    waiting = await LobbySocket(ada, room["id"]).open()
    await until(lambda: waiting.state == "waiting", "the lobby")
    await server.host.api("PATCH", f"rooms/{room['id']}", {"state": "closed"})
    await until(lambda: waiting.state == "gone", "the end", SOON)
    await until(lambda: waiting.close_code == 4410, "the close")


# -- opening hours -------------------------------------------------------------------------------


async def test_a_prepared_room_opens_by_hand(server: JupyterServer) -> None:
    room = await server.room(prepared=True)
    assert room["state"] == "prepared"
    ada = await server.guest(room["id"], "Ada", "candidate")
    ivy = await server.guest(room["id"], "Ivy", "interviewer")
    assert (await ivy.api("GET", f"rooms/{room['id']}")).status_code == 200
    assert (await ada.api("GET", f"rooms/{room['id']}")).json()["code"] == "room_not_open"
    waiting = await LobbySocket(ada, room["id"]).open()
    await until(lambda: waiting.state == "prepared", "the wait")
    assert (await ada.document().connect()).close_code == 4425
    await server.host.api("PATCH", f"rooms/{room['id']}", {"state": "open"})
    await until(lambda: waiting.state == "in", "the opening", SOON)
    pad = await ada.document().connect()
    assert not pad.closed
    await server.host.api("PATCH", f"rooms/{room['id']}", {"state": "prepared"})
    await until(lambda: pad.closed, "out again", SOON)
    assert pad.close_code == 4425
    await waiting.close()


async def test_a_scheduled_room_opens_by_itself(server: JupyterServer) -> None:
    opens = datetime.now(UTC) + timedelta(hours=1)
    room = await server.room(opens_at=opens.isoformat())
    ada = await server.guest(room["id"])
    waiting = await LobbySocket(ada, room["id"]).open()
    await until(lambda: waiting.state == "prepared", "the wait")
    assert datetime.fromisoformat(waiting.states[0]["opens_at"]) == opens
    for seconds in (0.5, 5, 15):  # it may be over before a busy server hears of it
        opens = datetime.now(UTC) + timedelta(seconds=seconds)
        wish = {"opens_at": opens.isoformat()}
        answer = await server.host.api("PATCH", f"rooms/{room['id']}", wish)
        if answer.status_code == 200:
            break
    await until(lambda: waiting.state == "in", "the opening")
    assert datetime.now(UTC) >= opens
    assert (await ada.api("GET", f"rooms/{room['id']}")).json()["state"] == "open"
    await waiting.close()
    for moment in (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(days=9)):
        answer = await server.host.api("PATCH", f"rooms/{room['id']}", {"opens_at": str(moment)})
        assert answer.json()["code"] == "opening_out_of_range"


# -- limits --------------------------------------------------------------------------------------


async def test_a_full_room_has_a_place_again_when_somebody_leaves(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path, options=["--CodepadApp.participants_per_room_limit=2"])
    try:
        await server.start()
        room = await server.room()
        code = await server.invite(room["id"])
        ada = await server.person().join(code, "Ada")
        full = await knock(server, code, "Bob")
        assert full.status_code == 409 and "full" in full.text
        await ada.api("POST", f"rooms/{room['id']}/leave")
        assert (await knock(server, code, "Bob")).status_code == 303
    finally:
        await server.close()


async def test_a_server_without_guests(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path, options=["--CodepadApp.allow_guests=False"])
    try:
        await server.start()
        room = await server.room()
        answer = await knock(server, await server.invite(room["id"]))
        assert answer.status_code == 403 and "without an account" in answer.text
        assert (await server.host.http.get(f"rooms/{room['id']}")).status_code == 200
    finally:
        await server.close()
