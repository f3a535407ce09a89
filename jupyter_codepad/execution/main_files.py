"""MainFiles: which file of a room's folder is run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from ..errors import Conflict, NotFound
from ..rooms.access import Access
from ..rooms.manager import RoomManager
from ..storage.tables import RoomRecord
from .language_table import Language
from .room_runs import ONLY_PAD, RunRoom
from .trees import Deadline, OutOfTime, opened, regular, showable, survey

FILES_SHOWN = 100
LOOK_SECONDS = 2.0
LOOK_BYTES = 128 * 1024
"""So much of a file is read to see whether a program begins in it."""


class MainFiles:
    """Knows the programs of a room's folder, and notes the one that is run for everybody.

    ``room_of``: what runs know of a room; ``language_of``: the language with an id.
    """

    def __init__(
        self,
        *,
        rooms: RoomManager,
        room_of: Callable[[RoomRecord], RunRoom],
        language_of: Callable[[str], Language],
    ) -> None:
        self._rooms = rooms
        self._room_of = room_of
        self._language_of = language_of

    async def files(self, access: Access) -> list[str]:
        """Files that a run can begin in, by their paths in the room's folder: the pad's first.

        Empty where only the pad can be run.
        """
        room = self._room_of(access.room)
        if not room.runs_files or room.pad_file is None:
            return []
        language = self._language_of(room.language)
        found: list[str] = []
        if room.folder is not None:
            found = await asyncio.to_thread(programs, room.folder, language)
        others = [path for path in found if path != room.pad_file]
        return [room.pad_file, *others[: FILES_SHOWN - 1]]

    async def choose(self, access: Access, path: str | None) -> Access:
        """Let runs begin in a file of the room's folder, None: in the pad; everybody is told.

        Raises ``Conflict`` where only the pad can be run, ``NotFound`` for a file that is not there
        or not of the room's language.
        """
        files = await self.files(access)
        if path is not None and not files:
            raise Conflict("no_main_file", ONLY_PAD)
        if path is not None and path not in files:
            words = f"There is no program “{path}” in the room's folder."
            raise NotFound("file_not_found", words)
        pad = files[0] if files else None
        return await self._rooms.set_main_file(access, None if path == pad else path)


def programs(folder: Path, language: Language) -> list[str]:
    """Files below a folder in which programs of a language begin; reads them.

    Code of the room has written some of them: links are not followed, names that people could not
    tell apart are left out, and what takes too long is given up.
    """
    deadline = Deadline.after(LOOK_SECONDS)
    found: list[str] = []
    try:
        with opened(folder) as root:
            for path in sorted(survey(root, deadline).files):
                deadline.check()
                if path.endswith(language.suffixes) and showable(path) and len(found) < FILES_SHOWN:
                    with regular(root, path) as file:
                        text = os.read(file[0], LOOK_BYTES) if file is not None else None
                    if text is not None and language.begins_in(text.decode(errors="replace")):
                        found.append(path)
    except (OSError, OutOfTime):
        pass  # what was found until then
    return found
