"""jupyter-collaboration's routes for timelines and forks, with a bound and without rooms' pads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jupyter_server.auth.decorator import authorized
from jupyter_server_ydoc.handlers import (
    FORK_DOCUMENTS,
    FORK_ROOMS,
    DocForkHandler,
    TimelineHandler,
    UndoRedoHandler,
)
from jupyter_server_ydoc.rooms import DocumentRoom as StockDocumentRoom
from jupyter_server_ydoc.utils import SERVER_SESSION
from pycrdt import Doc
from pycrdt.websocket import YRoom
from tornado import web

from .document_room import DocumentRoom
from .stock_rooms import Copy, StockRooms

if TYPE_CHECKING:
    from ..app import CodepadApp

WORDS_LIMIT = 1000
STEPS_LIMIT = 100_000


class CopiesMixin:
    """What the three handlers share."""

    codepad: CodepadApp
    stock_rooms: StockRooms

    def initialize(self, codepad: CodepadApp, stock_rooms: StockRooms, **stock: Any) -> None:
        """Take the composition root besides what jupyter-collaboration hands over."""
        super().initialize(**stock)  # type: ignore[misc]
        self.codepad = codepad
        self.stock_rooms = stock_rooms

    def root_room(self, server: Any, key: str) -> StockDocumentRoom:
        """The document to copy. Raises 404, and 409 for the pad of a room.

        A copy of a pad would be outside of its room's rules: who may see it, how large it may
        become, and that everything in it is logged.
        """
        room = server.rooms.get(key)
        if isinstance(room, DocumentRoom):
            raise web.HTTPError(409, "The pad of a room has no timeline and no forks.")
        if not isinstance(room, StockDocumentRoom):
            raise web.HTTPError(404, "Room not found")
        return room


class BoundedTimelineHandler(CopiesMixin, TimelineHandler):  # type: ignore[misc]
    """``api/collaboration/timeline/<path>``: a copy of a document to go back in."""

    @web.authenticated
    @authorized
    async def get(self, path: str) -> None:
        """Make the copy as jupyter-collaboration does; of too many the oldest goes."""
        form, kind = self.get_query_argument("format"), self.get_query_argument("type")
        root = f"{form}:{kind}:{self.settings['file_id_manager'].get_id(path)}"
        room = self.root_room(self.ywebsocket_server, root)
        if room.ystore is None:
            raise web.HTTPError(404, "This document has no history.")
        async with self.stock_rooms.timeline_lock:
            before = set(FORK_DOCUMENTS)
            try:
                await super().get(path)
            finally:
                for key in set(FORK_DOCUMENTS) - before:
                    made = self.ywebsocket_server.rooms.get(key)
                    await self.stock_rooms.add(key, Copy(root, True, room.ydoc, made))
                    if made is None:
                        await self.stock_rooms.drop(key)


class BoundedUndoRedoHandler(CopiesMixin, UndoRedoHandler):  # type: ignore[misc]
    """``api/collaboration/undo_redo/<room>``: steps in a timeline's copy."""

    @web.authenticated
    @authorized
    async def put(self, room_id: str) -> None:
        """Step as jupyter-collaboration does, when the request makes sense."""
        steps = self.get_query_argument("steps")
        if self.get_query_argument("action") not in {"undo", "redo", "restore"}:
            raise web.HTTPError(400, "The action is undo, redo or restore.")
        if not steps.isascii() or not steps.isdigit() or not 0 <= int(steps) <= STEPS_LIMIT:
            raise web.HTTPError(400, "The number of steps cannot be read.")
        if self.get_query_argument("forkRoom") not in self.stock_rooms:
            raise web.HTTPError(404, "Fork document not found")
        await super().put(room_id)


class BoundedForkHandler(CopiesMixin, DocForkHandler):  # type: ignore[misc]
    """``api/collaboration/fork/<room>``: copies of a document to work on apart."""

    @web.authenticated
    @authorized
    async def put(self, root_roomid: str) -> None:
        """Make a fork; beyond the limit it is refused with 429."""
        root = self.root_room(self._websocket_server, root_roomid)
        if self.stock_rooms.full:
            raise web.HTTPError(429, "There are too many forks on this server. Delete some first.")
        model = self.get_json_body() or {}
        if not isinstance(model, dict):
            raise web.HTTPError(400, "The request is not a JSON object.")
        fork: Doc[Any] = Doc()
        fork.apply_update(root.ydoc.get_update())
        follow = (
            root.ydoc.observe(lambda event: fork.apply_update(event.update))
            if model.get("synchronize") is True
            else None
        )
        info = {
            "root_roomid": root_roomid,
            "synchronize": follow is not None,
            "title": str(model.get("title", ""))[:WORDS_LIMIT],
            "description": str(model.get("description", ""))[:WORDS_LIMIT],
        }
        key = uuid4().hex
        FORK_ROOMS[key] = info
        room = YRoom(ydoc=fork, log=self.log)
        self._websocket_server.add_room(key, room)
        await self.stock_rooms.add(key, Copy(root_roomid, False, root.ydoc, room, follow))
        await self._websocket_server.start_room(room)
        self._emit_fork_event(self.current_user.username, key, info, "create")
        self.set_status(201)
        answer = {"sessionId": SERVER_SESSION, "fork_roomid": key, "fork_info": info}
        self.finish(json.dumps(answer))

    @web.authenticated
    @authorized
    async def delete(self, fork_roomid: str) -> None:
        """Delete a fork, merged into its document or not; nothing of it is kept."""
        info = FORK_ROOMS.get(fork_roomid)
        if info is None or fork_roomid not in self.stock_rooms:
            raise web.HTTPError(404, "Fork room not found")
        if self.get_query_argument("merge") == "true":
            self.root_room(self._websocket_server, info["root_roomid"])
        try:
            await super().delete(fork_roomid)
        finally:
            await self.stock_rooms.drop(fork_roomid)
