"""A room's kernel, and what is said with it.

It is no kernel of the Jupyter server: it is not in ``/api/kernels``, and where its processes run
and its sockets lie is the business of a ``KernelProcess``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.session import DELIM

from .output_line import OutputLine
from .pace import LoopShare
from .processes import KernelEnded, KernelProcess, PlainProcess
from .rungs import MIB
from .sandbox import Sandbox
from .shapes import Message
from .starts import KernelStart, python_start
from .talk import Listener, ListenOnly, QuestionOrder, Talk

START_SECONDS = 30.0
MESSAGE_LIMIT_BYTES = 4 * MIB
"""A larger message from the kernel is not read at all: one would stall everybody's event loop."""
WAITING_MESSAGES = 32
"""Messages of a kernel that may wait to be read; then it is the kernel that waits or drops them."""
INPUT_MESSAGE_LIMIT_BYTES = 64 * 1024
INPUT_PAUSE_SECONDS = 0.01
"""So long lies at least between two questions of a program."""
FLOOD_PAUSE_SECONDS = 0.004
"""Between two messages that nobody wants, in which the program waits: it is to come to its end."""
OUTPUTS = frozenset({"stream", "display_data", "execute_result", "update_display_data"})
"""What a question comes after; when there is enough of it, it is not looked into."""
NOT_BEGUN_SECONDS = 0.5
"""How long an interrupt waits for the code to begin: before, a kernel does not hear it."""
REPLY_SECONDS, INTERRUPTED_REPLY_SECONDS = 10.0, 1.0
"""How long after its last output a kernel may take to reply, and one that was interrupted: while it
began or ended something it may have forgotten to."""
WATCH_BUSY_SECONDS, WATCH_IDLE_SECONDS = 0.2, 2.0


class KernelDied(Exception):
    """The kernel has ended; the message says why, in words."""


