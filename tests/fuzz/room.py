"""A shared document in this process, with clients on connections without a network."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from jupyter_ydoc import YNotebook, YUnicode
from pycrdt import Array, Doc, Map, Text

from jupyter_codepad.access.rate_limit import DEFAULT_LIMITS, RateLimiter
from jupyter_codepad.sync.client import SyncClient
from jupyter_codepad.sync.connection import Connection
from jupyter_codepad.sync.content import first_history, histories, laid_anew, meet
from jupyter_codepad.sync.protocol import Kind, Reader, SyncStep
from jupyter_codepad.sync.returns import Returns
from jupyter_codepad.sync.shared_document import SharedDocument
from jupyter_codepad.sync.sizes import size_of
from jupyter_codepad.sync.tidy import Tidy
from jupyter_codepad.sync.turns import Turns
from jupyter_codepad.sync.update_log import Update
from jupyter_codepad.sync.watch import Watch
from tests.fuzz.hostile import World, frame, sync

MESSAGE_LIMIT = 2**20
HIGH = 2**20
SIZE_LIMIT = 400_000
CELL = {"cell_type": "code", "source": "x = 1", "metadata": {}, "outputs": []}
CONTENTS: dict[str, Any] = {
    "file": "one\ntwo\nthree\n",
    "notebook": {
        "cells": [{**CELL, "id": i} for i in "abc"],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    },
}


class Log:
    """In place of the update log: everything is on disk at once."""

    full = False
    written: Callable[[list[Any]], None]

    def append(self, updates: list[Update], receipts: list[Any]) -> None:
        """Say that it is."""
        self.written(receipts)


class Wire:
    """The other end of a connection; one that ``reads`` takes what is sent at once."""

    def __init__(self, connection: Connection, *, reads: bool) -> None:
        self.connection = connection
        self.reads = reads
        self.received = bytearray()
        self.unread = 0
        self.most_unread = 0
        self.over = False
        self._high = self._low = 0
        connection.connection_made(self)

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        """When to call back."""
        self._high, self._low = high, low

    def write(self, data: bytes) -> None:
        """Keep what was sent."""
        self.received += data
        if self.reads:
            return
        before = self.unread
        self.unread += len(data)
        self.most_unread = max(self.most_unread, self.unread)
        if before <= self._high < self.unread:
            self.connection.pause_writing()

    def read_all(self) -> None:
        """Read what has been sent, and from now on all."""
        self.reads, self.unread = True, 0
        self.connection.resume_writing()

    def can_write_eof(self) -> bool:
        """It can."""
        return True

    def write_eof(self) -> None:
        """The server has said all that it wants to."""
        self.over = True

    def abort(self) -> None:
        """The end; told to the connection in the next turn, as the event loop does."""
        if not self.over or self.connection.open:
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)
        self.over = True

    def hang_up(self) -> None:
        """The client goes."""
        self.over = True
        self.connection.connection_lost(None)


class Honest:
    """Somebody who means well: what they have is what the document has."""

    def __init__(self, room: Room, wire: Wire | None = None) -> None:
        self.ydoc: Doc[Any] = Doc()
        self.text = self.ydoc.get("source", type=Text)
        self.cells: Array[Map[Any]] = self.ydoc.get("cells", type=Array)
        self.wire = wire or room.meet(trusted=False, reads=True, author="honest")
        self._own: list[bytes] = []
        self._quiet = True
        self._watching = self.ydoc.observe(self._changed)
        if wire is None:
            self._say(sync(SyncStep.STATE, b"\0"))
        self.read()
        self._quiet = False

    def _changed(self, event: Any) -> None:
        if not self._quiet:
            self._say(sync(SyncStep.UPDATE, event.update))

    def _say(self, message: bytes) -> None:
        self.wire.connection.data_received(frame(message))

    def leave(self) -> None:
        """Go, and be forgotten: a document is kept for as long as it is observed."""
        self.wire.hang_up()
        self.ydoc.unobserve(self._watching)

    def read(self) -> None:
        """Take in what has come."""
        data, at = bytes(self.wire.received), 0
        self.wire.received.clear()
        while at < len(data):
            size, head = data[at + 1], 2
            if size > 125:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[at + 2 : at + head], "big")
            opcode, message = data[at] & 15, data[at + head : at + head + size]
            at += head + size
            if opcode == 2 and message[0] == Kind.SYNC and message[1] != SyncStep.STATE:
                reader = Reader(message[2:])
                self._quiet, before = True, self._quiet
                self.ydoc.apply_update(reader.var_bytes())
                self._quiet = before


class Room:
    """A pad of a room, as guests and its host share it."""

    def __init__(self, kind: str) -> None:
        ydoc: Doc[Any] = Doc()
        ydoc.apply_update(first_history(kind, CONTENTS[kind]))
        self.kind = kind
        self.document: Any = YNotebook(ydoc) if kind == "notebook" else YUnicode(ydoc)
        self.tidy = Tidy(self.document)
        log = logging.getLogger("fuzz")
        log.disabled = True  # pytest would keep every error, with the bytes that led to it
        self.turns = Turns(Log(), timeout_seconds=90, active=lambda: None)  # type: ignore[arg-type]
        self.shared = SharedDocument(
            kind,
            ydoc,
            turns=self.turns,
            log=log,
            size=partial(size_of, self.document),
            size_limit_bytes=SIZE_LIMIT,
            tidy=self.tidy,
        )
        self.limiter = RateLimiter(DEFAULT_LIMITS, storage_url="memory://", log=log)
        self.shared.returns = Returns(self._returned, size_limit_bytes=SIZE_LIMIT)
        self.shared.returns.histories = histories(ydoc)
        self.shared.applies_later = kind == "file"
        self.shared.reads_alike = partial(laid_anew, self.document, kind)
        self.watch = Watch(self.document, self._changed)
        if self.shared.applies_later:
            self.watch.state()
        else:
            self.watch.all()
        self.tidy.start(now=True)
        self.shared.start()

    def _changed(self, target: str, event: Any) -> None:
        if target == "state":
            self.tidy.soon(lambda: None)
        self.tidy.changed(target, event)

    def _returned(self, client: SyncClient, state: bytes) -> bytes | None:
        ours = self.shared.ydoc.get_update()
        meeting = meet(self.kind, ours, state, untouched=False)
        if not client.may_edit:
            return meeting.theirs_emptied
        self.shared.ydoc.apply_update(meeting.update)
        self.tidy.look_again()
        return None

    def meet(
        self, *, trusted: bool, reads: bool, may_edit: bool = True, author: str = "hostile"
    ) -> Wire:
        """Somebody new."""
        connection = Connection(message_limit_bytes=MESSAGE_LIMIT, send_high_bytes=HIGH)
        wire = Wire(connection, reads=reads)
        SyncClient(
            connection,
            author=author,
            user={"name": "Somebody"},
            may_edit=may_edit,
            trusted=trusted,
            wants_acks=True,
            message_limit=None if trusted else self.limiter.for_socket(),
        ).start(self.shared)
        return wire

    def world(self) -> World:
        """What a hostile client knows of it."""
        self.shared.flush()
        ydoc = self.shared.ydoc
        state = ydoc.get_state()
        reader = Reader(state)
        client = reader.var_uint() and reader.var_uint()
        return World(ydoc.get_update(), state, client)

    def stop(self) -> None:
        """The end."""
        self.shared.stop()
        self.watch.stop()
