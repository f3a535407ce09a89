"""The room page's own socket on documents, and what it shares with the one of JupyterLab."""

from __future__ import annotations

from typing import Any

from jupyter_server.base.websocket import WebSocketMixin
from tornado.ioloop import PeriodicCallback
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..access.identity import initials
from ..access.rate_limit import SocketLimit
from ..access.roles import Permission
from ..errors import CodepadError, NotFound
from ..handlers import RoomHandler, close_code, requires_when_open
from ..rooms.access import Access, require_open
from .document_room import DocumentRoom
from .manager import DOCUMENT_NAMES, PAD
from .protocol import KEEP_ALIVE, ProtocolError, event_frame
from .shared_document import DocumentFull, SharedDocument

KEEP_ALIVE_SECONDS = 20.0

FRAME_OVERHEAD_BYTES = 4096
"""What a frame may have on top of the text it carries."""

DOCUMENT_FULL = 4413
MALFORMED = 4400
TOO_SLOW = 1013
TOO_LARGE = 1009
TOO_MANY = 4429
FRAME_READ_FACTOR = 8


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


class SyncClientMixin:
    """What a ``SharedDocument`` asks of a socket."""

    trusted = False
    wants_acks = False
    client_id: int | None = None
    updates_received = 0
    author = ""
    may_edit = False
    awareness_user: dict[str, Any]
    send_buffer_limit = 16 * 1024 * 1024
    sent_lately = False
    tells_news = False

    def queue(self, frame: bytes) -> None:
        """Queue a frame; a client that reads too slowly is cut and comes back with a fresh sync."""
        connection = self.ws_connection  # type: ignore[attr-defined]
        if connection is None or connection.is_closing():
            return
        self.sent_lately = True
        try:
            self.write_message(frame, binary=True)  # type: ignore[attr-defined]
        except WebSocketClosedError:
            return
        stream = getattr(connection, "stream", None)
        if stream is not None and len(stream._write_buffer) > self.send_buffer_limit:
            self.close(TOO_SLOW, "Your connection is too slow.")  # type: ignore[attr-defined]

    def notify(self, message: str) -> None:
        """Send news of the room to clients that asked for them."""
        if self.tells_news:
            self.queue(event_frame(message))

    def did_something(self) -> None:
        """Nobody asks, unless this socket is of a participant."""

    def edit_refused(self) -> None:
        """A client of ours is told; others go on with what they have."""


