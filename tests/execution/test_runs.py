"""Runs as people see them: through REST, on everybody's run document, on a real server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pycrdt import Array, Map

from tests.support.server import JupyterServer, Person
from tests.support.sync_client import SyncClient, until

KERNEL_LISTS = ("kernels", "sessions")


class Screen:
    """The output panel of one person."""

    def __init__(self, client: SyncClient) -> None:
        self.client = client

    @property
    def runs(self) -> list[dict[str, Any]]:
        return list(self.client.ydoc.get("runs", type=Array).to_py() or [])

    @property
    def kernel(self) -> dict[str, Any]:
        return dict(self.client.ydoc.get("kernel", type=Map).to_py() or {})

    def run(self, run_id: str) -> dict[str, Any]:
        return next((run for run in self.runs if run["id"] == run_id), {"status": "unknown"})

    async def end_of(self, run_id: str, seconds: float = 30) -> dict[str, Any]:
        await until(
            lambda: self.run(run_id)["status"] not in {"unknown", "queued", "running"},
            f"the end of the run; screen: {self.runs}",
            seconds,
        )
        return self.run(run_id)


def text_of(run: dict[str, Any], name: str = "stdout") -> str:
    return "".join(o["text"] for o in run["outputs"] if o.get("name") == name)


def plain(text: str) -> str:
    """A text without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


async def screen(person: Person, room_id: str) -> Screen:
    return Screen(await person.document("runs", room_id=room_id).connect())


