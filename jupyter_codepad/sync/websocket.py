"""The sockets on documents: the room page's own, and the one that stands in for Lab's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.utils import ensure_async
from jupyter_server_ydoc.handlers import YDocWebSocketHandler
from jupyter_server_ydoc.utils import room_id_from_encoded_path
from tornado.ioloop import PeriodicCallback
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..access.identity import initials, jupyter_user
from ..access.roles import Permission
from ..errors import CodepadError, NotFound
from ..handlers import RoomHandler, close_code, requires_when_open
from ..rooms.access import Access, require_open
from ..storage.tables import RoomRecord
from .document_room import DocumentRoom
from .manager import DOCUMENT_NAMES, PAD
from .protocol import KEEP_ALIVE, ProtocolError, event_frame
from .shared_document import DocumentFull, SharedDocument

if TYPE_CHECKING:
    from ..app import CodepadApp

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
        try:
            if self.refusal is not None:
                raise self.refusal
            require_open(self.access.room)
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
        if access.refusal is not None:
            self.close(close_code(access.refusal), access.refusal.message)
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
            if not self.codepad.limiter.socket_hit(str(id(self))):
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


def may_edit_in_lab(access: Access | None) -> bool:
    """Whether a room leaves a Jupyter user the right to write that they have to its pad's file.

    The owner's file stays the owner's, after the end of the room too, and who has no part in the
    room is nobody whom it could restrict.
    """
    return access is None or access.owner or Permission.EDIT in access.permissions


class CollaborationHandler(SyncClientMixin, YDocWebSocketHandler):  # type: ignore[misc]
    """Stands in for jupyter-collaboration's own document socket, which JupyterLab uses.

    Nobody gets as far as building a document without being signed in, and the Origin is checked.
    A document that is the pad of a room becomes *our* document room, so that Lab and the room page
    share it; everything else stays as jupyter-collaboration does it.
    """

    trusted = True
    document_name = PAD
    may_write = False
    access: Access | None = None
    room_record: RoomRecord | None = None
    keep_alive: PeriodicCallback | None = None

    def initialize(self, codepad: CodepadApp, **stock: Any) -> None:
        """Take the composition root besides what jupyter-collaboration hands over."""
        super().initialize(**stock)
        self.codepad = codepad

    def check_origin(self, origin: str | None = None) -> bool:
        """Only pages of this server (or allowed by its CORS settings) may connect."""
        return bool(WebSocketMixin.check_origin(self, origin))

    async def prepare(self) -> None:
        """Sign in first; then make sure that a pad's document room is ours."""
        await self.codepad.started.wait()
        await JupyterHandler.prepare(self, _redirect_to_login=False)
        if self.current_user is None:
            raise HTTPError(403)
        key = room_id_from_encoded_path(self.request.path)
        self.room_record = await self.codepad.documents.pad_room(key)
        if self.room_record is not None:
            await self._become_participant(self.room_record)
            try:
                await self.codepad.documents.prepare_collaboration_room(key)
            except CodepadError as error:
                raise HTTPError(error.status_code, error.message) from error
        await super().prepare()

    async def _become_participant(self, room: RoomRecord) -> None:
        user = jupyter_user(
            self.current_user, self.identity_provider, local_name=self.codepad.host_name
        )
        self.access = await self.codepad.doors.access_for_user(user, room.id)
        self.author = self.access.participant.id if self.access else f"user:{user.username}"
        self.awareness_user = (
            user_state(self.access)
            if self.access
            else self.identity_provider.identity_model(self.current_user)
        )
        self.may_write = bool(
            await ensure_async(
                self.authorizer.is_authorized(self, self.current_user, "write", "contents")
            )
        )
        self.may_edit = self.may_write and may_edit_in_lab(self.access)

    async def open(self, room_id: str) -> None:
        """Attach as jupyter-collaboration does, and be seen in the room."""
        self.set_nodelay(True)
        if isinstance(self.room, DocumentRoom):
            self.codepad.documents.keep(self.room)
            self.keep_alive = PeriodicCallback(self._keep_alive, KEEP_ALIVE_SECONDS * 1000)
            self.keep_alive.start()
        await super().open(room_id)
        if self.access is not None and self.room_record is not None:
            self.codepad.news.presence.connect(
                self.room_record.id, self.access.participant.id, self
            )

    async def on_message(self, message: str | bytes) -> None:
        """Queue a frame, as jupyter-collaboration does."""
        self.codepad.note_activity()
        if isinstance(message, bytes) and message:
            await super().on_message(message)

    def on_close(self) -> None:
        """Leave the document and the room."""
        if self.keep_alive is not None:
            self.keep_alive.stop()
        if self.access is not None and self.room_record is not None:
            self.codepad.news.presence.disconnect(
                self.room_record.id, self.access.participant.id, self
            )
        super().on_close()

    def notify(self, message: str) -> None:
        """Lab's own client does not know our news; the Codepad panel asks for them itself."""

    def access_changed(self, access: Access) -> None:
        """Hold to what this person may do in the room from now on."""
        self.access = access
        self.awareness_user = user_state(access)
        self.may_edit = self.may_write and may_edit_in_lab(access)
        if isinstance(self.room, DocumentRoom):
            self.room.shared.user_changed(self)

    def did_something(self) -> None:
        """Be shown as active."""
        if self.access is not None:
            self.codepad.news.active(self.access.room.id, self.access.participant.id)

    def edit_refused(self) -> None:
        """Say so in Lab, whose editor goes on showing what the document does not have."""
        words = "You may not change this room’s pad now. Close it and open it again to see it."
        reason = {"reason": "codepad", "reloadable": False, "errorReason": words}
        self.close(1003, json.dumps(reason))

    def cut(self, code: int, reason: str) -> None:
        """The file is the user's own: the end of a room does not close their editor in Lab."""

    def _keep_alive(self) -> None:
        if not self.sent_lately:
            self.write_message(KEEP_ALIVE, binary=True)
        self.sent_lately = False
