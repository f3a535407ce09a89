"""Rooms without a file: JupyterLab's list of who is there, and copies of documents."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from logging import Logger
from typing import Any

from anyio.abc import TaskStatus
from jupyter_server_ydoc.handlers import FORK_DOCUMENTS, FORK_ROOMS
from jupyter_server_ydoc.rooms import TransientRoom
from jupyter_server_ydoc.websocketserver import JupyterWebsocketServer
from pycrdt import Doc, Subscription

from .shared_document import SharedDocument
from .turns import Turns

COPY_GONE = 4410


class MemoryRoom(TransientRoom):  # type: ignore[misc]
    """A room of jupyter-collaboration's on our engine, of which nothing is kept.

    ``read_only``: it has no document, and is only about who is there.
    """

    _task_group: Any

    def __init__(
        self,
        room_id: str,
        *,
        turns: Turns,
        log: Logger,
        ydoc: Doc[Any] | None = None,
        read_only: bool = False,
    ) -> None:
        super().__init__(room_id, log)
        if ydoc is not None:
            self.ydoc = ydoc
        self.shared = SharedDocument(
            room_id,
            self.ydoc,
            turns=turns,
            log=log,
            clients=self.clients,
            logged=False,
            read_only=read_only,
        )
        self.shared.start()

    async def _start(self, task_status: TaskStatus[None]) -> None:
        task_status.started()
        self.started.set()
        self._task_group.start_soon(self._stopped.wait)

    async def stop(self) -> None:
        """End the room, for those who are in it too."""
        for client in list(self.shared.clients):
            client.close(COPY_GONE, "This copy is gone.")
        self.shared.stop()
        self._stopped.set()
        if self._task_group is not None:
            with suppress(RuntimeError):
                self._task_group.cancel_scope.cancel()
            self._task_group = None


@dataclass(frozen=True)
class Copy:
    """A copy of a document: for a timeline, or a fork (``synchronized``: follows its root)."""

    root: str
    timeline: bool
    root_ydoc: Doc[Any]
    room: MemoryRoom | None
    synchronized: Subscription | None = None


class Copies:
    """Bounds the copies that jupyter-collaboration keeps for as long as the server runs.

    ``limit``: copies of documents that may be there at a time. A timeline beyond it makes the
    oldest timeline go; a fork holds somebody's work, so one beyond it is refused.
    """

    def __init__(self, server: JupyterWebsocketServer, *, limit: int) -> None:
        self._server = server
        self._limit = limit
        self._copies: dict[str, Copy] = {}

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
            await copy.room.stop()
