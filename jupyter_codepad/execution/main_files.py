"""MainFiles: which file of a room's folder is run."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path

from ..errors import Conflict, NotFound
from ..rooms.access import Access
from ..rooms.manager import RoomManager
from ..storage.tables import RoomRecord
from .language_table import Language
from .room_runs import ONLY_PAD, RunRoom
from .tasks import Tasks
from .trees import Deadline, OutOfTime, Stamp, opened, regular, showable, survey

FILES_SHOWN = 100
WATCH_SECONDS = 2.0
WATCH_SHARE = 0.02
"""Of the time at most this much is spent on watching, however many files there are."""
LOOK_SECONDS = 2.0
LOOK_BYTES = 128 * 1024
"""So much of a file is read to see whether a program begins in it."""


@dataclass
class Programs:
    """The files of a folder in which programs of a language begin; ``told``: what people know."""

    folder: Path
    language: Language
    told: list[str] | None = None
    _seen: dict[str, tuple[Stamp, bool]] = field(default_factory=dict)

    @property
    def paths(self) -> list[str]:
        """Those that there were at the last look, by their paths in the folder."""
        return [path for path, (_, begins) in self._seen.items() if begins]

    def look(self) -> None:
        """See what there is now; blocks. Reads only files that have changed since.

        Code of the room has written some of them: links are not followed, names that people could
        not tell apart are left out, and what takes too long is given up.
        """
        deadline = Deadline.after(LOOK_SECONDS)
        seen: dict[str, tuple[Stamp, bool]] = {}
        left = FILES_SHOWN
        try:
            with opened(self.folder) as root:
                for path, stamp in sorted(survey(root, deadline).files.items()):
                    deadline.check()
                    if left and path.endswith(self.language.suffixes) and showable(path):
                        known = self._seen.get(path)
                        if known is None or known[0] != stamp:
                            known = stamp, self._begins_in(root, path)
                        seen[path] = known
                        left -= known[1]
        except (OSError, OutOfTime):
            pass  # what was found until then
        self._seen = seen

    def _begins_in(self, root: int, path: str) -> bool:
        with regular(root, path) as file:
            text = os.read(file[0], LOOK_BYTES) if file is not None else None
        return text is not None and self.language.begins_in(text.decode(errors="replace"))


class MainFiles:
    """Knows the programs of a room's folder, and notes the one that is run for everybody.

    Where somebody is in a room and has asked for its programs, it sees that others come or go,
    whoever puts them there. ``room_of``: what runs know of a room; ``language_of``: the language
    with an id; ``occupied``: the rooms that somebody is in; ``changed``: called with the id of a
    room that has other programs now.
    """

    def __init__(
        self,
        *,
        rooms: RoomManager,
        room_of: Callable[[RoomRecord], RunRoom],
        language_of: Callable[[str], Language],
        occupied: Callable[[], Collection[str]],
        changed: Callable[[str], None],
        log: Logger,
    ) -> None:
        self._rooms = rooms
        self._room_of = room_of
        self._language_of = language_of
        self._occupied = occupied
        self._changed = changed
        self._programs: dict[str, Programs] = {}
        self._tasks = Tasks(log)

    def start(self) -> None:
        """Begin to watch folders."""
        self._tasks.add(self._watch())

    async def stop(self) -> None:
        """End that."""
        await self._tasks.stop()

    async def files(self, access: Access) -> list[str]:
        """Files that a run can begin in, by their paths in the room's folder: the pad's first.

        Empty where only the pad can be run.
        """
        room = self._room_of(access.room)
        if not room.runs_files or room.pad_file is None:
            return []
        found: list[str] = []
        if room.folder is not None:
            programs = self._of(room, room.folder)
            await asyncio.to_thread(programs.look)
            self._tell(room.room_id, programs)
            found = programs.paths
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

    def _of(self, room: RunRoom, folder: Path) -> Programs:
        language = self._language_of(room.language)
        programs = self._programs.get(room.room_id)
        if programs is None or (programs.folder, programs.language) != (folder, language):
            programs = self._programs[room.room_id] = Programs(folder, language)
        return programs

    def _tell(self, room_id: str, programs: Programs) -> None:
        before, programs.told = programs.told, programs.paths
        if before is not None and before != programs.told:
            self._changed(room_id)

    async def _watch(self) -> None:
        pause = WATCH_SECONDS
        while True:
            await asyncio.sleep(pause)
            occupied = set(self._occupied())
            for room_id in self._programs.keys() - occupied:
                del self._programs[room_id]
            watched, began = list(self._programs.items()), time.monotonic()
            for room_id, programs in watched:
                await asyncio.to_thread(programs.look)
                self._tell(room_id, programs)
            pause = max(WATCH_SECONDS, (time.monotonic() - began) / WATCH_SHARE)
