"""The event loop of the server process: uvloop where it is installed."""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec


def install() -> bool:
    """Let this thread's event loop be uvloop's; False where that cannot be.

    It cannot be once a loop is running (the server is part of another program then), and where
    uvloop is not installed. What has been prepared on the loop before does not move over, so this
    has to happen before anything has been.
    """
    if find_spec("uvloop") is None:  # there is none for this platform
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.set_event_loop(import_module("uvloop").new_event_loop())
        return True
    return False
