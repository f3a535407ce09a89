"""The third rung: Landlock and seccomp, which need neither namespaces nor rights.

Code shares the machine's file system, processes and network stack with everybody, and is kept from
them: Landlock (docs.kernel.org/userspace-api/landlock.html) lets it open a list of files and
folders, and a seccomp filter refuses the system calls that reach anything else.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from . import landlock_keeper, seccomp
from .processes import LocalProcess, descendants, first_child, memory_of
from .rungs import ETC_FILES, MIB, SYSTEM_FOLDERS, Launch, LocalRung, Options, run_files
from .starts import KernelStart

KEEPER = Path(__file__).parent / "landlock_keeper.py"
PROC_FILES = ("cpuinfo", "meminfo", "stat", "filesystems", "version", "uptime", "loadavg")
DEVICES = ("null", "zero", "full", "random", "urandom")
TERMINALS = ("ptmx", "pts", "tty")
FOLDERS = ("room", "home", "tmp", "run")
SIGNALS_ABI, TRUNCATE_ABI = 6, 3
BLOCK_BYTES, FILE_BYTES = 512, 4096
PARENT_BYTES = 70


class LandlockRung(LocalRung):
    """No namespaces: a list of files, and fewer system calls.

    ``abi_limit``: use no newer version of Landlock than this, as on an older Linux.
    """

    name = "landlock"
    has_proc = False
    """What may be read is said before a program starts, about processes that are there then."""

    def __init__(self, options: Options, *, abi_limit: int = landlock_keeper.SCOPE_ABI) -> None:
        super().__init__(options)
        self._abi = min(abi_limit, landlock_keeper.landlock_abi())

    @property
    def promises(self) -> tuple[str, ...]:  # type: ignore[override]
        """What holds here."""
        return (
            "Code can open the system's programs, read-only, and copies of the room's files.",
            "No connection can be made: to no network, and to no program of this machine.",
            "Memory and processes are limited, and all ends with the kernel.",
            "Memory and environment of the server's processes cannot be read, and they get no "
            "signals from it.",
        )

    @property
    def gaps(self) -> tuple[str, ...]:  # type: ignore[override]
        """What does not hold here, depending on the version of Landlock and on who we are."""
        found = [
            "Code can ask whether a file with a certain name exists on this machine, and how "
            "large it is.",
            "The limit of the disk is looked at a few times a second: for a moment more can be "
            "written.",
            "Programs cannot connect to each other by sockets, nor share locks, as Python's "
            "multiprocessing does.",
            "Programs that a program starts cannot read about themselves below /proc, as C# must.",
        ]
        if not self.as_root:
            if self._abi < SIGNALS_ABI:
                found.append("This Linux is older than 6.12: programs cannot send signals at all.")
            if self._abi < TRUNCATE_ABI:
                found.append(
                    "This Linux is older than 6.2: code can empty files of the server's Python "
                    "that the server's user may write."
                )
        return tuple(found)

    def missing(self) -> str:
        if self._abi < 1:
            return "this Linux has no Landlock (5.13 and newer can have it; it may be switched off)"
        if seccomp.program() is None:
            return "this processor is not one whose system calls can be filtered"
        if self.as_root and (closed := closed_folder(Path(sys.executable).resolve())):
            return (
                f"the server runs as root, and other users cannot get to its Python: {closed} is "
                "closed to them"
            )
        return ""

    def process(self) -> LandlockProcess:
        return LandlockProcess(self)

    def launch(self, start: KernelStart, key: str = "") -> Launch:
        base = new_folder()
        made = Launch([sys.executable, "-I", "-S", str(KEEPER)], folder=base)
        try:
            for name in FOLDERS:
                (base / name).mkdir(mode=0o700)
            room, run = str(base / "room"), str(base / "run")
            for name, content in run_files(start, key, f"{run}/k").items():
                write_new(base / "run" / name, content, 0o444)
            uid = self.user_of(made)
            if self.as_root:
                give(base, uid)
            variables = self.new_environment(home=str(base / "home"), temporary=str(base / "tmp"))
            config = {
                **self._rules(base),
                "command": start.command(run=run, room=room),
                "environment": variables | start.variables(run=run, room=room),
                "cwd": room,
                "uid": uid,
                "limits": self._limits(start.memory_limit_bytes or self.options.memory_limit_bytes),
                "folder": str(base),
                # An ordinary user owns its other terminals too: none can be opened inside.
                "terminal": start.terminal and not self.as_root,
            }
            lifeline, made.lifeline = os.pipe()
            lifeline = made.given(lifeline)
            made.argv += [str(made.data(json.dumps(config).encode())), str(lifeline)]
        except BaseException:
            made.abandon()
            shutil.rmtree(base, ignore_errors=True)
            raise
        return made

    def _rules(self, base: Path) -> dict[str, object]:
        system = [Path("/") / name for name in SYSTEM_FOLDERS]
        readable = [Path("/usr"), *(path for path in system if not path.is_symlink())]
        readable = without([*readable, *self.options.readable()], self.options.masked())
        readable += [Path("/etc", name) for name in ETC_FILES]
        readable += [Path("/proc", name) for name in PROC_FILES]
        devices = [Path("/dev", name) for name in DEVICES]
        if self.as_root:
            # Of others' terminals the owner keeps us off; an ordinary user is their owner.
            devices += [Path("/dev", name) for name in TERMINALS]
        shared = seccomp.Shared(
            signals=self.as_root or self._abi >= SIGNALS_ABI,
            truncate=self._abi >= TRUNCATE_ABI,
            modes=self.as_root,
            starts=self.as_root,
        )
        return {
            "readable": [str(path) for path in readable],
            "devices": [str(path) for path in devices],
            "writable": [str(base / name) for name in FOLDERS],
            "abi": self._abi,
            "asks": not self.as_root,
            "processes": self.options.process_limit,
            "filter": (seccomp.program(shared=shared) or b"").hex(),
        }

    def _limits(self, memory: int) -> dict[str, int]:
        processes = self.options.process_limit
        if not self.as_root:
            # Linux counts all that our user has; what one room has, the keeper does. This is what
            # all may have: none of them must be stopped by what the others do.
            processes = processes * self.options.kernels_limit + users_tasks(os.geteuid())
        return {
            "RLIMIT_NPROC": processes,
            "RLIMIT_DATA": memory,
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": 1024,
            # No single file can exceed what all together may have.
            "RLIMIT_FSIZE": self.options.disk_limit_bytes // 2,
            "RLIMIT_MSGQUEUE": 0,
            "RLIMIT_MEMLOCK": 0,
        }


class LandlockProcess(LocalProcess):
    """A kernel below its keeper, whose ``pid`` this is."""

    def __init__(self, rung: LandlockRung) -> None:
        super().__init__()
        self._rung = rung
        self._launch: Launch | None = None
        self._memory_limit = rung.options.memory_limit_bytes

    async def _begin(self, start: KernelStart, key: str) -> None:
        self._memory_limit = start.memory_limit_bytes or self._memory_limit
        self._launch = launch = await asyncio.to_thread(self._rung.launch, start, key)
        try:
            await self._spawn(
                launch.argv,
                environment={"PATH": os.defpath},
                cwd="/",
                descriptors=launch.descriptors,
            )
        finally:
            launch.close()
        assert self._process is not None
        self.pid = self._process.pid

    @property
    def _folder(self) -> Path | None:
        return self._launch.folder if self._launch is not None else None

    @property
    def _sockets(self) -> str:
        return f"{self._folder}/run/k"

    @property
    def room_path(self) -> Path | None:
        return self._folder / "room" if self._folder is not None else None

    def interrupt(self) -> None:
        kernel = first_child(self.pid) if self.pid else 0
        if kernel:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(os.getpgid(kernel), signal.SIGINT)

    def kill(self) -> None:
        if self._launch is not None:
            self._launch.cut()  # the keeper ends everything then

    async def check(self) -> str:
        return await asyncio.to_thread(self._check)

    def _check(self) -> str:
        options, limit = self._rung.options, self._memory_limit
        # More are refused, but what is allowed and has not begun yet is not counted: for a moment
        # there can be as many again. Who has got around it is ended.
        most = 2 * options.process_limit
        family = descendants(self.pid, most + 2)[1:]
        if len(family) > most:
            return f"stopped: had more than {most} processes"
        if memory_of(family, limit) > limit:
            return f"stopped: used more than {limit // MIB} MB"
        disk = options.disk_limit_bytes
        if self._folder is not None and disk_use(self._folder, family, disk) > disk:
            return f"stopped: wrote more than {disk // MIB} MB"
        return ""

    async def close(self) -> None:
        if self._launch is not None:
            self._launch.abandon()
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


def new_folder() -> Path:
    """An empty folder of nobody else's."""
    parent = tempfile.gettempdir()
    # The name of a socket can have 107 bytes.
    short = parent if len(os.fsencode(parent)) <= PARENT_BYTES else "/tmp"  # noqa: S108
    return Path(tempfile.mkdtemp(prefix="codepad-box-", dir=short))


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def give(base: Path, uid: int) -> None:
    """Let a folder of ours, with all that is in it, be another user's."""
    for place, _, names, descriptor in os.fwalk(base, follow_symlinks=False):
        del place
        os.fchown(descriptor, uid, uid)
        for name in names:
            os.chown(name, uid, uid, dir_fd=descriptor, follow_symlinks=False)


