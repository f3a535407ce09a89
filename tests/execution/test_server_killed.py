"""What is left when the server is killed without warning: nothing, whatever it was about to do."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_codepad.execution.sandbox import DEFAULT_RUNGS
from tests.support.box import processes_named, working
from tests.support.elsewhere import PROJECT, popen_elsewhere
from tests.support.sync_client import until

STARTS = 20
LONGEST_START_SECONDS = 0.04
SERVERS = """
import asyncio, logging, os, signal, sys, time
from jupyter_codepad.execution.kernels import RoomKernel
from jupyter_codepad.execution.sandbox import Sandbox
from jupyter_codepad.execution.starts import KernelStart
CODE = '''
import os, signal, subprocess
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
subprocess.Popen(['sleep', '%(mark)s'])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execvp('sleep', ['sleep', '%(mark)s'])
    os._exit(0)
print('ready')
'''
async def runs(rung, mark):
    box = Sandbox(log=logging.getLogger(), names=(rung,))
    await box.probe()
    kernel = RoomKernel(sandbox=box, log=logging.getLogger())
    await kernel.start()
    await kernel.execute(CODE % {'mark': mark}, lambda message: None)
    busy = asyncio.create_task(kernel.execute('while True: pass', lambda message: None))
    print(os.getpid(), kernel.room_path, flush=True)
    await busy
async def starts(rung, mark, path):
    os.environ['PATH'] = path
    process = Sandbox(log=logging.getLogger(), names=(rung,))._ladder[0].process()
    await process.start(KernelStart(('sleep', mark)), 'key')
    await asyncio.sleep(1000)
for line in sys.stdin:
    name, *words = line.split()
    pauses, words = ([], words) if name == 'runs' else (words[3:], words[:3])
    for pause in pauses or [None]:
        server = os.fork()
        if server == 0:
            asyncio.run(globals()[name](*words))
        if pause is not None:
            time.sleep(float(pause))
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
    if name == 'starts':
        print(server, flush=True)
"""


class Servers:
    """Servers to be killed, made by one process that has read all they need already."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", SERVERS]
        self.process = popen_elsewhere(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT
        )

    async def ask(self, *words: str) -> list[str]:
        """Have one made; returns what it says."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None
        print(*words, file=stdin, flush=True)
        return (await asyncio.to_thread(stdout.readline)).split()


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Whom to ask for servers."""
    made = Servers()
    yield made
    made.process.communicate()


@pytest.fixture(params=DEFAULT_RUNGS)
def rung(request: pytest.FixtureRequest) -> str:
    """Each rung that works here."""
    working(request.param).close()
    return str(request.param)


def new_mark(rung: str, number: int) -> str:
    """What the processes of one test have in their command line."""
    return f"{number}{os.getpid():07}{DEFAULT_RUNGS.index(rung)}"


async def test_no_process_survives(rung: str, servers: Servers) -> None:
    mark = new_mark(rung, 4)
    pid, place = await servers.ask("runs", rung, mark)
    kernels = [kernel for kernel in processes_named("connection.json") if is_below(kernel, pid)]
    await until(lambda: len(processes_named(f"sleep {mark}")) == 2, "what it has started")
    assert kernels
    os.kill(int(pid), 9)
    await until(lambda: processes_named(f"sleep {mark}") == [], "the end of what it has started")
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in kernels), "the kernel's")
    await until(lambda: not Path(place).exists(), "the end of its files")


async def test_nothing_is_left_of_a_kernel_that_was_being_started(
    rung: str, servers: Servers
) -> None:
    mark, moments = new_mark(rung, 5), random.Random(5)
    pauses = [f"{moments.uniform(0, LONGEST_START_SECONDS):.4f}" for _ in range(STARTS)]
    await servers.ask("starts", rung, mark, os.environ["PATH"], *pauses)
    await until(lambda: processes_named(mark) == [], "the end of all")


@pytest.mark.parametrize("rung", DEFAULT_RUNGS[:1], indirect=True)
async def test_nothing_is_left_when_bubblewrap_had_not_begun(
    rung: str, servers: Servers, tmp_path: Path
) -> None:
    """What it asks of Linux, to be ended with its parent, comes too late: that has gone already."""
    for folder in [tmp_path, *list(tmp_path.parents)[:2]]:
        folder.chmod(0o755)
    late = tmp_path / "bwrap"
    late.write_text(
        f"#!/bin/sh\ntouch {tmp_path}/begun\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.01; done\n"
        f'exec {shutil.which("bwrap")} "$@"\n'
    )
    late.chmod(0o755)
    mark = new_mark(rung, 6)
    (pid,) = await servers.ask("starts", rung, mark, f"{tmp_path}:{os.environ['PATH']}")
    await until((tmp_path / "begun").exists, "the beginning")
    os.kill(int(pid), 9)
    (tmp_path / "go").touch()
    await until(lambda: processes_named(mark) == [], "the end of all")


def is_below(pid: int, ancestor: str) -> bool:
    """Whether a process was started, directly or not, by another."""
    while pid > 1:
        if pid == int(ancestor):
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
    return False
