"""Every route of the running server, walked as a stranger and as a guest."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_server.base.websocket import WebSocketMixin

from jupyter_codepad.app import API_ROUTES
from jupyter_codepad.handlers import RULE
from jupyter_codepad.openapi import template
from tests.support.server import JupyterServer, Person

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
DUMP_ROUTES = """
import json
from pathlib import Path
import jupyter_codepad.app as app
start = app.CodepadApp._start_jupyter_server_extension

def patterns(router):
    found = []
    for rule in router.rules:
        pattern = getattr(rule.matcher, "regex", None)
        if pattern is not None:
            found.append(pattern.pattern)
        if hasattr(rule.target, "rules"):
            found += patterns(rule.target)
    return found

async def dump(self, serverapp):
    await start(self, serverapp)
    Path({path!r}).write_text(json.dumps(patterns(serverapp.web_app.default_router)))

app.CodepadApp._start_jupyter_server_extension = dump
c = get_config()
"""


@pytest.fixture
def walked(tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Any:
    """A server that writes down all of its routes when it has started."""
    made = JupyterServer(tmp_path)
    script = DUMP_ROUTES.format(path=str(tmp_path / "routes.json"))
    (tmp_path / "jupyter_config_dir" / "jupyter_server_config.py").write_text(script)
    try:
        jp_asyncio_loop.run_until_complete(made.start())
        yield made
    finally:
        jp_asyncio_loop.run_until_complete(made.close())


def example(pattern: str, room: dict[str, Any]) -> str:
    """A path that a route's pattern matches, about this room where it can be."""
    path = pattern.rstrip("$").lstrip("^")
    path = re.sub(r"\(\?P<room_id>[^)]*\)", room["id"], path)
    path = re.sub(r"\(\?P<(run_id|invite_id)>[^)]*\)", "x" * 12, path)
    path = re.sub(r"\(\?P<code>[^)]*\)", "x" * 22, path)
    path = re.sub(r"\(\?P<(kernel_name|section_name)>[^)]*\)", "python3", path)
    path = re.sub(r"\(\?P<name>[^)]*\)", "pad", path)
    path = re.sub(r"\(\?P<path>.*?\)(?=/|$|\))", "/" + str(room["pad_path"]), path)
    path = re.sub(r"\(\?:(.*?)\)\??", "", path)
    path = re.sub(r"\((?:\?P<\w+>)?[^()]*(?:\([^()]*\)[^()]*)*\)\??", "x", path)
    path = path.replace("\\.", ".").replace("\\-", "-").replace(".*", "x").replace("/?", "/")
    return re.sub(r"/+", "/", "/" + path.replace("\\", "").replace("?", "").replace("+", ""))


async def ask(person: Person, method: str, path: str) -> httpx.Response:
    url = person.server.url.rstrip("/") + path
    silent = path.startswith("/lab/api/licenses")  # never answers those who are not signed in
    options: dict[str, Any] = {"headers": person.xsrf, "content": b"{}"}
    try:
        return await person.http.request(method, url, timeout=3 if silent else 60, **options)
    except httpx.ReadTimeout:
        assert silent, f"no answer to {method} {path}"
        return httpx.Response(504)


