"""DocumentManager: the only door to a room's live documents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from logging import Logger
from typing import Any

from jupyter_events import EventLogger
from jupyter_server_ydoc.app import YDocExtension
from pycrdt import Doc, Map
from tornado.web import HTTPError

from ..errors import Conflict, NotFound, Unavailable
from ..rooms.manager import RoomManager
from ..storage.tables import RoomRecord
from .document_room import DocumentRoom
from .shared_document import SharedDocument
from .update_log import UpdateLog

PAD = "pad"
RUNS = "runs"
DOCUMENT_NAMES = (PAD, RUNS)

PAD_FORMATS = {"file": ("text", "file"), "notebook": ("json", "notebook")}


def log_key(room_id: str, name: str) -> str:
    """The update log's key of a document that has no file."""
    return f"codepad:{room_id}:{name}"


class DocumentManager:
    """Opens, keeps and releases the documents of rooms.

    Responsible for: one live document for each pad, the same that JupyterLab's collaboration socket
    uses; the server-written run document of each room; releasing both when nobody uses them.

    ``collaboration``: gives jupyter-collaboration's server extension (it may load after us);
    ``cleanup_seconds``: how long a document nobody is connected to stays in memory; ``check_file``:
    raises for a path that must be neither read nor written.
    """

    def __init__(
        self,
        *,
        rooms: RoomManager,
        update_log: UpdateLog,
        collaboration: Callable[[], YDocExtension | None],
        events: EventLogger,
        log: Logger,
        save_delay_seconds: float,
        cleanup_seconds: float,
        document_limit_bytes: int,
        notebook_limit_bytes: int,
        check_file: Callable[[str], None],
    ) -> None:
        self._rooms = rooms
        self._notebook_limit = notebook_limit_bytes
        self._check_file = check_file
        self._update_log = update_log
        self._collaboration = collaboration
        self._events = events
        self._log = log
        self._save_delay = save_delay_seconds
        self._cleanup_seconds = cleanup_seconds
        self._size_limit = 2 * document_limit_bytes
        self._runs: dict[str, SharedDocument] = {}
        self._runs_lock = asyncio.Lock()

    async def stop(self) -> None:
        """Write every pad's file a last time and stop."""
        extension = self._collaboration()
        if extension is not None:
            rooms = list(extension.ywebsocket_server.rooms.values())
            pads = [room for room in rooms if isinstance(room, DocumentRoom)]
            await asyncio.gather(*(room.stop() for room in pads), return_exceptions=True)
        for document in self._runs.values():
            document.stop()
        self._runs.clear()

    # -- pads -------------------------------------------------------------------------------------

    async def pad_room(self, key: str) -> RoomRecord | None:
        """The room whose pad jupyter-collaboration's room id ``format:type:file_id`` is, if any."""
        form, _, rest = key.partition(":")
        kind, _, file_id = rest.partition(":")
        room = await self._rooms.room_of_pad(file_id) if file_id else None
        if room is None or PAD_FORMATS[room.pad_type] != (form, kind):
            return None
        return room

    async def is_pad(self, key: str) -> bool:
        """Whether the file of a room id is some room's pad, be it as another kind of document."""
        file_id = key.rpartition(":")[2]
        return ":" in key and await self._rooms.room_of_pad(file_id) is not None

    async def open_pad(self, room: RoomRecord) -> DocumentRoom:
        """The live pad of a room, loaded if it was not.

        Raises ``NotFound`` when the file is gone, ``Conflict`` when it cannot be read, and
        ``Unavailable`` where jupyter-collaboration does not run.
        """
        extension = self._extension()
        form, kind = PAD_FORMATS[room.pad_type]
        key = f"{form}:{kind}:{room.pad_file_id}"
        async with extension._room_locks[key]:
            document = await self._document_room(extension, key, form, kind, room.pad_file_id)
            try:
                await document.initialize()
            except HTTPError as error:
                await self._drop(extension, document)
                if error.status_code == 404:
                    raise NotFound("pad_gone", "This pad's file is gone.") from error
                raise Conflict("pad_unreadable", "This pad's file cannot be read.") from error
        return document

    async def save_pad(self, room: RoomRecord) -> None:
        """Write a pad that is open into its file now."""
        form, kind = PAD_FORMATS[room.pad_type]
        extension = self._collaboration()
        key = f"{form}:{kind}:{room.pad_file_id}"
        document = extension.ywebsocket_server.rooms.get(key) if extension is not None else None
        if isinstance(document, DocumentRoom) and document.ready:
            await document.save()

    async def prepare_collaboration_room(self, key: str) -> None:
        """Make our document room for a pad before jupyter-collaboration's handler looks for it."""
        extension = self._extension()
        form, kind, file_id = key.split(":", 2)
        async with extension._room_locks[key]:
            await self._document_room(extension, key, form, kind, file_id)

    async def _document_room(
        self, extension: YDocExtension, key: str, form: str, kind: str, file_id: str
    ) -> DocumentRoom:
        server = extension.ywebsocket_server
        if not server.started.is_set():
            extension._codepad_server_task = asyncio.create_task(server.start())
            await server.started.wait()
        if server.room_exists(key):
            existing = server.rooms[key]
            if isinstance(existing, DocumentRoom):
                return existing
            raise Conflict("pad_in_use", "This pad is open outside of its room. Close it first.")
        try:
            loader = extension.file_loaders[file_id]
        except RuntimeError as error:
            raise NotFound("pad_gone", "This pad's file is gone.") from error
        room = DocumentRoom(
            key,
            form,
            kind,
            loader,
            self._events,
            log=self._log,
            update_log=self._update_log,
            save_delay=self._save_delay,
            size_limit_bytes=self._notebook_limit if kind == "notebook" else self._size_limit,
            check_file=self._check_file,
        )
        await server.start_room(room)
        server.add_room(key, room)
        return room

    def _extension(self) -> YDocExtension:
        extension = self._collaboration()
        if extension is None:
            raise Unavailable(
                "collaboration_missing",
                "jupyter-collaboration is not running on this server; rooms need it.",
            )
        return extension

    def keep(self, document: DocumentRoom) -> None:
        """Somebody connected: do not release the document."""
        if document.cleaner is not None:
            document.cleaner.cancel()

    def release(self, document: DocumentRoom) -> None:
        """Somebody left: release the document after a while, unless somebody is there by then."""
        if not document.clients:
            self.keep(document)
            document.cleaner = asyncio.create_task(self._release_later(document))

    async def _release_later(self, document: DocumentRoom) -> None:
        await asyncio.sleep(self._cleanup_seconds)
        extension = self._extension()
        async with extension._room_locks[document.room_id]:
            if not document.clients:
                await self._drop(extension, document)

    async def _drop(self, extension: YDocExtension, document: DocumentRoom) -> None:
        if extension.ywebsocket_server.rooms.get(document.room_id) is document:
            del extension.ywebsocket_server.rooms[document.room_id]
        await document.stop()
        file_id = document.room_id.split(":", 2)[2]
        if file_id in extension.file_loaders and (
            extension.file_loaders[file_id].number_of_subscriptions == 0
        ):
            await extension.file_loaders.remove(file_id)

    # -- for runs ---------------------------------------------------------------------------------

    async def pad_source(self, room_id: str, cell_id: str | None) -> str:
        """The code to run: the whole text of a file pad, or one cell of a notebook pad."""
        room = await self._room(room_id)
        document = (await self.open_pad(room)).document
        if cell_id is None:
            return str(document.get())
        return str(self._cell(document, cell_id)["source"])

    async def notebook_cell(self, room_id: str, cell_id: str) -> Map[Any]:
        """The shared cell with this id. Raises ``NotFound`` when the notebook has none."""
        room = await self._room(room_id)
        return self._cell((await self.open_pad(room)).document, cell_id)

    def _cell(self, document: Any, cell_id: str) -> Map[Any]:
        cells: list[Map[Any]] = list(document.ycells)
        for cell in cells:
            if cell.get("id") == cell_id:
                return cell
        raise NotFound("cell_not_found", "That cell is not in the notebook any more.")

    async def _room(self, room_id: str) -> RoomRecord:
        room = await self._rooms.room(room_id)
        if room is None:
            raise NotFound("room_not_found", "There is no such room, or you are not in it.")
        return room

    async def open_runs(self, room_id: str) -> SharedDocument:
        """The run document of a room: written by the server, read by everybody in the room."""
        async with self._runs_lock:
            document = self._runs.get(room_id)
            if document is None:
                key = log_key(room_id, RUNS)
                ydoc: Doc[Any] = Doc()
                for update in (await self._update_log.load(key)).updates:
                    ydoc.apply_update(update)
                document = SharedDocument(
                    key, ydoc, update_log=self._update_log, log=self._log, read_only=True
                )
                document.start()
                self._runs[room_id] = document
        return document

    async def run_document(self, room_id: str) -> Doc[Any]:
        """The Yjs document behind ``open_runs``; what is written into it reaches everybody."""
        return (await self.open_runs(room_id)).ydoc

    async def close_room(self, room_id: str) -> None:
        """Release the run document of a room that has ended."""
        document = self._runs.pop(room_id, None)
        if document is not None:
            document.stop()

    async def forget_room(self, room: RoomRecord, with_pad: bool) -> None:
        """Remove the logs of a deleted room; the pad's own goes only when its file went."""
        await self._update_log.forget(log_key(room.id, RUNS))
        if with_pad:
            form, kind = PAD_FORMATS[room.pad_type]
            key = f"{form}:{kind}:{room.pad_file_id}"
            extension = self._extension()
            document = extension.ywebsocket_server.rooms.get(key)
            if isinstance(document, DocumentRoom):
                document.file_is_gone()
                await self._drop(extension, document)
            await self._update_log.forget(key)
