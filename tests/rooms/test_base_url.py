"""Below a base URL, and where jupyter-server keeps strangers out by default, all is the same."""

from __future__ import annotations

from pathlib import Path

from tests.support.server import JupyterServer
from tests.support.sync_client import until


async def test_a_room_below_a_base_url(tmp_path: Path) -> None:
    options = ["--ServerApp.allow_unauthenticated_access=False"]
    server = JupyterServer(tmp_path, base_url="/user/ada/", options=options)
    try:
        await server.start()
        room = await server.room(starter_text="start\n")
        guest = await server.guest(room["id"], "Bob")
        cookie = next(c for c in guest.http.cookies.jar if c.name.endswith(room["id"]))
        assert cookie.path == "/user/ada/codepad/"
        page = await guest.http.get(f"rooms/{room['id']}")
        assert page.status_code == 200 and '"baseUrl": "/user/ada/codepad/"' in page.text
        assert "/user/ada/codepad/static/page/" in page.text
        assert (await guest.http.get("static/icon.svg")).status_code == 200
        pad = await guest.document().connect()
        host = await server.host.document(room_id=room["id"]).connect()
        pad.type("typed\n")
        await until(lambda: str(host.text) == "start\ntyped\n", "the text at the host's")
        invite = await server.host.api("POST", f"rooms/{room['id']}/invites", {"role": "observer"})
        assert invite.json()["url"].startswith("/user/ada/codepad/join/")
        outside = await guest.http.get(f"{server.url}api/contents")
        assert outside.status_code == 403
    finally:
        await server.close()
