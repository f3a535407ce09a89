"""The routes of documents: their sockets, conflicts, and what browsers measure of them."""

from __future__ import annotations

from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from .. import metrics
from ..access.roles import Permission
from ..handlers import CodepadHandler, RoomHandler, requires, signed_in
from ..rooms.handlers import ROOM
from .collaboration import may_edit_in_lab
from .document_room import DocumentRoom
from .models import ConflictAnswer, ConflictChoice, ConflictModel, Latency
from .websocket import SyncHandler

PATH = {"path": {"type": "string", "description": "A file below the Jupyter root."}}


def answer_of(document: DocumentRoom | None, *, whole_path: bool = True) -> ConflictAnswer:
    """The conflict of a document; guests are not told in which folder it lies."""
    conflict = document.conflicts.first if document is not None else None
    if document is None or conflict is None:
        return ConflictAnswer(conflict=None)
    path = document.path if whole_path else document.path.rpartition("/")[2]
    model = conflict.model(document.content(), path)
    return ConflictAnswer(conflict=ConflictModel.model_validate(model))


class ConflictHandler(RoomHandler):
    """``rooms/<id>/conflict``: two versions of the room's pad, when there are two."""

    @requires(
        Permission.EDIT, summary="The two versions of the pad to choose from", answer=ConflictAnswer
    )
    async def get(self, room_id: str) -> None:
        document = await self.codepad.documents.open_pad(self.access.room)
        self.answer(answer_of(document, whole_path=not self.access.participant.guest))

    @requires(
        Permission.EDIT,
        summary="Choose which version of the pad to go on with",
        body=ConflictChoice,
        answer=ConflictAnswer,
    )
    async def post(self, room_id: str) -> None:
        choice = self.body(ConflictChoice)
        document = await self.codepad.documents.open_pad(self.access.room)
        await document.settle(choice.id, choice.keep)
        self.answer(answer_of(document, whole_path=not self.access.participant.guest))


class ConflictsHandler(CodepadHandler):
    """``conflicts?path=``: two versions of any document of the server, for its Jupyter users."""

    @signed_in(
        summary="The two versions of a document to choose from", answer=ConflictAnswer, query=PATH
    )
    async def get(self) -> None:
        self.answer(answer_of(await self._document("read")))

    @signed_in(
        summary="Choose which version of a document to go on with",
        body=ConflictChoice,
        answer=ConflictAnswer,
        query=PATH,
    )
    async def post(self) -> None:
        choice = self.body(ConflictChoice)
        document = await self._document("write")
        if document is None:
            raise HTTPError(404, "This document is not open.")
        await document.settle(choice.id, choice.keep)
        self.answer(answer_of(document))

    async def _document(self, action: str) -> DocumentRoom | None:
        """The open document of the file, if this user may read or write it."""
        allowed = await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, action, "contents")
        )
        if not allowed or self.user is None:
            raise HTTPError(403)
        path = self.get_query_argument("path").strip("/")
        file_id = self.settings["file_id_manager"].get_id(path)
        document = self.codepad.documents.live_document_of(file_id) if file_id else None
        if document is None:
            return None
        record = await self.codepad.documents.pad_room(document.room_id)
        if record is not None:
            access = await self.codepad.doors.access_for_user(self.user, record.id)
            if not may_edit_in_lab(access):
                raise HTTPError(403)
        return document


class LatencyHandler(RoomHandler):
    """``rooms/<id>/latency``: what browsers measure goes into the server's metrics."""

    @requires(
        Permission.VIEW,
        summary="Tell how long one's changes took to be acknowledged",
        body=Latency,
        status=204,
    )
    async def post(self, room_id: str) -> None:
        for milliseconds in self.body(Latency).milliseconds:
            metrics.SYNC_ROUND_TRIP_SECONDS.observe(milliseconds / 1000)
        self.set_status(204)


ROUTES = [
    (rf"rooms/{ROOM}/documents/(?P<name>[A-Za-z0-9_.-]{{1,64}})/sync", SyncHandler),
    (rf"api/rooms/{ROOM}/conflict", ConflictHandler),
    (rf"api/rooms/{ROOM}/latency", LatencyHandler),
    (r"api/conflicts", ConflictsHandler),
]
