"""JupyterLab's document socket: the gate in front of every document of the server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.utils import ensure_async
from jupyter_server_ydoc.handlers import YDocWebSocketHandler
from jupyter_server_ydoc.rooms import TransientRoom
from pycrdt import Channel
from pycrdt.websocket import YRoom
from tornado.ioloop import PeriodicCallback
from tornado.web import HTTPError

from ..access.identity import jupyter_user
from ..access.roles import Permission
from ..errors import CodepadError
from ..rooms.access import Access
from ..storage.tables import RoomRecord
from .document_room import DocumentRoom
from .manager import PAD
from .protocol import (
    KEEP_ALIVE,
    AwarenessEntry,
    Kind,
    ProtocolError,
    Reader,
    SyncStep,
    awareness_frame,
    check_counts,
    read_awareness,
)
from .stock_rooms import StockRooms
from .websocket import KEEP_ALIVE_SECONDS, MALFORMED, TOO_LARGE, SyncClientMixin, user_state

if TYPE_CHECKING:
    from ..app import CodepadApp

TRANSIENT_ROOMS = frozenset({"JupyterLab:globalAwareness"})
"""Rooms without a document that JupyterLab opens; no other may be made."""

DOCUMENT_KEY = re.compile(r"(?:text|json|base64):[^:/%\s]{1,64}:(?P<file_id>[A-Za-z0-9-]{1,64})")
READ_FACTOR = 2
ENTRIES_LIMIT = 4096
COLOR = re.compile(r"var\(--jp-collaborator-color[0-9]\)|#[0-9a-fA-F]{3,8}")
"""Colours that JupyterLab picks for people whom the server gives none."""


def may_edit_in_lab(access: Access | None) -> bool:
    """Whether a room leaves a Jupyter user the right to write that they have to its pad's file.

    The owner's file stays the owner's, after the end of the room too, and who has no part in the
    room is nobody whom it could restrict.
    """
    return access is None or access.owner or Permission.EDIT in access.permissions


class SpokenFrame(bytes):
    """An awareness frame on its way to everybody, which does not go back to who said it."""

    speaker: object


class CollaborationHandler(SyncClientMixin, YDocWebSocketHandler):  # type: ignore[misc]
    """Stands in for jupyter-collaboration's own document socket, which JupyterLab uses.

    Nobody gets as far as building a document without the right to read it, and the Origin is
    checked. A document that is the pad of a room becomes *our* document room, so that Lab and the
    room page share it. Every other document stays jupyter-collaboration's, behind a gate: frames
    are read before they are queued, updates and saves need the right to write, a socket speaks for
    one Yjs client under the server's name of its user, and a frame that cannot be read closes its
    sender (4400) and nobody else.
    """

    trusted = True
    document_name = PAD
    may_write = False
    access: Access | None = None
    room_record: RoomRecord | None = None
    keep_alive: PeriodicCallback | None = None
    clock = 0

    def initialize(self, codepad: CodepadApp, stock_rooms: StockRooms, **stock: Any) -> None:
        """Take the composition root besides what jupyter-collaboration hands over."""
        super().initialize(**stock)
        self.codepad = codepad
        self.stock_rooms = stock_rooms
        self.frame_limit = int(codepad.collaboration_message_limit_bytes)
        self.send_buffer_limit = READ_FACTOR * self.frame_limit

    @property
    def max_message_size(self) -> int:
        """Largest frame that is read at all, in bytes; see ``SyncHandler.max_message_size``."""
        return READ_FACTOR * self.frame_limit

    def check_origin(self, origin: str | None = None) -> bool:
        """Only pages of this server (or allowed by its CORS settings) may connect."""
        return bool(WebSocketMixin.check_origin(self, origin))

    # -- before the socket opens -----------------------------------------------------------------

    async def prepare(self) -> None:
        """Look who is asking and for what; only then may a document be built."""
        await self.codepad.started.wait()
        await JupyterHandler.prepare(self, _redirect_to_login=False)
        await self._admit()
        key = self._document_key()
        # The parent takes the room's name from here, percent-encoded or not.
        self.request.path = f"{self.request.path.rpartition('/')[0]}/{key}"
        self.room_record = await self.codepad.documents.pad_room(key)
        if self.room_record is None and await self.codepad.documents.is_pad(key):
            # A second document on one file: each would overwrite what the other saves.
            raise HTTPError(409, "This file is the pad of a room, as another kind of document.")
        await self._introduce(self.room_record)
        if self.room_record is not None:
            try:
                await self.codepad.documents.prepare_collaboration_room(key)
            except CodepadError as error:
                raise HTTPError(error.status_code, error.message) from error
        await super().prepare()
        # Before anything else happens: a room that waits to be removed must not be, now that this
        # socket is about to enter it. Else the next one would be in another room of that name.
        cleaner = getattr(self.room, "cleaner", None)
        if cleaner is not None:
            cleaner.cancel()
        if not isinstance(self.room, DocumentRoom):
            self.room.on_message_error = self._message_failed

    async def _admit(self) -> None:
        if self.current_user is None or not await self._may("read"):
            raise HTTPError(403)
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise HTTPError(400, "This is a WebSocket.")
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.check_origin(origin):
            raise HTTPError(403)

    async def _may(self, action: str) -> bool:
        return bool(
            await ensure_async(
                self.authorizer.is_authorized(self, self.current_user, action, self.auth_resource)
            )
        )

    def _document_key(self) -> str:
        """The room's name. Raises 404 unless it is a known file's, a fork's or one of Lab's own."""
        key = unquote(self.request.path.rpartition("/")[2])
        if key in TRANSIENT_ROOMS or key in self.stock_rooms:
            return key
        document = DOCUMENT_KEY.fullmatch(key)
        if document is None or self._file_id_manager.get_path(document["file_id"]) is None:
            raise HTTPError(404, "There is no such document.")
        return key

    async def _introduce(self, room: RoomRecord | None) -> None:
        user = jupyter_user(
            self.current_user, self.identity_provider, local_name=self.codepad.host_name
        )
        if room is not None:
            self.access = await self.codepad.doors.access_for_user(user, room.id)
        self.author = self.access.participant.id if self.access else f"user:{user.username}"
        self.awareness_user = (
            user_state(self.access)
            if self.access
            else self.identity_provider.identity_model(self.current_user)
        )
        self.may_write = await self._may("write")
        self.may_edit = self.may_write and may_edit_in_lab(self.access)

    # -- the open socket -------------------------------------------------------------------------

    async def open(self, room_id: str) -> None:
        """Attach as jupyter-collaboration does, and be seen in the room."""
        self.set_nodelay(True)
        if isinstance(self.room, DocumentRoom):
            self.codepad.documents.keep(self.room)
        self.keep_alive = PeriodicCallback(self._keep_alive, KEEP_ALIVE_SECONDS * 1000)
        self.keep_alive.start()
        await super().open(self._room_id)
        if self.access is not None and self.room_record is not None:
            self.codepad.news.presence.connect(
                self.room_record.id, self.access.participant.id, self
            )
        if not isinstance(self.room, DocumentRoom):
            self._tell_states()

    async def on_message(self, message: str | bytes) -> None:
        """Hand on a frame that may pass; what cannot be read closes this socket and no other."""
        self.codepad.note_activity()
        try:
            if isinstance(message, str):
                raise ProtocolError("frames here are binary")
            if len(message) > self.frame_limit:
                self.close(TOO_LARGE, "That is more than can be sent at once.")
                return
            frame = self._passing(message)
        except ProtocolError as error:
            self._refuse(error)
            return
        if frame is not None:
            await super().on_message(frame)

    def _passing(self, message: bytes) -> bytes | None:
        """What of a frame may go on, or None. Raises ``ProtocolError`` when it cannot be read."""
        reader = Reader(message)
        kind = reader.var_uint()
        if kind == Kind.JUPYTER:
            return self._passing_save(reader, message)
        if isinstance(self.room, DocumentRoom):
            return message  # our own document looks at every frame itself
        if kind == Kind.SYNC:
            return self._passing_sync(reader, message)
        if kind == Kind.AWARENESS:
            return self._passing_awareness(read_awareness(reader.var_bytes(), ENTRIES_LIMIT))
        if kind == Kind.QUERY_AWARENESS:
            self._tell_states()
            return None
        raise ProtocolError(f"frames of kind {kind} are not known here")

    def _passing_save(self, reader: Reader, message: bytes) -> bytes | None:
        if reader.var_string() != "save":
            return None
        answer = {"type": "save", "responseTo": reader.var_uint(), "status": "failed"}
        if self.may_edit:
            return message
        self.queue(self._encode_json_message(answer))
        return None

    def _passing_sync(self, reader: Reader, message: bytes) -> bytes | None:
        step, content = reader.var_uint(), reader.var_bytes()
        check_counts(content)
        if step == SyncStep.STATE:
            return message
        if step not in (SyncStep.MISSING, SyncStep.UPDATE):
            raise ProtocolError(f"sync step {step} is not known here")
        # Nobody needs a document in a room that is only about who is there.
        return message if self.may_edit and not isinstance(self.room, TransientRoom) else None

    def _passing_awareness(self, entries: list[AwarenessEntry]) -> bytes | None:
        """What this socket says of itself; JupyterLab also repeats what it hears of others."""
        own = [entry for entry in entries if self._speaks_for(entry)]
        if not own:
            return None
        self.clock = max(entry.clock for entry in own)
        frame = SpokenFrame(awareness_frame([self._named(entry) for entry in own]))
        frame.speaker = self
        return frame

    def _speaks_for(self, entry: AwarenessEntry) -> bool:
        if self.client_id is None and entry.state is not None:
            speakers = self.stock_rooms.speakers(self.room)
            taken = entry.client_id in speakers or entry.client_id == self.room.awareness.client_id
            if not taken:
                self.client_id = entry.client_id
                speakers[entry.client_id] = self
        return entry.client_id == self.client_id

    def _named(self, entry: AwarenessEntry) -> AwarenessEntry:
        if entry.state is None:
            return entry
        user = dict(self.awareness_user)
        said = entry.state.get("user")
        color = said.get("color") if isinstance(said, dict) else None
        if not user.get("color") and isinstance(color, str) and COLOR.fullmatch(color):
            user["color"] = color
        return AwarenessEntry(entry.client_id, entry.clock, {**entry.state, "user": user})

    def _tell_states(self) -> None:
        """Tell this socket what the others say of themselves."""
        awareness = self.room.awareness
        others = [
            AwarenessEntry(client_id, awareness.meta[client_id]["clock"], state)
            for client_id, state in awareness.states.items()
            if client_id not in (awareness.client_id, self.client_id)
        ]
        self.queue(awareness_frame(others))

    async def send(self, message: bytes) -> None:
        """Send a frame to the client; not what it said of itself."""
        if not (isinstance(message, SpokenFrame) and message.speaker is self):
            self.queue(message)

    async def _message_failed(self, error: Exception, message: bytes, channel: Channel) -> bool:
        """Close who sent what the document could not take; everybody else stays."""
        # On a conflict of histories jupyter-collaboration asks the user what to do.
        stock = getattr(self.room, "_handle_sync_message_error", None)
        if stock is not None and await stock(error, message, channel):
            return True
        assert isinstance(channel, CollaborationHandler)
        channel._refuse(error)
        return True

    def _refuse(self, error: Exception) -> None:
        self.log.warning("A frame in %s was refused: %s", self._room_id, error)
        self.close(MALFORMED, str(error)[:100])

    # -- the end -------------------------------------------------------------------------------

    def on_close(self) -> None:
        """Leave the document and the room."""
        if self.keep_alive is not None:
            self.keep_alive.stop()
        if self.access is not None and self.room_record is not None:
            self.codepad.news.presence.disconnect(
                self.room_record.id, self.access.participant.id, self
            )
        if self.room is None:
            return
        if not isinstance(self.room, DocumentRoom):
            self._leave(self.room)
        super().on_close()

    def _leave(self, room: YRoom) -> None:
        speakers = self.stock_rooms.speakers(room)
        if self.client_id is None or speakers.get(self.client_id) is not self:
            return
        del speakers[self.client_id]
        frame = awareness_frame([AwarenessEntry(self.client_id, self.clock + 1, None)])
        reader = Reader(frame)
        reader.var_uint()
        room.awareness.apply_awareness_update(reader.var_bytes(), room)
        room.awareness.meta.pop(self.client_id, None)
        for client in room.clients:
            if client is not self and isinstance(client, CollaborationHandler):
                client.queue(frame)

    async def _clean_room(self) -> None:
        await super()._clean_room()
        if self._cleanup_delay is not None:
            await self.stock_rooms.drop_of(self._room_id)

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
        if self.access is None:
            return
        words = "You may not change this room’s pad now. Close it and open it again to see it."
        reason = {"reason": "codepad", "reloadable": False, "errorReason": words}
        self.close(1003, json.dumps(reason))

    def cut(self, code: int, reason: str) -> None:
        """The file is the user's own: the end of a room does not close their editor in Lab."""

    def _keep_alive(self) -> None:
        # Lab's client reconnects when it has heard nothing for 30 seconds.
        if not self.sent_lately:
            self.queue(KEEP_ALIVE)
        self.sent_lately = False
