"""What the rungs of the sandbox ladder have in common.

A rung is one way to keep code of a room in its place. ``Sandbox`` (in ``sandbox.py``) takes the
first that works here.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import ClassVar

from .processes import KernelProcess, connection
from .starts import CONNECTION_FILE, KernelStart
from .users import Users

MIB = 1024 * 1024
FIRST_DESCRIPTOR = 10
SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC_FILES = ("ld.so.cache", "fonts", "alternatives", "localtime", "mime.types", "ssl/openssl.cnf")


@dataclass(frozen=True)
class Options:
    """What a sandbox is to allow.

    ``memory_limit_bytes``: of all processes together; ``process_limit``: processes and threads;
    ``kernels_limit``: sandboxes that there may be at a time; ``disk_limit_bytes``: of what is
    written; ``hidden``: paths that are never visible, even inside something that is; ``visible``:
    files and folders that code may read besides the system's and our own Python's.
    """

    log: Logger
    memory_limit_bytes: int = 512 * MIB
    process_limit: int = 64
    kernels_limit: int = 50
    disk_limit_bytes: int = 64 * MIB
    hidden: tuple[Path, ...] = ()
    visible: tuple[Path, ...] = ()

    def readable(self) -> list[Path]:
        """What is outside of the system's folders and has to be visible."""
        return [*interpreter_folders(), *(path for path in self.visible if not is_private(path))]

    def masked(self) -> list[Path]:
        """Folders inside of visible ones that must not be: they may hold keys or rooms."""
        visible = [Path("/usr"), *self.readable()]
        candidates = [path / "etc" / "jupyter" for path in visible[1:]]
        candidates += [Path("/usr/etc/jupyter"), Path("/usr/local/etc/jupyter")]
        for hidden in self.hidden:
            candidates += [hidden, hidden.resolve()]
        return sorted(
            {
                path
                for path in candidates
                if path.is_dir()
                and any(path.is_relative_to(v) and path != v for v in visible)
                and not any(v.is_relative_to(path) for v in visible)
            }
        )


@dataclass
class Launch:
    """How to start a command in a sandbox.

    ``argv`` with its ``stdin`` and open ``descriptors``, to lead a session of its own; ``folder``:
    what has to be removed afterwards. Of those that stay ours, ``info`` is where bubblewrap
    tells of itself, the sandbox ends when ``lifeline`` is closed, and ``user`` holds its user id.
    """

    argv: list[str]
    descriptors: list[int] = field(default_factory=list)
    stdin: int = subprocess.DEVNULL
    folder: Path | None = None
    info: int = -1
    lifeline: int = -1
    user: int = -1

    def data(self, content: bytes) -> int:
        """A descriptor for the command from which it can read ``content``."""
        descriptor = self.given(os.memfd_create("codepad", 0))
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def given(self, descriptor: int) -> int:
        """Let the command have a descriptor, under a number that is none of a shell's digits."""
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
        os.close(descriptor)
        self.descriptors.append(moved)
        return moved

    def close(self) -> None:
        """Close our copies of what was for the command."""
        for descriptor in (*self.descriptors, self.stdin):
            if descriptor >= 0:
                os.close(descriptor)
        self.descriptors.clear()
        self.stdin = subprocess.DEVNULL

    def cut(self) -> None:
        """Close the lifeline."""
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1

    def abandon(self) -> None:
        """Close everything: the command will not be started, or has ended."""
        self.close()
        self.cut()
        for descriptor in (self.info, self.user):
            if descriptor >= 0:
                os.close(descriptor)
        self.info = self.user = -1


@contextmanager
def launched(made: Launch) -> Iterator[None]:
    """Close our copies of a launch's descriptors when its process has been started, or not."""
    try:
        yield
    except BaseException:
        made.abandon()
        raise
    finally:
        made.close()


