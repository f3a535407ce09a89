"""A WebSocket as a document needs it: bytes in, bytes out, and nothing in between.

The server's side of RFC 6455, without extensions and for binary messages. Tornado signs people in
and answers everything else; once it has decided that a socket may open, ``upgrade`` takes the TCP
connection from it and what comes is parsed right where the event loop reads it. Tornado's own
frames cost several coroutine switches each way: for a thousand people typing, most of a core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

CLOSE_SECONDS = 5.0
"""How long a client may take to answer our close frame."""

CONTROL_LIMIT = 125
SMALL = 1024
FRAGMENTS_LIMIT = 4096
EXTRAS_LIMIT = 3 * FRAGMENTS_LIMIT
"""Pings, pongs and parts of messages, from one look at the connection (``check``) to the next."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80
MASKED = 0x80
PROTOCOL_FAULT = 1002
NOT_ALLOWED = 1008
TOO_LARGE = 1009
NO_CODE = 1005


class Receiver(Protocol):
    """Who a connection belongs to."""

    def received(self, message: bytes) -> None:
        """A whole binary message has come."""

    def rested(self) -> None:
        """All that has come by now has been handed out."""

    def congested(self) -> None:
        """More is waiting to be sent than should be."""

    def drained(self) -> None:
        """What was waiting to be sent has gone out."""

    def lost(self) -> None:
        """The connection has ended, for whatever reason; called once."""


class Transport(Protocol):
    """What a connection writes to: asyncio's transport, or a TLS stream of tornado's."""

    def write(self, data: bytes) -> None:
        """Send soon."""

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        """When to call the protocol's ``pause_writing`` and ``resume_writing``."""

    def can_write_eof(self) -> bool:
        """Whether ``write_eof`` is there."""

    def write_eof(self) -> None:
        """Send what is waiting, and no more after it."""

    def abort(self) -> None:
        """Close now."""


