"""Tools of this machine that the server itself runs, outside of any sandbox, on nobody's code."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .priority import lower_session, niced
from .processes import descendants, stat_of

STOPPED_SECONDS = 1.0
"""How long a process may take to stand still; one that waits for a disk takes longer."""


async def run_tool(
    argv: Sequence[str],
    *,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Run a tool to its end; returns its exit status.

    It gets no more of our environment than ``PATH``, and ``environment``. When that takes longer it
    is ended with all that it has started, which raises ``TimeoutError``; so it is when this is
    cancelled. Raises ``OSError`` when it cannot be started.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *niced(list(argv)),
            env={"PATH": os.environ.get("PATH", os.defpath), **(environment or {})},
            cwd=cwd,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting])  # only what is known can be ended
        if starting.exception() is None:
            await _end(starting.result())
        raise
    lower_session(process.pid)
    try:
        return await asyncio.wait_for(process.wait(), seconds)
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: Process) -> None:
    stopped: list[int] = []
    # What stands still starts nothing more meanwhile.
    while (family := descendants(process.pid)) != stopped:
        stopped = family
        _signal_all(family, signal.SIGSTOP)
        # One that is just starting another one does that first: who looks too soon does not see it.
        until = time.monotonic() + STOPPED_SECONDS
        while not all(map(_stands, family)) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(STOPPED_SECONDS / 1000)
    _signal_all(stopped, signal.SIGKILL)
    await process.wait()


def _stands(pid: int) -> bool:
    """Whether a process is stopped, or no more."""
    try:
        return stat_of(pid)[0] in "TtZX"
    except (OSError, IndexError):
        return True


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
