"""DocumentManager: the only door to a room's live documents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from logging import Logger
from typing import Any

from jupyter_events import EventLogger
from jupyter_server_ydoc.app import YDocExtension
from pycrdt import Doc
from tornado.web import HTTPError

from ..errors import CodepadError, Conflict, NotFound, Unavailable
from ..rooms.manager import RoomManager
from ..storage.tables import RoomRecord
from . import pads
from .content import built
from .document_room import DocumentRoom
from .files import Files
from .held import HeldNotebook, cell_outputs, cell_sources, rest_cells
from .memory_rooms import MemoryRoom
from .shared_document import SharedDocument
from .turns import Turns
from .update_log import UpdateLog

PAD = "pad"
RUNS = "runs"
DOCUMENT_NAMES = (PAD, RUNS)

PAD_FORMATS = {"file": ("text", "file"), "notebook": ("json", "notebook")}


def log_key(room_id: str, name: str) -> str:
    """The update log's key of a document that has no file."""
    return f"codepad:{room_id}:{name}"


async def _nobody_asks(key: str) -> None:
    return None


def pad_key(room: RoomRecord) -> str:
    """jupyter-collaboration's room id of a room's pad."""
    form, kind = PAD_FORMATS[room.pad_type]
    return f"{form}:{kind}:{room.pad_file_id}"


