"""The folder of a room below the host's Jupyter root, through the contents manager only."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from jupyter_server.services.contents.manager import ContentsManager
from jupyter_server.utils import ensure_async
from jupyter_server_fileid.manager import BaseFileIdManager
from tornado.web import HTTPError

from ..errors import Conflict, NotFound, TooLarge
from .models import PadType
from .sources import SourceFiles

NOTEBOOK_SUFFIX = ".ipynb"


def slug(title: str) -> str:
    """A title as a short plain folder name: ASCII letters, digits and dashes, maybe empty."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40].strip("-")


def within(folder: str, paths: Iterable[str]) -> list[str]:
    """Those of some paths below the root that are in a folder, as paths within it."""
    start = f"{folder.strip('/')}/"
    return [path.strip("/")[len(start) :] for path in paths if path.strip("/").startswith(start)]


def open_regular(folder: int, name: str) -> int | None:
    """A descriptor of a regular file in an open folder, or None when it is anything else.

    A symbolic link is not followed, and a device or pipe is never waited for.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(name, flags, dir_fd=folder)
    except OSError:
        return None  # a link, gone, or not ours to read
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return None


def notebook(source: str, kernel_name: str, language: str) -> dict[str, Any]:
    """A notebook (format 4.5) with ``source`` in its one code cell."""
    return {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": str(uuid4()),
                "metadata": {},
                "outputs": [],
                "source": source,
            }
        ],
        "metadata": {
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": language,
                "name": kernel_name,
            },
            "language_info": {"name": language},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


class RoomFolders:
    """Makes and removes the folders of rooms.

    ``contents``: the server's contents manager; ``file_ids``: gives the server's file id manager,
    which follows files that are renamed; ``parent``: folder of all rooms, below its root;
    ``document_limit_bytes``: the largest text (UTF-8) that may become a pad.
    """

    def __init__(
        self,
        *,
        contents: ContentsManager,
        file_ids: Callable[[], BaseFileIdManager],
        parent: str,
        document_limit_bytes: int,
    ) -> None:
        self._contents = contents
        self._file_ids = file_ids
        self._parent = parent.strip("/")
        self._limit = document_limit_bytes
        self._making = asyncio.Lock()

    def path_for(self, room_id: str, title: str) -> str:
        """Where the folder of a room goes: ``<parent>/<title>-<id>``."""
        name = "-".join(part for part in (slug(title), room_id) if part)
        return f"{self._parent}/{name}"

    def file_id(self, path: str) -> str:
        """The lasting id of a file; raises ``NotFound`` when there is no such file."""
        file_id = self._file_ids().index(path)
        if file_id is None:
            raise NotFound("pad_not_found", f"There is no file “{path}” here.")
        return str(file_id)

    def current_path(self, file_id: str, last_path: str) -> str:
        """Where a file is now, if it was moved through Jupyter since it was at ``last_path``."""
        return str(self._file_ids().get_path(file_id) or last_path)

    def local_path(self, folder: str) -> Path | None:
        """The folder on this machine's disk, or None where contents are kept elsewhere."""
        root = getattr(self._contents, "root_dir", None)
        if not root:
            return None
        base = Path(root).resolve()
        path = base / folder
        return path if path.parent.resolve().is_relative_to(base) else None

    def require_regular(self, path: str) -> None:
        """Raise ``Conflict`` when a path below the root goes through a link or is no plain file.

        A path at which there is nothing is let through: what reads it says so.
        """
        root = getattr(self._contents, "root_dir", None)
        if not root:
            return
        place = Path(root).resolve()
        *folders, name = PurePosixPath(path.strip("/")).parts
        kinds = [*((folder, stat.S_ISDIR) for folder in folders), (name, stat.S_ISREG)]
        for part, is_right in kinds:
            place /= part
            try:
                mode = os.lstat(place).st_mode
            except FileNotFoundError:
                return
            except OSError as error:
                raise Conflict("pad_unreadable", "This pad's file cannot be read.") from error
            if part == ".." or not is_right(mode):
                raise Conflict("pad_not_a_file", "This pad's file is a link or no plain file.")

    def check_size(self, text: str) -> None:
        """Raise ``TooLarge`` when a text is over the limit of a pad."""
        if len(text.encode()) > self._limit:
            raise TooLarge(
                "document_too_large",
                f"A pad can hold at most {self._limit:,} bytes of text; this is larger.",
            )

    def sources(self, notebook_limit_bytes: int) -> SourceFiles:
        """What reads files that pads become copies of; a notebook's file may be so large."""
        return SourceFiles(
            contents=self._contents,
            require_regular=self.require_regular,
            document_limit_bytes=self._limit,
            notebook_limit_bytes=notebook_limit_bytes,
        )

    async def create(self, folder: str, file_name: str, pad_type: PadType, content: Any) -> str:
        """Make the folder with the pad in it; returns the pad's path below the root."""
        async with self._making:  # of two first rooms one makes the folder that they share
            current = PurePosixPath()
            for part in PurePosixPath(folder).parts:
                current /= part
                if not await ensure_async(self._contents.dir_exists(str(current))):
                    try:
                        await self._save({"type": "directory", "format": "json"}, str(current))
                    except Conflict:
                        # Another server on these files may have made it just now.
                        if not await ensure_async(self._contents.dir_exists(str(current))):
                            raise
        path = f"{folder}/{file_name}"
        form = "json" if pad_type == "notebook" else "text"
        await self._save({"type": pad_type, "format": form, "content": content}, path)
        return path

    async def rename(self, path: str, to: str) -> None:
        """Give a file another name, by which its id follows it.

        Raises ``Conflict`` when there is such a file already, or the file cannot be renamed.
        """
        self.require_regular(path)
        name = PurePosixPath(to).name
        if await ensure_async(self._contents.exists(to)):
            raise Conflict("file_exists", f"There is a file “{name}” already. Rename it first.")
        ids = self._file_ids()
        if ids.get_id(to) is not None:
            ids.delete(to)  # of a file that is gone
        try:
            await ensure_async(self._contents.rename(path, to))
        except HTTPError as error:
            words = error.log_message or "the server gave no reason"
            raise Conflict("file_not_renamed", f"“{path}” stays: {words}") from error
        # The file id service hears of it later, and then finds it done.
        ids.move(path, to)

    async def _save(self, model: dict[str, Any], path: str) -> None:
        try:
            await ensure_async(self._contents.save(model, path))
        except HTTPError as error:
            words = error.log_message or "the server gave no reason"
            raise Conflict("folder_not_writable", f"“{path}” could not be made: {words}") from error

    async def delete(self, folder: str) -> None:
        """Remove a room's folder with all that is in it; nothing happens when it is gone already.

        Raises ``Conflict`` when it is there and cannot be removed.
        """
        if not await ensure_async(self._contents.dir_exists(folder)):
            return
        try:
            await ensure_async(self._contents.delete(folder))
        except HTTPError as error:
            words = error.log_message or "the server gave no reason"
            raise Conflict("files_not_deleted", f"The files stay: {words}") from error
