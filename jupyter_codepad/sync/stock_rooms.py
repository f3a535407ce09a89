"""What we know of jupyter-collaboration's own rooms: who speaks in them, and their copies."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from jupyter_server_ydoc.handlers import FORK_DOCUMENTS, FORK_ROOMS
from jupyter_server_ydoc.websocketserver import JupyterWebsocketServer
from pycrdt import Doc, Subscription
from pycrdt.websocket import YRoom

COPY_GONE = 4410


@dataclass(frozen=True)
class Copy:
    """A copy of a document: for a timeline, or a fork (``synchronized``: follows its root)."""

    root: str
    timeline: bool
    root_ydoc: Doc[Any]
    room: YRoom | None
    synchronized: Subscription | None = None


class StockRooms:
    """Bounds what jupyter-collaboration keeps in module state for as long as the server runs.

    ``copies_limit``: copies of documents that may be there at a time. A timeline beyond it makes
    the oldest timeline go; a fork holds somebody's work, so one beyond it is refused.
    """

    def __init__(self, server: JupyterWebsocketServer, *, copies_limit: int) -> None:
        self._server = server
        self._limit = copies_limit
        self._copies: dict[str, Copy] = {}
        self._speakers: WeakKeyDictionary[YRoom, dict[int, object]] = WeakKeyDictionary()
        self.timeline_lock = asyncio.Lock()

    def speakers(self, room: YRoom) -> dict[int, object]:
        """The open sockets of a room by the Yjs client that each speaks for."""
        return self._speakers.setdefault(room, {})

    def __contains__(self, key: object) -> bool:
        return key in self._copies

    @property
    def full(self) -> bool:
        """Whether no other fork may be made."""
        return len(self._copies) >= self._limit

    async def add(self, key: str, copy: Copy) -> None:
        """Know of a copy; the oldest timelines make room for it."""
        self._copies[key] = copy
        timelines = [known for known, other in self._copies.items() if other.timeline]
        for oldest in timelines[: max(0, len(self._copies) - self._limit)]:
            await self.drop(oldest)

    async def drop_of(self, root: str) -> None:
        """Forget the copies of a document that is no longer in memory."""
        for key in [known for known, copy in self._copies.items() if copy.root == root]:
            await self.drop(key)

    async def drop(self, key: str) -> None:
        """Forget a copy and close the sockets on it."""
        copy = self._copies.pop(key, None)
        FORK_DOCUMENTS.pop(key, None)
        FORK_ROOMS.pop(key, None)
        self._server.rooms.pop(key, None)
        if copy is None:
            return
        if copy.synchronized is not None:
            copy.root_ydoc.unobserve(copy.synchronized)
        if copy.room is not None:
            for client in list(copy.room.clients):
                client.close(COPY_GONE, "This copy is gone.")  # type: ignore[attr-defined]
            with suppress(RuntimeError):  # it is not running, or not any more
                await copy.room.stop()
