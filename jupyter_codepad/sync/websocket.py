"""The room page's own socket on documents."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jupyter_server.base.websocket import WebSocketMixin

from ..access.identity import initials
from ..access.roles import Permission
from ..errors import CodepadError, NotFound
from ..handlers import RoomHandler, close_code, requires_when_open
from ..rooms.access import Access, require_open
from .client import SyncClient
from .connection import Connection
from .document_room import DocumentRoom
from .manager import DOCUMENT_NAMES, PAD
from .protocol import event_frame
from .upgrade import upgrade

if TYPE_CHECKING:
    from ..app import CodepadApp

FRAME_OVERHEAD_BYTES = 4096
"""What a frame may have on top of the text it carries."""


def user_state(access: Access) -> dict[str, Any]:
    """Who a participant is, in the shape of JupyterLab's awareness ``user``."""
    person = access.participant
    return {
        "username": person.username or f"guest:{person.id}",
        "name": person.name,
        "display_name": person.marked_name,
        "initials": initials(person.name),
        "color": person.color,
        "avatar_url": None,
        "participant_id": person.id,
        "role": person.role.value,
        "guest": person.guest,
    }


class RoomClient(SyncClient):
    """A participant's open socket on one document of their room."""

    __slots__ = ("_codepad", "_missed_news", "_pad", "_room_id", "document_name", "tells_news")

    def __init__(
        self, connection: Connection, codepad: CodepadApp, access: Access, name: str, **about: Any
    ) -> None:
        super().__init__(
            connection,
            author=access.participant.id,
            user=user_state(access),
            may_edit=Permission.EDIT in access.permissions,
            message_limit=codepad.limiter.for_socket(),
            wants_acks=about["acks"],
        )
        self._codepad = codepad
        self._room_id = access.room.id
        self._pad: DocumentRoom | None = None
        self._missed_news = False
        self.document_name = name
        self.tells_news = about["acks"] and (name == PAD or about["news"])

    async def join(self, access: Access) -> None:
        """Attach to the document, and be seen in the room. Raises ``CodepadError``."""
        codepad, documents = self._codepad, self._codepad.documents
        if self.document_name == PAD:
            self._pad = await documents.open_pad(access.room)
            documents.keep(self._pad)
            document = self._pad.shared
        else:
            document = await documents.open_runs(access.room.id)
        self.start(document)
        if self.document is None:  # the line was lost meanwhile
            return
        if self._pad is not None:
            codepad.warm_up(access)
        codepad.news.presence.connect(self._room_id, self.author, self)
        # What was changed while the document was opened is not missed: it is looked up once more.
        if self.tells_news:
            codepad.news.own(codepad.news.greet(access, self))
        codepad.news.own(codepad.news.apply(self._room_id, self.author))

    def access_changed(self, access: Access) -> None:
        """Hold to what this person may do from now on, and show the others who they are."""
        refusal = access.refusal or access.end
        if refusal is not None:
            self.close(close_code(refusal), refusal.message)
            return
        self.may_edit = Permission.EDIT in access.permissions
        user = user_state(access)
        if user != self.user and self.document is not None:
            self.user = user
            self.document.states.user_changed(self)
        if self._missed_news and self.behind is None:
            self._missed_news = False
            self._codepad.news.own(self._codepad.news.greet(access, self))

    def notify(self, message: str) -> None:
        """Send news of the room to clients that asked for them."""
        if self.behind is not None:
            self._missed_news = True
        elif self.tells_news:
            self.send(event_frame(message))

    def drained(self) -> None:
        """The client has read what was sent; it hears the news that it missed."""
        super().drained()
        if self._missed_news:
            news = self._codepad.news
            news.own(news.apply(self._room_id, self.author, what=()))

    def did_something(self) -> None:
        """Be shown as active."""
        self._codepad.news.active(self._room_id, self.author)

    def edit_refused(self) -> None:
        """Tell a client of ours that it has something that the document has not."""
        self.notify('{"type":"refused"}')

    def tell_conflict(self) -> None:
        """Have the page look for what there is to choose."""
        self.notify('{"type":"conflict"}')

    def lost(self) -> None:
        """Leave the document and the room."""
        was_here = self.document is not None
        super().lost()
        if was_here:
            self._codepad.news.presence.disconnect(self._room_id, self.author, self)
        if self._pad is not None:
            self._codepad.documents.release(self._pad)

    def cut(self, code: int, reason: str) -> None:
        """End this way into the room."""
        self.close(code, reason)


class SyncHandler(WebSocketMixin, RoomHandler):
    """``codepad/rooms/<id>/documents/<name>/sync``: stock Yjs frames for one document of a room.

    Refusals come as WebSocket close codes after the upgrade, because a browser cannot read the
    status of a refused one: 4401 not signed in, 4403 not allowed, 4404 no such room or document,
    4410 closed, 4411 expired, 4412 deleted, 4413 document full, 4400 malformed frame, 1009 frame
    too large, 4425 still in the lobby, 4429 too many frames. ``?acks=1`` asks for our own frames:
    acknowledgements and, on the pad or with ``&news=1``, news of the room.
    """

    @requires_when_open(Permission.VIEW, summary="Live document of a room (WebSocket, Yjs)")
    async def get(self, room_id: str, name: str) -> None:
        """Sign in, then go on as a ``RoomClient``."""
        if not self.check_origin():
            self.set_status(403)
            return
        connection = Connection(
            message_limit_bytes=int(self.codepad.message_limit_bytes) + FRAME_OVERHEAD_BYTES,
            send_high_bytes=int(self.codepad.send_buffer_bytes),
        )
        asks = {name: self.get_query_argument(name, "") == "1" for name in ("acks", "news")}
        await upgrade(self, connection)
        try:
            if self.refusal is not None:
                raise self.refusal
            require_open(self.access.room)
            self.codepad.news.require_place(self.access)
            if name not in DOCUMENT_NAMES:
                raise NotFound("document_not_found", f"This room has no document “{name}”.")
            client = RoomClient(connection, self.codepad, self.access, name, **asks)
            # Not with this task: a document that it loads must not end with it.
            await asyncio.shield(client.join(self.access))
        except CodepadError as error:
            connection.close(close_code(error), error.message)
