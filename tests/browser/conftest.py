"""Fixtures of browser tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from jupyter_core.utils import ensure_event_loop
from playwright.async_api import Browser, expect

from tests.support.browser import Window, open_chromium
from tests.support.lab import LabProfile
from tests.support.server import JupyterServer
from tests.support.trap import Trap, open_trap

# The other tests go on beside these, and machines differ.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="package", autouse=True)
def jp_asyncio_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One event loop for all of these tests, as they have one browser."""
    loop = ensure_event_loop(prefer_selector_loop=True)
    yield loop
    loop.close()


@pytest.fixture(scope="package")
def only_chromium(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Browser]:
    """The browser of all of these tests."""
    opening = open_chromium()
    browser = jp_asyncio_loop.run_until_complete(opening.__aenter__())
    try:
        yield browser
    finally:
        jp_asyncio_loop.run_until_complete(opening.__aexit__(None, None, None))


@pytest.fixture
def chromium(
    only_chromium: Browser,
    lab_profile: LabProfile,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> Iterator[Browser]:
    """A headless Chromium; open a ``Window`` in it for each person, with a profile of its own."""
    yield only_chromium
    for context in only_chromium.contexts:
        if context is not lab_profile.context:
            jp_asyncio_loop.run_until_complete(context.close())


@pytest.fixture(scope="package")
def lab_profile(jp_asyncio_loop: asyncio.AbstractEventLoop, only_chromium: Browser) -> LabProfile:
    """The profile of who owns the shared server: JupyterLab loads sooner a second time."""
    window = jp_asyncio_loop.run_until_complete(Window.open(only_chromium))
    jp_asyncio_loop.run_until_complete(window.page.close())
    return LabProfile(window.context)


@pytest.fixture
def lab(
    lab_profile: LabProfile, server: JupyterServer, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[LabProfile]:
    """JupyterLab of the shared server's owner."""
    lab_profile.server = server
    yield lab_profile
    jp_asyncio_loop.run_until_complete(lab_profile.close())


@pytest.fixture
def trap(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Trap]:
    """A browser whose way out is watched."""
    opening = open_trap()
    made = jp_asyncio_loop.run_until_complete(opening.__aenter__())
    try:
        yield made
    finally:
        jp_asyncio_loop.run_until_complete(opening.__aexit__(None, None, None))
