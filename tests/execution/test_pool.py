"""Warm kernels: there before they are needed, few, and never for nobody."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from jupyter_codepad.execution import pool as pool_module
from jupyter_codepad.execution.kernels import KernelDied
from jupyter_codepad.execution.pool import KernelPool
from jupyter_codepad.execution.priority import NICENESS
from jupyter_codepad.execution.tasks import Tasks
from tests.execution.test_runs import desk, text_of
from tests.support.box import kernels_of
from tests.support.server import JupyterServer
from tests.support.sync_client import until

LOG = logging.getLogger("tests.pool")


class Starts:
    """Starts processes that cost less than kernels: the pool only asks whether they live."""

    def __init__(self) -> None:
        self.languages: list[str] = []
        self.fails = False
        self.dies = False
        self.at_once = self.most_at_once = 0

    async def __call__(self, language: str) -> Sleeper:
        self.languages.append(language)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.fails:
                raise KernelDied("There is no such program.")
            return await Sleeper(0.0 if self.dies else 60.0).begin()
        finally:
            self.at_once -= 1


class Sleeper:
    """A process with the parts of a kernel that a pool knows."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.death_words = "It has ended."

    async def begin(self) -> Sleeper:
        self.process = await asyncio.create_subprocess_exec("sleep", str(self.seconds))
        return self

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def ended(self) -> None:
        await self.process.wait()

    async def shutdown(self) -> None:
        if self.alive:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def pool(
    starts: Starts,
    *,
    size: int = 2,
    idle_seconds: float = 60.0,
    has_place: Callable[[], bool] = lambda: True,
) -> AsyncIterator[KernelPool[Sleeper]]:
    tasks = Tasks(LOG)
    made: KernelPool[Sleeper] = KernelPool(
        start=starts,
        has_place=has_place,
        log=LOG,
        tasks=tasks,
        size=size,
        idle_seconds=idle_seconds,
    )
    made.start()
    try:
        yield made
    finally:
        await made.stop()
        assert made.count == 0
        await tasks.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool's rests are for machines that do something else besides."""
    monkeypatch.setattr(pool_module, "REST_SECONDS", 0.0)
    monkeypatch.setattr(pool_module, "CHECK_SECONDS", 0.05)


async def test_nothing_is_started_before_a_language_is_used() -> None:
    starts = Starts()
    async with pool(starts) as made:
        assert starts.languages == [] and made.take("c") is None
        await until(lambda: made.has("c"), "a kernel for the next")
        assert starts.languages == ["c"]


async def test_the_languages_used_last_are_kept_one_kernel_each() -> None:
    starts = Starts()
    async with pool(starts, size=2) as made:
        for language in ("c", "java", "c", "python"):
            made.take(language)
        await until(lambda: made.has("python") and made.has("c"), "the last two")
        assert made.count == 2 and not made.has("java") and starts.most_at_once == 1
        taken = made.take("python")
        assert taken is not None and taken.alive and not made.has("python")
        await until(lambda: made.has("python"), "the next")
        await taken.shutdown()
        made.take("java")
        await until(lambda: made.has("java") and made.has("python"), "the last two by now")
        await until(lambda: made.count == 2, "the end of the other")
        assert not made.has("c")


async def test_nothing_is_kept_for_what_nobody_uses() -> None:
    starts = Starts()
    async with pool(starts, idle_seconds=1.0) as made:
        made.take("c")
        await until(lambda: made.has("c"), "a kernel")
        await until(lambda: made.count == 0, "its end")
        assert starts.languages == ["c"]


async def test_what_ends_when_the_pool_is_stopped_has_ended_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[bool] = []
    shut_down = Sleeper.shutdown

    async def slowly(self: Sleeper) -> None:
        await asyncio.sleep(0.1)
        await shut_down(self)
        ended.append(True)

    monkeypatch.setattr(Sleeper, "shutdown", slowly)
    async with pool(Starts(), size=1) as made:
        made.take("c")
        await until(lambda: made.has("c"), "a kernel")
        made.take("java")
        await until(lambda: not made.has("c"), "the beginning of its end")
        assert not ended
        await made.stop()
        assert ended


@pytest.mark.parametrize("how", ["fails", "dies"])
async def test_what_fails_again_and_again_is_tried_less_and_less(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(pool_module, "FIRST_PAUSE_SECONDS", 0.05)
    starts = Starts()
    setattr(starts, how, True)
    async with pool(starts) as made:
        made.take("c")
        began = time.monotonic()
        await until(lambda: len(starts.languages) >= 4, "four attempts")
        assert time.monotonic() - began >= 0.05 + 0.1 + 0.2
        setattr(starts, how, False)
        await until(lambda: made.has("c"), "a kernel in the end")


async def test_no_place_no_kernel_and_its_place_is_given_up() -> None:
    starts, places = Starts(), [True]
    async with pool(starts, has_place=lambda: places[0]) as made:
        made.take("c")
        await until(lambda: made.has("c"), "a kernel")
        places[0] = False
        assert await made.make_place() and made.count == 0
        assert not await made.make_place()
        places[0] = True
        await until(lambda: made.has("c"), "a kernel when there is a place again")
        assert starts.languages == ["c", "c"]


async def warm_kernels(server: JupyterServer, count: int) -> None:
    """Wait until the server says that it has so many."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 30
    while True:
        answer = await server.host.http.get(f"{server.url}metrics")
        if f"codepad_kernels_warm {count}.0" in answer.text:
            return
        assert loop.time() < deadline, f"not within 30 s: {count} warm kernels"


async def test_a_second_room_has_its_kernel_at_once_and_a_folder_of_its_own(tmp_path: Path) -> None:
    options = ["--CodepadApp.warm_kernels=True", "--CodepadApp.warm_pool_size=1"]
    server = JupyterServer(tmp_path, options=options)
    try:
        await server.start()
        assert server.process is not None
        kernels = partial(kernels_of, server.process.pid)
        one = await desk(server)
        await one.run("open('mine.txt', 'w').write('mine')\nmine = 1")
        await warm_kernels(server, 1)
        before = kernels()
        two = await desk(server)
        run = await two.run("import os\nprint(os.listdir(), 'mine' in globals())")
        assert text_of(run) == "['main.py'] False\n"
        run = await two.run("print(os.nice(0), os.sched_getscheduler(0))")
        assert text_of(run) == f"{NICENESS} {os.SCHED_BATCH}\n"
        assert two.screen.kernel["status"] == "idle"
        await warm_kernels(server, 1)
        assert len(kernels()) == 3
        assert before < kernels(), "the second room took the one that was warm"
        killed = min(kernels() - before)
        os.kill(killed, signal.SIGKILL)
        await until(lambda: killed not in kernels() and len(kernels()) == 3, "another")
        await warm_kernels(server, 1)
        assert len(kernels()) == 3, "in its place"
        left = kernels()
        await server.stop()
        assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []
    finally:
        await server.close()
