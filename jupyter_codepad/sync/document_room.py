"""A pad's document room: as jupyter-collaboration has it, on our engine and log."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from difflib import SequenceMatcher
from logging import Logger
from typing import Any

from anyio import Event
from anyio.abc import TaskStatus
from jupyter_events import EventLogger
from jupyter_server_ydoc.loaders import FileLoader
from jupyter_server_ydoc.rooms import DocumentRoom as StockDocumentRoom
from jupyter_server_ydoc.utils import LogLevel, OutOfBandChanges
from jupyter_ydoc import ydocs
from pycrdt import Channel, Doc, Map, Text

from .protocol import ProtocolError
from .shared_document import SharedDocument
from .update_log import LoadedDocument, UpdateLog

SAVE_RETRY_SECONDS = 5.0
FIRST_CLIENT_ID_BITS = 32


def content_hash(content: Any) -> str:
    """A hash of a document's content that is the same for what is shared and what is on disk.

    Text is taken as it is; of a notebook, marks that are never shared (trust) are left out.
    """
    if isinstance(content, dict):
        cells = [
            {**cell, "metadata": {k: v for k, v in cell["metadata"].items() if k != "trusted"}}
            for cell in content.get("cells", [])
        ]
        content = json.dumps({**content, "cells": cells}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def merge_outside_change(file_type: str, bases: list[list[bytes]], content: Any) -> bytes:
    """The Yjs update that turns the document which the outside edit started from into ``content``.

    ``bases``: what the file may have been before, each as its updates, newest last; after a crash
    in the middle of a save there are several, and the one that ``content`` is most like is taken.
    Applied to the live document the update brings in exactly what was changed outside, and keeps
    what was typed in the meantime. Slow for large files: call it in a thread.
    """
    documents = []
    for updates in bases:
        ydoc: Doc[Any] = Doc()
        for update in updates:
            ydoc.apply_update(update)
        documents.append(ydocs.get(file_type, ydocs["file"])(ydoc))
    likeness = [_likeness(document.get(), content) for document in documents]
    # Of equals the newest: max() returns the first, so look from the end.
    best = max(reversed(range(len(documents))), key=likeness.__getitem__)
    document = documents[best]
    before = document.ydoc.get_state()
    if isinstance(content, str):
        edit_lines(document.ydoc.get("source", type=Text), content)
    else:
        document.set(content)
    return bytes(document.ydoc.get_update(before))


def edit_lines(text: Text, wanted: str) -> None:
    """Turn a shared text into ``wanted`` by editing only the lines that differ.

    Within a changed block the common beginning and end are left alone, so that what others type
    beside the change stays where it is. Python's ``difflib`` finds the lines.
    """
    old_lines, new_lines = str(text).splitlines(True), wanted.splitlines(True)
    matcher = SequenceMatcher(None, old_lines, new_lines, autojunk=False)
    position = 0  # in UTF-8 bytes, as pycrdt counts
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        old, new = "".join(old_lines[i1:i2]), "".join(new_lines[j1:j2])
        if tag != "equal":
            head = _shared_start(old, new)
            tail = _shared_start(old[head:][::-1], new[head:][::-1])
            start = position + len(old[:head].encode())
            removed = old[head : len(old) - tail].encode()
            if removed:
                del text[start : start + len(removed)]
            if added := new[head : len(new) - tail]:
                text.insert(start, added)
        position += len(new.encode())


def _shared_start(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))


def _likeness(one: Any, other: Any) -> float:
    old, new = (
        value if isinstance(value, str) else json.dumps(value, indent=0, sort_keys=True)
        for value in (one, other)
    )
    return SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False).ratio()


class DocumentRoom(StockDocumentRoom):  # type: ignore[misc]
    """The in-memory document of a pad, shared by room pages and JupyterLab.

    It takes the place of jupyter-collaboration's own room object, so that Lab's socket and ours
    meet in one document. Differences: changes are logged before anybody is told they are saved; the
    log and not the file decides what the document was when it is loaded again; the file is written
    every ``save_delay`` seconds even while people type on; and an edit from outside is merged
    instead of overwriting what is newer in the room.

    ``size_limit_bytes``: of the text, or of a notebook's whole state; ``check_file``: raises for a
    path that must be neither read nor written.
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
        save_delay: float,
        size_limit_bytes: int,
        check_file: Callable[[str], None],
    ) -> None:
        super().__init__(
            room_id, file_format, file_type, file, events, None, log, save_delay=save_delay
        )
        self._update_log = update_log
        self.shared = SharedDocument(
            room_id,
            self.ydoc,
            update_log=update_log,
            log=log,
            clients=self.clients,
            size=self._size,
            size_limit_bytes=size_limit_bytes,
            tidy=self._make_tidy,
        )
        self._check_file = check_file
        self._untidy: set[Callable[[], None]] = set()
        self._loading: asyncio.Task[None] | None = None
        self._save_lock = asyncio.Lock()
        self._save_timer: asyncio.TimerHandle | None = None
        self._saved_hash = ""
        self._closed = False

    @property
    def document(self) -> Any:
        """The jupyter_ydoc document: text (``YUnicode``) or notebook (``YNotebook``)."""
        return self._document

    def _size(self) -> int:
        if self._file_type == "notebook":
            return len(self.ydoc.get_update())
        return len(self.ydoc.get("source", type=Text))

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
        self._check_file(self._file.path)
        model = await self._file.load_content(self._file_format, self._file_type)
        loaded = await self._update_log.load(self._room_id)
        if loaded.updates:
            for update in loaded.updates:
                self.ydoc.apply_update(update)
            self.shared.start()
            await self._reconcile(model["content"], loaded)
        else:
            self.shared.start()
            self._load_first(model["content"])
            await self._note_same(content_hash(model["content"]))
        if self._file_type == "notebook":
            self._remove_trust()
        self.ready = True
        self.ydoc_observed.set()
        self._emit(LogLevel.INFO, "initialize", "Room initialized")
        if content_hash(self._document.get()) != self._saved_hash:
            self._arm_save()

    def _load_first(self, content: Any) -> None:
        """Fill a document that the log does not know.

        The Yjs client is derived from the content: if the log was lost, the same file gives the
        same history and people who reconnect see nothing doubled; another content cannot collide.
        """
        digest = int(content_hash(content), 16)
        source: Doc[Any] = Doc(client_id=digest >> (256 - FIRST_CLIENT_ID_BITS))
        ydocs.get(self._file_type, ydocs["file"])(source).set(content)
        self.ydoc.apply_update(source.get_update())

    async def stop(self) -> None:
        """Write the file a last time and end; the log keeps everything in any case."""
        if self._closed:
            return
        self._closed = True
        if self.ready:
            await self.save()
        self._disarm_save()
        self.shared.stop()
        self._stopped.set()
        if self._task_group is not None:
            self._task_group.cancel_scope.cancel()
            self._task_group = None
        self._document.unobserve()
        self._file.unobserve(self.room_id)

    def file_is_gone(self) -> None:
        """The file was deleted on purpose: do not write it again."""
        self.ready_event = Event()

    async def serve(self, channel: Channel) -> None:
        """Serve a socket of jupyter-collaboration's handler until it closes."""
        self.shared.attach(channel)  # type: ignore[arg-type]
        try:
            messages: AsyncIterator[bytes] = channel.__aiter__()
            async for message in messages:
                try:
                    self.shared.receive(channel, message)  # type: ignore[arg-type]
                except ProtocolError as error:
                    self.log.warning("A frame in %s was refused: %s", self._room_id, error)
                    channel.close(4400, str(error))  # type: ignore[attr-defined]
                    break
        finally:
            self.shared.detach(channel)  # type: ignore[arg-type]

    # -- the file ---------------------------------------------------------------------------------

    def _on_document_change(self, target: str, event: Any) -> None:
        if not self.ready or self._closed:
            return
        if target == "state":
            if self._document.path != self._file.path:  # only the server says where the file is
                self._document.path = self._file.path
            return
        if target == "source" and any(
            not isinstance(d.get("insert", ""), str) for d in event.delta
        ):
            self._untidy.add(self._remove_embeds)
        if target == "cells" and any(part.path[-1:] != ["source"] for part in event):
            self._untidy.add(self._remove_trust)
        self._arm_save()

    def _make_tidy(self) -> None:
        """Take out what came in since the last time and nobody may see, not even for a moment."""
        while self._untidy:
            self._untidy.pop()()

    def _remove_trust(self) -> None:
        """Trust no cell of a room: JupyterLab would run what anybody has put into its output.

        A cell stays untrusted for the host too, because its output can be written by a guest later.
        """
        with self.ydoc.transaction():
            for cell in self._document.ycells:
                metadata = cell.get("metadata")
                if isinstance(metadata, Map):
                    if "trusted" in metadata:
                        del metadata["trusted"]
                elif isinstance(metadata, dict) and "trusted" in metadata:
                    cell["metadata"] = Map({k: v for k, v in metadata.items() if k != "trusted"})

    def _remove_embeds(self) -> None:
        """Take objects out of a text: no editor of code can show one, and some break on it."""
        text = self.ydoc.get("source", type=Text)
        position = 0
        with self.ydoc.transaction():
            for value, _attributes in text.diff():
                if isinstance(value, str):
                    position += len(value.encode())
                else:
                    del text[position : position + 1]

    def _arm_save(self, delay: float | None = None) -> None:
        if self._save_timer is None and not self._closed:
            seconds = self._save_delay if delay is None else delay
            self._save_timer = asyncio.get_running_loop().call_later(seconds, self._save_to_disc)

    def _disarm_save(self) -> None:
        if self._save_timer is not None:
            self._save_timer.cancel()
            self._save_timer = None

    def _save_to_disc(self) -> asyncio.Task[None]:
        """Start a save at once (jupyter-collaboration's name for Lab's Save button)."""
        task = asyncio.create_task(self.save())
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)
        self._saving_document = task
        return task

    async def save(self) -> None:
        """Write the document to its file, unless the file has that content already.

        A file that was changed outside is merged first and written after. Failures are logged,
        told to Lab as an event and tried again; the log has everything meanwhile.
        """
        async with self._save_lock:
            self._disarm_save()
            self.shared.flush()
            content = self._document.get()
            now_hash = content_hash(content)
            if now_hash == self._saved_hash:
                return
            try:
                self._check_file(self._file.path)
                await self._update_log.note_save(self._room_id, now_hash, confirmed=False)
                saved = await self._file.maybe_save_content(
                    {"format": self._file_format, "type": self._file_type, "content": content}
                )
            except OutOfBandChanges:
                await self._merge_outside()
                self._arm_save(0.0)
            except Exception as error:  # the contents manager may raise anything
                message = f"Error saving file: {self._file_id_words()}\n{error!r}"
                self.log.error(message)
                self._emit(LogLevel.ERROR, None, message)
                self._arm_save(SAVE_RETRY_SECONDS)
            else:
                if saved is not None:
                    await self._note_saved(now_hash)
                    self._tell_saved(saved["hash"])

    def _file_id_words(self) -> str:
        return str(self._file.file_id)

    def _tell_saved(self, file_hash: str) -> None:
        with self.ydoc.transaction():
            if self._document.dirty is not False:
                self._document.dirty = False
            if self._document.hash != file_hash:
                self._document.hash = file_hash
        # The server never undoes: keeping each edit for it would grow without a bound.
        self._document.undo_manager.clear()

    async def _note_saved(self, now_hash: str) -> None:
        await self._update_log.note_save(self._room_id, now_hash, confirmed=True)
        self._saved_hash = now_hash

    async def _note_same(self, now_hash: str) -> None:
        """Note that file and document are the same now, without a write of ours."""
        self.shared.flush()
        await self._update_log.note_save(self._room_id, now_hash, confirmed=False)
        await self._note_saved(now_hash)

    async def _on_outofband_change(self) -> None:
        async with self._save_lock:
            await self._merge_outside()
        self._arm_save(0.0)

    async def _merge_outside(self) -> None:
        try:
            self._check_file(self._file.path)
            model = await self._file.load_content(self._file_format, self._file_type)
        except Exception as error:  # the contents manager may raise anything
            message = f"Error loading content from file: {self._file_id_words()}\n{error!r}"
            self.log.error(message)
            self._emit(LogLevel.ERROR, None, message)
            return
        await self._reconcile(model["content"], await self._update_log.load(self._room_id))

    async def _reconcile(self, content: Any, loaded: LoadedDocument) -> None:
        """Bring in what somebody else wrote into the file, if they did."""
        disk_hash = content_hash(content)
        if disk_hash == content_hash(self._document.get()):
            await self._note_same(disk_hash)
            return
        if loaded.save_with(disk_hash) is not None:
            self._saved_hash = disk_hash  # an older state of our own: the file is just behind
            return
        last = max((i for i, save in enumerate(loaded.saves) if save.confirmed), default=0)
        bases = [
            await self._update_log.load_until(self._room_id, save.seq)
            for save in loaded.saves[last:]
        ] or [loaded.updates]
        update = await asyncio.to_thread(merge_outside_change, self._file_type, bases, content)
        self.ydoc.apply_update(update)
        self.shared.flush()
        # Known from now on: after a crash before the next save it must not be merged once more.
        await self._update_log.note_save(self._room_id, disk_hash, confirmed=False)
        self._saved_hash = disk_hash
        self._emit(LogLevel.INFO, "overwrite", "The file was changed outside; merged.")
