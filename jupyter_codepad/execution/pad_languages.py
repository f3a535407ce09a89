"""PadLanguages: a room's pad becomes one in another language."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from typing import Any, Protocol

from ..errors import Conflict, Invalid
from ..rooms.access import Access
from ..rooms.folders import RoomFolders
from ..rooms.manager import RoomManager, no_room
from ..storage.tables import RoomRecord
from .language_table import Language
from .offer import LanguageOffer

Content = Any
CHANGED = "The language was changed."


class Pads(Protocol):
    """What a change of language needs of the open pads."""

    async def move_pad(self, room: RoomRecord, rename: Callable[[], Awaitable[None]]) -> None:
        """Rename a pad's file while nothing writes it."""

    async def change_pad(self, room: RoomRecord, changed: Callable[[Content], Content]) -> None:
        """Change what is in a pad, for everybody who has it open."""


class PadLanguages:
    """Changes the language of pads.

    Responsible for: the file's new name, by which everybody's open pad goes on; the starter text of
    the new language where nobody has written anything, or wants what there is; the end of the
    room's kernel (``end_kernel``), which speaks the old language, and the start of another
    (``start_kernel``, which does not wait for it).
    """

    def __init__(
        self,
        *,
        offer: LanguageOffer,
        rooms: RoomManager,
        folders: RoomFolders,
        pads: Pads,
        end_kernel: Callable[[str, str], Awaitable[None]],
        start_kernel: Callable[[Access], None],
    ) -> None:
        self._offer = offer
        self._rooms = rooms
        self._folders = folders
        self._pads = pads
        self._end_kernel = end_kernel
        self._start_kernel = start_kernel
        self._changing = asyncio.Lock()

    async def change(self, access: Access, language_id: str, *, starter: bool) -> Access:
        """Let a room's pad be in a language; everybody in the room is told.

        Raises ``Invalid`` for an unknown language, ``Unavailable`` for one that cannot be run here,
        ``Conflict`` where a notebook cannot be in it, or the file's new name is taken.
        """
        language = await self._offer.require(language_id)
        async with self._changing:
            room = await self._rooms.room(access.room.id)
            if room is None:
                raise no_room()
            if room.pad_type == "notebook":
                await self._change_notebook(room, language)
            else:
                await self._change_file(room, language, starter=starter)
            is_new = room.language != language.id
            if is_new:
                await self._end_kernel(room.id, CHANGED)
            access = await self._rooms.set_language(access, language.id, room.pad_path)
            if is_new:
                self._start_kernel(access)
            return access

    async def _change_notebook(self, room: RoomRecord, language: Language) -> None:
        if not language.notebook:
            raise Conflict("no_notebook", f"A notebook cannot be in {language.name}.")

        def changed(content: Content) -> Content:
            metadata = {**content["metadata"]}
            metadata["kernelspec"] = {
                "display_name": language.name,
                "language": language.editor_mode,
                "name": language.kernel_name,
            }
            metadata["language_info"] = {"name": language.editor_mode}
            return {**content, "metadata": metadata}

        await self._pads.change_pad(room, changed)

    async def _change_file(self, room: RoomRecord, language: Language, *, starter: bool) -> None:
        old = self._known(room.language)
        path = PurePosixPath(self._folders.current_path(room.pad_file_id, room.pad_path))
        name = file_name_in(path.name, old, language)
        if name != path.name:
            room.pad_path = str(path.with_name(name))
            await self._pads.move_pad(
                room, lambda: self._folders.rename(str(path), str(path.with_name(name)))
            )
        untouched = old.starter_text if old is not None else None

        def changed(content: Content) -> Content:
            text = str(content)
            wanted = starter or text == untouched or not text.strip()
            return language.starter_text if wanted else text

        await self._pads.change_pad(room, changed)

    def _known(self, language_id: str) -> Language | None:
        try:
            return self._offer.get(language_id)
        except Invalid:  # a kernelspec that is offered no more
            return None


def file_name_in(name: str, old: Language | None, new: Language) -> str:
    """The name of a pad's file in another language: its own stem, where it was given one."""
    if old is None or name == old.file_name:
        return new.file_name
    return PurePosixPath(name).stem + PurePosixPath(new.file_name).suffix
