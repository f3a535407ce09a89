"""The way of a kernel's output: how much has come, whether some was lost, and when it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import zmq
from jupyter_client.channels import AsyncZMQSocketChannel
from zmq.utils.monitor import parse_monitor_message

from .talk import Talk

GRACE_SECONDS = 1.0
"""How long nothing more may come after a kernel has said that it is done, where what is missing may
have been lost."""
ENOUGH_GRACE_SECONDS = 0.2
"""The same where nobody wants it."""
LIMIT_SECONDS = 10.0
"""How long output may come then, and how long what cannot have been lost is waited for: the machine
is busy."""
SURE_MESSAGES = 250
"""So many have their place in the kernel's queue: none of them is dropped there."""
LAST_WORDS_SECONDS, LAST_WORDS_LIMIT_SECONDS = 0.1, 2.0
"""How long is read what a kernel that has died had said before: until its connection has ended;
where that cannot be seen, the shorter time."""
LOOK_SECONDS = 0.005
CUT = zmq.EVENT_DISCONNECTED
MADE = zmq.EVENT_HANDSHAKE_SUCCEEDED


class OutputLine:
    """Knows of the connection to a kernel's iopub socket what is to be known.

    ``heard``: how many messages of output have come; ``ended``: set when the kernel is no more.
    """

    def __init__(self, ended: asyncio.Event) -> None:
        self.heard = 0
        self._kernel_ended = ended
        self._over = asyncio.Event()
        self._cuts = 0
        self._before = 0, 0
        self._socket: Any = None

    async def watch(self, channel: Any, talk: Callable[[], Talk | None]) -> None:
        """Tell the ``talk`` of the moment when output is lost, for as long as the kernel is there.

        A message that is too large ends the connection: it is lost, and maybe others with it. A
        kernel that has died does not come back, and nothing of it is lost. ``channel``: the
        client's; of one that is no ZeroMQ socket little is known.
        """
        if not isinstance(channel, AsyncZMQSocketChannel):
            return
        self._socket = socket = channel.socket
        monitor: Any = socket.get_monitor_socket(CUT | MADE)
        try:
            while True:
                await _event(monitor, CUT)
                self._cuts += 1
                self._over.set()
                cut = talk()
                await _event(monitor, MADE)
                self._over.clear()
                if cut is not None:
                    cut.lost()
        finally:
            self._over.set()
            socket.disable_monitor()

    def run_begins(self) -> None:
        """What comes from now on is of a new run."""
        self._before = self.heard, self._cuts

    @property
    def is_sure(self) -> bool:
        """Whether nothing of this run can have been lost."""
        heard, cuts = self._before
        return self._cuts == cuts and self.heard - heard <= SURE_MESSAGES

    async def heard_all(self, idle: asyncio.Event, enough: Callable[[], bool]) -> bool:
        """Wait for the last word of a run, as long as others come; a flood may have cost us it.

        ``enough``: whether nobody wants more.
        """
        deadline = time.monotonic() + LIMIT_SECONDS
        while not idle.is_set():
            before = self.heard
            grace = ENOUGH_GRACE_SECONDS if enough() else GRACE_SECONDS
            await either(idle, self._kernel_ended, grace)
            if self._kernel_ended.is_set():
                await self.last_words()
                break
            # What shows that some was lost may come after the reply: it is looked for each time.
            silent = self.heard == before and (enough() or not self.is_sure)
            if silent or time.monotonic() > deadline:
                break
        return idle.is_set()

    async def last_words(self) -> None:
        """Wait until all that a kernel that has died had sent is read, but not for long."""
        if self._socket is None:
            await asyncio.sleep(LAST_WORDS_SECONDS)
            return
        deadline = time.monotonic() + LAST_WORDS_LIMIT_SECONDS
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), LAST_WORDS_LIMIT_SECONDS)
        with suppress(zmq.ZMQError):  # it is closed: nobody reads any more
            while await self._socket.poll(0) and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)


async def either(first: asyncio.Event, second: asyncio.Event, seconds: float) -> None:
    """Wait until one of two is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in (first, second)]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


async def _event(monitor: Any, wanted: int) -> None:
    while parse_monitor_message(await monitor.recv_multipart())["event"] != wanted:
        continue
