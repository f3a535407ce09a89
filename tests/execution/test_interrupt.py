"""Stopping, restarting and closing at every moment of a run's life; nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from tests.execution.test_runs import Desk, desk, text_of
from tests.support import box
from tests.support.server import JupyterServer
from tests.support.sync_client import until

STUBBORN = (
    "import time\nprint('on', flush=True)\n"
    "while True:\n    try:\n        time.sleep(1)\n    except KeyboardInterrupt:\n        pass"
)


def kernels_of(server: JupyterServer) -> set[int]:
    assert server.process is not None
    return box.kernels_of(server.process.pid)


async def stop(at: Desk, run_id: str) -> Any:
    answer = await at.ada.api("POST", f"rooms/{at.id}/runs/{run_id}/interrupt")
    assert answer.status_code == 202
    return answer.json()


async def status(at: Desk, run_id: str, wanted: str) -> None:
    await until(lambda: at.screen.run(run_id)["status"] == wanted, f"a run that is {wanted}", 30)


async def test_a_busy_loop_stops_at_once(server: JupyterServer) -> None:
    at = await desk(server)
    await at.run("kept = 'same kernel'")
    for code in ("while True: pass", "print('x')\nimport time\ntime.sleep(60)"):
        run_id = await at.start(code)
        await status(at, run_id, "running")
        await stop(at, run_id)
        run = await at.screen.end_of(run_id)
        assert run["status"] == "interrupted" and run["message"] == "stopped by Ada (guest)"
        assert at.screen.kernel["status"] == "idle"
    # Code that goes on is ended with its kernel.
    assert text_of(await at.run("print(kept)")) == "same kernel\n"


async def test_a_flood_that_is_stopped_is_not_waited_for(server: JupyterServer) -> None:
    # Text that moves the cursor takes long, and what has gathered of it is ten seconds' work.
    at = await desk(server)
    run: dict[str, Any] = {}
    for seconds in (1.5, 5, 15):  # on a busy machine it takes long until much has gathered
        run_id = await at.start("while True: print('\\x1b[A\\x1b[K' * 10_000)")
        await until(lambda r=run_id: at.screen.run(r).get("outputs"), "the flood", 30)  # type: ignore[misc]
        await asyncio.sleep(seconds)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await stop(at, run_id)
        run = await at.screen.end_of(run_id)
        assert run["status"] == "interrupted"
        assert loop.time() - began < 6  # what has gathered takes seven seconds to read
        if run["truncated"]:
            break
    assert run["truncated"]


async def test_what_code_says_when_it_is_stopped_is_shown(server: JupyterServer) -> None:
    at = await desk(server)
    tidies = (
        "import time\ntry:\n    print('on', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.5)\n"
        "    for i in range(200): print('tidied', i)"
    )
    run_id = await at.start(tidies)
    await until(lambda: at.screen.run(run_id).get("outputs"), "the code to run", 30)
    await stop(at, run_id)
    run = await at.screen.end_of(run_id)
    assert text_of(run).endswith("tidied 199\n") and not run.get("truncated"), "said at its end"


async def test_a_run_is_stopped_whenever_it_is_asked_to_be(server: JupyterServer) -> None:
    at = await desk(server)
    await at.run("kept = 1")
    for _ in range(10):  # right after it was accepted: the kernel may not have begun
        run_id = await at.start("import time\ntime.sleep(60)")
        await stop(at, run_id)
        assert (await at.screen.end_of(run_id))["status"] == "interrupted"
        assert (await stop(at, run_id))["status"] == "interrupted"
    assert text_of(await at.run("print('on', kept)")) == "on 1\n"


async def test_what_waits_or_starts_is_stopped_at_once(server: JupyterServer) -> None:
    at = await desk(server)
    first = await at.start("print('never')")
    assert (await stop(at, first))["status"] in {"interrupted", "queued", "running"}
    assert (await at.screen.end_of(first))["status"] == "interrupted"
    assert text_of(at.screen.run(first)) == ""
    long = await at.start(STUBBORN)
    waiting = await at.start("print('never')")
    await status(at, waiting, "queued")
    await stop(at, waiting)
    await status(at, waiting, "interrupted")
    await until(lambda: at.screen.run(long).get("outputs"), "the first output", 30)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await stop(at, long)
    await stop(at, long)
    run = await at.screen.end_of(long)
    assert run["status"] == "interrupted" and loop.time() - began < 20
    assert "ignored" in at.screen.kernel["message"]
    assert text_of(await at.run("print('again')")) == "again\n"


async def test_restarts_at_any_moment_leave_one_kernel(server: JupyterServer) -> None:
    at = await desk(server)
    before = kernels_of(server)
    started = await at.start("print('while it starts')")
    restarts = [at.ada.api("POST", f"rooms/{at.id}/kernel/restart") for _ in range(3)]
    assert [answer.status_code for answer in await asyncio.gather(*restarts)] == [202] * 3
    assert (await at.screen.end_of(started))["status"] in {"interrupted", "ok"}
    run = await at.run("print('after')")
    assert run["status"] == "ok" and text_of(run) == "after\n"
    await until(lambda: len(kernels_of(server) - before) == 1, "one kernel")
    await at.ada.api("POST", f"rooms/{at.id}/kernel/restart")
    assert (await at.run("print('last')"))["execution_count"] == 1


@pytest.mark.parametrize("when", ["starting", "running", "asking"])
async def test_a_room_that_is_closed_leaves_nothing_behind(
    server: JupyterServer, when: str
) -> None:
    at = await desk(server)
    before = kernels_of(server)
    run_id = await at.start("print('on', flush=True)\ninput()" if when == "asking" else STUBBORN)
    waiting = await at.start("1")
    if when == "running":
        await until(lambda: at.screen.run(run_id).get("outputs"), "the first output", 30)
    elif when == "asking":
        await until(lambda: at.screen.run(run_id).get("input"), "the question", 30)
    answers = await asyncio.gather(
        server.host.api("DELETE", f"rooms/{at.id}"),
        *(at.ada.api("POST", f"rooms/{at.id}/runs", {}) for _ in range(5)),
    )
    assert answers[0].status_code in {200, 204}
    await until(lambda: kernels_of(server) <= before, "no kernel of the room")
    for left in (run_id, waiting):
        answer = await at.ada.api("POST", f"rooms/{at.id}/runs/{left}/interrupt")
        assert answer.status_code in {401, 403, 404}


async def test_a_kernel_that_dies_is_said_and_replaced(server: JupyterServer) -> None:
    before = kernels_of(server)
    at = await desk(server)
    run = await at.run("print('on', flush=True)\nimport os, time\ntime.sleep(0.1)\nos._exit(3)")
    assert run["status"] == "dead" and "exit status 3" in run["message"]
    assert text_of(run) == "on\n" and at.screen.kernel["status"] == "dead"
    waiting = await at.start("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    after = await at.start("print('again')")
    assert (await at.screen.end_of(waiting))["status"] == "dead"
    run = await at.screen.end_of(after)
    assert run["status"] == "ok" and run["execution_count"] == 1
    assert at.screen.kernel["status"] == "idle"
    [kernel] = kernels_of(server) - before
    os.kill(kernel, signal.SIGKILL)
    await until(lambda: at.screen.kernel["status"] == "dead", "a death between runs")
