"""What the configuration promises: no sandbox, idle kernels, places, time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from traitlets import TraitError

from jupyter_codepad.execution.limits import LimitSettings
from jupyter_codepad.execution.rungs import MIB
from jupyter_codepad.settings import CodepadSettings
from tests.execution.test_runs import desk, screen, text_of
from tests.support.server import JupyterServer
from tests.support.sync_client import until


@asynccontextmanager
async def server_with(home: Path, *options: str, path: str = "") -> AsyncIterator[JupyterServer]:
    made = JupyterServer(home, options=[f"--CodepadApp.{option}" for option in options])
    if path:
        made.variables["PATH"] = path
    try:
        yield await made.start()
    finally:
        await made.close()


async def test_without_a_sandbox_nothing_is_run_and_everybody_is_told(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    option = "sandboxes=bubblewrap"
    async with server_with(tmp_path, option, path=str(tmp_path / "bin")) as server:
        assert "does not run code of rooms: Code cannot be run here" in server.log
        sandbox = (await server.host.api("GET", "health")).json()["sandbox"]
        assert sandbox["running_allowed"] is False and "bubblewrap" in sandbox["reason"]
        assert [tried["name"] for tried in sandbox["weaker"]] == ["bubblewrap"]
        room = await server.room()
        guest = await server.guest(room["id"])
        for person in (guest, server.host):
            answer = await person.api("POST", f"rooms/{room['id']}/runs", {"document": "pad"})
            assert answer.status_code == 503
            assert answer.json()["code"] == "sandbox_unavailable"
            assert "Its host is told why" in answer.json()["message"]
        page = await guest.http.get(f"rooms/{room['id']}")
        assert '"running_allowed": false' in page.text and "bubblewrap" not in page.text


async def test_allow_unsandboxed_runs_code_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    options = ("allow_unsandboxed=True", "sandboxes=bubblewrap")
    async with server_with(tmp_path, *options, path=str(tmp_path / "bin")) as server:
        assert "WITHOUT a sandbox" in server.log
        at = await desk(server)
        run = await at.run("import os\nprint(sorted(k for k in os.environ if 'JUPYTER' in k), 7)")
        assert text_of(run) == "[] 7\n"
        stuck = await at.start("while True: pass")
        await until(lambda: at.screen.run(stuck)["status"] == "running", "the loop")
        await at.ada.api("POST", f"rooms/{at.id}/runs/{stuck}/interrupt")
        assert (await at.screen.end_of(stuck))["status"] == "interrupted"


async def test_what_was_exceeded_is_named(tmp_path: Path) -> None:
    options = (
        "cpu_limit_seconds=0.3",
        "input_wait_seconds=2.5",
        "run_queue_limit=3",
        "language_limits={'bash': {'run_limit_seconds': 2, 'cpu_limit_seconds': 30}}",
    )
    async with server_with(tmp_path, *options) as server:
        at = await desk(server)
        await at.run("1")
        for code, words in (
            ("while True: pass", "stopped: used more than 0.3 s of processor time"),
            (
                "import subprocess, sys\nloop = [sys.executable, '-c', 'while True: pass']\n"
                "[subprocess.Popen(loop) for _ in range(2)][0].wait()",
                "stopped: used more than 0.3 s of processor time",
            ),
        ):
            run = await at.run(code)
            assert run["status"] == "interrupted" and run["message"] == words
        assert text_of(await at.run("print('next')")) == "next\n"
        first = await at.start("import time\ntime.sleep(30)")
        await until(lambda: at.screen.run(first)["status"] == "running", "the first running")
        answers = [await at.ada.api("POST", f"rooms/{at.id}/runs", {}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [202] * 3 + [429]
        assert answers[-1].json()["code"] == "run_queue_full" and answers[-1].headers["retry-after"]
        await at.ada.api("POST", f"rooms/{at.id}/kernel/restart")
        await until(lambda: all(r["status"] == "interrupted" for r in at.screen.runs[-4:]), "ends")
        shell = await desk(server, language="bash")
        for code, words in (
            ("sleep 20", "stopped: ran longer than 2 s"),
            # For longer than it may run: waiting is not running.
            ("read -r line", "stopped: nobody answered for 2.5 s"),
        ):
            run = await shell.run(code)
            assert run["status"] == "interrupted" and run["message"] == words
        metrics = (await server.host.http.get(f"{server.url}metrics")).text
        assert 'codepad_runs_total{status="interrupted"}' in metrics
        assert "codepad_run_first_output_seconds_bucket" in metrics


def test_errors_that_come_from_a_limit_are_said_with_its_number() -> None:
    limits = LimitSettings(languages={"java": {"memory_limit_bytes": 1024 * MIB}})

    def hint(name: str, words: str, language: str = "python") -> str:
        return limits.hint({"ename": name, "evalue": words}, language)

    no_memory = "out of memory: a room has 512 MB"
    assert hint("MemoryError", "") == f"{no_memory}. Restart frees what variables hold."
    assert hint("Error", "std::bad_alloc", "cpp") == no_memory
    assert (
        hint("Error", "java.lang.OutOfMemoryError", "java") == "out of memory: a room has 1024 MB"
    )
    assert "64 MB" in hint("OSError", "[Errno 28] No space left on device")
    assert "64 processes" in hint("RuntimeError", "can't start new thread")
    assert "64 processes" in hint("BlockingIOError", "[Errno 11] Resource temporarily unavailable")
    assert hint("ValueError", "MemoryError") == "" and limits.hint(None, "python") == ""


def test_limits_that_nobody_knows_are_refused() -> None:
    for wrong in ({"java": {"speed": 9}}, {"java": {"run_limit_seconds": -1}}, {"java": 5}):
        with pytest.raises(TraitError):
            CodepadSettings(language_limits=wrong)
    made = CodepadSettings(language_limits={"java": {"run_limit_seconds": 60}})
    assert made.language_limits == {"java": {"run_limit_seconds": 60}}


async def test_idle_kernels_end_and_make_place(tmp_path: Path) -> None:
    async with server_with(tmp_path, "kernels_limit=1", "kernel_idle_seconds=8") as server:
        one, two = await desk(server), await desk(server)
        await one.run("x = 1")
        assert text_of(await two.run("print(2)")) == "2\n"
        await until(lambda: one.screen.kernel["status"] == "off", "the end of the other")
        assert "place" in one.screen.kernel["message"]
        await until(lambda: two.screen.kernel["status"] == "off", "the idle kernel's end", 30)
        assert "not used" in two.screen.kernel["message"]
        busy = await two.start("import time\ntime.sleep(30)")
        await until(lambda: two.screen.run(busy)["status"] == "running", "the only kernel busy")
        refused = await one.run("print(1)")
        assert refused["status"] == "dead" and "try again later" in refused["message"]


async def test_the_kernel_is_warm_before_the_first_run(tmp_path: Path) -> None:
    async with server_with(tmp_path, "warm_kernels=True") as server:
        room = await server.room()
        watching = await screen(server.host, room["id"])
        observer = await server.guest(room["id"], "Olga", "observer")
        await observer.document().connect()
        assert watching.kernel.get("status", "off") == "off"
        member = await server.guest(room["id"], "Ada")
        await member.document().connect()
        await until(lambda: watching.kernel.get("status") == "idle", "a kernel that waits")
        assert watching.runs == []


async def test_files_and_memory_limits_are_what_the_configuration_says(tmp_path: Path) -> None:
    options = ("memory_limit_bytes=268435456", "disk_limit_bytes=1048576", "process_limit=40")
    async with server_with(tmp_path, *options, "output_limit_bytes=1000") as server:
        at = await desk(server)
        run = await at.run("x = bytearray(300_000_000)")
        assert [output.get("ename") for output in run["outputs"]] == ["MemoryError"], run
        assert run["message"].startswith("out of memory: a room has 256 MB. Restart ")
        run = await at.run("open('big', 'wb').write(b'x' * 2_000_000)")
        assert run["outputs"][-1]["ename"] == "OSError"
        assert run["message"] == "the disk is full: a room has 1 MB"
        run = await at.run("print('y' * 5000)")
        assert len(text_of(run)) == 1000 and run["truncated"]


async def test_many_rooms_run_at_once(server: JupyterServer) -> None:
    desks = [await desk(server) for _ in range(4)]
    runs = await asyncio.gather(*(at.run(f"print({n})") for n, at in enumerate(desks)))
    assert [text_of(run) for run in runs] == [f"{n}\n" for n in range(4)]