class Desk:
    """A room with a host, a member and an observer, all looking at its output."""

    def __init__(self, server: JupyterServer, room: dict[str, Any]) -> None:
        self.server, self.room, self.id = server, room, str(room["id"])

    async def open(self) -> Desk:
        self.ada = await self.server.guest(self.id, "Ada")
        self.olga = await self.server.guest(self.id, "Olga", "observer")
        self.pad = await self.ada.document().connect()
        self.screen = await screen(self.olga, self.id)
        return self

    def write(self, code: str) -> None:
        self.pad.text.clear()
        self.pad.type(code)

    async def start(self, code: str | None = None, by: Person | None = None) -> str:
        if code is not None:
            self.write(code)
            await until(lambda: self.pad.durable, "the code on the server")
        answer = await (by or self.ada).api("POST", f"rooms/{self.id}/runs", {"document": "pad"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def run(self, code: str) -> dict[str, Any]:
        return await self.screen.end_of(await self.start(code))


async def desk(server: JupyterServer, **wish: Any) -> Desk:
    return await Desk(server, await server.room(**wish)).open()


async def test_everybody_sees_who_ran_what_came_out_and_how_long(server: JupyterServer) -> None:
    at = await desk(server)
    run = await at.run("import sys\nprint('out')\nprint('err', file=sys.stderr)\n40 + 2")
    assert run["status"] == "ok" and run["participant_name"] == "Ada (guest)"
    assert text_of(run) == "out\n" and text_of(run, "stderr") == "err\n"
    result = run["outputs"][-1]
    assert result["output_type"] == "execute_result" and result["data"]["text/plain"] == "42"
    assert run["duration_ms"] >= 0 and run["execution_count"] == 1
    assert at.screen.kernel["status"] == "idle"


async def test_output_streams_while_the_code_runs(server: JupyterServer) -> None:
    at = await desk(server)
    run_id = await at.start("import time\nprint('first', flush=True)\ntime.sleep(60)")
    await until(
        lambda: (
            "first"
            in text_of(
                at.screen.run(run_id) | {"outputs": at.screen.run(run_id).get("outputs", [])}
            )
        ),
        "the first line",
        30,
    )
    assert at.screen.run(run_id)["status"] == "running"
    answer = await at.ada.api("POST", f"rooms/{at.id}/runs/{run_id}/interrupt")
    assert answer.status_code == 202
    run = await at.screen.end_of(run_id)
    assert run["status"] == "interrupted" and "Ada" in run["message"]


async def test_errors_plots_and_tables(server: JupyterServer) -> None:
    at = await desk(server)
    run = await at.run("def f():\n    return 1 / 0\nf()")
    assert run["status"] == "error"
    error = run["outputs"][-1]
    assert error["ename"] == "ZeroDivisionError"
    assert "File main.py, line 2, in f()" in plain("".join(error["traceback"]))
    run = await at.run(
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"
        "import pandas as pd\npd.DataFrame({'a': [1]})"
    )
    assert run["status"] == "ok", run
    kinds = [set(output.get("data", {})) for output in run["outputs"]]
    assert any("image/png" in kind for kind in kinds)
    assert any("text/html" in kind for kind in kinds)


async def test_dangerous_kinds_of_output_never_reach_a_screen(server: JupyterServer) -> None:
    at = await desk(server)
    run = await at.run(
        "from IPython.display import Javascript, display\n"
        "display(Javascript('alert(1)'))\n"
        "display({'application/vnd.jupyter.widget-view+json': {'model_id': 'x'},"
        " 'text/plain': 'w'}, raw=True)"
    )
    kinds = {mime for output in run["outputs"] for mime in output.get("data", {})}
    assert kinds == {"text/plain"}


async def test_state_lives_between_runs_until_restart(server: JupyterServer) -> None:
    at = await desk(server)
    await at.run("kept = 'kept'")
    assert text_of(await at.run("print(kept)")) == "kept\n"
    answer = await at.ada.api("POST", f"rooms/{at.id}/kernel/restart")
    assert answer.status_code == 202
    run = await at.run("print(kept)")
    assert run["status"] == "error" and run["outputs"][-1]["ename"] == "NameError"


async def test_who_comes_late_sees_the_last_runs(server: JupyterServer) -> None:
    at = await desk(server)
    run = await at.run("print('earlier')")
    late = await screen(await server.guest(at.id, "Late"), at.id)
    assert text_of(late.run(run["id"])) == "earlier\n"


async def test_an_observer_can_neither_run_nor_stop_nor_restart(server: JupyterServer) -> None:
    at = await desk(server)
    run_id = await at.start("import time\nprint('on', flush=True)\ntime.sleep(30)")
    for path in ("runs", f"runs/{run_id}/interrupt", "kernel/restart"):
        answer = await at.olga.api("POST", f"rooms/{at.id}/{path}", {"document": "pad"})
        assert answer.status_code == 403 and answer.json()["code"] == "forbidden"
    assert len(at.screen.runs) <= 1
    await at.ada.api("POST", f"rooms/{at.id}/runs/{run_id}/interrupt")
    await at.screen.end_of(run_id)


async def test_runs_wait_for_each_other_and_a_waiting_one_can_be_stopped(
    server: JupyterServer,
) -> None:
    at = await desk(server)
    first = await at.start("import time\ntime.sleep(30)")
    second = await at.start("print('second')")
    third = await at.start("print('third')")
    await until(lambda: at.screen.run(third)["status"] == "queued", "the third in the queue")
    await at.ada.api("POST", f"rooms/{at.id}/runs/{second}/interrupt")
    await until(lambda: at.screen.run(second)["status"] == "interrupted", "the second out of it")
    await until(lambda: at.screen.run(first)["status"] == "running", "the first running")
    await at.ada.api("POST", f"rooms/{at.id}/runs/{first}/interrupt")
    run = await at.screen.end_of(third)
    assert run["status"] == "ok" and text_of(run) == "third\n"
    assert at.screen.run(second)["outputs"] == []


async def test_a_kernel_that_dies_is_said_and_replaced(server: JupyterServer) -> None:
    at = await desk(server)
    run = await at.run("import os\nos._exit(3)")
    assert run["status"] == "dead" and "ended" in run["message"]
    assert at.screen.kernel["status"] == "dead"
    assert text_of(await at.run("print('again')")) == "again\n"


async def test_endless_output_is_cut_and_can_be_stopped(server: JupyterServer) -> None:
    at = await desk(server)
    run_id = await at.start("while True:\n    print('x' * 1000)")
    await until(lambda: at.screen.run(run_id).get("truncated"), "the cut", 30)
    at.pad.type("# typing goes on\n")
    await until(lambda: at.pad.durable, "the server still answers")
    await at.ada.api("POST", f"rooms/{at.id}/runs/{run_id}/interrupt")
    run = await at.screen.end_of(run_id)
    assert len(text_of(run)) <= 1024 * 1024


@pytest.mark.parametrize("how", ["stop", "kill9"])
async def test_runs_survive_a_restart_of_the_server(own_server: JupyterServer, how: str) -> None:
    at = await desk(own_server)
    done = await at.run("print('done')")
    # What was seen in the last few hundredths of a second before a crash may be lost with it.
    waits = "import time\nprint('on', flush=True)\ntime.sleep(0.3)\nprint('on', flush=True)\n"
    hanging = await at.start(waits + "time.sleep(60)")
    await until(
        lambda: "on\non" in text_of({"outputs": [], **at.screen.run(hanging)}), "its output", 30
    )
    await getattr(own_server, how)()
    await own_server.start()
    await at.pad.connect()
    await at.screen.client.connect()
    run = await at.run("print('after')")
    late = await screen(await own_server.guest(at.id, "Late"), at.id)
    assert text_of(late.run(done["id"])) == "done\n"
    assert late.run(hanging)["status"] in {"dead", "interrupted"} and late.run(hanging)["message"]
    assert text_of(late.run(run["id"])) == "after\n"


async def test_room_kernels_are_no_kernels_of_jupyter(server: JupyterServer) -> None:
    async def known() -> set[str]:
        answers = [await server.host.http.get(f"{server.url}api/{x}") for x in KERNEL_LISTS]
        return {item["id"] for answer in answers for item in answer.json()}

    before = await known()
    at = await desk(server)
    await at.run("print(1)")
    assert await known() <= before
