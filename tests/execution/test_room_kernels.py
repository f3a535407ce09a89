"""A room's kernel: which one it is, and how a start of one is given up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pycrdt import Doc

from jupyter_codepad.execution.kernels import KernelDied
from jupyter_codepad.execution.languages import kernel_start
from jupyter_codepad.execution.limits import LimitSettings
from jupyter_codepad.execution.processes import LocalProcess
from jupyter_codepad.execution.room_kernels import RoomKernels
from jupyter_codepad.execution.room_runs import RoomRuns, RunRoom
from jupyter_codepad.execution.run_document import RunDocument
from jupyter_codepad.execution.sandbox import Sandbox
from jupyter_codepad.execution.starts import KernelStart
from jupyter_codepad.execution.tasks import Tasks
from tests.support.box import LOG, processes_named
from tests.support.sync_client import until

MIB = 1024 * 1024
NEVER = f"never-{os.getpid()}"


def start_of(language: str) -> KernelStart:
    if language == NEVER:
        return KernelStart(("sleep", "1000"), {}, {"NEVER": NEVER})
    return kernel_start(language)


@pytest.fixture
def runs() -> RoomRuns:
    """A room that has run nothing."""
    return RoomRuns(
        RunRoom("room", "python", "file", None), RunDocument(Doc(), keep=5, keep_bytes=MIB)
    )


@asynccontextmanager
async def kernels_of(runs: RoomRuns) -> AsyncIterator[RoomKernels]:
    """What gives a room its kernels."""
    sandbox = Sandbox(log=LOG)
    assert (await sandbox.probe()).available
    tasks = Tasks(LOG)
    made = RoomKernels(
        rooms=lambda: [runs],
        sandbox=sandbox,
        start_of=start_of,
        log=LOG,
        tasks=tasks,
        limit=2,
        idle_seconds=1000,
        pool_size=0,
        limits=LimitSettings(),
    )
    yield made
    await made.end(runs)
    await tasks.stop()


async def test_a_kernel_of_another_language_is_not_the_rooms(runs: RoomRuns) -> None:
    """As when a run begins while the language of the pad is being changed."""
    async with kernels_of(runs) as kernels:
        before = await kernels.kernel(runs)
        assert await kernels.kernel(runs) is before
        runs.room = replace(runs.room, language="bash")
        said: list[str] = []
        kernel = await kernels.kernel(runs)
        await kernel.execute("echo $((6 * 7))", lambda m: said.append(m["content"].get("text", "")))
        assert "".join(said) == "42\n" and not before.alive


async def test_a_start_is_given_up_when_the_kernel_is_to_end(runs: RoomRuns) -> None:
    runs.room = replace(runs.room, language=NEVER)
    async with kernels_of(runs) as kernels:
        starting = asyncio.ensure_future(kernels.kernel(runs))
        await until(lambda: processes_named(NEVER), "its beginning")
        await asyncio.wait_for(kernels.end(runs), 10)  # it would never answer
        with pytest.raises(KernelDied, match="while it was being started"):
            await starting
        await until(lambda: processes_named(NEVER) == [], "its end")
        assert kernels.has_place


async def test_a_start_that_is_given_up_again_and_again_leaves_nothing(
    runs: RoomRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.room = replace(runs.room, language=NEVER)
    begun, go, spawned = asyncio.Event(), asyncio.Event(), asyncio.Event()
    spawn = LocalProcess._spawn

    async def slow(self: LocalProcess, argv: list[str], **options: Any) -> None:
        begun.set()
        await go.wait()
        await spawn(self, argv, **options)
        spawned.set()

    async with kernels_of(runs) as kernels:
        monkeypatch.setattr(LocalProcess, "_spawn", slow)
        starting = asyncio.ensure_future(kernels.kernel(runs))
        await begun.wait()
        ending = []
        for _ in range(3):
            ending.append(asyncio.create_task(kernels.end(runs)))
            for _ in range(5):  # turns of the loop: each is heard before the next
                await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*ending)
        with pytest.raises(KernelDied, match="while it was being started"):
            await starting
        await spawned.wait()
        await until(lambda: processes_named(NEVER) == [], "its end")