class Rung(ABC):
    """One way to keep code in its place.

    ``name``: for settings and people; ``promises`` and ``gaps``: in words for the host, what it
    holds and what it does not, gaps beyond those that every sandbox has. ``has_proc``: whether
    every program can read about itself below ``/proc``; ``has_toolchains``: whether the programs
    of this machine can be run in it.
    """

    name: ClassVar[str]
    has_proc: ClassVar[bool] = True
    has_toolchains: ClassVar[bool] = True
    promises: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()

    def __init__(self, options: Options) -> None:
        self.options = options

    @abstractmethod
    async def test(self) -> str:
        """Try what must not be possible inside; returns why this cannot be used, or nothing."""

    @abstractmethod
    def process(self) -> KernelProcess:
        """The processes of a kernel to come."""


class LocalRung(Rung):
    """A sandbox made by this machine's own kernel."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.users = Users()

    @property
    def as_root(self) -> bool:
        """Whether the server runs as root, so that kernels must drop to somebody else."""
        return os.geteuid() == 0

    @abstractmethod
    def missing(self) -> str:
        """What this machine lacks for it, in words, or nothing."""

    @abstractmethod
    def launch(self, start: KernelStart, key: str = "") -> Launch:
        """Prepare a start in a sandbox of its own, with an empty room folder.

        ``key``: signs the messages of what is a kernel; its connection file is in the run folder.

        The caller passes ``descriptors`` on, and closes them afterwards.
        """

    async def test(self) -> str:
        from .probe import try_attacks  # noqa: PLC0415 - which needs to know rungs

        return self.missing() or await try_attacks(self)

    def user_of(self, made: Launch) -> int:
        """The user id of a sandbox, its own until the launch is abandoned.

        It is the server's own where that cannot give others. Raises ``OSError``.
        """
        if not self.as_root:
            return os.geteuid()
        uid, made.user = self.users.take()
        return uid

    def new_environment(self, *, home: str, temporary: str) -> dict[str, str]:
        """What code finds in its environment on every rung."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": home,
            "USER": "coder",
            "LANG": "C.UTF-8",
            "TMPDIR": temporary,
            "IPYTHONDIR": f"{home}/.ipython",
            "MPLCONFIGDIR": f"{home}/.matplotlib",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            # Libraries that start a thread for each core would use up the processes.
            "OMP_NUM_THREADS": "2",
            "OPENBLAS_NUM_THREADS": "2",
        }


def run_files(start: KernelStart, key: str, sockets: str) -> dict[str, bytes]:
    """What lies in the run folder, by its name; ``sockets``: what their names begin with."""
    if not key:
        return dict(start.data)
    return {**start.data, CONNECTION_FILE: connection(key, sockets)}


def interpreter_folders() -> list[Path]:
    """The folders that our own Python needs and that are not part of ``/usr``."""
    candidates = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).parent.parent}
    candidates |= {Path(os.path.realpath(sys.executable)).parent.parent}
    candidates |= {path.resolve() for path in candidates}
    outside = sorted(p for p in candidates if not p.is_relative_to("/usr") and p != Path("/"))
    kept: list[Path] = []
    for path in outside:
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return kept


def is_private(path: Path) -> bool:
    """Whether a path is, holds, or lies too high in, what belongs to a person or to the machine.

    The last line of defence against an extra folder that shows too much: no home folder, nothing
    that has one below it, no folder directly in one (`~/.ssh`, `~/.cargo`), and neither the
    machine's configuration as a whole nor its state.
    """
    real = path.resolve()
    homes = {Path(entry.pw_dir).resolve() for entry in pwd.getpwall() if entry.pw_uid >= 1000}
    homes |= {Path.home().resolve(), Path("/root")}
    homes = {home for home in homes if len(home.parts) > 1 and not home.is_relative_to("/usr")}
    state = [Path(name) for name in ("/run", "/proc", "/sys", "/dev")]
    return (
        (len(real.parts) < 3 and not real.is_relative_to("/usr") and real != Path("/opt"))
        or (real.is_relative_to("/var") and len(real.parts) < 4)
        or any(real.is_relative_to(folder) for folder in state)
        or any(home.is_relative_to(real) or real.parent == home for home in homes)
    )
