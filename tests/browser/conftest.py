"""Fixtures of browser tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.support.trap import Trap, open_trap

# The other tests go on beside these, and machines differ.
expect.set_options(timeout=15_000)


@pytest.fixture
def trap(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Trap]:
    """A browser whose way out is watched."""
    opening = open_trap()
    made = jp_asyncio_loop.run_until_complete(opening.__aenter__())
    try:
        yield made
    finally:
        jp_asyncio_loop.run_until_complete(opening.__aexit__(None, None, None))
