"""Rooms through REST: making, joining, closing, ending; and what each refusal says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from tests.support.server import JupyterServer
from tests.support.sync_client import SOON, SyncClient, until


async def test_a_room_is_a_real_folder_with_a_real_file(server: JupyterServer) -> None:
    room = await server.room(title="Täst / ../ room", starter_text="x = 1\r\ny = 2\n")
    assert room["pad_path"] == f"codepad-rooms/tast-room-{room['id']}/main.py"
    assert server.pad_file(room).read_text() == "x = 1\ny = 2\n"
    assert room["me"]["role"] == "host" and room["state"] == "open"
    lasts = datetime.fromisoformat(room["expires_at"]) - datetime.now(UTC)
    assert 23.9 < lasts.total_seconds() / 3600 <= 24
    listed = (await server.host.api("GET", "rooms")).json()["rooms"]
    assert listed[0]["id"] == room["id"]


async def test_a_room_from_an_existing_file_is_a_copy(server: JupyterServer) -> None:
    (server.root_dir / "task.py").write_text("# task\n")
    room = await server.room(source_path="task.py")
    assert room["pad_path"].endswith("/task.py")
    assert server.pad_file(room).read_text() == "# task\n"
    (server.root_dir / "task.py").write_text("changed")
    assert server.pad_file(room).read_text() == "# task\n"


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"title": ""}, 422, "invalid_request"),
        ({"title": "x" * 121}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
        ({"title": "x", "surprise": 1}, 422, "invalid_request"),
        ({"title": "x", "language": "cobol"}, 422, "unknown_language"),
        ({"title": "x", "expires_in_hours": 0}, 422, "invalid_request"),
        ({"title": "x", "expires_in_hours": 1e9}, 422, "expiry_too_far"),
        ({"title": "x", "starter_text": "y" * 1_000_001}, 413, "document_too_large"),
        ({"title": "x", "source_path": "missing.py"}, 404, "source_not_found"),
        ({"title": "x", "source_path": "../../etc/passwd"}, 404, "source_not_found"),
        ({"title": "x", "source_path": "codepad-rooms"}, 422, "source_is_folder"),
        ({"title": "x", "source_path": "a.py", "starter_text": "b"}, 422, "two_sources"),
        ({"title": "x", "pad_type": "spreadsheet"}, 422, "invalid_request"),
        ([1], 422, "invalid_request"),
    ],
)
async def test_bad_wishes_are_refused_in_words(
    server: JupyterServer, wish: Any, status: int, code: str
) -> None:
    await server.room()
    answer = await server.host.api("POST", "rooms", wish)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(answer.json()["message"]) > 5


async def test_a_body_that_is_no_json_is_refused(server: JupyterServer) -> None:
    answer = await server.host.http.post("api/rooms", content=b"{nope")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


async def test_links_are_shown_and_can_be_revoked(
    server: JupyterServer,
) -> None:
    room = await server.room()
    path = f"rooms/{room['id']}/invites"
    made = (await server.host.api("POST", path, {"role": "observer", "label": "class"})).json()
    assert len(made["code"]) == 22 and made["url"] == f"/codepad/join/{made['code']}"
    listed = (await server.host.api("GET", path)).json()["invites"]
    assert [invite["id"] for invite in listed] == [made["id"]]
    assert listed[0]["code"] == made["code"] and listed[0]["url"] == made["url"]
    assert made["code"] not in (
        server.home / "jupyter_data_dir/codepad/codepad.sqlite"
    ).read_bytes().decode("latin-1")
    assert (await server.host.api("DELETE", f"{path}/{made['id']}")).status_code == 204
    assert (await server.host.api("GET", path)).json()["invites"][0]["code"] is None
    answer = await server.person().http.get(f"join/{made['code']}")
    assert answer.status_code == 404 and "does not work" in answer.text
    assert (await server.host.api("DELETE", f"{path}/{'x' * 12}")).status_code == 404
    host_link = await server.host.api("POST", path, {"role": "host"})
    assert (host_link.status_code, host_link.json()["code"]) == (422, "role_not_invitable")


async def test_a_link_with_one_use_lets_one_of_two_racing_people_in(server: JupyterServer) -> None:
    room = await server.room()
    code = await server.invite(room["id"], max_uses=1)
    people = [server.person() for _ in range(6)]

    async def join(number: int) -> bool:
        try:
            await people[number].join(code, f"Person {number}")
        except AssertionError:
            return False
        return True

    assert sum(await asyncio.gather(*(join(n) for n in range(6)))) == 1


async def test_an_expired_link_is_dead(server: JupyterServer) -> None:
    room = await server.room()
    code = await server.invite(room["id"], expires_in_hours=1 / 3600)
    person = server.person()
    statuses: list[int] = []

    async def look() -> None:
        statuses.append((await person.http.get(f"join/{code}")).status_code)

    await look()
    while statuses[-1] == 200 and len(statuses) < 2000:
        await look()
    assert statuses[-1] == 404


async def test_names_are_unique_and_never_markup(server: JupyterServer) -> None:
    room = await server.room()
    name = "<script>alert(1)</script>"
    first = await server.guest(room["id"], name)
    second = await server.guest(room["id"], name.upper())
    await server.guest(room["id"], "Host")
    people = (await first.api("GET", f"rooms/{room['id']}/participants")).json()["participants"]
    names = {person["name"] for person in people}
    assert names == {"Host", name, f"{name.upper()} (2)", "Host (2)"}
    assert {p["name"] for p in people if not p["guest"]} == {"Host"}
    page = await second.http.get(f"rooms/{room['id']}")
    assert "<script>alert" not in page.text and "<SCRIPT>ALERT" not in page.text
    await server.host.api("PATCH", f"rooms/{room['id']}", {"title": "</script><script>alert(2)"})
    page = await second.http.get(f"rooms/{room['id']}")
    assert "<script>alert" not in page.text


async def test_coming_back_by_the_link_is_being_the_same_person(server: JupyterServer) -> None:
    room = await server.room()
    code = await server.invite(room["id"])
    ada = await server.person().join(code, "Ada")
    again = await ada.http.get(f"join/{code}")
    assert again.status_code == 303 and room["id"] in again.headers["location"]
    people = (await ada.api("GET", f"rooms/{room['id']}/participants")).json()["participants"]
    assert len(people) == 2


async def test_closing_cuts_everybody_and_reopening_lets_them_back(server: JupyterServer) -> None:
    room = await server.room()
    guest = await server.guest(room["id"])
    pad = await guest.document().connect()
    answer = await server.host.api("PATCH", f"rooms/{room['id']}", {"state": "closed"})
    assert answer.json()["state"] == "closed"
    await until(lambda: pad.closed, "the guest cut", SOON)
    assert pad.close_code == 4410 and "closed" in str(pad.close_reason)
    await pad.connect()
    assert pad.close_code == 4410
    run = await guest.api("POST", f"rooms/{room['id']}/runs", {"document": "pad"})
    assert (run.status_code, run.json()["code"]) == (410, "room_closed")
    page = await guest.http.get(f"rooms/{room['id']}")
    assert page.status_code == 410 and "closed this room" in page.text
    late = await server.person().http.get(f"join/{await server.invite(room['id'])}")
    assert late.status_code == 410
    await server.host.api("PATCH", f"rooms/{room['id']}", {"state": "open"})
    await pad.connect()
    assert pad.synced


async def test_a_room_ends_on_time_even_while_people_are_in_it(server: JupyterServer) -> None:
    room = await server.room()
    guest = await server.guest(room["id"])
    pad = await guest.document().connect()
    wish = {"expires_in_hours": 1 / 3600}
    assert (await server.host.api("PATCH", f"rooms/{room['id']}", wish)).status_code == 200
    await until(lambda: pad.closed, "the end of the room")
    assert pad.close_code == 4411 and "over" in str(pad.close_reason)
    await pad.connect()
    assert pad.close_code in {4401, 4411}
    state = (await server.host.api("GET", f"rooms/{room['id']}")).json()["state"]
    assert state == "expired"
    await server.host.api("PATCH", f"rooms/{room['id']}", {"expires_in_hours": 1})
    await pad.connect()
    assert pad.synced


async def test_deleting_a_room_keeps_its_files_unless_asked(server: JupyterServer) -> None:
    for asked in (False, True):
        room = await server.room(starter_text="keep me\n")
        guest = await server.guest(room["id"])
        pad = await guest.document().connect()
        path = f"rooms/{room['id']}?delete_files={str(asked).lower()}"
        assert (await server.host.api("DELETE", path)).status_code == 204
        await _cut(pad)
        assert pad.close_code == 4412
        assert server.pad_file(room).exists() is not asked
        assert (await server.host.api("GET", f"rooms/{room['id']}")).status_code == 404
        assert (await guest.api("GET", f"rooms/{room['id']}")).status_code == 401


async def _cut(pad: SyncClient) -> None:
    await until(lambda: pad.closed, "the guest cut", SOON)


async def test_people_are_told_who_comes_and_goes(server: JupyterServer) -> None:
    room = await server.room()
    ada = await (await server.guest(room["id"], "Ada")).document().connect()
    bob_person = await server.guest(room["id"], "Bob")
    bob = await bob_person.document().connect()

    def online() -> set[str]:
        told = [event for event in ada.events if event["type"] == "participants"]
        return {p["name"] for p in told[-1]["participants"] if p["online"]} if told else set()

    await until(lambda: online() == {"Ada", "Bob"}, "both online")
    await bob.disconnect()
    await until(lambda: online() == {"Ada"}, "Bob gone")
    await server.host.api("PATCH", f"rooms/{room['id']}", {"title": "New title"})
    await until(
        lambda: any(e["type"] == "room" and e["room"]["title"] == "New title" for e in ada.events),
        "the new title",
    )


async def test_leaving_ends_the_session_everywhere(server: JupyterServer) -> None:
    room = await server.room()
    guest = await server.guest(room["id"])
    pad = await guest.document().connect()
    assert (await guest.api("POST", f"rooms/{room['id']}/leave")).status_code == 204
    await until(lambda: pad.closed, "the socket", SOON)
    assert pad.close_code == 4401
    assert (await guest.api("GET", f"rooms/{room['id']}")).status_code == 401


async def test_the_api_description_holds(server: JupyterServer) -> None:  # noqa: PLR0915
    room = await server.room()
    guest = await server.guest(room["id"])
    document = (await server.person().api("GET", "openapi.json")).json()
    schemas = document["components"]["schemas"]
    seen = set()

    async def check(
        method: str,
        template: str,
        body: Any = None,
        query: str = "",
        *,
        refused: bool = False,
        **parts: str,
    ) -> Any:
        path = template.format(**parts) + query
        answer = await server.host.api(method, path.lstrip("/"), body)
        operation = document["paths"][template][method.lower()]
        status = str(answer.status_code) if not refused else "default"
        assert status in operation["responses"], answer.text
        assert answer.is_success != refused
        seen.add((template, method.lower()))
        content = operation["responses"][status].get("content")
        if content is None:
            assert answer.content == b""
            return None
        if "application/json" not in content:
            assert answer.headers["Content-Type"].split(";")[0] in content
            return None
        schema = {**content["application/json"]["schema"], "components": {"schemas": schemas}}
        jsonschema.validate(answer.json(), schema)
        return answer.json()

    here = {"room_id": room["id"]}
    await check("GET", "/health")
    await check("GET", "/languages")
    await check("GET", "/openapi.json")
    await check("GET", "/rooms")
    await check("POST", "/rooms", {"title": "Another"})
    await check("GET", "/rooms/{room_id}", **here)
    await check("PATCH", "/rooms/{room_id}", {"title": "Renamed", "lobby": True}, **here)
    invite = await check("POST", "/rooms/{room_id}/invites", {"role": "member"}, **here)
    main = await check("POST", "/rooms/{room_id}/main-invite", {}, **here)
    await check("GET", "/rooms/{room_id}/invites", **here)
    await check("GET", "/rooms/{room_id}/invites/{invite_id}/qr.svg", invite_id=main["id"], **here)
    for name in ("One", "Two", "Three"):
        await server.person().join(main["code"], name)
    people = await check("GET", "/rooms/{room_id}/participants", **here)
    one, two, _three = ({"participant_id": p["id"], **here} for p in people["waiting"])
    person = "/rooms/{room_id}/participants/{participant_id}"
    await check("POST", f"{person}/deny", {}, **two)
    await check("POST", f"{person}/admit", {}, **one)
    await check("POST", "/rooms/{room_id}/lobby/admit-all", {}, **here)
    await check("PATCH", person, {"name": "First"}, **one)
    await check("DELETE", person, **one)
    colleague = {"username": "colleague", "role": "host"}
    added = await check("POST", "/rooms/{room_id}/participants", colleague, **here)
    await check("PATCH", "/rooms/{room_id}/me", {"hand_raised": True}, **here)
    await check("POST", "/rooms/{room_id}/latency", {"milliseconds": [1.5, 20]}, **here)
    await check("GET", "/rooms/{room_id}/languages", **here)
    await check("POST", "/rooms/{room_id}/language", {"language": "bash"}, **here)
    await check("GET", "/rooms/{room_id}/conflict", **here)
    choice = {"id": "none", "keep": "mine"}
    await check("POST", "/rooms/{room_id}/conflict", choice, refused=True, **here)
    await check("GET", "/conflicts", query="?path=nothing.py")
    await check("POST", "/conflicts", choice, query="?path=nothing.py", refused=True)
    await check("GET", "/rooms/{room_id}/activity", **here)
    await check("GET", "/rooms/{room_id}/activity.csv", **here)
    await check("GET", "/rooms/{room_id}/export", **here)
    await check("DELETE", "/rooms/{room_id}/invites/{invite_id}", invite_id=invite["id"], **here)
    await check("DELETE", "/rooms/{room_id}/invites", **here)
    await check("GET", "/rooms/{room_id}/main-file", **here)
    await check("PUT", "/rooms/{room_id}/main-file", {"main_file": None}, **here)
    await check("POST", "/rooms/{room_id}/runs/batch", {"cell_ids": ["a"]}, refused=True, **here)
    run = await check("POST", "/rooms/{room_id}/runs", {"document": "pad"}, **here)
    await check("POST", "/rooms/{room_id}/runs/{run_id}/interrupt", run_id=run["id"], **here)
    line = {"text": "a line"}
    of_run = {"run_id": run["id"], **here}
    await check("POST", "/rooms/{room_id}/runs/{run_id}/input", line, refused=True, **of_run)
    await check("GET", "/rooms/{room_id}/runs/{run_id}/output", **of_run)
    await check("POST", "/rooms/{room_id}/kernel/restart", **here)
    await check("POST", "/rooms/{room_id}/leave", **here)
    other = await server.room()
    await check("DELETE", "/rooms/{room_id}", room_id=other["id"])
    await check("POST", f"{person}/transfer", {}, participant_id=added["id"], **here)
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    assert seen == described
    problem = await guest.api("GET", f"rooms/{other['id']}")
    assert problem.status_code == 401
    error = {"$ref": "#/components/schemas/ErrorModel", "components": {"schemas": schemas}}
    jsonschema.validate(problem.json(), error)