def told(answer: httpx.Response) -> tuple[int, str]:
    """What somebody learns from an answer, without what differs from one answer to the next."""
    text = re.sub(r'(xsrf[^>]*value=|"xsrf[^"]*":\s*|nonce[-=])"?[^";\'\s>]+', r"\1", answer.text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?", "", text)
    return answer.status_code, text


async def test_a_guest_gets_nothing_that_a_stranger_would_not_get(walked: JupyterServer) -> None:
    room = await walked.room(starter_text="the text of the room\n")
    guest = await walked.guest(room["id"])
    stranger = walked.person()
    await stranger.http.get(f"join/{await walked.invite(room['id'])}")  # for an XSRF cookie
    routes = json.loads((walked.home / "routes.json").read_text())
    outside = [route for route in routes if not route.startswith("/codepad/")]
    inside = [route for route in routes if route.startswith("/codepad/")]
    assert len(outside) > 60 and len(inside) > 15
    asked = 0
    for route in outside:
        path = example(route, room)
        for method in METHODS:
            of_guest, of_stranger = (
                await ask(guest, method, path),
                await ask(stranger, method, path),
            )
            assert told(of_guest) == told(of_stranger), (method, path)
            assert "the text of the room" not in of_guest.text, (method, path)
            assert walked.token not in of_guest.text, (method, path)
            asked += 1
    assert asked > 300


async def test_sockets_of_jupyter_are_closed_to_guests(server: JupyterServer) -> None:
    room = await server.room()
    guest = await server.guest(room["id"])
    session = await server.host.http.put(
        f"{server.url}api/collaboration/session/{room['pad_path']}",
        json={"format": "text", "type": "file"},
    )
    file_id = session.json()["fileId"]
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for path in (
        f"api/collaboration/room/text:file:{file_id}",
        "api/collaboration/room/JupyterLab:globalAwareness",
        "api/kernels/x/channels",
        "api/events/subscribe",
        "terminals/websocket/1",
    ):
        answer = await guest.http.get(server.url + path, headers=headers)
        assert answer.status_code in {401, 403, 404}, path


async def test_inside_a_guest_reaches_their_own_room_only(server: JupyterServer) -> None:
    mine, other = await server.room(title="Mine"), await server.room(title="Other")
    guest = await server.guest(mine["id"])
    code = await server.invite(other["id"])
    assert code not in json.dumps((await guest.api("GET", f"rooms/{mine['id']}")).json())
    assert (await guest.api("GET", f"rooms/{mine['id']}")).status_code == 200
    for method, path, body in (
        ("GET", f"rooms/{other['id']}", None),
        ("PATCH", f"rooms/{other['id']}", {"title": "x"}),
        ("DELETE", f"rooms/{other['id']}", None),
        ("GET", f"rooms/{other['id']}/participants", None),
        ("GET", f"rooms/{other['id']}/invites", None),
        ("POST", f"rooms/{other['id']}/invites", {"role": "member"}),
        ("DELETE", f"rooms/{other['id']}/invites", None),
        ("POST", f"rooms/{other['id']}/runs", {"document": "pad"}),
        ("POST", f"rooms/{other['id']}/runs/batch", {"cell_ids": ["x"]}),
        ("POST", f"rooms/{other['id']}/runs/{'x' * 12}/interrupt", None),
        ("POST", f"rooms/{other['id']}/runs/{'x' * 12}/input", {"text": "x"}),
        ("GET", f"rooms/{other['id']}/runs/{'x' * 12}/output", None),
        ("POST", f"rooms/{other['id']}/kernel/restart", None),
        ("GET", f"rooms/{other['id']}/main-file", None),
        ("PUT", f"rooms/{other['id']}/main-file", {"main_file": None}),
        ("GET", f"rooms/{other['id']}/languages", None),
        ("POST", f"rooms/{other['id']}/language", {"language": "bash"}),
        ("POST", f"rooms/{other['id']}/leave", None),
        ("GET", "rooms", None),
        ("POST", "rooms", {"title": "x"}),
        ("GET", "languages", None),
    ):
        answer = await guest.api(method, path, body)
        assert answer.status_code == 401, (method, path, answer.text)
        assert set(answer.json()) == {"message", "code"}
    page = await guest.http.get(f"rooms/{other['id']}")
    assert page.status_code == 401 and "Other" not in page.text
    assert (await guest.api("GET", "health")).json()["sandbox"] is None
    for name in ("pad", "runs"):
        client = await guest.document(name, room_id=other["id"]).connect()
        assert client.close_code == 4401


async def test_in_their_own_room_a_guest_does_not_manage(server: JupyterServer) -> None:
    room = await server.room()
    guest = await server.guest(room["id"])
    for method, path, body in (
        ("PATCH", "", {"title": "x"}),
        ("DELETE", "", None),
        ("GET", "/invites", None),
        ("POST", "/invites", {"role": "member"}),
        ("DELETE", "/invites", None),
    ):
        answer = await guest.api(method, f"rooms/{room['id']}{path}", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)


async def test_a_cookie_does_not_open_another_room(server: JupyterServer) -> None:
    mine, other = await server.room(), await server.room()
    guest = await server.guest(mine["id"])
    name = f"codepad-{server.port}-"
    token = guest.http.cookies.get(name + mine["id"])
    assert token
    thief = server.person()
    thief.http.cookies.set(name + other["id"], token, domain="127.0.0.1", path="/codepad/")
    assert (await thief.api("GET", f"rooms/{other['id']}")).status_code == 401
    client = await thief.document(room_id=other["id"]).connect()
    assert client.close_code == 4401
    replay = server.person()
    replay.http.cookies.set(name + mine["id"], token, domain="127.0.0.1", path="/codepad/")
    assert (await replay.api("GET", f"rooms/{mine['id']}")).status_code == 200
    assert (await guest.api("POST", f"rooms/{mine['id']}/leave")).status_code == 204
    assert (await replay.api("GET", f"rooms/{mine['id']}")).status_code == 401


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_jupyter(server: JupyterServer) -> None:
    room = await server.room()
    guest = server.person()
    code = await server.invite(room["id"])
    form = await guest.http.get(f"join/{code}")
    token = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
    assert token is not None
    answer = await guest.http.post(f"join/{code}", data={"name": "Ada", "_xsrf": token.group(1)})
    cookie = next(
        c for c in answer.headers.get_list("set-cookie") if c.startswith(f"codepad-{server.port}-")
    )
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/codepad/" in cookie


async def test_writes_without_the_xsrf_token_are_refused(server: JupyterServer) -> None:
    room = await server.room()
    guest = await server.guest(room["id"])
    for path in ("runs", "kernel/restart", "leave"):
        answer = await guest.http.post(f"api/rooms/{room['id']}/{path}", json={})
        assert answer.status_code == 403, path
    assert (await guest.api("GET", f"rooms/{room['id']}")).status_code == 200


async def test_other_sites_cannot_open_our_sockets(server: JupyterServer) -> None:
    room = await server.room()
    guest = await server.guest(room["id"])
    session = await server.host.http.put(
        f"{server.url}api/collaboration/session/{room['pad_path']}",
        json={"format": "text", "type": "file"},
    )
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Origin": "https://evil.example",
    }
    ours = [template(p) for p, handler in API_ROUTES if issubclass(handler, WebSocketMixin)]
    assert len(ours) >= 2
    for person, path in (
        *((guest, "codepad" + path.format(room_id=room["id"], name="pad")) for path in ours),
        (server.host, f"api/collaboration/room/text:file:{session.json()['fileId']}"),
        (server.host, "api/collaboration/room/JupyterLab:globalAwareness"),
    ):
        cookies = {"Cookie": person.cookie_header}
        # With the token in its header a request is a program's, and jupyter-server lets it pass.
        answer = await server.person().http.get(server.url + path, headers={**headers, **cookies})
        assert answer.status_code == 403, path


