"""What the server itself does with an open pad: give it another name, or another content."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .content import built
from .document_room import DocumentRoom
from .editing import set_content
from .merge import Content


async def move(document: DocumentRoom | None, rename: Callable[[], Awaitable[None]]) -> None:
    """Rename a pad's file while nothing writes it, and tell who has it open where it is now."""
    if document is None:
        await rename()
        return
    async with document._save_lock:
        await rename()
    await document.look()


def change(document: DocumentRoom, changed: Callable[[Content], Content]) -> None:
    """Turn a pad into what ``changed`` makes of its content, for everybody who has it open."""
    content = document.content()
    wanted = changed(content)
    if wanted == content:
        return
    copy = built(document.file_type, [document._state()])
    before = copy.ydoc.get_state()
    set_content(copy, wanted)
    document._bring_in(copy.ydoc.get_update(before))
