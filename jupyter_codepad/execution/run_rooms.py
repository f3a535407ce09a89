"""What runs need to know of a room, gathered from those who know it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from ..errors import Invalid
from ..rooms.folders import RoomFolders, within
from ..storage.tables import RoomRecord
from .languages import file_in
from .offer import LanguageOffer
from .room_runs import RunRoom


def run_room(
    room: RoomRecord,
    *,
    folders: RoomFolders,
    languages: LanguageOffer,
    reaches_files: bool,
    open_paths: Callable[[], Iterable[str]],
) -> RunRoom:
    """A room for the run manager.

    ``reaches_files``: whether code finds the files of its room; ``open_paths``: says which files
    below the root people have open.
    """
    here = within(room.folder, [folders.current_path(room.pad_file_id, room.pad_path)])
    pad_file, runs_files = None, False
    if room.pad_type == "file":
        pad_file = file_in(room.language, *here)
        with suppress(Invalid):  # a language that is offered no more
            language = languages.get(room.language)
            pad_file = pad_file or language.file_name
            runs_files = language.runs_files and reaches_files
    names = {*here, *within(room.folder, [room.pad_path]), pad_file}
    return RunRoom(
        room_id=room.id,
        language=room.language,
        pad_type=room.pad_type,
        folder=folders.local_path(room.folder),
        pad_names=frozenset(name for name in names if name is not None),
        pad_file=pad_file,
        runs_files=runs_files,
        main_file=room.main_file,
        open_files=lambda: within(room.folder, open_paths()),
    )
