"""The rest of the internet, as a browser under test sees it: a trap that counts visits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Request

from tests.support.browser import open_chromium


class Trap:
    """A browser for which each name below ``example`` leads to a socket that only takes notes.

    ``caught``: the first line that came on each connection. Nothing of it may come from a page:
    a request that a policy stops never gets here, a preconnect or a look-up that is used does.
    """

    def __init__(self) -> None:
        self.browser: Browser
        self.caught: list[str] = []

    async def _note(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Noted before anything is read: a TLS greeting without an end is a visit as well.
        place = len(self.caught)
        self.caught.append("a connection")
        line = await reader.read(200)
        self.caught[place] = repr(line[:200])
        writer.close()


@asynccontextmanager
async def open_trap() -> AsyncIterator[Trap]:
    """A trap and its Chromium."""
    trap = Trap()
    server = await asyncio.start_server(trap._note, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # The browser has errands of its own; they end at names that nobody knows.
    rules = f"MAP *.example 127.0.0.1:{port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    try:
        async with open_chromium(f"--host-resolver-rules={rules}") as browser:
            trap.browser = browser
            yield trap
    finally:
        server.close()
        await server.wait_closed()


def is_foreign(request: Request, home: str) -> bool:
    """Whether a request is for another host than ``home`` (``http://host:port/``)."""
    return not request.url.startswith((home, "ws" + home.removeprefix("http"), "data:", "blob:"))
