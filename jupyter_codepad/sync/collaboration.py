"""JupyterLab's document socket: the gate in front of every document of the server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from jupyter_events import EventLogger
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.utils import ensure_async
from jupyter_server_ydoc.utils import (
    JUPYTER_COLLABORATION_AWARENESS_EVENTS_URI,
    SERVER_SESSION,
    YDOC_SERVER_VERSION,
    check_session_compatibility,
    save_current_session,
)
from tornado.web import HTTPError

from ..access.identity import jupyter_user
from ..access.roles import Permission
from ..errors import CodepadError
from ..rooms.access import Access
from ..storage.tables import RoomRecord
from .client import SyncClient
from .connection import Connection
from .document_room import DocumentRoom
from .manager import PAD
from .memory_rooms import Copies, MemoryRoom
from .protocol import Kind, ProtocolError, Reader, var_bytes
from .upgrade import upgrade
from .websocket import user_state

if TYPE_CHECKING:
    from ..app import CodepadApp

GLOBAL_AWARENESS = "JupyterLab:globalAwareness"
"""The only room without a document that JupyterLab opens; no other may be made."""

DOCUMENT_KEY = re.compile(r"(?:text|json|base64):[^:/%\s]{1,64}:(?P<file_id>[A-Za-z0-9-]{1,64})")
COLOR = re.compile(r"var\(--jp-collaborator-color[0-9]\)|#[0-9a-fA-F]{3,8}")
"""Colours that JupyterLab picks for people whom the server gives none."""

CLOSE_CODES = {404: 4404, 400: 4400}
UNREADABLE = 4500
RELOAD = 1003
REASON_CHARACTERS = 120
SAVES_LIMIT = 1000
"""Saves that one socket may ask for before the first of them is done."""


def may_edit_in_lab(access: Access | None) -> bool:
    """Whether a room leaves a Jupyter user the right to write that they have to its pad's file.

    The owner's file stays the owner's, after the end of the room too, and who has no part in the
    room is nobody whom it could restrict.
    """
    return access is None or access.owner or Permission.EDIT in access.permissions


class LabClient(SyncClient):
    """JupyterLab's open socket on a document of the server."""

    __slots__ = (
        "_codepad",
        "_left",
        "_may_write",
        "_room",
        "_room_id",
        "_saves_asked",
        "_say_left",
        "document_name",
    )

    def __init__(
        self,
        connection: Connection,
        codepad: CodepadApp,
        room: DocumentRoom | MemoryRoom,
        *,
        access: Access | None,
        may_write: bool,
        left: Callable[[], None],
        **about: Any,
    ) -> None:
        super().__init__(connection, trusted=True, **about)
        self._say_left = left
        self._codepad = codepad
        self._room = room
        self._room_id = access.room.id if access is not None else None
        self._may_write = may_write
        self._left = False
        self._saves_asked: list[int] = []
        self.document_name = PAD

    def join(self) -> None:
        """Attach, and be seen in the room."""
        if isinstance(self._room, DocumentRoom):
            self._codepad.documents.keep(self._room)
        self.start(self._room.shared)
        if self.document is not None and self._room_id is not None:
            self._codepad.news.presence.connect(self._room_id, self.author, self)

    def user_as_said(self, said: dict[str, Any]) -> dict[str, Any]:
        """The server's name of this user, in the colour that their JupyterLab has picked."""
        user = said.get("user")
        color = user.get("color") if isinstance(user, dict) else None
        if not self.user.get("color") and isinstance(color, str) and COLOR.fullmatch(color):
            return {**self.user, "color": color}
        return self.user

    def heard_message(self, rest: bytes) -> None:
        """JupyterLab's Save button."""
        reader = Reader(rest)
        if reader.var_string() != "save":
            return
        number = reader.var_uint()
        if not self.may_edit or not isinstance(self._room, DocumentRoom):
            self._say_saved(number, "failed")
            return
        self._saves_asked.append(number)
        if len(self._saves_asked) == 1:
            self._save(self._room)
        elif len(self._saves_asked) > SAVES_LIMIT:
            raise ProtocolError("too many saves at once")

    def _save(self, room: DocumentRoom) -> None:
        """Save for all who have asked so far; who asks meanwhile is next."""
        asked = len(self._saves_asked)
        saving = room._save_to_disc()
        saving.add_done_callback(lambda done: self._saved(room, asked, done))

    def _saved(self, room: DocumentRoom, asked: int, saving: asyncio.Task[None]) -> None:
        well = not saving.cancelled() and saving.exception() is None
        for number in self._saves_asked[:asked]:
            self._say_saved(number, "success" if well else "failed")
        del self._saves_asked[:asked]
        if self._saves_asked:
            self._save(room)

    def _say_saved(self, number: int, status: str) -> None:
        message = {"type": "save", "responseTo": number, "status": status}
        self.send(bytes((Kind.JUPYTER,)) + var_bytes(json.dumps(message).encode()))

    def lost(self) -> None:
        """Leave the document and the room."""
        super().lost()
        if self._left:
            return
        self._left = True
        self._say_left()
        if self._room_id is not None:
            self._codepad.news.presence.disconnect(self._room_id, self.author, self)
        if isinstance(self._room, DocumentRoom):
            self._codepad.documents.release(self._room)

    def notify(self, message: str) -> None:
        """Lab's own client does not know our news; the Codepad panel asks for them itself."""

    def access_changed(self, access: Access) -> None:
        """Hold to what this person may do in the room from now on."""
        self.user = user_state(access)
        self.may_edit = self._may_write and may_edit_in_lab(access)
        self._room.shared.states.user_changed(self)

    def did_something(self) -> None:
        """Be shown as active."""
        if self._room_id is not None:
            self._codepad.news.active(self._room_id, self.author)

    def edit_refused(self) -> None:
        """Say so in Lab, whose editor goes on showing what the document does not have."""
        if self._room_id is None:
            return
        words = "You may not change this room’s pad now. Close it and open it again to see it."
        reason = {"reason": "codepad", "reloadable": False, "errorReason": words}
        self.close(RELOAD, json.dumps(reason))

    def cut(self, code: int, reason: str) -> None:
        """The file is the user's own: the end of a room does not close their editor in Lab."""