class SyncHandler(SyncClientMixin, WebSocketMixin, WebSocketHandler, RoomHandler):
    """``codepad/rooms/<id>/documents/<name>/sync``: stock Yjs frames for one document of a room.

    Refusals come as WebSocket close codes after the upgrade, because a browser cannot read the
    status of a refused one: 4401 not signed in, 4403 not allowed, 4404 no such room or document,
    4410 closed, 4411 expired, 4412 deleted, 4413 document full, 4400 malformed frame, 1009 frame
    too large, 4425 still in the lobby, 4429 too many frames. ``?acks=1`` asks for our own frames:
    acknowledgements and, on the pad or with ``&news=1``, news of the room.
    """

    document_name = PAD

    message_limit: SocketLimit
    document: SharedDocument | None = None
    pad: DocumentRoom | None = None
    keep_alive: PeriodicCallback | None = None

    @property
    def frame_limit(self) -> int:
        """Largest frame that is accepted, in bytes."""
        return int(self.codepad.message_limit_bytes) + FRAME_OVERHEAD_BYTES

    @property
    def max_message_size(self) -> int:
        """Largest frame that is read at all, in bytes.

        Tornado resets the connection above it, and the browser never learns why; so that a frame
        only somewhat too large gets a close code and words, it is read to its end and then refused.
        """
        return FRAME_READ_FACTOR * self.frame_limit

    @requires_when_open(Permission.VIEW, summary="Live document of a room (WebSocket, Yjs)")
    async def get(self, *args: Any, **kwargs: Any) -> None:
        await WebSocketHandler.get(self, *args, **kwargs)

    async def open(self, room_id: str, name: str) -> None:
        """Attach to the document, or close with the reason why not."""
        super().open(room_id, name)
        self.set_nodelay(True)
        self.message_limit = self.codepad.limiter.for_socket()
        try:
            if self.refusal is not None:
                raise self.refusal
            require_open(self.access.room)
            self.codepad.news.require_place(self.access)
            await self._attach(name)
        except CodepadError as error:
            self.close(close_code(error), error.message)

    async def _attach(self, name: str) -> None:
        documents = self.codepad.documents
        if name not in DOCUMENT_NAMES:
            raise NotFound("document_not_found", f"This room has no document “{name}”.")
        if name == PAD:
            self.pad = await documents.open_pad(self.access.room)
            documents.keep(self.pad)
            document = self.pad.shared
        else:
            document = await documents.open_runs(self.access.room.id)
        if self.ws_connection is None or self.ws_connection.is_closing():
            if self.pad is not None:
                documents.release(self.pad)
            return
        person = self.access.participant
        self.author = person.id
        self.awareness_user = user_state(self.access)
        self.may_edit = Permission.EDIT in self.access.permissions
        self.wants_acks = self.get_query_argument("acks", "") == "1"
        wanted = self.get_query_argument("news", "") == "1"
        self.tells_news = self.wants_acks and (name == PAD or wanted)
        self.document_name = name
        document.attach(self)
        self.document = document
        if name == PAD and Permission.RUN in self.access.permissions:
            self.codepad.runs.warm(self.codepad.run_room(self.access.room))
        self.keep_alive = PeriodicCallback(self._keep_alive, KEEP_ALIVE_SECONDS * 1000)
        self.keep_alive.start()
        news = self.codepad.news
        news.presence.connect(self.access.room.id, person.id, self)
        # What was changed while the document was opened is not missed: it is looked up once more.
        if self.tells_news:
            news.own(news.greet(self.access, self))
        news.own(news.apply(self.access.room.id, person.id))

    def access_changed(self, access: Access) -> None:
        """Hold to what this person may do from now on, and show the others who they are."""
        self.access = access
        refusal = access.refusal or access.end
        if refusal is not None:
            self.close(close_code(refusal), refusal.message)
            return
        self.may_edit = Permission.EDIT in access.permissions
        user = user_state(access)
        if user != self.awareness_user and self.document is not None:
            self.awareness_user = user
            self.document.user_changed(self)

    def did_something(self) -> None:
        """Be shown as active."""
        self.codepad.news.active(self.access.room.id, self.author)

    def edit_refused(self) -> None:
        """Tell a client of ours that it has something that the document has not."""
        self.notify('{"type":"refused"}')

    def on_message(self, message: str | bytes) -> None:
        """Hand a frame to the document; what cannot be read closes this socket and no other."""
        if self.document is None:
            return
        self.codepad.note_activity()
        try:
            if isinstance(message, str):
                raise ProtocolError("frames here are binary")
            if len(message) > self.frame_limit:
                self.close(TOO_LARGE, "That is more than can be sent at once.")
                return
            if not self.message_limit.hit():
                self.close(
                    TOO_MANY, "That was too much at once. The connection comes back by itself."
                )
                return
            self.document.receive(self, message)
        except DocumentFull:
            self.close(DOCUMENT_FULL, "This pad is full: it cannot hold that much text.")
        except ProtocolError as error:
            self.close(MALFORMED, str(error)[:120])

    def on_close(self) -> None:
        """Leave the document."""
        super().on_close()
        if self.keep_alive is not None:
            self.keep_alive.stop()
        if self.document is None:
            return
        self.document.detach(self)
        self.document = None
        self.codepad.news.presence.disconnect(self.access.room.id, self.access.participant.id, self)
        if self.pad is not None:
            self.codepad.documents.release(self.pad)

    def cut(self, code: int, reason: str) -> None:
        """End this way into the room."""
        self.close(code, reason)

    def _keep_alive(self) -> None:
        if not self.sent_lately:
            self.queue(KEEP_ALIVE)
        self.sent_lately = False
