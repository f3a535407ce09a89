"""Code of rooms runs when the server has nothing to do: typing comes first."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

NICENESS = 10
"""Of kernels; about a tenth of the weight that the server has (sched(7))."""


def niced(argv: list[str]) -> list[str]:
    """A command that runs with less weight, and so does all that it starts."""
    nice = shutil.which("nice")
    return [nice, "-n", str(NICENESS), *argv] if nice else argv


def lower_session(pid: int) -> None:
    """Give the session of a process less weight among the machine's sessions.

    Where Linux groups processes by session (sched(7), "The autogroup feature"), niceness counts
    within a session only, and each kernel has one of its own.
    """
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(NICENESS))
