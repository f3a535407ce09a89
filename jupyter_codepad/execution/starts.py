"""How a kernel is started, whatever sandbox is around it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

BOOT = Path(__file__).parent / "boot.py"
CONNECTION_FILE = "connection.json"


@dataclass(frozen=True)
class KernelStart:
    """What runs inside of a sandbox as a kernel.

    ``argv``: the command; ``data``: further files by their name, which are put, read-only, into the
    sandbox's run folder; ``environment``: in addition to the sandbox's own; ``memory_limit_bytes``:
    of all processes together, None: the server's default; ``terminal``: whether it needs one for
    the programs that it starts, which it is given where it cannot make one itself;
    ``gateway_kernel``: the kernel that does the same at a gateway, None: there is none.

    In ``argv`` and in the values of ``environment`` ``{run}`` stands for the run folder,
    ``{room}`` for the folder with the room's files, in which the command starts, and
    ``{connection_file}`` for the file with the kernel's sockets and key. Where these lie depends on
    the sandbox (``/run/codepad`` and ``/room`` where it has a file system of its own): code inside
    finds them in the variables ``CODEPAD_RUN`` and ``CODEPAD_ROOM``.
    """

    argv: tuple[str, ...]
    data: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    memory_limit_bytes: int | None = None
    terminal: bool = False
    gateway_kernel: str | None = None

    def command(self, *, run: str, room: str) -> list[str]:
        """The command, with the places that a sandbox has for things."""
        return [placed(part, run, room) for part in self.argv]

    def variables(self, *, run: str, room: str) -> dict[str, str]:
        """The environment, with the places that a sandbox has for things."""
        own = {name: placed(value, run, room) for name, value in self.environment.items()}
        return {**own, "CODEPAD_RUN": run, "CODEPAD_ROOM": room}


def placed(text: str, run: str, room: str) -> str:
    """A part of a command or environment, with the places that a sandbox has for things."""
    text = text.replace("{connection_file}", f"{run}/{CONNECTION_FILE}")
    return text.replace("{run}", run).replace("{room}", room)


def python_start() -> KernelStart:
    """ipykernel with the server's own Python."""
    options = ("--HistoryManager.enabled=False", "--Application.log_level=ERROR")
    return KernelStart(
        argv=(sys.executable, "{run}/boot.py", "-f", "{connection_file}", *options),
        data=MappingProxyType({"boot.py": BOOT.read_bytes()}),
        gateway_kernel="python3",
    )
