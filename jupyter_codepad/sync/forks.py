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
from jupyter_server_ydoc.utils import SERVER_SESSION
from pycrdt import Doc
from tornado import web

from .content import make_document
from .document_room import DocumentRoom
from .memory_rooms import Copies, Copy, MemoryRoom

if TYPE_CHECKING:
    from ..app import CodepadApp

WORDS_LIMIT = 1000
STEPS_LIMIT = 100_000


class CopiesMixin:
    """What the three handlers share."""

    codepad: CodepadApp
    copies: Copies

    def initialize(self, codepad: CodepadApp, copies: Copies, **stock: Any) -> None:
        """Take the composition root besides what jupyter-collaboration hands over."""
        super().initialize(**stock)  # type: ignore[misc]
        self.codepad = codepad
        self.copies = copies

    def root_room(self, server: Any, key: str) -> DocumentRoom:
        """The document to copy. Raises 404, and 409 for the pad of a room.

        A copy of a pad would be outside of its room's rules: who may see it, how large it may
        become, and that everything in it is logged.
        """
        room = server.rooms.get(key)
        if not isinstance(room, DocumentRoom):
            raise web.HTTPError(404, "Room not found")
        if room.guarded:
            raise web.HTTPError(409, "The pad of a room has no timeline and no forks.")
        room.shared.flush()
        return room

    def memory_room(self, key: str, ydoc: Doc[Any]) -> MemoryRoom:
        """A room for a copy."""
        return MemoryRoom(key, turns=self.codepad.documents.turns, log=self.codepad.log, ydoc=ydoc)


class BoundedTimelineHandler(CopiesMixin, TimelineHandler):  # type: ignore[misc]
    """``api/collaboration/timeline/<path>``: a copy of a document to go back in."""

    @web.authenticated
    @authorized
    async def get(self, path: str) -> None:
        """Make the copy from our log, as jupyter-collaboration does; of too many the oldest goes.

        Each step of its undo manager is one entry of the log: ``timestamps``, ISO times.
        """
        form, kind = self.get_query_argument("format"), self.get_query_argument("type")
        root = f"{form}:{kind}:{self.settings['file_id_manager'].get_id(path)}"
        room = self.root_room(self.ywebsocket_server, root)
        await room.shared.durable()
        past = await self.codepad.update_log.past(root)
        copy: Doc[Any] = Doc()
        document = make_document(kind, copy)
        timestamps = []
        for moment, content in past:
            steps = len(document.undo_manager.undo_stack)
            copy.apply_update(content)
            if len(document.undo_manager.undo_stack) > steps:
                timestamps.append(moment)
        key = uuid4().hex
        made = self.memory_room(key, copy)
        FORK_DOCUMENTS[key] = document
        self.ywebsocket_server.add_room(key, made)
        await self.copies.add(key, Copy(root, True, room.ydoc, made))
        await self.ywebsocket_server.start_room(made)
        answer = {
            "roomId": root,
            "timestamps": timestamps,
            "forkRoom": key,
            "sessionId": SERVER_SESSION,
        }
        self.finish(json.dumps(answer))


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
        if self.get_query_argument("forkRoom") not in self.copies:
            raise web.HTTPError(404, "Fork document not found")
        await super().put(room_id)


class BoundedForkHandler(CopiesMixin, DocForkHandler):  # type: ignore[misc]
    """``api/collaboration/fork/<room>``: copies of a document to work on apart."""

    @web.authenticated
    @authorized
    async def put(self, root_roomid: str) -> None:
        """Make a fork; beyond the limit it is refused with 429."""
        root = self.root_room(self._websocket_server, root_roomid)
        if self.copies.full:
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
        room = self.memory_room(key, fork)
        self._websocket_server.add_room(key, room)
        await self.copies.add(key, Copy(root_roomid, False, root.ydoc, room, follow))
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
        if info is None or fork_roomid not in self.copies:
            raise web.HTTPError(404, "Fork room not found")
        if self.get_query_argument("merge") == "true":
            self.root_room(self._websocket_server, info["root_roomid"])
        try:
            await super().delete(fork_roomid)
        finally:
            await self.copies.drop(fork_roomid)
