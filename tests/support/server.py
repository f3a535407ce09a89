"""A real Jupyter server in a process of its own, with token and XSRF protection on."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import httpx

from tests.support.nursery import Nursery, Running
from tests.support.sync_client import SyncClient, until

START_SECONDS = 60.0
UNLIMITED = (
    "rooms_per_user",
    "joins_per_address",
    "joins",
    "dead_links_per_address",
    "requests_per_person",
    "requests_per_address",
    "runs_per_person",
)
"""Tests make rooms and requests faster than any person; those about limits set their own."""
SETPRIV = shutil.which("setpriv")
END_WITH_US = [SETPRIV, "--pdeathsig", "KILL", "--"] if SETPRIV else []
"""Whatever ends the tests ends their servers."""
PLAIN = [sys.executable, "-m", "jupyter_server"]
EXTENSIONS = ("jupyter_codepad", "jupyter_server_ydoc", "jupyter_server_fileid", "jupyterlab")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Person:
    """Somebody with a browser: an HTTP client with its cookies, and sockets on documents."""

    def __init__(self, server: JupyterServer, headers: dict[str, str] | None = None) -> None:
        self.server = server
        self.headers = headers or {}
        self.http = httpx.AsyncClient(
            base_url=server.url + "codepad/", headers=self.headers, timeout=30
        )
        self.room_id = ""
        self.documents: list[SyncClient] = []

    @property
    def cookie_header(self) -> str:
        """All cookies as a browser would send them."""
        return "; ".join(f"{c.name}={c.value}" for c in self.http.cookies.jar)

    @property
    def xsrf(self) -> dict[str, str]:
        """The header that a page of ours sends with a write."""
        return {"X-XSRFToken": self.http.cookies.get("_xsrf", default="") or ""}

    async def api(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call ``codepad/api/<path>`` with a JSON body."""
        return await self.http.request(method, f"api/{path}", json=body, headers=self.xsrf)

    async def join(self, code: str, name: str) -> Person:
        """Come by a link, as a person does: open the form, send it."""
        form = await self.http.get(f"join/{code}")
        assert form.status_code == 200, form.text
        token = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
        assert token is not None
        answer = await self.http.post(f"join/{code}", data={"name": name, "_xsrf": token.group(1)})
        assert answer.status_code == 303, answer.text
        self.room_id = answer.headers["location"].split("#")[0].rsplit("/", 1)[1]
        return self

    def document(
        self, name: str = "pad", *, room_id: str = "", acks: bool = True, ydoc: Any = None
    ) -> SyncClient:
        """A client on a document of the room, not connected yet."""
        room = room_id or self.room_id
        query = "?acks=1" if acks else ""
        url = f"{self.server.ws_url}codepad/rooms/{room}/documents/{name}/sync{query}"
        headers = dict(self.headers)
        if self.cookie_header:
            headers["Cookie"] = self.cookie_header
        client = SyncClient(url, headers, ydoc)
        self.documents.append(client)
        return client

    async def lab_key(self, path: str, form: str = "text", kind: str = "file") -> tuple[str, str]:
        """How JupyterLab's socket calls a file: the room's name, and the session to give."""
        answer = await self.http.put(
            f"{self.server.url}api/collaboration/session/{path}",
            json={"format": form, "type": kind},
        )
        assert answer.status_code in {200, 201}, answer.text
        session: dict[str, str] = answer.json()
        return f"{form}:{kind}:{session['fileId']}", session["sessionId"]

    def lab_socket(self, key: str, session: str = "") -> SyncClient:
        """A client on JupyterLab's own document socket, not connected yet."""
        url = f"{self.server.ws_url}api/collaboration/room/{key}?sessionId={session}"
        client = SyncClient(url, dict(self.headers))
        self.documents.append(client)
        return client

    async def lab_document(self, path: str, form: str = "text", kind: str = "file") -> SyncClient:
        """A connected client on a file, as JupyterLab opens it."""
        return await self.lab_socket(*await self.lab_key(path, form, kind)).connect()

    async def close(self) -> None:
        """Close everything that is open."""
        for document in self.documents:
            await document.disconnect()
        await self.http.aclose()


