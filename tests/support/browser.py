"""A real Chromium, and a person at a window of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


def chromium_path() -> str | None:
    """The browser to drive: the variable CHROMIUM, else one of this machine.

    None leaves the choice to Playwright, which takes its own download.
    """
    if chosen := os.environ.get("CHROMIUM"):
        return shutil.which(chosen) or chosen
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@asynccontextmanager
async def open_chromium(*arguments: str) -> AsyncIterator[Browser]:
    """A headless Chromium without windows; ``arguments`` are added to its command line."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=[*ARGUMENTS, *arguments]
        )
        try:
            yield browser
        finally:
            await browser.close()


class Window:
    """A browser profile of one person, with one page; everything that goes wrong in it is kept.

    ``problems`` holds uncaught exceptions, console errors and policy violations, in words.
    """

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("console", self._console)

    @classmethod
    async def open(cls, browser: Browser, **options: Any) -> Window:
        """A fresh profile; ``options`` as in Playwright's ``new_context``."""
        context = await browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, **options}
        )
        context.set_default_timeout(30_000)
        return cls(context, await context.new_page())

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text}")
