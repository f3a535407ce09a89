"""The processes of a kernel: how they are started, reached, signalled, watched and ended.

One class for each way to run them; a ``RoomKernel`` knows only what they have in common.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient

from .priority import lower_session, niced
from .starts import CONNECTION_FILE, KernelStart

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
POLL_SECONDS = 0.01


class KernelEnded(Exception):
    """The processes are gone; the message says why, in words."""


class KernelProcess(ABC):
    """The processes of one kernel."""

    @abstractmethod
    async def start(self, start: KernelStart, key: str) -> None:
        """Start the kernel in an empty folder; ``key`` signs its messages.

        Raises ``OSError`` or ``ValueError`` when it cannot be started.
        """

    @abstractmethod
    async def connect(self, context: zmq.asyncio.Context) -> AsyncKernelClient:
        """Wait until the kernel has its sockets, and connect to them; ``start_channels`` is yours.

        Raises ``KernelEnded`` when it ends meanwhile.
        """

    @property
    @abstractmethod
    def room_path(self) -> Path | None:
        """Where the server finds the folder in which code runs; None where it is out of reach.

        Code inside has made what lies below, and may change it at any time: no link in it may be
        followed (``O_NOFOLLOW`` for each part), and what is no regular file must not be opened.
        """

    @abstractmethod
    async def wait(self) -> str:
        """Wait until everything has ended; returns why, in words."""

    @abstractmethod
    def interrupt(self) -> None:
        """Send SIGINT to the kernel and what it started, as Ctrl-C does."""

    @abstractmethod
    def kill(self) -> None:
        """End everything at once; ``wait`` returns when it is so."""

    async def check(self) -> str:
        """Words about a limit that was exceeded, or nothing."""
        return ""

    async def cpu_seconds(self) -> float:
        """Processor time of all processes since the start, as far as it can be told."""
        return 0.0

    async def close(self) -> None:
        """Remove what is left when everything has ended."""
        return


class LocalProcess(KernelProcess):
    """A kernel on this machine, spoken to over Unix sockets.

    ``pid``: the first of its processes; 0 before the start.
    """

    def __init__(self) -> None:
        self.pid = 0
        self._key = ""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, start: KernelStart, key: str) -> None:
        self._key = key
        starting = asyncio.create_task(self._begin(start, key))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])  # only what is known can be ended
            raise

    @abstractmethod
    async def _begin(self, start: KernelStart, key: str) -> None:
        """Start it; this is not cancelled half-way."""

    async def _spawn(
        self,
        argv: list[str],
        *,
        environment: Mapping[str, str],
        cwd: str,
        descriptors: Sequence[int] = (),
        stdin: int = asyncio.subprocess.DEVNULL,
    ) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *niced(argv),
            env=dict(environment),
            cwd=cwd,
            pass_fds=descriptors,
            stdin=stdin,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    @abstractmethod
    def _sockets(self) -> str:
        """What the names of the kernel's sockets begin with, as the server sees them."""

    async def connect(self, context: zmq.asyncio.Context) -> AsyncKernelClient:
        sockets = [f"{self._sockets}-{number}" for number in range(1, len(CHANNELS) + 1)]
        while not all(os.path.exists(path) for path in sockets):  # noqa: ASYNC240 - in memory
            if self._process is None or self._process.returncode is not None:
                raise KernelEnded(await self.wait())
            await asyncio.sleep(POLL_SECONDS)
        lower_session(first_child(self.pid) or self.pid)
        client = AsyncKernelClient(context=context)
        client.load_connection_info(json.loads(connection(self._key, self._sockets)))
        return client

    async def cpu_seconds(self) -> float:
        return await asyncio.to_thread(cpu_of, self.pid) if self.pid else 0.0

    async def wait(self) -> str:
        if self._process is None:
            return "The kernel was never started."
        code = await self._process.wait()
        return f"The kernel has ended (exit status {code}). The next run starts a new one."


class PlainProcess(LocalProcess):
    """A kernel with no sandbox around it, as the server's own user."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = ""

    async def _begin(self, start: KernelStart, key: str) -> None:
        self._folder = run = await asyncio.to_thread(tempfile.mkdtemp, prefix="codepad-")
        room = f"{run}/room"
        Path(room).mkdir()  # noqa: ASYNC240 - in memory
        for name, content in start.data.items():
            (Path(run) / name).write_bytes(content)
        (Path(run) / CONNECTION_FILE).write_bytes(connection(key, self._sockets))
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": run,
            # Without a sandbox around it the kernel itself watches for our end.
            "JPY_PARENT_PID": str(os.getpid()),
            **start.variables(run=run, room=room),
        }
        await self._spawn(start.command(run=run, room=room), environment=environment, cwd=room)
        assert self._process is not None
        self.pid = self._process.pid

    @property
    def _sockets(self) -> str:
        return f"{self._folder}/k"

    @property
    def room_path(self) -> Path | None:
        return Path(self._folder) / "room" if self._folder else None

    def interrupt(self) -> None:
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    async def close(self) -> None:
        if self._folder:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


def connection(key: str, ip: str) -> bytes:
    """A Jupyter connection file for Unix sockets ``<ip>-1`` to ``<ip>-5``."""
    info: dict[str, Any] = {f"{name}_port": i for i, name in enumerate(CHANNELS, 1)}
    info |= {"transport": "ipc", "ip": ip, "key": key, "signature_scheme": "hmac-sha256"}
    return json.dumps({**info, "kernel_name": "python3"}).encode()


def children(pid: int) -> list[int]:
    """The processes that a process, in any of its threads, has started."""
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                text = Path(f"/proc/{pid}/task/{task}/children").read_text()
                found += [int(child) for child in text.split()]
    return found


def descendants(pid: int, enough: int | None = None) -> list[int]:
    """A process and all that it has started, directly or not; ``enough``: no more than so many."""
    family: list[int] = []
    waiting = [pid]
    while waiting and len(family) != enough:
        one = waiting.pop()
        family.append(one)
        waiting.extend(children(one))
    return family


def first_child(pid: int) -> int:
    """The first process that the sandbox's first process started: the kernel; 0 when gone."""
    found = children(pid)
    return found[0] if found else 0


def stat_of(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) after the name, which may be any: the first is the state.

    Raises ``OSError``; an ending process may have none.
    """
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_of(pid: int) -> float:
    """Processor time of a process and all its descendants, in seconds.

    With those that have ended and were waited for; those that nobody waits for are not counted.
    """
    ticks = 0
    for one in descendants(pid):
        with suppress(OSError, IndexError, ValueError):
            # utime stime cutime cstime
            ticks += sum(int(field) for field in stat_of(one)[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_of(family: list[int], enough: int) -> int:
    """Memory of some processes, in bytes.

    Resident memory counts shared pages for each process and is cheap; only when that is more than
    ``enough`` is the proportional share (PSS) asked for, which is exact and slow.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    resident = 0
    for one in family:
        with suppress(OSError, IndexError, ValueError):
            resident += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * page
    if resident <= enough:
        return resident
    return sum(_proportional(one) for one in family)


def _proportional(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
