"""Upgrade: a WebSocket request answered, and its socket taken over from tornado."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
import socket
from contextlib import suppress

from tornado.iostream import IOStream, SSLIOStream, StreamClosedError
from tornado.web import HTTPError, RequestHandler

from .connection import Connection

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
READ_BYTES = 65536


async def upgrade(handler: RequestHandler, connection: Connection) -> None:
    """Answer a WebSocket request and go on without tornado.

    Raises ``HTTPError`` 400 for what is no WebSocket request of version 13. The handler must not
    write anything after.
    """
    accept = _accept(handler)
    stream = handler.detach()
    answer = (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    if isinstance(stream, SSLIOStream):
        _StreamTransport(stream, connection, answer)
        return
    try:
        taken = socket.socket(fileno=os.dup(stream.socket.fileno()))
    except (OSError, AttributeError):  # it has hung up already, and has no socket any more
        connection.connection_lost(None)
        return
    taken.setblocking(False)
    with suppress(OSError):  # a socket of another family has no such option
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.close()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(lambda: connection, taken)
    transport.write(answer)


def _accept(handler: RequestHandler) -> bytes:
    headers = handler.request.headers
    tokens = {token.strip().lower() for token in headers.get("Connection", "").split(",")}
    key = headers.get("Sec-WebSocket-Key", "")
    if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in tokens:
        raise HTTPError(400, "This is a WebSocket.")
    try:
        well_formed = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        well_formed = False
    if headers.get("Sec-WebSocket-Version") != "13" or not well_formed:
        raise HTTPError(400, "This WebSocket request cannot be read.")
    digest = hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest)


class _StreamTransport:
    """Tornado's stream in the shape of asyncio's transport, for TLS that ends in this process."""

    def __init__(self, stream: IOStream, connection: Connection, answer: bytes) -> None:
        self._stream = stream
        self._connection = connection
        self._unsent = self._high = self._low = 0
        self._paused = False
        connection.connection_made(self)
        self._reading = asyncio.create_task(self._read())
        self.write(answer)

    async def _read(self) -> None:
        try:
            while True:
                self._connection.data_received(
                    await self._stream.read_bytes(READ_BYTES, partial=True)
                )
        except StreamClosedError:
            pass
        finally:
            self._stream.close()
            self._connection.connection_lost(None)

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        self._high, self._low = high, low

    def write(self, data: bytes) -> None:
        try:
            written = self._stream.write(data)
        except StreamClosedError:
            return
        self._unsent += len(data)
        if self._unsent > self._high and not self._paused:
            self._paused = True
            self._connection.pause_writing()
        written.add_done_callback(lambda future: self._written(future, len(data)))

    def _written(self, future: asyncio.Future[None], size: int) -> None:
        self._unsent -= size
        if future.cancelled() or future.exception() is not None:
            return
        if self._paused and self._unsent <= self._low:
            self._paused = False
            self._connection.resume_writing()

    def can_write_eof(self) -> bool:
        return False

    def abort(self) -> None:
        self._stream.close()
