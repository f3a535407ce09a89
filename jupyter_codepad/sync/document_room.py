"""A document room: a file of the server as jupyter-collaboration shares it, on our engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from logging import Logger
from typing import Any

from anyio import Event
from anyio.abc import TaskStatus
from jupyter_events import EventLogger
from jupyter_server_ydoc.loaders import FileLoader
from jupyter_server_ydoc.rooms import DocumentRoom as StockDocumentRoom
from jupyter_server_ydoc.utils import LogLevel, OutOfBandChanges
from jupyter_ydoc.yunicode import YUnicode
from pycrdt import UndoManager

from .client import SyncClient
from .conflicts import Conflict, Conflicts, Keep, Reason
from .content import content_hash, first_history, histories, laid_anew, outside_change
from .document_file import DocumentFile
from .files import Files, SaveClock
from .meetings import Meetings
from .merge import Content
from .returns import Returns
from .shared_document import SharedDocument
from .sizes import size_of
from .tidy import Tidy
from .turns import Turns
from .update_log import LoadedDocument, UpdateLog
from .watch import Watch

SAVE_RETRY_SECONDS = 5.0
LONG_TAIL = 500  # updates after the last checkpoint, from which loading makes a new one


class DocumentRoom(StockDocumentRoom):  # type: ignore[misc]
    """The in-memory document of a file, shared by room pages and JupyterLab.

    It takes the place of jupyter-collaboration's own room object. Differences: changes are logged
    before anybody is told they are saved; the log and not the file decides what the document was
    when it is loaded again; an edit from outside is merged instead of overwriting what is newer,
    and where that is not safe both sides are kept until somebody chooses; and who comes back with
    a history that the log has lost neither loses nor doubles anything.

    ``save_delay``: seconds without a change after which the file is written (None: only when
    somebody asks for it); ``size_limit_bytes``: for guests, of the text, or of a notebook's whole
    state; ``check_file``: raises for a path that the pad of a room may be neither read from nor
    written to; ``told``: called when a conflict has come up or is settled.
    """

    _task_group: Any

    def __init__(
        self,
        room_id: str,
        file_format: str,
        file_type: str,
        file: FileLoader,
        events: EventLogger,
        *,
        log: Logger,
        update_log: UpdateLog,
        turns: Turns,
        files: Files,
        save_delay: float | None,
        size_limit_bytes: int,
        check_file: Callable[[str], None],
        told: Callable[[DocumentRoom], None],
    ) -> None:
        super().__init__(
            room_id, file_format, file_type, file, events, None, log, save_delay=save_delay
        )
        # The server never undoes: keeping each edit for it would grow without a bound.
        self._document._undo_manager = UndoManager()
        self._unlogged = self.ydoc.get_update()  # it has said where the file is
        self._update_log = update_log
        self._tidy = Tidy(self._document)
        self._watch = Watch(self._document, self._on_document_change)
        self.shared = SharedDocument(
            room_id,
            self.ydoc,
            turns=turns,
            log=log,
            clients=self.clients,
            size=partial(size_of, self._document),
            size_limit_bytes=size_limit_bytes,
            tidy=self._tidy,
        )
        self.shared.returns = self._returns = Returns(
            self._returned, size_limit_bytes=size_limit_bytes
        )
        self.conflicts = Conflicts(
            keep=partial(update_log.note_conflicts, room_id), told=partial(told, self)
        )
        self._meetings = Meetings(file_type, self.ydoc, self.clients, self.conflicts)
        self._files = files
        self._disk = DocumentFile(
            room_id,
            file,
            form=file_format,
            kind=file_type,
            update_log=update_log,
            check=lambda path: check_file(path) if self.guarded else None,
            log=log,
        )
        files.watch(self)
        self.held = 0
        """How many runs write into the document: it stays in memory for them."""
        self._loading: asyncio.Task[None] | None = None
        self._save_lock = asyncio.Lock()
        self._clock = SaveClock(save_delay, self._save_is_due)
        self._autosave_wished = True
        self._untouched = self._closed = self._finished = self._looking = self._lent = False

    @property
    def document(self) -> Any:
        """The jupyter_ydoc document: text (``YUnicode``), notebook (``YNotebook``), or another."""
        return self._document

    @property
    def closed(self) -> bool:
        """Whether the document has been released and must be opened anew."""
        return self._closed

    @property
    def loading(self) -> bool:
        """Whether the document is being loaded just now."""
        return self._loading is not None and not self._loading.done()

    @property
    def path(self) -> str:
        """Where the file is, or was when it was last looked at."""
        return self._disk.path

    def content(self) -> Content:
        """What the document holds now."""
        self.shared.flush()
        content: Content = self._document.get()
        return content

    def _state(self) -> bytes:
        """All that the document is, as a Yjs update."""
        self.shared.flush()
        return bytes(self.ydoc.get_update())

    def guard(self, save_delay: float) -> None:
        """From now on people who are not trusted write here too: the document is a room's pad."""
        self._clock.delay = save_delay
        self.shared.reads_alike = partial(laid_anew, self._document, self._file_type)
        self._tidy.start(now=self.ready)
        self._observe()

    def lend(self) -> Any:
        """``document``, for somebody who goes on looking at it: all is applied at once from now."""
        self._lent = True
        self.shared.flush()
        self._observe()
        return self._document

    def _observe(self) -> None:
        """Hear of what is needed only: what people type in a text is told by ``SharedDocument``."""
        text = isinstance(self._document, YUnicode)
        self.shared.applies_later = self.guarded and text and not self._lent
        if self.shared.applies_later:
            self._watch.state()
            self.shared.edited = self._changed
        else:
            self._watch.all()

    @property
    def guarded(self) -> bool:
        """Whether the document is the pad of a room."""
        return self._tidy.on

    def _emit(self, level: LogLevel, action: str | None = None, msg: str | None = None) -> None:
        with suppress(RuntimeError):  # the file has no path any more
            super()._emit(level, action, msg)

    # -- the life of jupyter-collaboration's room, on our engine ----------------------------------

    async def _start(self, task_status: TaskStatus[None]) -> None:
        task_status.started()
        self.started.set()
        self._task_group.start_soon(self._stopped.wait)

    async def initialize(self) -> None:
        """Load the document from the log and the file; only the first call does anything.

        Raises ``tornado.web.HTTPError`` when the file cannot be read; the next call tries again.
        Loading is a task of its own: it must not end with the socket that happened to ask first.
        """
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        try:
            await asyncio.shield(self._loading)
        except Exception:
            self._loading = None
            raise

    async def _load(self) -> None:
        loaded = await self._update_log.load(self._room_id)
        await self._disk.finish_write(loaded)
        content = await self._disk.read()
        for update in loaded.updates:
            self.ydoc.apply_update(update)
        self.shared.start(unlogged=self._unlogged)
        if loaded.updates:
            self.conflicts.restore(loaded.conflicts)
            await self._reconcile(content, loaded)
            if len(loaded.updates) > LONG_TAIL:
                self.make_checkpoint()
        else:
            self.ydoc.apply_update(first_history(self._file_type, content))
            self.shared.flush()
            await self._disk.note_same(content)
            self._untouched = True
        self._say_path()
        if self.guarded:
            self._tidy.start(now=True)
        self._returns.histories = histories(self.ydoc)
        self.ready = True
        self.ydoc_observed.set()
        self._emit(LogLevel.INFO, "initialize", "Room initialized")
        if content_hash(self._document.get()) != self._disk.hash:
            self._clock.changed()

    async def stop(self) -> None:
        """Write the file a last time and end; the log keeps everything in any case."""
        if self._closed:
            return
        self._closed = True
        if self.ready and (self.guarded or self._autosave):
            await self.save()
        self._finished = True
        self._clock.stop()
        self._files.unwatch(self)
        self.shared.stop()
        self._stopped.set()
        if self._task_group is not None:
            self._task_group.cancel_scope.cancel()
            self._task_group = None
        self._watch.stop()
        self._file.unobserve(self.room_id)

    def file_is_gone(self) -> None:
        """The file was deleted on purpose: do not write it again."""
        self.ready_event = Event()
        self._finished = True

    def make_checkpoint(self) -> None:
        """Let the log keep the whole state, and less of what led to it."""
        if self.ready and not self._closed:
            self._update_log.checkpoint(self._room_id, self._state())

    # -- the file ---------------------------------------------------------------------------------

    def _on_document_change(self, target: str, event: Any) -> None:
        if not self.ready or self._closed:
            return
        if target == "state":
            self._tidy.soon(self._say_path)
            return
        self._tidy.changed(target, event)
        self._changed()

    def _changed(self) -> None:
        if self.ready and not self._closed:
            self._untouched = False
            self._clock.changed()

    def _save_is_due(self) -> None:
        if self.guarded or self._autosave:
            self._files.save_soon(self.save)

    @property
    def _autosave(self) -> bool:
        """Whether JupyterLab's users want their file written by itself: one of them is enough."""
        wishes = [state.get("autosave", True) for state in self.shared.states.all]
        if wishes:
            self._autosave_wished = any(wishes)
        return self._autosave_wished

    def _save_to_disc(self) -> asyncio.Task[None]:
        """Start a save at once: jupyter-collaboration's name for Lab's Save button."""
        task = asyncio.create_task(self.save())
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)
        self._saving_document = task
        return task

    async def save(self) -> None:
        """Write the document to its file, unless the file has that content already.

        A file that was changed outside is merged first and written after; while somebody has to
        choose between two versions it is left alone. Failures are logged, told to Lab as an event
        and tried again; the log has everything meanwhile.
        """
        async with self._save_lock:
            if self._finished or self.conflicts.with_file is not None:
                self._clock.stop()
                return
            content = self.content()
            self._clock.stop()
            now_hash = content_hash(content)
            if now_hash == self._disk.hash:
                return
            try:
                saved = await self._disk.write(content, now_hash)
            except OutOfBandChanges:
                await self._merge_outside()
            except Exception as error:  # the contents manager may raise anything
                if not await self._write_again(content, now_hash):
                    self._say_failed("saving", error)
                    self._clock.within(SAVE_RETRY_SECONDS)
            else:
                if saved is not None:
                    with self.ydoc.transaction():
                        self._document.dirty = False
                        self._document.hash = saved["hash"]

    async def _write_again(self, content: Content, now_hash: str) -> bool:
        """Write a file where it was, if it has been deleted while people type on."""
        path = self.path
        try:
            there_again = await self._disk.put_back(content, now_hash)
        except Exception as error:  # the contents manager may raise anything
            self.log.error("%s was deleted and cannot be written again: %r", path, error)
            return False
        if there_again:
            self.log.warning("%s was deleted while people typed; it is there again.", path)
        return there_again

    def _say_failed(self, doing: str, error: Exception) -> None:
        message = f"Error {doing} file: {self._file.file_id}\n{error!r}"
        self.log.error(message)
        self._emit(LogLevel.ERROR, None, message)

    # -- changes from outside ---------------------------------------------------------------------

    async def look(self) -> None:
        """See whether somebody else has written or moved the file."""
        async with self._save_lock:  # a save that goes on would not see the newer file any more
            self._looking = True
            try:
                if self.ready and not self._closed:
                    await self._disk.notice()
            finally:
                self._looking = False

    def _on_filepath_change(self) -> None:
        self._disk.path = str(self._file.path)
        self._say_path()

    def _say_path(self) -> None:
        if self._document.path != self.path:  # only the server says where the file is
            self._document.path = self.path

    async def _on_outofband_change(self) -> None:
        if self._looking:
            await self._merge_outside()
        else:  # another document on the same file has looked
            async with self._save_lock:
                await self._merge_outside()

    async def _merge_outside(self) -> None:
        try:
            content = await self._disk.read()
        except Exception as error:  # the contents manager may raise anything
            self._say_failed("loading content from", error)
            self._clock.within(SAVE_RETRY_SECONDS)
            return
        await self._reconcile(content, await self._update_log.load(self._room_id))
        self._clock.within(0)

    async def _reconcile(self, content: Any, loaded: LoadedDocument) -> None:
        """Bring in what somebody else wrote into the file, if they did."""
        disk_hash = content_hash(content)
        if disk_hash == content_hash(self.content()):
            self.shared.flush()
            await self._disk.note_same(content)
            self.conflicts.settled(Reason.FILE_CHANGED)
            return
        kept = self.conflicts.with_file
        if kept is not None and (kept.hash == disk_hash or kept.base is None):
            self._disk.hash = disk_hash
            if kept.hash != disk_hash:  # with nothing known of how it began, nothing can be merged
                self.conflicts.add(Conflict.now(kept.reason, content, base=None, hash=disk_hash))
            return
        if loaded.wrote(disk_hash):
            self._disk.hash = disk_hash  # a state of our own: the file is just behind
            self.conflicts.settled(Reason.FILE_CHANGED)
            return
        bases: list[Any] = [kept.base] if kept is not None else []
        bases = bases or await self._update_log.bases(self._room_id, loaded)
        change = await asyncio.to_thread(
            outside_change,
            self._file_type,
            bases,
            self._state(),
            content,
            unfinished=loaded.unfinished is not None and not self.ready,
        )
        self._disk.hash = disk_hash
        if change.update is None:
            self.conflicts.add(
                Conflict.now(Reason.FILE_CHANGED, content, base=change.base, hash=disk_hash)
            )
            return
        # In the log first: after a crash it must not be merged with what has been sent already.
        await self._update_log.note_outside(self._room_id, disk_hash, content, change.update)
        self._bring_in(change.update)
        self.conflicts.settled(Reason.FILE_CHANGED)
        self._emit(LogLevel.INFO, "overwrite", "The file was changed outside; merged.")

    def _bring_in(self, update: bytes) -> None:
        """Change the document ourselves: of a text that may lag nobody else says so."""
        self.ydoc.apply_update(update)
        self.shared.flush()
        self._changed()

    async def settle(self, conflict_id: str, keep: Keep) -> None:
        """Go on with one of two versions, or both. Raises ``errors.Conflict`` when that is over."""
        async with self._save_lock:
            conflict = self.conflicts.find(conflict_id)
            update = await asyncio.to_thread(conflict.settled, keep, self._file_type, self._state())
            self.conflicts.find(conflict_id)
            self._bring_in(update)
            if conflict.reason is Reason.FILE_CHANGED:
                other = conflict.hash, conflict.theirs
                await self._update_log.note_outside(self._room_id, *other, None)
            self.conflicts.settled(conflict.reason, conflict.id)
            await self.shared.durable()
        self._clock.within(0)

    # -- who comes back with a history that is not ours -------------------------------------------

    def _returned(self, client: SyncClient, state: bytes) -> bytes | None:
        """Bring together what a client has and what we have; returns what only it needs."""
        instead = self._meetings.meet(client, state, untouched=self._untouched)
        if instead is None:
            self._tidy.look_again()
            self._returns.histories = histories(self.ydoc)
            self._changed()
        return instead