class Connection(asyncio.Protocol):
    """One open WebSocket.

    ``message_limit_bytes``: the largest message that is taken in; a larger one closes with 1009
    and is not kept in memory. ``send_high_bytes``: from so many unsent bytes on the receiver
    is told that the connection is congested, until it is down to a quarter of them.
    """

    __slots__ = (
        "_closing",
        "_extras",
        "_fragments",
        "_fragments_bytes",
        "_held",
        "_high",
        "_limit",
        "_lost",
        "_needed",
        "_paused",
        "_receiver",
        "_small",
        "_timer",
        "_transport",
        "heard",
        "send",
    )

    def __init__(self, *, message_limit_bytes: int, send_high_bytes: int) -> None:
        self._limit = message_limit_bytes
        self._small = min(SMALL, message_limit_bytes)
        self._high = send_high_bytes
        self._transport: Any = None
        self._receiver: Receiver | None = None
        self._held = bytearray()
        self._needed = 0
        self._fragments: list[bytes] | None = None
        self._fragments_bytes = 0
        self._extras = 0
        self._paused = False
        self._closing = False
        self._lost = False
        self._timer: asyncio.TimerHandle | None = None
        self.heard = True
        self.send: Callable[[bytes], None] = _nowhere
        """Send bytes that are a WebSocket frame already (``binary_frame``); dropped at the end."""

    @property
    def open(self) -> bool:
        """Whether messages can be sent."""
        return not self._closing and not self._lost and self._transport is not None

    def listen(self, receiver: Receiver) -> None:
        """Hand what comes to somebody, and what has come before."""
        if self._lost:
            receiver.lost()
            return
        self._receiver = receiver
        if self._held:
            held = bytes(self._held)
            self._held.clear()
            self.data_received(held)

    # -- out -------------------------------------------------------------------------------------

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; the rest of what comes is ignored."""
        if self._closing or self._lost or self._transport is None:
            return
        self._end(_frame(CLOSE, code.to_bytes(2, "big") + clipped(reason, CONTROL_LIMIT - 2)))

    def _end(self, goodbye: bytes) -> None:
        """Send the last frame. What the client still sends is read and dropped until it hangs up.

        Were the socket closed with something unread, the client would never see the last frame.
        """
        self._closing = True
        self.send = _nowhere
        self._held.clear()
        self._fragments = None
        self._transport.write(goodbye)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def check(self) -> bool:
        """Whether anything has been heard since the last check; if not, ask for a sign."""
        heard, self.heard = self.heard, False
        self._extras = 0
        if not heard and not self._closing and not self._lost:
            self._transport.write(PING_FRAME)
        return heard

    def abort(self) -> None:
        """End without a goodbye."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio's protocol ----------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Begin; called by the event loop."""
        self._transport = transport
        self.send = transport.write
        transport.set_write_buffer_limits(high=self._high, low=self._high // 4)

    def pause_writing(self) -> None:
        """Much is waiting to be sent; called by the event loop."""
        self._paused = True
        if self._receiver is not None and not self._closing:
            self._receiver.congested()

    def resume_writing(self) -> None:
        """Little is waiting to be sent; called by the event loop."""
        self._paused = False
        if self._receiver is not None and not self._closing:
            self._receiver.drained()

    def eof_received(self) -> bool:
        """The client will send no more: end."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; called by the event loop."""
        self._lost = True
        self.send = _nowhere
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.lost()

    def data_received(self, data: bytes) -> None:
        """Parse what has come; called by the event loop."""
        self.heard = True
        if self._closing:
            if data[0] == FIN | CLOSE:  # the answer to our goodbye
                self._transport.abort()
            return
        receiver = self._receiver
        if receiver is None:
            self._held += data
            if len(self._held) > self._limit:
                self.close(TOO_LARGE, "That is more than can be sent at once.")
            return
        if self._held:
            self._held += data
            if len(self._held) < self._needed:
                return
            data = bytes(self._held)
            self._held.clear()
        try:
            at = self._parse(data)
            if at < len(data) and not self._closing:
                self._held += memoryview(data)[at:]
        finally:
            receiver.rested()

    def _parse(self, data: bytes) -> int:
        """Take whole frames from the beginning of ``data``; returns where the rest begins."""
        at, end = 0, len(data)
        while end - at >= 2:
            first, second = data[at], data[at + 1]
            length = second & 127
            head = at + 6
            if length == 126:
                head = at + 8
                length = int.from_bytes(data[at + 2 : at + 4], "big") if end >= head else 0
            elif length == 127:
                head = at + 14
                length = int.from_bytes(data[at + 2 : at + 10], "big") if end >= head else 0
            ordinary = first == FIN | BINARY and second >= MASKED and length <= self._small
            if not (ordinary and self._fragments is None) and not self._acceptable(
                first, second, length
            ):
                return end
            after = head + length
            if end < after:
                self._needed = after - at
                return at
            payload = _unmasked(data[head - 4 : head], data[head:after]) if length else b""
            at = after
            if first == FIN | BINARY and self._fragments is None:
                if self._receiver is not None:
                    self._receiver.received(payload)
            else:
                self._unusual(first, payload)
            if self._closing or self._lost:
                return end
        self._needed = 2
        return at

    def _acceptable(self, first: int, second: int, length: int) -> bool:
        """Whether a frame may go on; closes when not."""
        opcode = first & 15
        control = opcode >= CLOSE
        if not second & MASKED:
            self.close(PROTOCOL_FAULT, "frames of a client must be masked")
        elif first & 0x70 or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            self.close(PROTOCOL_FAULT, "a frame of an unknown kind")
        elif control and (length > CONTROL_LIMIT or not first & FIN):
            self.close(PROTOCOL_FAULT, "a control frame that is too long or in parts")
        elif length + self._fragments_bytes > self._limit:
            self.close(TOO_LARGE, "That is more than can be sent at once.")
        else:
            return True
        return False

    def _unusual(self, first: int, payload: bytes) -> None:
        """Everything but a whole binary message."""
        opcode = first & 15
        self._extras += 1
        if self._extras > EXTRAS_LIMIT:
            self.close(NOT_ALLOWED, "too many pings, or messages in too many parts")
        elif opcode == PING:
            if not self._paused:  # who does not read is told nothing
                self._transport.write(_frame(PONG, payload))
        elif opcode == CLOSE:
            self._end(_frame(CLOSE, payload[:2]))
        elif opcode == TEXT:
            self.close(4400, "frames here are binary")
        elif opcode in (BINARY, CONTINUATION):
            self._fragment(first, opcode, payload)

    def _fragment(self, first: int, opcode: int, payload: bytes) -> None:
        if (opcode == CONTINUATION) != (self._fragments is not None):
            self.close(PROTOCOL_FAULT, "a message in parts that do not fit")
            return
        parts = self._fragments if self._fragments is not None else []
        parts.append(payload)
        self._fragments_bytes += len(payload)
        self._fragments = parts
        if len(parts) > FRAGMENTS_LIMIT:
            self.close(PROTOCOL_FAULT, "a message in too many parts")
        elif first & FIN:
            self._fragments, self._fragments_bytes = None, 0
            if self._receiver is not None:
                self._receiver.received(b"".join(parts))


def _nowhere(frame: bytes) -> None:
    """Where frames go that nobody can get any more."""


def clipped(reason: str, limit: int) -> bytes:
    """The reason of a close frame, cut at a character when it is too long."""
    return reason.encode()[:limit].decode(errors="ignore").encode()


def binary_frame(message: bytes) -> bytes:
    """A message as the WebSocket frame that carries it, to be made once for many connections."""
    return _frame(BINARY, message)


def _frame(opcode: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((FIN | opcode, length)) + payload
    if length < 65536:
        return bytes((FIN | opcode, 126)) + length.to_bytes(2, "big") + payload
    return bytes((FIN | opcode, 127)) + length.to_bytes(8, "big") + payload


PING_FRAME = _frame(PING, b"")


def _unmasked(mask: bytes, payload: bytes) -> bytes:
    """XOR with the repeated mask, as one large number: Python has no faster way of its own."""
    length = len(payload)
    pattern = (mask * (length // 4 + 1))[:length]
    number = int.from_bytes(payload, "little") ^ int.from_bytes(pattern, "little")
    return number.to_bytes(length, "little")