def without(paths: list[Path], masked: list[Path]) -> list[Path]:
    """The same files and folders but for some inside; a folder with such a one is taken apart."""
    kept: list[Path] = []
    for path in paths:
        inside = [mask for mask in masked if mask.is_relative_to(path)]
        if not inside:
            kept.append(path)
        elif path not in inside:
            # A link is none of what is inside: where it leads must be visible by itself.
            children = sorted(child for child in path.iterdir() if not child.is_symlink())
            kept += without(children, masked)
    return kept


def closed_folder(path: Path) -> Path | None:
    """The first folder on the way to a path that other users cannot go through, or None."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def users_tasks(uid: int) -> int:
    """How many processes and threads a user has."""
    count = 0
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count


def disk_use(folder: Path, pids: list[int], enough: int) -> int:
    """Bytes on disk below a folder, and of deleted files that processes hold open.

    An empty file takes room too. Stops counting at more than ``enough``.
    """
    total = 0
    for _, folders, names, descriptor in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *names):
            with suppress(OSError):
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                total += max(found.st_blocks * BLOCK_BYTES, FILE_BYTES)
        if total > enough:
            return total
    deleted: dict[tuple[int, int], int] = {}
    for pid in pids:
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    found = os.stat(f"/proc/{pid}/fd/{name}")
                    if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                        deleted[found.st_dev, found.st_ino] = found.st_blocks * BLOCK_BYTES
    return total + sum(deleted.values())
