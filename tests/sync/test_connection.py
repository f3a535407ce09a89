"""The WebSocket of documents, over plain TCP and over TLS that ends in this process."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClientConnection, websocket_connect

from jupyter_codepad.sync.connection import Connection, binary_frame
from jupyter_codepad.sync.upgrade import upgrade
from tests.support.sync_client import until

pytestmark = pytest.mark.parametrize("tls", [False, True], ids=["TCP", "TLS"])

CERTIFICATE = Path(__file__).parents[1] / "support" / "localhost.pem"
LIMIT_BYTES = 1_000_000
HIGH_BYTES = 65_536


class Echo:
    """Answers every message with itself, and notes what else happens."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.happened: list[str] = []

    def rested(self) -> None:
        pass

    def received(self, message: bytes) -> None:
        self.connection.send(binary_frame(message))

    def congested(self) -> None:
        self.happened.append("congested")

    def drained(self) -> None:
        self.happened.append("drained")

    def lost(self) -> None:
        self.happened.append("lost")


class Line:
    """A server, and one client of it."""

    def __init__(self, echo: list[Echo], client: WebSocketClientConnection) -> None:
        self._echo = echo
        self.client = client

    async def echo(self) -> Echo:
        """The server's end."""
        await until(lambda: self._echo, "the server's end")
        return self._echo[0]


@asynccontextmanager
async def opened(*, tls: bool) -> AsyncIterator[Line]:
    made: list[Echo] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            connection = Connection(message_limit_bytes=LIMIT_BYTES, send_high_bytes=HIGH_BYTES)
            await upgrade(self, connection)
            made.append(Echo(connection))
            connection.listen(made[0])

    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE)
    server = HTTPServer(Application([("/", Handler)]), ssl_options=context)
    [socket] = bind_sockets(0, "127.0.0.1")
    server.add_socket(socket)
    scheme = "wss" if context else "ws"
    url = f"{scheme}://127.0.0.1:{socket.getsockname()[1]}/"
    trusted = ssl.create_default_context(cafile=CERTIFICATE) if context else None
    client = await websocket_connect(
        HTTPRequest(url, ssl_options=trusted), max_message_size=2 * LIMIT_BYTES
    )
    try:
        yield Line(made, client)
    finally:
        client.close()
        if made:
            await until(lambda: "lost" in made[0].happened, "the end of the line")
        server.stop()
        await server.close_all_connections()


async def test_messages_of_every_size_come_back_as_they_were(*, tls: bool) -> None:
    async with opened(tls=tls) as line:
        for size in (0, 1, 125, 126, 1023, 65_535, 65_536, LIMIT_BYTES):
            message = bytes(range(251)) * (size // 251 + 1)
            await line.client.write_message(message[:size], binary=True)
            assert await line.client.read_message() == message[:size]


async def test_many_messages_at_once_keep_their_order(*, tls: bool) -> None:
    async with opened(tls=tls) as line:
        for number in range(2000):
            line.client.write_message(str(number).encode(), binary=True)
        assert [await line.client.read_message() for _ in range(2000)] == [
            str(number).encode() for number in range(2000)
        ]


async def test_a_message_above_the_limit_closes_the_line(*, tls: bool) -> None:
    async with opened(tls=tls) as line:
        line.client.write_message(bytes(LIMIT_BYTES + 1), binary=True)
        assert await line.client.read_message() is None
        assert line.client.close_code == 1009


async def test_the_server_says_goodbye(*, tls: bool) -> None:
    async with opened(tls=tls) as line:
        (await line.echo()).connection.close(4410, "The room is closed.")
        assert await line.client.read_message() is None
        assert (line.client.close_code, line.client.close_reason) == (4410, "The room is closed.")


async def test_the_client_says_goodbye(*, tls: bool) -> None:
    async with opened(tls=tls) as line:
        echo = await line.echo()
        line.client.close(1000, "enough")
        await until(lambda: echo.happened == ["lost"], "the end of the line")
        assert not echo.connection.open
        echo.connection.send(binary_frame(b"nobody hears this"))


async def test_who_does_not_read_is_noticed_and_gets_everything_once_they_do(*, tls: bool) -> None:
    async with opened(tls=tls) as line:
        echo = await line.echo()
        messages = [bytes([number % 256]) * 200_000 for number in range(100)]
        for message in messages:
            echo.connection.send(binary_frame(message))
        await until(lambda: echo.happened == ["congested"], "too much is waiting")
        for message in messages:
            assert await line.client.read_message() == message
        await until(lambda: echo.happened == ["congested", "drained"], "all of it is read")


async def test_a_line_that_is_cut_is_over(*, tls: bool) -> None:
    async with opened(tls=tls) as line:
        echo = await line.echo()
        echo.connection.abort()
        assert await asyncio.wait_for(line.client.read_message(), 10) is None
        await until(lambda: echo.happened == ["lost"], "the end of the line")
