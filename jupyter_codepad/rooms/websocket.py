"""The socket of the lobby: it says when somebody is let in, and nothing of the room."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.base.websocket import WebSocketMixin
from tornado.websocket import WebSocketHandler

from ..access.rate_limit import SocketLimit
from ..errors import CodepadError
from ..handlers import RoomHandler, close_code, requires_when_open
from .access import Access, Standing, require_open
from .handlers import ROOM

WORDS = {
    "waiting": "The host has been told that you want to join.",
    "prepared": "This room is not open yet.",
    "in": "You are let in.",
    "denied": "The host did not let you in.",
}
DENIED = 4403
TOO_MANY = 4429


class LobbyHandler(WebSocketMixin, WebSocketHandler, RoomHandler):
    """``codepad/rooms/<id>/lobby``: JSON texts ``{state, words, opens_at}`` for those who wait.

    States: ``waiting`` (somebody has to let them in), ``prepared`` (the room is not open yet),
    ``in`` (they can enter now), ``denied`` and ``gone`` (nothing more will come). What a client
    sends is ignored.
    """

    document_name = "lobby"
    connected = False
    message_limit: SocketLimit
    max_message_size = 1024

    @requires_when_open(None, summary="Wait in the lobby of a room (WebSocket, JSON)")
    async def get(self, *args: Any, **kwargs: Any) -> None:
        await WebSocketHandler.get(self, *args, **kwargs)

    async def open(self, room_id: str) -> None:
        """Begin to wait, or close with the reason why not."""
        super().open(room_id)
        self.message_limit = self.codepad.limiter.for_socket()
        try:
            if self.refusal is not None:
                raise self.refusal
            require_open(self.access.room)
            self.codepad.news.require_place(self.access)
        except CodepadError as error:
            self.cut(close_code(error), error.message)
            return
        self.connected = True
        self.codepad.news.lobby.connect(room_id, self.access.participant.id, self)
        self.access_changed(self.access)
        # Somebody may have been let in between the look at the door and now.
        self.codepad.news.own(self.codepad.news.apply(room_id, self.access.participant.id))

    def on_message(self, message: str | bytes) -> None:
        """There is nothing to say in the lobby; who says much is sent away."""
        if not self.message_limit.hit():
            self.close(TOO_MANY)

    def on_close(self) -> None:
        """Be shown as gone."""
        super().on_close()
        if self.connected:
            self.codepad.news.lobby.disconnect(
                self.access.room.id, self.access.participant.id, self
            )

    def notify(self, message: str) -> None:
        """News of the room are not for those who wait."""

    def access_changed(self, access: Access) -> None:
        """Tell what the person waits for now."""
        standing = access.participant.standing
        if standing is Standing.WAITING:
            self._tell("waiting", access)
        elif standing is not Standing.IN:
            self._tell("denied", access)
            self.close(DENIED, WORDS["denied"])
        else:
            self._tell("in" if access.refusal is None else "prepared", access)

    def cut(self, code: int, reason: str) -> None:
        """End the waiting."""
        if self.ws_connection is not None and not self.ws_connection.is_closing():
            self.write_message(json.dumps({"state": "gone", "words": reason, "opens_at": None}))
            self.close(code, reason)

    def _tell(self, state: str, access: Access) -> None:
        if self.ws_connection is None or self.ws_connection.is_closing():
            return
        opens_at = access.room.opens_at.isoformat() if access.room.opens_at else None
        message = {"state": state, "words": WORDS[state], "opens_at": opens_at}
        self.write_message(json.dumps(message))


ROUTES = [(rf"rooms/{ROOM}/lobby", LobbyHandler)]
