"""A sandboxed kernel that ordinary test functions can use, and targets for what runs in it."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from jupyter_codepad.execution.kernels import KernelDied, RoomKernel
from jupyter_codepad.execution.processes import children
from jupyter_codepad.execution.sandbox import Sandbox, SandboxStatus
from tests.support.elsewhere import move_this_thread, needs_moving, opened_view

Result = TypeVar("Result")
LOG = logging.getLogger("tests.sandbox")
WORKING: dict[str, SandboxStatus] = {}
MUST_WORK = "CODEPAD_TEST_RUNGS"
"""Names the rungs that have to work where these tests run, instead of being skipped."""


class Box:
    """One kernel on one rung of the ladder; started when first needed, again when it has died.

    What it starts sees our Python where everybody may read it, if the rung needs that.
    """

    def __init__(self, rung: str, **options: Any) -> None:
        self.name = rung
        self.sandbox = Sandbox(log=LOG, names=(rung,), **options)
        self.kernel: RoomKernel | None = None
        self._loop = asyncio.new_event_loop()
        self._moves = rung == "landlock" and self.as_root and needs_moving()
        if self._moves:
            opened_view()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()
        self.status = WORKING.get(rung) or self.wait(self.sandbox.probe())
        if self.status.available:  # what has been found out once is so
            WORKING[rung] = self.sandbox.status = self.status
            self.sandbox._rung = self.sandbox._ladder[0]

    def _live(self) -> None:
        if self._moves:
            move_this_thread()
        self._loop.run_forever()

    def wait(self, work: Coroutine[Any, Any, Any], seconds: float = 60) -> Any:
        """Do something on the kernel's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def do(self, work: Callable[[], Result]) -> Result:
        """Do something in the kernel's thread, and see what that sees."""

        async def doing() -> Result:
            return work()

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result(60)

    @property
    def as_root(self) -> bool:
        """Whether the server of this sandbox is root."""
        return os.geteuid() == 0

    def start(self) -> RoomKernel:
        """The kernel, which lives."""
        if self.kernel is None or not self.kernel.alive:
            self.end()
            self.kernel = RoomKernel(sandbox=self.sandbox, log=LOG)
            self.wait(self.kernel.start())
        return self.kernel

    def run(self, code: str, seconds: float = 60) -> str:
        """Run code and return what it said; raises ``KernelDied``."""
        out: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                out.append(content["text"])
            elif message["msg_type"] == "error":
                out.append(f"{content['ename']}: {content['evalue']}")

        self.wait(self.start().execute(code, hear), seconds)
        return "".join(out)

    def attempt(self, action: str) -> str:
        """Try something; returns the name of the exception, or ``succeeded``."""
        indented = "\n".join("    " + line for line in action.splitlines())
        code = f"try:\n{indented}\n    print('succeeded')\nexcept BaseException as e:\n"
        return self.run(code + "    print(type(e).__name__)").strip()

    def death(self, code: str) -> str:
        """Run code that ends the kernel; returns the words about it."""
        with pytest.raises(KernelDied) as caught:
            self.run(code)
        return str(caught.value)

    def end(self) -> None:
        """End the kernel."""
        if self.kernel is not None:
            self.wait(self.kernel.shutdown())
            self.kernel = None

    def close(self) -> None:
        """End the kernel and the thread."""
        self.end()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def working(rung: str, **options: Any) -> Box:
    """A box on a rung; skips the test where that rung does not work and need not work."""
    try:
        box = Box(rung, **options)
    except OSError as error:
        pytest.skip(str(error))
    if not box.status.available:
        box.close()
        if rung in os.environ.get(MUST_WORK, "").split():
            pytest.fail(f"{rung} has to work here: {box.status.reason}")
        pytest.skip(f"{box.status.reason}")
    return box


def processes_named(mark: str) -> list[int]:
    """The processes of this machine with something in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in path.read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def kernels_of(server: int) -> set[int]:
    """The sandboxes of kernels that a process has started: a server starts compilers, too."""
    return set(processes_named("connection.json")) & set(children(server))


def wait_until(condition: Any, what: str, seconds: float = 30) -> None:
    """Wait for a condition without an event loop."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)
