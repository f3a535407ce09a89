"""Code of rooms runs when the server has nothing to do: typing comes first."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path

NICENESS = 10
"""Of kernels; about a tenth of the weight that the server has (sched(7))."""


def niced(argv: list[str]) -> list[str]:
    """A command that runs with less weight, and so does all that it starts.

    It is a batch process too (``SCHED_BATCH``, sched(7)): when it has something to do again, it
    does not take the processor from who has it. A program that prints without end sleeps and wakes
    thousands of times a second, which else holds up the letters that somebody types.
    """
    nice = shutil.which("nice")
    return [nice, "-n", str(NICENESS), *_batch(), *argv] if nice else argv


@cache
def _batch() -> tuple[str, ...]:
    """What is put before a command to make a batch process of it; nothing where that is refused."""
    chrt = shutil.which("chrt")
    try:
        if not chrt or os.sched_getscheduler(0) != os.SCHED_OTHER:
            return ()
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # of this thread, for a moment
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except OSError:
        return ()
    return chrt, "--batch", "0"


def lower_session(pid: int) -> None:
    """Give the session of a process less weight among the machine's sessions.

    Where Linux groups processes by session (sched(7), "The autogroup feature"), niceness counts
    within a session only, and each kernel has one of its own.
    """
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(NICENESS))
