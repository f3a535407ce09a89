"""Starts servers in a fraction of the time: forks them off a process that knows their libraries.

Most of what a server does at its start is to import what others have written, which is the same
each time. The process of this module has done that once. What it forks for a server gets that
server's environment, folder, arguments and log, and goes on as ``python -m jupyter_server`` does;
our own code, and what reads the environment while it is imported, is imported there.

However the tests end, nothing of this is left: the process sees that its orders end, and what it
has forked ends with it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TextIO

LIBRARIES = (
    "alembic.command",
    "alembic.config",
    "anyio",
    "argon2",
    "httpx",
    "jinja2",
    "jupyter_client",
    "jupyter_events",
    "jupyter_server.extension.application",
    "jupyter_server.serverapp",
    "jupyter_ydoc",
    "jupyterlab.commands",
    "jupyterlab_server",
    "nbformat",
    "prometheus_client",
    "pycrdt",
    "pydantic",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
    "uvloop",
    "zmq.asyncio",
)
PR_SET_PDEATHSIG = 1
MODULE = "jupyter_server"
"""What ``python -m`` would run: it has a ``main`` in its ``serverapp``."""


class Running(Protocol):
    """A process that was started."""

    pid: int

    def poll(self) -> int | None:
        """None while it runs."""

    def kill(self) -> None:
        """End it at once."""

    def send_signal(self, number: int, /) -> None:
        """Send it a signal."""


class Child:
    """A process that the nursery has forked; how it ended only the nursery knows."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._process = -1
        with suppress(ProcessLookupError):  # it is over already
            self._process = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """None while it runs."""
        if self._process < 0:
            return 0
        if select_now(self._process):
            os.close(self._process)
            self._process = -1
            return 0
        return None

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int, /) -> None:
        """Send it a signal, if it still runs."""
        if self._process >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, number)


def select_now(descriptor: int) -> bool:
    """Whether there is something to read now."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))


class Nursery:
    """The process that forks servers, from the first that is wanted to ``close``."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: TextIO | None = None

    def _open(self) -> TextIO:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=theirs.fileno(),
                cwd=Path(__file__).parents[2],
                start_new_session=True,
            )
        with ours:
            return ours.makefile("rw", encoding="utf-8")

    def start(
        self, arguments: list[str], *, environment: Mapping[str, str], cwd: Path, log: Path
    ) -> Child:
        """Start a server with these arguments, whose output is added to a file."""
        orders = self._orders = self._orders or self._open()
        order = {"argv": arguments, "env": dict(environment), "cwd": str(cwd), "log": str(log)}
        orders.write(json.dumps(order) + "\n")
        orders.flush()
        return Child(int(orders.readline()))

    def close(self) -> None:
        """End the process, and the servers that are left."""
        if self._orders is not None and self._process is not None:
            self._orders.close()
            self._process.wait()
            self._orders = self._process = None


# -- in the process ------------------------------------------------------------------------------


def next_birth(control: socket.socket) -> dict[str, Any] | None:
    """Fork for each order; returns it in the child, and None when there are no more."""
    nursery = os.getpid()
    children, waker = socket.socketpair()
    children.setblocking(False)
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda *_about: None)
    orders = control.makefile("r", encoding="utf-8")
    while True:
        ready = select.select([control, children], [], [])[0]
        if children in ready:
            children.recv(1000)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    continue
        if control not in ready:
            continue
        line = orders.readline()
        if not line:
            return None
        pid = os.fork()
        if pid == 0:
            end_with(nursery)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in (children, waker, orders, control):
                one.close()
            order: dict[str, Any] = json.loads(line)
            return order
        control.sendall(f"{pid}\n".encode())


def end_with(parent: int) -> None:
    """Have Linux end this process as soon as its parent is gone (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def become(order: dict[str, Any]) -> None:
    """Be the server that was ordered, until its end."""
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, place)
        os.set_inheritable(place, True)
    os.close(log)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(order["env"])
    tempfile.tempdir = None
    os.chdir(order["cwd"])
    sys.path[0] = order["cwd"]
    sys.argv = [MODULE, *order["argv"]]
    importlib.import_module(f"{MODULE}.serverapp").main()


def main() -> None:
    """Import, then fork."""
    for name in LIBRARIES:
        with suppress(ImportError):  # one that this machine does not have
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=os.dup(0)) as control:
        order = next_birth(control)
    if order is not None:
        gc.unfreeze()
        become(order)


if __name__ == "__main__":
    main()