class RoomKernel:
    """Starts, talks to and ends one kernel.

    ``start``: what runs as the kernel, by default Python; ``sandbox`` None: no sandbox at all (only
    with ``allow_unsandboxed``).
    """

    def __init__(
        self, *, sandbox: Sandbox | None, log: logging.Logger, start: KernelStart | None = None
    ) -> None:
        self._start = start or python_start()
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
        self._line = OutputLine(self._ended)
        self._share = LoopShare()
        self._talk: Talk | None = None
        self._order: QuestionOrder | None = None
        self._asked = ""
        self._begun = self._interrupt_due = self._interrupted = False
        self.busy = False
        self._enough = self._hurry = self._failed = False
        self.death_words = ""

    @property
    def alive(self) -> bool:
        """Whether the kernel runs."""
        return self._started and not self._ended.is_set()

    @property
    def heard(self) -> int:
        """How many messages of output it has sent."""
        return self._line.heard

    @property
    def room_path(self) -> Path | None:
        """Where the server finds the folder in which code runs: see ``KernelProcess.room_path``."""
        return self._process.room_path

    # -- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start and wait until it answers. Raises ``KernelDied`` when it does not."""
        key = secrets.token_hex(32)
        try:
            await self._process.start(self._start, key)
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
        self._context.setsockopt(zmq.MAXMSGSIZE, INPUT_MESSAGE_LIMIT_BYTES)
        stdin = client.stdin_channel  # the socket takes the limit that is set when it is made
        self._context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_LIMIT_BYTES)
        self._client = client
        self._iopub = client.iopub_channel
        self._tasks.append(asyncio.create_task(self._read(client.iopub_channel, self._on_iopub)))
        self._tasks.append(asyncio.create_task(self._read(client.shell_channel, self._on_reply)))
        watching = self._line.watch(client.iopub_channel, lambda: self._talk)
        self._tasks.append(asyncio.create_task(watching))
        self._tasks.append(asyncio.create_task(self._read(stdin, self._on_question)))
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

    async def execute(
        self,
        code: str,
        talk: Talk | Listener,
        *,
        stdin: str | None = None,
        main: str | None = None,
        file: str | None = None,
    ) -> Message:
        """Run code; ``talk`` gets what comes of it; returns the content of the reply.

        A plain function as ``talk`` gets the output messages, and answers nothing.

        ``stdin``: all the input there is, then its end; None: whoever listens to ``talk`` is asked.
        Where code is run out of files, ``file`` is the one that it goes into, and ``main`` the one
        that is run (None: that one). Raises ``KernelDied`` when the kernel ends meanwhile.
        """
        if self._client is None or not self.alive:
            raise KernelDied(self.death_words or "The kernel is not running.")
        idle = asyncio.Event()
        heard: Talk = ListenOnly(talk, self.answer) if callable(talk) else talk

        def hear(message: Message) -> None:
            kind = message["msg_type"]
            if kind == "status":
                if message["content"].get("execution_state") == "idle":
                    idle.set()
                    grace = INTERRUPTED_REPLY_SECONDS if self._interrupted else REPLY_SECONDS
                    loop.call_later(grace, _give_up, reply)
                return
            if kind == "execute_input":
                self._code_began()
            heard.hear(message)
            if kind in OUTPUTS:
                order.output_came()

        order = QuestionOrder(heard.asked)
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Message] = loop.create_future()
        asked = self._send(code, {"codepad": {"stdin": stdin, "main": main, "file": file}})
        self._listeners[asked], self._replies[asked] = hear, reply
        self._asked, self._talk, self._order = asked, heard, order
        self.busy = True
        self._line.run_begins()
        try:
            try:
                content = (await reply)["content"]
            except KernelDied:
                await self._line.last_words()
                raise
            self._hurry = True
            if not await self._line.heard_all(idle, lambda: self._enough):
                heard.lost()
            return dict(content)
        finally:
            self.busy = self._enough = self._hurry = False
            self._begun = self._interrupt_due = self._interrupted = False
            self._asked, self._talk, self._order = "", None, None
            order.close()
            del self._listeners[asked], self._replies[asked]

    def _send(self, code: str, metadata: dict[str, Any]) -> str:
        """Send an execute request; returns its id."""
        assert self._client is not None
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": True,
        }
        message = self._client.session.msg("execute_request", content, metadata=metadata)
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def want_less(self) -> None:
        """Nobody wants more output of this run: it is read slowly as long as it goes on.

        What has gathered in the kernel by its end, or when it is to stop, is read in no time:
        nothing is done with it.
        """
        self._enough = self._asked in self._replies  # the next run has output of its own

    def answer(self, text: str) -> None:
        """Answer what the program has asked."""
        if self._client is not None and self.busy:
            self._client.input(text)

    def interrupt(self) -> None:
        """Send SIGINT to the kernel and what it started, as Ctrl-C does.

        Code that has been sent and has not begun yet is interrupted when it begins.
        """
        self._hurry = True
        if not self.busy or self._begun:
            self._interrupt()
        elif not self._interrupt_due:
            self._interrupt_due = True
            # Some kernels do not say that the code begins.
            loop = asyncio.get_running_loop()
            loop.call_later(NOT_BEGUN_SECONDS, self._interrupt_unbegun, self._asked)

    def _interrupt_unbegun(self, asked: str) -> None:
        if self._asked == asked and self._interrupt_due:
            self._interrupt()

    def _code_began(self) -> None:
        self._begun = True
        if self._interrupt_due:
            self._interrupt_due = False
            self._interrupt()

    def _interrupt(self) -> None:
        self._interrupted = True
        self._process.interrupt()

    async def cpu_seconds(self) -> float:
        """Processor time that the kernel and what it started have used, in seconds."""
        return await self._process.cpu_seconds()

    async def ended(self) -> None:
        """Wait until the kernel is no more."""
        await self._ended.wait()

    def kill(self, words: str) -> None:
        """End the kernel at once, for the reason given in ``words``."""
        self.death_words = words
        self._process.kill()

    async def _read(self, channel: Any, handle: Listener) -> None:
        while True:
            if isinstance(channel, AsyncZMQSocketChannel):
                parts = await channel.socket.recv_multipart()
                started = time.perf_counter()
                unwanted = self._enough and channel is self._iopub and self._is_unwanted(parts)
                message = None if unwanted else self._parsed(channel, parts)
            else:
                message = await channel.get_msg(timeout=None)
                started = time.perf_counter()
            if message is not None and _is_message(message):
                self._handle(handle, message)
            rest = self._share.spent(time.perf_counter() - started)
            if channel is self._iopub:
                if self._enough and not self._hurry:
                    rest = max(rest, FLOOD_PAUSE_SECONDS)
                if self._talk is not None:
                    await self._talk.ready()
            elif handle == self._on_question:
                rest = max(rest, INPUT_PAUSE_SECONDS)
            if rest:
                await asyncio.sleep(rest)

    def _is_unwanted(self, parts: list[bytes]) -> bool:
        """Whether a message is one more of what there is enough of."""
        try:
            kind = json.loads(parts[parts.index(DELIM) + 2])["msg_type"]
        except (ValueError, LookupError, TypeError):
            return False
        if kind not in OUTPUTS:
            return False
        self._line.heard += 1
        if self._order is not None:
            self._order.output_came()
        return True

    def _handle(self, handle: Listener, message: Message) -> None:
        """One message that cannot be dealt with does not keep the next from being heard."""
        try:
            handle(message)
        except Exception:
            level = logging.DEBUG if self._failed else logging.ERROR
            self._failed = True  # code can make it happen again and again
            self._log.log(level, "A kernel's message was not understood.", exc_info=True)

    def _parsed(self, channel: AsyncZMQSocketChannel, parts: list[bytes]) -> Message | None:
        try:
            found: Message = channel.session.deserialize(channel.session.feed_identities(parts)[1])
        except Exception as error:
            # Code in the kernel can write anything to its sockets; unsigned or unreadable messages
            # are nobody's.
            self._log.debug("A kernel's message was dropped: %r", error)
            return None
        return found

    def _on_iopub(self, message: Message) -> None:
        self._line.heard += 1
        listener = self._listeners.get(_parent(message))
        if listener is not None:
            listener(message)

    def _on_reply(self, message: Message) -> None:
        future = self._replies.get(_parent(message))
        if future is not None and not future.done():
            future.set_result(message)

    def _on_question(self, message: Message) -> None:
        if self._order is None or _parent(message) != self._asked:
            return
        if message["msg_type"] == "input_request":
            self._order.asks(message["content"])

    async def _watch_limits(self) -> None:
        while True:
            await asyncio.sleep(WATCH_BUSY_SECONDS if self.busy else WATCH_IDLE_SECONDS)
            words = await self._process.check()
            if words:
                self.kill(words)
                return


def _give_up(reply: asyncio.Future[Message]) -> None:
    """A kernel has forgotten to reply."""
    if not reply.done():
        reply.set_result({"content": {"status": "aborted"}})


def _is_message(message: Any) -> bool:
    """Whether a signed message has what every message has."""
    return (
        isinstance(message, dict)
        and isinstance(message.get("msg_type"), str)
        and isinstance(message.get("content"), dict)
        and isinstance(message.get("parent_header"), dict)
    )


def _parent(message: Message) -> str:
    """The id of the message that this one is about."""
    found = message["parent_header"].get("msg_id")
    return found if isinstance(found, str) else ""
