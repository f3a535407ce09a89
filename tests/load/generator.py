"""Builds and runs the load generator and the relay, which are written in C."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent
BUILD = Path(__file__).parents[2] / "build" / "load"
PROGRAMS = ("generator", "relay")
PATIENCE_SECONDS = 240.0
"""What connecting, draining and comparing may take on top of the typing."""

Report = dict[str, Any]
"""What the generator prints: see ``print_report`` in generator.c."""


@dataclass(frozen=True)
class ClientLine:
    """One person who types: the socket to open. ``document`` is for servers that frame by name."""

    room: int
    path: str
    document: str = "-"
    headers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\t".join((str(self.room), self.path, self.document, *self.headers))


@dataclass(frozen=True)
class Load:
    """How the clients type. ``rate``: insertions a second of each; ``length``: 10 or 1."""

    rate: float
    seconds: float
    warmup: float = 2.0
    drain: float = 10.0
    settle: float = 1.0
    length: int = 10
    awareness: bool = True
    sample: int = 100
    stages: tuple[int, ...] = ()
    seed: int = 0

    def arguments(self) -> list[str]:
        """Options of the generator."""
        values: dict[str, object] = {
            "rate": self.rate,
            "seconds": self.seconds,
            "warmup": self.warmup,
            "drain": self.drain,
            "settle": self.settle,
            "length": self.length,
            "awareness": int(self.awareness),
            "sample": self.sample,
            "seed": self.seed,
        }
        if self.stages:
            values["stages"] = ",".join(map(str, self.stages))
        return [text for name, value in values.items() for text in (f"--{name}", str(value))]


@dataclass(frozen=True)
class Cores:
    """Where server and generator run; None: wherever the system likes."""

    server: int | None
    generator: int | None

    @classmethod
    def of_this_machine(cls) -> Cores:
        """One core each, where there are two and ``taskset`` to hold them there."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2 or shutil.which("taskset") is None:
            return cls(None, None)
        return cls(cores[0], cores[1])


def pinned(core: int | None, command: list[str]) -> list[str]:
    """A command that stays on one core."""
    return command if core is None else ["taskset", "-c", str(core), *command]


def compiler() -> str | None:
    """The C compiler of this machine."""
    names = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    return next((name for name in names if name and shutil.which(name)), None)


def build() -> Path:
    """Compile what is not compiled yet, or older than its source; returns the folder."""
    cc = compiler()
    if cc is None:
        raise FileNotFoundError("the load generator needs a C compiler")
    BUILD.mkdir(parents=True, exist_ok=True)
    shared = (SOURCES / "wire.h").stat().st_mtime
    for name in PROGRAMS:
        source, target = SOURCES / f"{name}.c", BUILD / name
        newest = max(shared, source.stat().st_mtime)
        if target.exists() and target.stat().st_mtime > newest:
            continue
        fresh = BUILD / f"{name}.{os.getpid()}"
        flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra"]
        subprocess.run([cc, *flags, "-o", str(fresh), str(source), "-lm"], check=True)
        fresh.replace(target)
    return BUILD


async def generate(
    lines: list[ClientLine],
    load: Load,
    *,
    port: int,
    pid: int,
    folder: Path,
    core: int | None,
    keep: bool = True,
) -> Report:
    """Let the clients type, and return what the generator saw.

    ``folder``: where ``clients`` is written, and with ``keep`` what a sample of them received.
    """
    clients = folder / "clients"
    clients.write_text("".join(f"{line}\n" for line in lines))
    command = [str(BUILD / "generator"), "--clients", str(clients), *load.arguments()]
    command += ["--port", str(port), "--pid", str(pid)]
    if keep:
        command += ["--save", str(folder)]
    process = await asyncio.create_subprocess_exec(
        *pinned(core, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(load.warmup + load.seconds + load.drain + PATIENCE_SECONDS):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"the load generator failed: {err.decode()}")
    report: Report = json.loads(out)
    return report


@asynccontextmanager
async def relay(core: int | None, *faults: str) -> AsyncIterator[tuple[int, int]]:
    """A bare relay while it is needed: its port and its process id. ``faults``: see relay.c."""
    process = await asyncio.create_subprocess_exec(
        *pinned(core, [str(BUILD / "relay"), *faults]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield int(await process.stdout.readline()), process.pid
    finally:
        process.stdin.close()
        await process.wait()