class LabSessions:
    """Knows from before which upgrade of the server a page of JupyterLab is.

    ``root``: the folder of the server, ``store``: jupyter-collaboration's own file of sessions.
    """

    def __init__(self, root: str, store: str | None) -> None:
        self._root = root
        self._store = store
        self._lock = asyncio.Lock()
        self._noted: set[str | None] = set()

    async def refusal(self, session: str, version: str | None) -> tuple[int, str] | None:
        """Why a page has to be loaded again, as a close frame.

        That is so when documents have another shape since. After a mere restart it is not: the log
        knows the page's history, or puts it together with its own.
        """
        if version not in self._noted:
            self._noted.add(version)
            await save_current_session(
                self._root,
                SERVER_SESSION,
                YDOC_SERVER_VERSION,
                self._lock,
                document_version=version,
                session_store_path=self._store,
            )
        if session == SERVER_SESSION:
            return None
        stale, reason = await asyncio.to_thread(
            check_session_compatibility,
            self._root,
            session,
            YDOC_SERVER_VERSION,
            version,
            self._store,
        )
        if not stale or reason == "unknown_session":
            return None
        return RELOAD, json.dumps({"reason": reason, "sessionId": session, "reloadable": True})


class CollaborationHandler(WebSocketMixin, JupyterHandler):
    """Stands in for jupyter-collaboration's own document socket, which JupyterLab uses.

    Nobody gets as far as building a document without the right to read it, and the Origin is
    checked. Every document of the server is one of ours: logged before it is said to be saved,
    shared with the room page when it is the pad of a room. Updates and saves need the right to
    write, a socket speaks for one Yjs client under the server's name of its user, and a frame that
    cannot be read closes its sender (4400) and nobody else.
    """

    auth_resource = "contents"
    access: Access | None = None

    def initialize(
        self, codepad: CodepadApp, copies: Copies, sessions: LabSessions, **stock: Any
    ) -> None:
        """Take the composition root; of what jupyter-collaboration hands over nothing is needed."""
        self.codepad = codepad
        self.copies = copies
        self.sessions = sessions
        self.current_user = None  # nobody, until ``prepare`` has looked

    # -- before the socket opens -----------------------------------------------------------------

    async def prepare(self, **_kwargs: Any) -> None:
        """Look who is asking and for what; only then may a document be built."""
        await self.codepad.started.wait()
        await JupyterHandler.prepare(self, _redirect_to_login=False)
        if self.current_user is None or not await self._may("read"):
            raise HTTPError(403)
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise HTTPError(400, "This is a WebSocket.")
        if not self.check_origin():
            raise HTTPError(403)

    async def _may(self, action: str) -> bool:
        return bool(
            await ensure_async(
                self.authorizer.is_authorized(self, self.current_user, action, self.auth_resource)
            )
        )

    def _document_key(self) -> str:
        """The room's name. Raises 404 unless it is a known file's, a copy's or Lab's own."""
        key = unquote(self.request.path.rpartition("/")[2])
        if key == GLOBAL_AWARENESS or key in self.copies:
            return key
        document = DOCUMENT_KEY.fullmatch(key)
        file_ids = self.settings["file_id_manager"]
        if document is None or file_ids.get_path(document["file_id"]) is None:
            raise HTTPError(404, "There is no such document.")
        return key

    async def _introduce(self, room: RoomRecord | None) -> dict[str, Any]:
        """What the document needs to know of this user."""
        user = jupyter_user(
            self.current_user, self.identity_provider, local_name=self.codepad.host_name
        )
        access = await self.codepad.doors.access_for_user(user, room.id) if room else None
        may_write = await self._may("write")
        return {
            "access": access,
            "may_write": may_write,
            "may_edit": may_write and may_edit_in_lab(access),
            "author": access.participant.id if access else f"user:{user.username}",
            "user": user_state(access)
            if access
            else self.identity_provider.identity_model(self.current_user),
        }

    # -- the socket ------------------------------------------------------------------------------

    @allow_unauthenticated  # who asks has been looked at in ``prepare``
    async def get(self, _room_id: str) -> None:
        """Open the document and go on as a ``LabClient``."""
        key = self._document_key()
        documents = self.codepad.documents
        record = await documents.pad_room(key)
        if record is None and await documents.is_pad(key):
            # A second document on one file: each would overwrite what the other saves.
            raise HTTPError(409, "This file is the pad of a room, as another kind of document.")
        about = await self._introduce(record)
        limit = int(self.codepad.collaboration_message_limit_bytes)
        connection = Connection(
            message_limit_bytes=limit, send_high_bytes=int(self.codepad.send_buffer_bytes)
        )
        try:
            room = await documents.live_room(key, guarded=record is not None)
        except CodepadError as error:
            raise HTTPError(error.status_code, error.message) from error
        await upgrade(self, connection)
        # Not with this task: a document that it loads must not end with it.
        await asyncio.shield(self._join(connection, key, room, about, guarded=record is not None))

    async def _join(
        self,
        connection: Connection,
        key: str,
        room: DocumentRoom | MemoryRoom,
        about: dict[str, Any],
        *,
        guarded: bool,
    ) -> None:
        if isinstance(room, DocumentRoom):
            found = await self._opened(key, guarded=guarded)
            if isinstance(found, tuple):
                connection.close(*found)
                return
            room = found
        tell = partial(_tell, self.event_logger, key, self.current_user.username)
        client = LabClient(connection, self.codepad, room, left=partial(tell, "leave"), **about)
        tell("join")
        client.join()

    async def _opened(self, key: str, *, guarded: bool) -> DocumentRoom | tuple[int, str]:
        """The document, loaded; or why that cannot be, as a close frame."""
        session = self.get_query_argument("sessionId", "")
        try:
            room = await self.codepad.documents.open(key, guarded=guarded)
            version = getattr(room.document, "version", None)
            refusal = await self.sessions.refusal(session, version)
            # Once more: nobody was there yet, and it may have been released meanwhile.
            return refusal or await self.codepad.documents.open(key, guarded=guarded)
        except HTTPError as error:
            self.log.error("Error initializing: %s\n%r", key, error)
            return CLOSE_CODES.get(
                error.status_code, UNREADABLE
            ), "Error initializing the document."
        except Exception as error:  # the contents manager and the document may raise anything
            self.log.error("Error initializing: %s", key, exc_info=error)
            reason = {"reason": "initialization_error", "reloadable": False}
            words = {**reason, "errorReason": str(error)[: REASON_CHARACTERS // 2]}
            return RELOAD, json.dumps(words)


def _tell(events: EventLogger, key: str, username: str, action: str) -> None:
    if key != GLOBAL_AWARENESS:
        data = {"roomid": key, "username": username, "action": action}
        events.emit(schema_id=JUPYTER_COLLABORATION_AWARENESS_EVENTS_URI, data=data)
