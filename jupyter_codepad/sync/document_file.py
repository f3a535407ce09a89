"""DocumentFile: the file of one document, and what the update log knows of it."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from logging import Logger
from typing import Any

import nbformat
from jupyter_server.utils import ensure_async
from jupyter_server_ydoc.loaders import FileLoader
from jupyter_server_ydoc.utils import OutOfBandChanges

from .content import built, content_hash
from .merge import Content
from .update_log import LoadedDocument, UpdateLog

NEVER = datetime.min.replace(tzinfo=UTC)


class DocumentFile:
    """Reads and writes the file, and notes in the log what it is to hold before it holds it.

    ``name``: of the document in the log; ``check``: raises for a path that may be neither read from
    nor written to. ``path`` is where the file is, or was when it was last looked at; ``hash`` is of
    the content that it has as far as we know.
    """

    def __init__(
        self,
        name: str,
        loader: FileLoader,
        *,
        form: str,
        kind: str,
        update_log: UpdateLog,
        check: Callable[[str], None],
        log: Logger,
    ) -> None:
        self.path = str(loader.path)
        self.hash = ""
        self._name = name
        self._loader = loader
        self._contents = loader._contents_manager
        self._form = form
        self._kind = kind
        self._update_log = update_log
        self._check = check
        self._log = log

    def look(self) -> None:
        """Find out where the file is now."""
        self.path = self._loader.path
        self._check(self.path)

    async def read(self) -> Content:
        """What the file holds. Raises whatever the contents manager does."""
        try:
            self.look()
            model = await self._loader.load_content(self._form, self._kind)
        except Exception:
            self._loader.last_modified = NEVER  # what has not been read must not be written over
            raise
        content: Content = model["content"]
        return content

    async def write(self, content: Content, now_hash: str) -> dict[str, Any] | None:
        """Write the file; returns its model with Jupyter's hash, None where it may not be written.

        Raises ``OutOfBandChanges`` when somebody else has written it meanwhile, and whatever the
        contents manager does.
        """
        self.look()
        await self._update_log.note_save(self._name, now_hash, confirmed=False)
        try:
            saved = await self._loader.maybe_save_content(self._model(content))
        except OutOfBandChanges:
            await self._update_log.withdraw_save(self._name, now_hash)
            raise
        if saved is None:
            return None
        await self._confirm(now_hash)
        if self._others_were_in_time(saved["hash"], content):
            self._loader.last_modified = NEVER
        return dict(saved)

    def _others_were_in_time(self, found: str | None, content: Content) -> bool:
        """Whether somebody has written the file right after us; its time looks like ours then.

        Unknown for notebooks, and where the contents manager has no hashes.
        """
        if found is None or self._form != "text":
            return False
        algorithm = getattr(self._contents, "hash_algorithm", "sha256")
        return found != hashlib.new(algorithm, self._bytes(content)).hexdigest()

    async def put_back(self, content: Content, now_hash: str) -> bool:
        """Write the file where it was, if it has been deleted. Raises as the contents manager."""
        self._check(self.path)
        if await ensure_async(self._contents.file_exists(self.path)):
            return False
        saved = await ensure_async(self._contents.save(self._model(content), self.path))
        self._loader.last_modified = saved["last_modified"]
        await self._confirm(now_hash)
        return True

    async def finish_write(self, loaded: LoadedDocument) -> None:
        """Write the file again where a crash has cut the last write short.

        The contents manager writes in place: a file has only the beginning of what it was to have
        when the server is killed meanwhile. Nobody has deleted the rest on purpose.
        """
        if loaded.unfinished is None:
            return
        self.look()
        updates = await self._update_log.load_until(self._name, loaded.unfinished.seq)
        content = await asyncio.to_thread(lambda: built(self._kind, updates).get())
        found = await ensure_async(self._contents.get(self.path, type="file", format="base64"))
        here, whole = b64decode(found["content"]), self._bytes(content)
        if len(here) < len(whole) and whole.startswith(here):
            await ensure_async(self._contents.save(self._model(content), self.path))
            self._log.warning("A crash cut %s short; it is whole again.", self.path)

    async def notice(self) -> None:
        """Tell the documents of this file when it has been moved, or written by somebody else."""
        before = self._loader.last_modified
        await self._loader.maybe_notify()
        # A file that was put there with its own, older time is not news to jupyter-collaboration.
        if before is not None and self._loader.last_modified < before:
            for tell in list(self._loader._subscriptions.values()):
                await tell()

    async def note_same(self, content: Content) -> None:
        """Note that file and document are the same now, without a write of ours."""
        now_hash = content_hash(content)
        await self._update_log.note_save(self._name, now_hash, confirmed=False)
        await self._confirm(now_hash)

    async def _confirm(self, now_hash: str) -> None:
        await self._update_log.note_save(self._name, now_hash, confirmed=True)
        self.hash = now_hash

    def _model(self, content: Content) -> dict[str, Any]:
        """What the contents manager is to write; it knows two types of files."""
        kind = "notebook" if self._kind == "notebook" else "file"
        return {"type": kind, "format": self._form, "content": content}

    def _bytes(self, content: Any) -> bytes:
        """What the contents manager writes."""
        if self._kind == "notebook":
            content = nbformat.writes(nbformat.from_dict(content), version=nbformat.NO_CONVERT)
        return b64decode(content) if self._form == "base64" else bytes(content.encode())