async def test_cookies_are_secure_behind_https(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path, options=["--ServerApp.trust_xheaders=True"])
    try:
        await server.start()
        room = await server.room()
        code = await server.invite(room["id"])
        https = {"X-Forwarded-Proto": "https"}
        guest = server.person()
        form = await guest.http.get(f"join/{code}", headers=https)
        token = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
        assert token is not None
        answer = await guest.http.post(
            f"join/{code}",
            data={"name": "Ada", "_xsrf": token.group(1)},
            # The browser would send it; httpx does not send a Secure cookie over plain http.
            headers={**https, "Cookie": f"_xsrf={token.group(1)}"},
        )
        assert answer.status_code == 303, answer.text
        cookies = [c for c in answer.headers.get_list("set-cookie") if c.startswith("codepad-")]
        assert len(cookies) == 2
        assert all("Secure" in c and "HttpOnly" in c and "SameSite=Lax" in c for c in cookies)
    finally:
        await server.close()


def test_every_method_of_every_route_has_a_rule() -> None:
    checked = 0
    for pattern, handler in API_ROUTES:
        for name in ("get", "head", "post", "put", "patch", "delete", "options"):
            method = getattr(handler, name)
            owner = next(c for c in handler.__mro__ if name in vars(c))
            if owner.__module__.startswith("jupyter_codepad"):
                assert hasattr(method, RULE), (pattern, name)
                checked += 1
    assert checked >= 20


async def test_unknown_paths_below_our_prefix_are_errors_in_our_shape(
    server: JupyterServer,
) -> None:
    for path in (
        "nothing",
        "api/nothing",
        "rooms/short",
        "static/../app.py",
        "static/%2e%2e/app.py",
    ):
        answer = await server.person().http.get(path)
        assert answer.status_code in {403, 404}, path
        assert "CodepadApp" not in answer.text
