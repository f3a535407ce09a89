"""A person at a document: a Yjs client in Python on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from pycrdt import Array, Doc, Map, Text
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from jupyter_codepad.sync.protocol import (
    AwarenessEntry,
    Kind,
    Reader,
    SyncStep,
    awareness_frame,
    read_awareness,
    sync_frame,
)

DEADLINE_SECONDS = 20.0
SOON = 10.0
"""Before a server looks by itself at what it was not told of."""


async def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until a condition holds; fails with ``what`` at the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        if loop.time() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.005)


class SyncClient:
    """Connects, syncs, types, and comes back with the same document after a loss.

    ``reading``: while it is not set nothing is read from the socket; ``in_parts``: tells what it
    has in many frames, as for more than the server takes in one; ``deaf``: hears nothing until it
    is told to ``listen``; ``silent``: says nothing when it has connected, until it is told to
    ``ask``.
    """

    def __init__(self, url: str, headers: dict[str, str], ydoc: Doc[Any] | None = None) -> None:
        self.url = url
        self.headers = headers
        self.ydoc: Doc[Any] = ydoc if ydoc is not None else Doc()
        self.text = self.ydoc.get("source", type=Text)
        self.socket: WebSocketClientConnection | None = None
        self.synced = False
        self.greeted = False
        self.sent = 0
        self.acked = 0
        self.updates_seen = 0
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.fault: BaseException | None = None
        self.events: list[dict[str, Any]] = []
        self.awareness: dict[int, dict[str, Any]] = {}
        self.in_parts = self.silent = self.deaf = False
        self.reading = asyncio.Event()
        self.reading.set()
        self.unheard: list[bytes] = []
        self._history: list[bytes] = []
        self._clock = 0
        self._reader: asyncio.Task[None] | None = None
        self._applying = False
        self.ydoc.observe(self._changed)

    async def connect(self) -> SyncClient:
        """Open the socket and wait for the first sync (or for the server's refusal)."""
        request = HTTPRequest(self.url, headers=self.headers)
        self.socket = await websocket_connect(request, max_message_size=64 * 1024 * 1024)
        self.synced, self.greeted, self.sent, self.acked = False, False, 0, 0
        self.close_code = self.close_reason = None
        self._reader = asyncio.create_task(self._read(self.socket))
        if not self.silent:
            self.ask()
        if not self.silent and not self.deaf:
            await until(lambda: self.synced or self.closed, "first sync")
        return self

    def ask(self) -> None:
        """Say what it has, and so ask for the rest."""
        self._send(sync_frame(SyncStep.STATE, self.ydoc.get_state()))

    def listen(self) -> None:
        """Hear all that has come."""
        self.deaf = False
        unheard, self.unheard = self.unheard, []
        for frame in unheard:
            self._receive(frame)

    @property
    def closed(self) -> bool:
        """Whether the socket has ended."""
        return self.socket is None

    @property
    def durable(self) -> bool:
        """Whether the server says that all that was sent is on disk."""
        return self.synced and self.acked == self.sent

    def type(self, text: str, at: int | None = None) -> None:
        """Insert text (at the end by default), as characters."""
        place = len(str(self.text)) if at is None else at
        self.text.insert(len(str(self.text)[:place].encode()), text)

    def cells(self) -> Array[Map[Any]]:
        """The cells of a notebook document."""
        cells: Array[Map[Any]] = self.ydoc.get("cells", type=Array)
        return cells

    def say(self, state: dict[str, Any] | None, client_id: int | None = None) -> None:
        """Send an awareness state."""
        self._clock += 1
        who = self.ydoc.client_id if client_id is None else client_id
        self._send(awareness_frame([AwarenessEntry(who, self._clock, state)]))

    def send_raw(self, frame: bytes | str) -> None:
        """Send any frame."""
        assert self.socket is not None
        self.socket.write_message(frame, binary=isinstance(frame, bytes))

    async def disconnect(self) -> None:
        """Close the socket; the document stays, and can be typed into."""
        if self.socket is not None:
            self.socket.close()
        if self._reader is not None:
            await self._reader

    async def cut(self) -> None:
        """Lose the line, without a goodbye."""
        if self.socket is not None:
            self.socket.protocol._abort()  # type: ignore[union-attr]
        if self._reader is not None:
            await self._reader

    def _changed(self, event: Any) -> None:
        self._history.append(event.update)
        if not self._applying and self.greeted:
            self.sent += 1
            self._send(sync_frame(SyncStep.UPDATE, event.update))

    def _missing(self, state: bytes) -> list[bytes]:
        """What a state lacks, in the parts in which it is sent."""
        if not self.in_parts:
            return [self.ydoc.get_update(state)]
        return [*self._history, self.ydoc.get_update(self.ydoc.get_state())]

    def _send(self, frame: bytes) -> None:
        if self.socket is None:
            return
        try:
            sending = self.socket.write_message(frame, binary=True)
        except WebSocketClosedError:
            return
        sending.add_done_callback(lambda done: done.exception())  # the reader sees the end

    async def _read(self, socket: WebSocketClientConnection) -> None:
        while True:
            await self.reading.wait()
            frame = await socket.read_message()
            if frame is None:
                break
            assert isinstance(frame, bytes)
            if self.deaf:
                self.unheard.append(frame)
                continue
            try:
                self._receive(frame)
            except BaseException as error:  # else nobody would see why nothing comes any more
                self.fault = error
                raise
        self.close_code, self.close_reason = socket.close_code, socket.close_reason
        socket.close()
        self.synced = self.greeted = False
        self.socket = None

    def _receive(self, frame: bytes) -> None:
        reader = Reader(frame)
        kind = reader.var_uint()
        if kind == Kind.SYNC:
            step, content = reader.var_uint(), reader.var_bytes()
            if step == SyncStep.STATE:
                self.greeted = True
                *parts, last = self._missing(content)
                self.sent += len(parts) + 1
                for part in parts:
                    self._send(sync_frame(SyncStep.UPDATE, part))
                self._send(sync_frame(SyncStep.MISSING, last))
                return
            self._applying = True
            self.ydoc.apply_update(content)
            self._applying = False
            self.updates_seen += 1
            self.synced = self.synced or step == SyncStep.MISSING
        elif kind == Kind.AWARENESS:
            for entry in read_awareness(reader.var_bytes(), 1000):
                if entry.state is None:
                    self.awareness.pop(entry.client_id, None)
                else:
                    self.awareness[entry.client_id] = entry.state
        elif kind == Kind.ACK:
            self.acked = reader.var_uint()
        elif kind == Kind.JUPYTER:
            self.events.append(json.loads(reader.var_string()))
        elif kind == Kind.EVENT:
            self.events.append(json.loads(reader.var_bytes()))
