"""The servers that are measured: ours, and its peers as they come."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from jupyter_codepad.access.rate_limit import DEFAULT_LIMITS
from tests.load.generator import ClientLine, pinned
from tests.support.server import JupyterServer, free_port
from tests.support.sync_client import until

T = TypeVar("T")
PEERS = Path(__file__).parent / "peers"
AT_ONCE = 8
"""Requests under way while people join."""
PEOPLE_MOST = 200
"""People of one room; where more clients are wanted, some have it open in several tabs."""


class Peer(ABC):
    """A server that is started, given rooms and clients, and stopped. ``core``: where it runs."""

    name: str

    def __init__(self, home: Path, core: int | None) -> None:
        self.home = home
        self.core = core

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Why it cannot be measured on this machine."""

    @classmethod
    @abstractmethod
    def described(cls) -> str:
        """Name and version."""

    @property
    @abstractmethod
    def port(self) -> int: ...

    @property
    @abstractmethod
    def pid(self) -> int: ...

    @abstractmethod
    async def start(self) -> None:
        """Start and wait until it answers."""

    @abstractmethod
    async def clients(self, rooms: int, people: int) -> list[ClientLine]:
        """New rooms with an empty document each, and people who can enter them, room by room."""

    @abstractmethod
    async def close(self) -> None:
        """Stop it."""


class _OurServer(JupyterServer):
    """Our Jupyter server, on one core."""

    core: int | None = None

    def command(self) -> list[str]:
        return pinned(self.core, super().command())


class _StockServer(_OurServer):
    """A Jupyter server with jupyter-collaboration and without us."""

    health = "api"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.configure({"ServerApp": {"jpserver_extensions": {"jupyter_codepad": False}}})


class JupyterPeer(Peer):
    """What the two Jupyter servers share."""

    server: JupyterServer
    make_server: type[_OurServer]

    def __init__(self, home: Path, core: int | None) -> None:
        super().__init__(home, core)
        server = self.make_server(home)
        server.core = core
        self.server = server

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def pid(self) -> int:
        assert self.server.process is not None
        return self.server.process.pid

    @classmethod
    def missing(cls) -> str | None:
        return None

    async def start(self) -> None:
        await self.server.start()

    async def close(self) -> None:
        await self.server.close()

    async def request(
        self, method: str, path: str, *, headers: dict[str, str], body: str | None = None
    ) -> HTTPResponse:
        """Ask the server; every answer but an error is good."""
        request = HTTPRequest(
            self.server.url + path,
            method,
            headers=headers,
            body=body,
            follow_redirects=False,
            request_timeout=60,
        )
        answer = await AsyncHTTPClient().fetch(request, raise_error=False)
        if answer.code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.code} {answer.body[:300]!r}")
        return answer

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask as the owner of the server, in JSON."""
        headers = {"Authorization": f"token {self.server.token}"}
        text = None if body is None else json.dumps(body)
        answer = await self.request(method, path, headers=headers, body=text)
        return json.loads(answer.body)


class Ours(JupyterPeer):
    """This project: rooms, guests who joined by a link, acknowledgements on."""

    name = "ours"
    make_server = _OurServer

    def __init__(self, home: Path, core: int | None) -> None:
        super().__init__(home, core)
        limits = {"rate_limits": dict.fromkeys(DEFAULT_LIMITS, "")}
        self.server.configure({"CodepadApp": {**limits, "participants_per_room_limit": 10_000}})
        self._xsrf = ""

    @classmethod
    def described(cls) -> str:
        return f"jupyter-server {version('jupyter-server')} with jupyter-codepad"

    async def clients(self, rooms: int, people: int) -> list[ClientLine]:
        # The first room makes the folder of all of them.
        made = [await self._room(0), *await some_at_once(rooms - 1, self._room)]
        guests = min(people, PEOPLE_MOST)
        cookies = await some_at_once(
            rooms * guests, lambda number: self._guest(made[number // guests][1], number % guests)
        )
        return [
            ClientLine(
                room,
                f"/codepad/rooms/{made[room][0]}/documents/pad/sync?acks=1",
                headers=(f"Cookie: {cookies[room * guests + person % guests]}",),
            )
            for room in range(rooms)
            for person in range(people)
        ]

    async def _room(self, number: int) -> tuple[str, str]:
        """A room's id, and the code of a link to it."""
        room = await self.ask("POST", "codepad/api/rooms", {"title": f"Load {number}"})
        invite = await self.ask(
            "POST", f"codepad/api/rooms/{room['id']}/invites", {"role": "member"}
        )
        return room["id"], invite["code"]

    async def _guest(self, code: str, number: int) -> str:
        """Join by a link; returns the cookie."""
        path = f"codepad/join/{code}"
        if not self._xsrf:
            form = await self.request("GET", path, headers={})
            found = re.search(r'name="_xsrf" value="([^"]+)"', form.body.decode())
            assert found is not None
            self._xsrf = found.group(1)
        answer = await self.request(
            "POST",
            path,
            headers={"Cookie": f"_xsrf={self._xsrf}"},
            body=urlencode({"name": f"Guest {number}", "_xsrf": self._xsrf}),
        )
        return "; ".join(c.split(";")[0] for c in answer.headers.get_list("Set-Cookie"))


