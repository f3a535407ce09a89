"""A room's kernel: an ipykernel in the sandbox, spoken to over sockets of its own.

It is no kernel of the Jupyter server: it is not in ``/api/kernels``, it has no connection file on
disk, and its sockets lie inside the sandbox, where the server reaches them through
``/proc/<pid>/root``.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from logging import Logger
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient

from .sandbox import MIB, RUN, Launch, Sandbox, launched

BOOT = Path(__file__).parent / "boot.py"
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
START_SECONDS = 30.0
MESSAGE_LIMIT_BYTES = 4 * MIB
"""A larger message from the kernel is not read at all: one would stall everybody's event loop."""
WAITING_MESSAGES = 32
"""Messages of a kernel that may wait to be read; then it is the kernel that waits or drops them."""
FLOOD_PAUSE_SECONDS = 0.05
REPLY_GRACE_SECONDS = 1.0
"""How long output may still arrive after a kernel has said that it is done."""
WATCH_BUSY_SECONDS, WATCH_IDLE_SECONDS = 0.2, 2.0

Message = dict[str, Any]
Listener = Callable[[Message], None]


class KernelDied(Exception):
    """The kernel has ended; the message says why, in words."""


class RoomKernel:
    """Starts, talks to and ends one kernel.

    ``folder``: the room's files, copied in at start; ``sandbox`` None: no sandbox at all (only with
    ``allow_unsandboxed``).
    """

    def __init__(self, *, sandbox: Sandbox | None, folder: Path | None, log: Logger) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._init_pid = 0
        self._client: AsyncKernelClient | None = None
        self._iopub: Any = None
        self._context: zmq.asyncio.Context | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: dict[str, Listener] = {}
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._plain_dir: str | None = None
        self._ended = asyncio.Event()
        self.busy = False
        self.flooding = False
        """Set when nobody wants more output of this run: it is read slowly from then on."""
        self.death_words = ""

    @property
    def alive(self) -> bool:
        """Whether the kernel runs."""
        return self._process is not None and not self._ended.is_set()

    # -- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start and wait until it answers. Raises ``KernelDied`` when it does not."""
        key = secrets.token_hex(32)
        try:
            await self._spawn(key)
            await asyncio.wait_for(self._connect(key), START_SECONDS)
        except (TimeoutError, OSError, ValueError) as error:
            await self.shutdown()
            raise KernelDied("The kernel did not start.") from error
        except BaseException:
            await self.shutdown()
            raise

    async def _spawn(self, key: str) -> None:
        boot = BOOT.read_bytes()
        options = ["--HistoryManager.enabled=False", "--Application.log_level=ERROR"]
        if self._sandbox is None:
            self._plain_dir = tempfile.mkdtemp(prefix="codepad-")
            file = Path(self._plain_dir) / "connection.json"
            file.write_bytes(connection(key, f"{self._plain_dir}/k"))
            launch = Launch([sys.executable, str(BOOT), "-f", str(file), *options])
            environment = {
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": self._plain_dir,
                # Without a sandbox around it the kernel itself watches for our end.
                "JPY_PARENT_PID": str(os.getpid()),
            }
        else:
            launch = await asyncio.to_thread(
                self._sandbox.launch,
                [sys.executable, f"{RUN}/boot.py", "-f", f"{RUN}/connection.json", *options],
                folder=self._folder,
                data={"boot.py": boot, "connection.json": connection(key, f"{RUN}/k")},
            )
            environment = {"PATH": os.defpath}
        with launched(launch):
            self._process = await asyncio.create_subprocess_exec(
                *launch.argv,
                env=environment,
                cwd=self._plain_dir or "/",
                pass_fds=launch.descriptors,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        self._tasks.append(asyncio.create_task(self._wait_for_end(self._process)))
        if self._sandbox is None:
            self._init_pid = self._process.pid
        else:
            self._init_pid = await _read_child_pid(launch.info_read)

    async def _wait_for_end(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if not self.death_words:
            self.death_words = f"The kernel has ended (exit status {code})."
        self._ended.set()
        self.busy = False
        for future in self._replies.values():
            if not future.done():
                future.set_exception(KernelDied(self.death_words))

    async def _connect(self, key: str) -> None:
        inside = f"{RUN}/k"
        base = f"/proc/{self._init_pid}/root{inside}"
        if self._plain_dir is not None:
            base = f"{self._plain_dir}/k"
        sockets = [f"{base}-{number}" for number in range(1, len(CHANNELS) + 1)]
        while not all(os.path.exists(path) for path in sockets):  # noqa: ASYNC240 - in memory
            if self._ended.is_set():
                raise KernelDied(self.death_words)
            await asyncio.sleep(0.01)
        self._context = zmq.asyncio.Context(io_threads=1)
        self._context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_LIMIT_BYTES)
        self._context.setsockopt(zmq.RCVHWM, WAITING_MESSAGES)
        client = AsyncKernelClient(context=self._context)
        client.load_connection_info(json.loads(connection(key, base)))
        client.start_channels(stdin=False, hb=False, control=False)
        self._client = client
        self._iopub = client.iopub_channel
        self._tasks.append(asyncio.create_task(self._read(client.iopub_channel, self._on_iopub)))
        self._tasks.append(asyncio.create_task(self._read(client.shell_channel, self._on_reply)))
        self._tasks.append(asyncio.create_task(self._watch_memory()))
        # The first message on iopub shows that the subscription works: nothing will be missed.
        subscribed = asyncio.Event()
        while not subscribed.is_set():
            asked = client.kernel_info()
            self._listeners[asked] = lambda _message: subscribed.set()
            self._replies[asked] = asyncio.get_running_loop().create_future()
            try:
                await self._replies[asked]
                with suppress(TimeoutError):
                    await asyncio.wait_for(subscribed.wait(), 0.2)
            finally:
                del self._listeners[asked], self._replies[asked]

    async def shutdown(self) -> None:
        """End the kernel and everything it started; returns when nothing of it is left."""
        self.death_words = self.death_words or "The kernel was stopped."
        self._kill()
        if self._process is not None:
            await self._ended.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._client is not None:
            self._client.stop_channels()
        if self._context is not None:
            self._context.destroy(linger=0)
        self._client = self._context = None
        if self._plain_dir is not None:
            await asyncio.to_thread(shutil.rmtree, self._plain_dir, ignore_errors=True)

    def _kill(self) -> None:
        if self._process is None or self._ended.is_set():
            return
        with suppress(ProcessLookupError, PermissionError):
            if self._sandbox is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            elif self._init_pid:
                os.kill(self._init_pid, signal.SIGKILL)  # the pid namespace ends with its first
        with suppress(ProcessLookupError):
            self._process.kill()

    # -- work -------------------------------------------------------------------------------------

    async def execute(self, code: str, listener: Listener) -> Message:
        """Run code; ``listener`` gets each output message; returns the content of the reply.

        Raises ``KernelDied`` when the kernel ends meanwhile. ``input()`` fails in the code: there
        is nobody to ask.
        """
        if self._client is None or not self.alive:
            raise KernelDied(self.death_words or "The kernel is not running.")
        idle = asyncio.Event()

        def hear(message: Message) -> None:
            if message["msg_type"] == "status":
                if message["content"].get("execution_state") == "idle":
                    idle.set()
                return
            listener(message)

        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        asked = self._client.execute(code, store_history=True, allow_stdin=False)
        self._listeners[asked], self._replies[asked] = hear, reply
        self.busy = True
        try:
            content = (await reply)["content"]
            # A flood may have cost us the last word on iopub; the reply is on another socket.
            with suppress(TimeoutError):
                await asyncio.wait_for(idle.wait(), REPLY_GRACE_SECONDS)
            return dict(content)
        finally:
            self.busy = self.flooding = False
            del self._listeners[asked], self._replies[asked]

    def interrupt(self) -> None:
        """Send SIGINT to the kernel and what it started, as Ctrl-C does."""
        pid = self._init_pid if self._sandbox is None else first_child(self._init_pid)
        if pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(os.getpgid(pid), signal.SIGINT)

    async def ended(self) -> None:
        """Wait until the kernel is no more."""
        await self._ended.wait()

    def kill(self, words: str) -> None:
        """End the kernel at once, for the reason given in ``words``."""
        self.death_words = words
        self._kill()

    async def _read(self, channel: Any, handle: Listener) -> None:
        while True:
            try:
                message = await channel.get_msg(timeout=None)
            except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
                # Code in the kernel can write anything to its sockets; unsigned or unreadable
                # messages are nobody's.
                self._log.debug("A kernel's message was dropped: %s", error)
                continue
            handle(message)
            if self.flooding and channel is self._iopub:
                await asyncio.sleep(FLOOD_PAUSE_SECONDS)

    def _on_iopub(self, message: Message) -> None:
        listener = self._listeners.get(message["parent_header"].get("msg_id", ""))
        if listener is not None:
            listener(message)

    def _on_reply(self, message: Message) -> None:
        future = self._replies.get(message["parent_header"].get("msg_id", ""))
        if future is not None and not future.done():
            future.set_result(message)

    async def _watch_memory(self) -> None:
        if self._sandbox is None:
            return
        limit = self._sandbox.memory_limit_bytes
        while True:
            await asyncio.sleep(WATCH_BUSY_SECONDS if self.busy else WATCH_IDLE_SECONDS)
            used = await asyncio.to_thread(memory_of, self._init_pid, limit)
            if used > limit:
                self.kill(f"stopped: used more than {limit // MIB} MB")
                return


def connection(key: str, ip: str) -> bytes:
    """A Jupyter connection file for Unix sockets ``<ip>-1`` to ``<ip>-5``."""
    info: dict[str, Any] = {f"{name}_port": i for i, name in enumerate(CHANNELS, 1)}
    info |= {"transport": "ipc", "ip": ip, "key": key, "signature_scheme": "hmac-sha256"}
    return json.dumps({**info, "kernel_name": "python3"}).encode()


async def _read_child_pid(descriptor: int) -> int:
    """What bubblewrap says of the first process in the sandbox: its pid, as we see it."""

    def read() -> bytes:
        with os.fdopen(descriptor, "rb") as pipe:
            return pipe.read()

    info = json.loads(await asyncio.to_thread(read))
    return int(info["child-pid"])


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def first_child(pid: int) -> int:
    """The first process that the sandbox's first process started: the kernel; 0 when gone."""
    found = children(pid)
    return found[0] if found else 0


def memory_of(pid: int, enough: int) -> int:
    """Memory of a process and all its descendants, in bytes.

    Resident memory counts shared pages for each process and is cheap; only when that is more than
    ``enough`` is the proportional share (PSS) asked for, which is exact and slow.
    """
    family, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        family.append(one)
        waiting.extend(children(one))
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