class DocumentManager:
    """Opens, keeps and releases shared documents.

    Responsible for: one live document for each file of the server that is open, the same for
    JupyterLab and for the room whose pad it is; the server-written run document of each room;
    releasing both when nobody uses them.

    ``collaboration``: gives jupyter-collaboration's server extension (it may load after us);
    ``save_share``: the part of the time that may go into writing files; ``cleanup_seconds``: how
    long a pad nobody is connected to stays in memory; ``check_file``: raises for a path that a pad
    must be neither read from nor written to; ``root``: the folder on this machine that files lie
    below, None where they are kept elsewhere; ``active``: told now and then that people are doing
    something; ``told``: called when a document has a new conflict, or none any more.
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
        save_share: float,
        cleanup_seconds: float,
        document_limit_bytes: int,
        notebook_limit_bytes: int,
        check_file: Callable[[str], None],
        root: str | None,
        socket_timeout_seconds: float,
        active: Callable[[], None],
        told: Callable[[DocumentRoom], None],
    ) -> None:
        self._rooms = rooms
        self._notebook_limit = notebook_limit_bytes
        self._check_file = check_file
        self._told = told
        self._update_log = update_log
        self._collaboration = collaboration
        self._events = events
        self._log = log
        self._save_delay = save_delay_seconds
        self._save_share = save_share
        self._cleanup_seconds = cleanup_seconds
        self._size_limit = 2 * document_limit_bytes
        self._runs: dict[str, SharedDocument] = {}
        self._runs_lock = asyncio.Lock()
        self._stopping = False
        self._starting: asyncio.Task[None] | None = None
        self._root = root
        self._files: Files | None = None
        self.turns = Turns(update_log, timeout_seconds=socket_timeout_seconds, active=active)
        self.dropped: Callable[[str], Awaitable[None]] = _nobody_asks
        update_log.wants_checkpoint = self._make_checkpoint

    async def stop(self) -> None:
        """Write every file a last time and stop; nothing can be opened any more."""
        self._stopping = True
        extension = self._collaboration()
        if extension is not None:
            rooms = list(extension.ywebsocket_server.rooms.values())
            ours = [room for room in rooms if isinstance(room, DocumentRoom | MemoryRoom)]
            await asyncio.gather(*(room.stop() for room in ours), return_exceptions=True)
        if self._files is not None:
            await self._files.stop()
        for document in self._runs.values():
            document.stop()
        self._runs.clear()

    def _make_checkpoint(self, key: str) -> None:
        extension = self._collaboration()
        room = extension.ywebsocket_server.rooms.get(key) if extension is not None else None
        if isinstance(room, DocumentRoom):
            room.make_checkpoint()
            return
        for document in self._runs.values():
            if document.document_id == key:
                document.flush()
                self._update_log.checkpoint(key, document.ydoc.get_update())

    # -- documents of files -----------------------------------------------------------------------

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
        key = pad_key(room)
        try:
            return await self.open(key, guarded=True)
        except HTTPError as error:
            if error.status_code == 404:
                raise NotFound("pad_gone", "This pad's file is gone.") from error
            raise Conflict("pad_unreadable", "This pad's file cannot be read.") from error

    async def open(self, key: str, *, guarded: bool) -> DocumentRoom:
        """The live document of a file, loaded if it was not; ``guarded``: it is a room's pad.

        Raises ``tornado.web.HTTPError`` when the file cannot be read.
        """
        while True:
            room = await self.live_room(key, guarded=guarded)
            assert isinstance(room, DocumentRoom)
            try:
                await room.initialize()
            except HTTPError:
                async with self._extension()._room_locks[key]:
                    if not room.clients:
                        await self._drop(self._extension(), room)
                raise
            if not room.closed:  # nobody had it long enough to release it meanwhile
                return room

    async def save_pad(self, room: RoomRecord) -> None:
        """Write a pad that is open into its file now."""
        document = self.live_document(pad_key(room))
        if document is not None and document.ready:
            await document.save()

    def live_document(self, key: str) -> DocumentRoom | None:
        """The document with this key, if it is in memory."""
        extension = self._collaboration()
        document = extension.ywebsocket_server.rooms.get(key) if extension is not None else None
        return document if isinstance(document, DocumentRoom) else None

    def live_document_of(self, file_id: str) -> DocumentRoom | None:
        """The document of a file, if it is in memory."""
        extension = self._collaboration()
        keys = list(extension.ywebsocket_server.rooms) if extension is not None else []
        found = (self.live_document(key) for key in keys if key.endswith(f":{file_id}"))
        return next((document for document in found if document is not None), None)

    def open_paths(self) -> list[str]:
        """Paths below the root of files that people have open; rooms' pads are not among them."""
        extension = self._collaboration()
        rooms = list(extension.ywebsocket_server.rooms.values()) if extension is not None else []
        return [
            room.path
            for room in rooms
            if isinstance(room, DocumentRoom) and room.clients and not room.guarded
        ]

    async def live_room(self, key: str, *, guarded: bool) -> DocumentRoom | MemoryRoom:
        """The room with a key of jupyter-collaboration's, made if there is none, maybe not loaded.

        ``guarded``: it is the pad of a room. Raises ``NotFound`` when the file is gone,
        ``Unavailable`` where jupyter-collaboration does not run, or when the server stops.
        """
        if self._stopping:
            raise Unavailable("stopping", "The server is being stopped.")
        extension = self._extension()
        server = extension.ywebsocket_server
        async with extension._room_locks[key]:
            if not server.started.is_set():
                self._starting = self._starting or asyncio.create_task(server.start())
                await server.started.wait()
            room = server.rooms.get(key)
            if isinstance(room, DocumentRoom) and room.closed:
                del server.rooms[key]
                room = None
            if room is None:
                room = self._new_room(extension, key)
                await server.start_room(room)
                server.add_room(key, room)
            elif not isinstance(room, DocumentRoom | MemoryRoom):
                raise Conflict(
                    "in_use", "Another extension of this server has this document open. Close it."
                )
            if isinstance(room, DocumentRoom):
                if guarded:
                    room.guard(self._save_delay)
                self.keep(room)
                self.release(room)
        return room

    def _open_files(self, extension: YDocExtension) -> Files:
        """What writes and looks at files: one for all, instead of a task for each of them."""
        if self._files is None:
            mapping = extension.file_loaders
            self._files = Files(
                root=self._root,
                poll_seconds=mapping.file_poll_interval,
                share=self._save_share,
                log=self._log,
            )
            self._files.start()
            mapping.file_poll_interval = None
        return self._files

    def _new_room(self, extension: YDocExtension, key: str) -> DocumentRoom | MemoryRoom:
        if key.count(":") < 2:
            return MemoryRoom(key, turns=self.turns, log=self._log, read_only=True)
        form, kind, file_id = key.split(":", 2)
        try:
            files = self._open_files(extension)
            loader = extension.file_loaders[file_id]
            return DocumentRoom(
                key,
                form,
                kind,
                loader,
                self._events,
                log=self._log,
                update_log=self._update_log,
                turns=self.turns,
                files=files,
                save_delay=extension.document_save_delay,
                size_limit_bytes=self._notebook_limit if kind == "notebook" else self._size_limit,
                check_file=self._check_file,
                told=self._told,
            )
        except RuntimeError as error:
            raise NotFound("pad_gone", "This pad's file is gone.") from error

    async def collaboration_document(
        self,
        *,
        path: str | None = None,
        content_type: str | None = None,
        file_format: str | None = None,
        room_id: str | None = None,
        copy: bool = True,
        create: bool = False,
    ) -> Any:
        """``YDocExtension.get_document`` on our documents, for other extensions of the server."""
        if room_id is None:
            if path is None or content_type is None or file_format is None:
                raise ValueError("Give a room_id, or path, content_type and file_format.")
            extension = self._extension()
            file_id = extension.serverapp.web_app.settings["file_id_manager"].index(path)
            room_id = f"{file_format}:{content_type}:{file_id}"
        elif path is not None or content_type is not None or file_format is not None:
            raise ValueError("Give a room_id, or path, content_type and file_format.")
        document = self.live_document(room_id)
        if document is None and create:
            guarded = await self.pad_room(room_id) is not None
            document = await self.open(room_id, guarded=guarded)
        if document is None:
            return None
        await document.initialize()
        if not copy:
            return document.lend()
        document.shared.flush()
        return built(document.file_type, [document.ydoc.get_update()])

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
            document.cleaner = None

    def release(self, document: DocumentRoom) -> None:
        """Somebody left: release the document after a while, unless somebody is there by then."""
        if document.clients or document.held:
            return
        self.keep(document)
        delay = self._cleanup_seconds
        if not document.guarded:
            delay = self._extension().document_cleanup_delay
        if delay is not None:
            document.cleaner = asyncio.create_task(self._release_later(document, delay))

    async def _release_later(self, document: DocumentRoom, delay: float) -> None:
        await asyncio.sleep(delay)
        extension = self._extension()
        async with extension._room_locks[document.room_id]:
            if not document.clients and not document.held and not document.loading:
                await self._drop(extension, document)
        if not document.closed:
            self.release(document)

    async def _drop(self, extension: YDocExtension, document: DocumentRoom) -> None:
        if extension.ywebsocket_server.rooms.get(document.room_id) is document:
            del extension.ywebsocket_server.rooms[document.room_id]
        document.cleaner = None
        await document.stop()
        await self.dropped(document.room_id)
        file_id = document.room_id.split(":", 2)[2]
        if file_id in extension.file_loaders and (
            extension.file_loaders[file_id].number_of_subscriptions == 0
        ):
            await extension.file_loaders.remove(file_id)

    # -- for runs ---------------------------------------------------------------------------------

    async def pad_sources(self, room_id: str, cell_ids: Sequence[str | None]) -> list[str]:
        """The code to run: the whole text of a file pad (None), or cells of a notebook pad."""
        room = await self._room(room_id)
        pad = await self.open_pad(room)
        pad.shared.flush()
        ids = [cell_id for cell_id in cell_ids if cell_id is not None]
        return cell_sources(pad.document, ids) if ids else [str(pad.document.get())]

    async def move_pad(self, room: RoomRecord, rename: Callable[[], Awaitable[None]]) -> None:
        """Rename a pad's file while nothing writes it, and tell who has it open."""
        await pads.move(self.live_document(pad_key(room)), rename)

    async def change_pad(self, room: RoomRecord, changed: Callable[[Any], Any]) -> None:
        """Turn a pad into what ``changed`` makes of it. Raises as ``open_pad`` does."""
        pads.change(await self.open_pad(room), changed)

    async def hold_notebook(self, room_id: str) -> HeldNotebook:
        """The notebook of a room, kept in memory and saved until it is closed, whoever is there."""
        document = await self.open_pad(await self._room(room_id))
        self.keep(document)
        return HeldNotebook(document, self._notebook_limit, self.release)

    async def cell_outputs(self, room_id: str, cell_id: str) -> list[Any]:
        """The outputs of a cell of a notebook pad. Raises ``NotFound`` when it has none."""
        document = (await self.open_pad(await self._room(room_id))).document
        return cell_outputs(document, cell_id)

    async def rest_cells(self, room_id: str) -> None:
        """Mark every cell of a room's notebook as not running: no code of it does."""
        with suppress(CodepadError):
            rest_cells((await self.open_pad(await self._room(room_id))).document)

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
                    key, ydoc, turns=self.turns, log=self._log, read_only=True
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
            key = pad_key(room)
            document = self.live_document(key)
            if document is not None:
                document.file_is_gone()
                await self._drop(self._extension(), document)
            await self._update_log.forget(key)