class Stock(JupyterPeer):
    """jupyter-server with jupyter-collaboration, as `pip install` leaves them."""

    name = "stock"
    make_server = _StockServer

    @classmethod
    def described(cls) -> str:
        return (
            f"jupyter-server {version('jupyter-server')} with jupyter-collaboration "
            f"{version('jupyter-collaboration')} (jupyter-server-ydoc "
            f"{version('jupyter-server-ydoc')})"
        )

    def __init__(self, home: Path, core: int | None) -> None:
        super().__init__(home, core)
        self._files = 0

    async def clients(self, rooms: int, people: int) -> list[ClientLine]:
        paths = await some_at_once(rooms, self._document)
        header = f"Authorization: token {self.server.token}"
        return [
            ClientLine(room, path, headers=(header,))
            for room, path in enumerate(paths)
            for _ in range(people)
        ]

    async def _document(self, _number: int) -> str:
        self._files += 1
        name = f"load-{self._files}.py"
        (self.server.root_dir / name).write_text("")
        session = await self.ask(
            "PUT", f"api/collaboration/session/{name}", {"format": "text", "type": "file"}
        )
        room = f"text:file:{session['fileId']}"
        return f"/api/collaboration/room/{room}?sessionId={session['sessionId']}"


class NodePeer(Peer):
    """What the two Node servers share: rooms are made by entering them, for anybody."""

    package: str
    script: str

    def __init__(self, home: Path, core: int | None) -> None:
        super().__init__(home, core)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._rooms = 0

    @classmethod
    def missing(cls) -> str | None:
        if shutil.which("node") is None:
            return "there is no Node.js"
        if not (PEERS / "node_modules" / cls.package).exists():
            return f"run `npm ci` in {PEERS}"
        return None

    @classmethod
    def described(cls) -> str:
        found = json.loads((PEERS / "node_modules" / cls.package / "package.json").read_text())
        return f"{cls.package} {found['version']}"

    @property
    def port(self) -> int:
        return self._port

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        variables = {"PORT": str(self._port), "HOST": "127.0.0.1", "NODE_ENV": "production"}
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                pinned(self.core, ["node", self.script]),
                cwd=PEERS,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        request = HTTPRequest(f"http://127.0.0.1:{self._port}/")
        deadline = asyncio.get_running_loop().time() + 20
        while asyncio.get_running_loop().time() < deadline:
            try:
                await AsyncHTTPClient().fetch(request, raise_error=False)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.name} did not start: {self._log()}")

    def _log(self) -> str:
        return (self.home / "server.log").read_text()[-2000:]

    async def clients(self, rooms: int, people: int) -> list[ClientLine]:
        first = self._rooms
        self._rooms += rooms
        return [
            self.line(room, f"load-{first + room}") for room in range(rooms) for _ in range(people)
        ]

    def line(self, room: int, name: str) -> ClientLine:
        """How a document is entered."""
        return ClientLine(room, f"/{name}")

    async def close(self) -> None:
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGKILL)
        await until(lambda: process.poll() is not None, f"the end of {self.name}")


class YWebsocket(NodePeer):
    """y-websocket's server, without a store."""

    name = "y-websocket"
    package = "@y/websocket-server"
    script = "node_modules/@y/websocket-server/src/server.js"


class Hocuspocus(NodePeer):
    """Hocuspocus, without a store."""

    name = "hocuspocus"
    package = "@hocuspocus/server"
    script = "hocuspocus.mjs"

    def line(self, room: int, name: str) -> ClientLine:
        return ClientLine(room, "/", document=name)


ALL: tuple[type[Peer], ...] = (Ours, YWebsocket, Hocuspocus, Stock)


async def some_at_once(count: int, one: Callable[[int], Awaitable[T]]) -> list[T]:
    """The results of calls with 0, 1, …: a few are under way at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def gated(number: int) -> T:
        async with gate:
            return await one(number)

    return list(await asyncio.gather(*(gated(number) for number in range(count))))
