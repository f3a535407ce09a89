"""All that a kernel has said is heard, however long its last words take."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from jupyter_codepad.execution import kernels, output_line
from jupyter_codepad.execution.kernels import KernelDied, RoomKernel
from jupyter_codepad.execution.shapes import Message
from tests.execution.test_languages import Console, kernel_with
from tests.support.sync_client import until

SAYS = "for i in range(10): display({'text/plain': str(i)}, raw=True)\n"
DIES = "import os, signal, time\ntime.sleep(0.3)\nos.kill(os.getpid(), signal.SIGKILL)\n"
REPLIES_LATE = (
    "import time\nkernel = get_ipython().kernel\n"
    "kernel.session.send(kernel.iopub_socket, 'status', {'execution_state': 'idle'},"
    " kernel.get_parent('shell'))\ntime.sleep(0.5)\n"
)
TOO_LARGE = "get_ipython().kernel.iopub_thread.send_multipart([b'x' * 5_000_000])\n"
NEVER_IDLE = (
    "import os, threading\nget_ipython().kernel._publish_status = lambda *said, **more: None\n"
    "threading.Timer(0.3, os._exit, [0]).start()\n"
)


class Slow(Console):
    """Somebody who takes long over each message."""

    def __init__(self, kernel: RoomKernel) -> None:
        super().__init__(kernel, [])
        self.displays: list[str] = []
        self.missed = 0

    def hear(self, message: Message) -> None:
        super().hear(message)
        if message["msg_type"] == "display_data":
            self.displays.append(message["content"]["data"]["text/plain"])

    async def ready(self) -> None:
        await asyncio.sleep(0.1)

    def lost(self) -> None:
        self.missed += 1


async def test_what_a_kernel_said_before_its_death_is_heard() -> None:
    async with kernel_with(None) as kernel:
        console = Slow(kernel)
        with pytest.raises(KernelDied):
            await kernel.execute(SAYS + DIES, console)
        assert console.displays == [str(i) for i in range(10)] and not console.missed


async def test_what_cannot_be_lost_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_line, "GRACE_SECONDS", 0.01)
    monkeypatch.setattr(kernels, "INTERRUPTED_REPLY_SECONDS", 0.01)
    async with kernel_with(None) as kernel:
        console = Slow(kernel)
        await kernel.execute(SAYS, console)
        assert console.displays == [str(i) for i in range(10)] and not console.missed
        reply = await kernel.execute(REPLIES_LATE, console)
        assert reply["status"] == "ok", "it was not interrupted: it has not forgotten to reply"


async def test_nobody_waits_long_for_what_is_lost_or_for_the_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output_line, "LIMIT_SECONDS", 1000)
    async with kernel_with(None) as kernel:
        console = Slow(kernel)
        await kernel.execute(TOO_LARGE, console)
        await until(lambda: console.missed, "word of the loss")
        with suppress(KernelDied):
            await kernel.execute(NEVER_IDLE, console)
        assert not kernel.alive