class JupyterServer:
    """Starts, stops, restarts and kills one server; all of its files are below ``home``."""

    health = "codepad/api/health"
    """What answers with 200 as soon as the server is there."""
    nursery: ClassVar[Nursery | None] = None
    """What starts servers in less time, if there is one."""
    cache: ClassVar[Path | None] = None
    """Where all servers keep what can be made again; None: each below its own ``home``."""

    def __init__(self, home: Path, *, base_url: str = "/", options: list[str] | None = None):
        self.home = home
        self.root_dir = home / "root"
        self.root_dir.mkdir(parents=True, exist_ok=True)
        self.token = "test-token-0123456789"
        self.port = free_port()
        self.base_url = base_url
        self.options = options or []
        self.variables: dict[str, str] = {}
        self.log_path = home / "server.log"
        self.process: Running | None = None
        self.people: list[Person] = []
        config = home / "jupyter_config_dir"
        config.mkdir(exist_ok=True)
        settings = {
            "ServerApp": {"jpserver_extensions": dict.fromkeys(EXTENSIONS, True)},
            # Most tests run nothing; a kernel for each of their rooms would only cost time.
            "CodepadApp": {
                "warm_kernels": False,
                "rate_limits": dict.fromkeys(UNLIMITED, ""),
                "rooms_per_owner_limit": 10_000,
            },
        }
        self._config = config / "jupyter_server_config.json"
        self._config.write_text(json.dumps(settings))

    def configure(self, changes: dict[str, dict[str, Any]]) -> None:
        """Change the configuration file: class by class, setting by setting, key by key."""
        settings = json.loads(self._config.read_text())
        for name, values in changes.items():
            of_class = settings.setdefault(name, {})
            for key, value in values.items():
                nested = isinstance(value, dict)
                of_class[key] = {**of_class.get(key, {}), **value} if nested else value
        self._config.write_text(json.dumps(settings))

    @property
    def url(self) -> str:
        """Address with the base URL and a slash at the end."""
        return f"http://127.0.0.1:{self.port}{self.base_url}"

    @property
    def ws_url(self) -> str:
        """The same for WebSockets."""
        return "ws" + self.url.removeprefix("http")

    @cached_property
    def host(self) -> Person:
        """The server's owner."""
        return self.person(token=True)

    @property
    def log(self) -> str:
        """All that the server has written so far."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server process."""
        folders = {
            name: str(self.home / name.lower())
            for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
        }
        folders["XDG_CACHE_HOME"] = str(self.cache or self.home / ".cache")
        return {**os.environ, **folders, "HOME": str(self.home), **self.variables}

    def command(self) -> list[str]:
        """How the server is started."""
        return [
            *PLAIN,
            "--no-browser",
            "--allow-root",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.base_url={self.base_url}",
            f"--ServerApp.root_dir={self.root_dir}",
            f"--IdentityProvider.token={self.token}",
            *self.options,
        ]

    async def start(self) -> JupyterServer:
        """Start and wait until it answers."""
        self.process = self._launched(self.command())
        async with httpx.AsyncClient() as probe:
            loop = asyncio.get_running_loop()
            deadline = loop.time() + START_SECONDS
            while True:
                try:
                    answer = await probe.get(self.url + self.health)
                    if answer.status_code == 200:
                        return self
                    if answer.status_code == 404:
                        raise AssertionError(f"the extension did not load:\n{self.log[-4000:]}")
                except httpx.TransportError:
                    pass
                if self.process.poll() is not None or loop.time() > deadline:
                    raise AssertionError(f"the server did not start:\n{self.log[-4000:]}")
                await asyncio.sleep(0.05)

    def _launched(self, command: list[str]) -> Running:
        if self.nursery is not None and command[:3] == PLAIN:
            return self.nursery.start(
                command[3:], environment=self.environment, cwd=self.home, log=self.log_path
            )
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [*END_WITH_US, *command],
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=self.home,
            )

    async def _gone(self) -> None:
        process = self.process
        assert process is not None
        await until(lambda: process.poll() is not None, "the end of the server")
        self.process = None

    async def stop(self) -> None:
        """Stop politely and wait."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            await self._gone()

    async def kill9(self) -> None:
        """Kill without warning."""
        assert self.process is not None
        self.process.kill()
        await self._gone()

    async def restart(self) -> None:
        """Stop politely, start again on the same port and files."""
        await self.stop()
        await self.start()

    async def goodbye(self) -> None:
        """Close every client; the next test meets new people."""
        for person in self.people:
            await person.close()
        self.people.clear()
        self.__dict__.pop("host", None)

    async def close(self) -> None:
        """Stop and close every client."""
        await self.goodbye()
        if self.process is not None:
            self.process.kill()
            await self._gone()

    def person(self, *, token: bool = False) -> Person:
        """Somebody new; with ``token`` it is the server's owner."""
        headers = {"Authorization": f"token {self.token}"} if token else {}
        person = Person(self, headers)
        self.people.append(person)
        return person

    async def room(self, **wish: Any) -> dict[str, Any]:
        """A new room of the owner."""
        answer = await self.host.api("POST", "rooms", {"title": "Room", **wish})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def invite(self, room_id: str, role: str = "member", **wish: Any) -> str:
        """A new link; returns its code."""
        answer = await self.host.api("POST", f"rooms/{room_id}/invites", {"role": role, **wish})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["code"])

    async def guest(self, room_id: str, name: str = "Ada", role: str = "member") -> Person:
        """A guest who has joined a room."""
        return await self.person().join(await self.invite(room_id, role), name)

    def pad_file(self, room: dict[str, Any]) -> Path:
        """The pad of a room on disk."""
        return self.root_dir / str(room["pad_path"])


def running(server: JupyterServer) -> Iterator[JupyterServer]:
    """A server for several tests, from the first that wants it to the last."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(server.start())
        yield server
    finally:
        loop.run_until_complete(server.close())
        loop.close()


def lent(server: JupyterServer, loop: asyncio.AbstractEventLoop) -> Iterator[JupyterServer]:
    """Such a server for one test: running, and with people of its own."""
    if server.process is None:
        loop.run_until_complete(server.start())
    yield server
    loop.run_until_complete(server.goodbye())
