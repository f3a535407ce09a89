"""What the rungs of the sandbox ladder have in common.

A rung is one way to keep code of a room in its place. ``Sandbox`` (in ``sandbox.py``) takes the
first that works here.
"""

from __future__ import annotations

import os
import pwd
import secrets
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import ClassVar

from ..rooms.folders import open_regular
from .processes import KernelProcess

MIB = 1024 * 1024
FIRST_UID, UIDS = 700_000, 10_000
"""As root, each sandbox gets a user of its own from here on, that nobody else on the machine is."""
FIRST_MAPPED_UID = 50_000
"""The same where root is root of a user namespace, as in rootless containers."""
SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC_FILES = ("ld.so.cache", "fonts", "alternatives", "localtime", "mime.types", "ssl/openssl.cnf")


@dataclass(frozen=True)
class Options:
    """What a sandbox is to allow.

    ``memory_limit_bytes``: of all processes together; ``process_limit``: processes and threads;
    ``disk_limit_bytes``: of what is written; ``files_limit``: of the room's files that go in;
    ``hidden``: paths that are never visible, even inside something that is; ``visible``: files and
    folders that code may read besides the system's and our own Python's.
    """

    log: Logger
    memory_limit_bytes: int = 512 * MIB
    process_limit: int = 64
    disk_limit_bytes: int = 64 * MIB
    files_limit: int = 200
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

    ``argv`` with its open ``descriptors``; ``folder``: what has to be removed afterwards. Of the
    two that stay ours, ``info_read`` says what bubblewrap tells of itself, and the sandbox ends
    when ``lifeline`` is closed.
    """

    argv: list[str]
    descriptors: list[int] = field(default_factory=list)
    folder: Path | None = None
    info_read: int = -1
    lifeline: int = -1

    def data(self, content: bytes) -> int:
        """A descriptor for the command from which it can read ``content``."""
        descriptor = os.memfd_create("codepad", 0)
        self.descriptors.append(descriptor)
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def close(self) -> None:
        """Close our copies of what was for the command."""
        for descriptor in self.descriptors:
            with suppress(OSError):
                os.close(descriptor)
        self.descriptors.clear()

    def abandon(self) -> None:
        """Close everything: the command will not be started, or has ended."""
        self.close()
        for descriptor in (self.info_read, self.lifeline):
            if descriptor >= 0:
                os.close(descriptor)
        self.info_read = self.lifeline = -1


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
    holds and what it does not, gaps beyond those that every sandbox has.
    """

    name: ClassVar[str]
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
        self._next_uid = secrets.randbelow(UIDS)

    @property
    def as_root(self) -> bool:
        """Whether the server runs as root, so that kernels must drop to somebody else."""
        return os.geteuid() == 0

    @abstractmethod
    def missing(self) -> str:
        """What this machine lacks for it, in words, or nothing."""

    @abstractmethod
    def launch(
        self,
        command: list[str],
        *,
        folder: Path | None = None,
        data: Mapping[str, bytes] | None = None,
        environment: Mapping[str, str] | None = None,
        memory_limit_bytes: int | None = None,
    ) -> Launch:
        """Prepare a start of ``command`` with copies of the files in ``folder``.

        In ``command`` and ``environment`` ``{run}`` and ``{room}`` are places, as in a
        ``KernelStart``. ``data``: further files by their name, put into the run folder;
        ``memory_limit_bytes``: of a single process, by default the sandbox's.

        The caller passes ``descriptors`` on, and closes them afterwards. Raises ``OSError`` when
        the room's folder cannot be read.
        """

    async def test(self) -> str:
        from .probe import try_attacks  # noqa: PLC0415 - which needs to know rungs

        return self.missing() or await try_attacks(self)

    def new_uid(self) -> int:
        """A user id for one sandbox; the server's own when it cannot give one."""
        if not self.as_root:
            return os.geteuid()
        self._next_uid = (self._next_uid + 1) % UIDS
        return first_uid() + self._next_uid

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


def first_uid() -> int:
    """The first of the user ids for sandboxes that exist in our user namespace."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/uid_map").read_text().splitlines():
            inside, _, count = (int(part) for part in line.split())
            if inside <= FIRST_UID and inside + count >= FIRST_UID + UIDS:
                return FIRST_UID
        return FIRST_MAPPED_UID
    return FIRST_UID


@dataclass(frozen=True)
class RoomFile:
    """A file of the room's folder, opened, and its path below it."""

    descriptor: int
    path: str


def open_files(folder: Path, options: Options) -> Iterator[RoomFile]:
    """Open the regular files of a folder without ever following a link out of it.

    No more than half of what fits on the sandbox's disk. The caller closes the descriptors.
    """
    count, total = 0, 0
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for _, folders, names, descriptor in os.fwalk(".", dir_fd=root, follow_symlinks=False):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            place = os.readlink(f"/proc/self/fd/{descriptor}")
            base = os.readlink(f"/proc/self/fd/{root}")
            inside = os.path.relpath(place, base)
            for name in sorted(names):
                opened = open_regular(descriptor, name)
                if opened is None:
                    continue
                size = os.fstat(opened).st_size
                count, total = count + 1, total + size
                if count > options.files_limit or total > options.disk_limit_bytes // 2:
                    os.close(opened)
                    options.log.warning("Not all files of %s fit into its sandbox.", folder)
                    return
                yield RoomFile(opened, os.path.normpath(os.path.join(inside, name)))
    finally:
        os.close(root)


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
