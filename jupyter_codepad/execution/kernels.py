"""A room's kernel, and what is said with it.

It is no kernel of the Jupyter server: it is not in ``/api/kernels``, and where its processes run
and its sockets lie is the business of a ``KernelProcess``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from logging import Logger
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient

from .processes import KernelEnded, KernelProcess, PlainProcess
from .rungs import MIB
from .sandbox import Sandbox
from .starts import KernelStart, python_start

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

    ``folder``: the room's files, copied in at start; ``start``: what runs as the kernel, by default
    Python; ``sandbox`` None: no sandbox at all (only with ``allow_unsandboxed``).
    """

    def __init__(
        self,
        *,
        sandbox: Sandbox | None,
        folder: Path | None,
        log: Logger,
        start: KernelStart | None = None,
    ) -> None:
        self._start = start or python_start()
        self._folder = folder
        self._log = log
        self._process: KernelProcess
        self._process = PlainProcess() if sandbox is None else sandbox.process()
        self._started = False
        self._client: AsyncKernelClient | None = None
        self._iopub: Any = None
        self._context: zmq.asyncio.Context | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: dict[str, Listener] = {}
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._ended = asyncio.Event()
        self.busy = False
        self.flooding = False
        """Set when nobody wants more output of this run: it is read slowly from then on."""
        self.death_words = ""

    @property
    def alive(self) -> bool:
        """Whether the kernel runs."""
        return self._started and not self._ended.is_set()

    @property
    def room_path(self) -> Path | None:
        """Where the server finds the folder in which code runs: see ``KernelProcess.room_path``."""
        return self._process.room_path

    # -- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start and wait until it answers. Raises ``KernelDied`` when it does not."""
        key = secrets.token_hex(32)
        try:
            await self._process.start(self._start, self._folder, key)
            self._started = True
            self._tasks.append(asyncio.create_task(self._wait_for_end()))
            await asyncio.wait_for(self._connect(), START_SECONDS)
        except KernelEnded as error:
            await self.shutdown()
            raise KernelDied(str(error)) from error
        except (TimeoutError, OSError, ValueError) as error:
            await self.shutdown()
            raise KernelDied("The kernel did not start.") from error
        except BaseException:
            await self.shutdown()
            raise

    async def _wait_for_end(self) -> None:
        words = await self._process.wait()
        self.death_words = self.death_words or words
        self._ended.set()
        self.busy = False
        for future in self._replies.values():
            if not future.done():
                future.set_exception(KernelDied(self.death_words))

    async def _connect(self) -> None:
        self._context = zmq.asyncio.Context(io_threads=1)
        self._context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_LIMIT_BYTES)
        self._context.setsockopt(zmq.RCVHWM, WAITING_MESSAGES)
        client = await self._process.connect(self._context)
        client.start_channels(stdin=False, hb=False, control=False)
        self._client = client
        self._iopub = client.iopub_channel
        self._tasks.append(asyncio.create_task(self._read(client.iopub_channel, self._on_iopub)))
        self._tasks.append(asyncio.create_task(self._read(client.shell_channel, self._on_reply)))
        self._tasks.append(asyncio.create_task(self._watch_limits()))
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
        self._process.kill()
        await (self._ended.wait() if self._started else self._process.wait())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._client is not None:
            self._client.stop_channels()
        if self._context is not None:
            self._context.destroy(linger=0)
        self._client = self._context = None
        await self._process.close()

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
        self._process.interrupt()

    async def ended(self) -> None:
        """Wait until the kernel is no more."""
        await self._ended.wait()

    def kill(self, words: str) -> None:
        """End the kernel at once, for the reason given in ``words``."""
        self.death_words = words
        self._process.kill()

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

    async def _watch_limits(self) -> None:
        while True:
            await asyncio.sleep(WATCH_BUSY_SECONDS if self.busy else WATCH_IDLE_SECONDS)
            words = await self._process.check()
            if words:
                self.kill(words)
                return
