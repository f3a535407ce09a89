"""The event loop of the server process: uvloop where it is installed, and kept from waiting."""

from __future__ import annotations

import asyncio
import gc
import sys
from importlib import import_module
from importlib.util import find_spec

GARBAGE_THRESHOLD = 10_000
"""New objects between two looks for cycles; a busy turn makes thousands that are none."""

SWITCH_SECONDS = 0.0005
"""How long a thread at work keeps the loop waiting for the interpreter; Python's default is ten
times as long, and a message may come at any time."""


def keep_from_waiting() -> None:
    """Once everything is loaded: nothing that tidies up or works beside the loop holds it up."""
    # What is there now stays: looking through it again and again takes time from everybody.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, *gc.get_threshold()[1:])
    sys.setswitchinterval(SWITCH_SECONDS)


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
