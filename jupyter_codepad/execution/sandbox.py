"""The sandbox: bubblewrap (github.com/containers/bubblewrap) around a room's kernel.

What code in it has: the interpreter and the system's programs, read-only; copies of the room's
files; some memory, processes and disk. What it has not: the network, the server's environment,
files or processes, other rooms, a way to become somebody else.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path

from ..rooms.folders import open_regular
from . import seccomp

MIB = 1024 * 1024
ROOM, HOME, RUN = "/room", "/home/coder", "/run/codepad"
COMMAND = "bwrap"
FIRST_UID = 700_000
"""As root, each sandbox gets a user of its own from here on, that nobody else on the machine is."""
UIDS = 10_000
PROBE_SECONDS = 20.0
SMALL_TMPFS_BYTES = 16 * MIB
RUN_TMPFS_BYTES = MIB

SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC_FILES = ("ld.so.cache", "fonts", "alternatives", "localtime", "mime.types", "ssl/openssl.cnf")
PROBE = """
import json, os, socket
def fails(action):
    try: action()
    except OSError: return True
    return False
def listing(path): return sorted(os.listdir(path))
print(json.dumps({
    "uid": os.getuid(),
    "shadow": fails(lambda: open("/etc/shadow").read()),
    "server": fails(lambda: open(%(secret)r).read()),
    "network": fails(lambda: socket.create_connection(("127.0.0.1", %(port)d), 1)),
    "written": open("probe", "w").write("x") == 1,
    "processes": len([p for p in listing("/proc") if p.isdigit()]) < 10,
    "sysctl": not os.access("/proc/sys/kernel/core_pattern", os.W_OK),
    "environment": "CODEPAD_PROBE" not in os.environ,
}))
"""


@dataclass(frozen=True)
class SandboxStatus:
    """Whether the sandbox works here; ``reason``, in the user's words, when not."""

    available: bool
    name: str
    reason: str | None = None


@dataclass(frozen=True)
class RoomFile:
    """A file of the room's folder, opened, and where it goes in the sandbox."""

    descriptor: int
    place: str


@dataclass
class Launch:
    """How to start a command in the sandbox: ``argv`` with its open ``descriptors``."""

    argv: list[str]
    descriptors: list[int] = field(default_factory=list)
    info_read: int = -1

    def close(self) -> None:
        """Close our copies of what was for the command; what it says about itself stays open."""
        for descriptor in self.descriptors:
            with suppress(OSError):
                os.close(descriptor)
        self.descriptors.clear()

    def abandon(self) -> None:
        """Close everything: the command will not be started, or not be listened to."""
        self.close()
        if self.info_read >= 0:
            os.close(self.info_read)
            self.info_read = -1


class Sandbox:
    """Builds sandboxes and knows whether they work on this machine.

    ``memory_limit_bytes``: of all processes together (the kernel's owner watches it);
    ``process_limit``: processes and threads; ``disk_limit_bytes``: of the room's files in it;
    ``hidden``: paths that are never visible, even inside something that is; ``visible``: files and
    folders that code may read besides the system's and our own Python's.
    """

    def __init__(
        self,
        *,
        log: Logger,
        memory_limit_bytes: int = 512 * MIB,
        process_limit: int = 64,
        disk_limit_bytes: int = 64 * MIB,
        files_limit: int = 200,
        hidden: tuple[Path, ...] = (),
        visible: tuple[Path, ...] = (),
    ) -> None:
        self._log = log
        self.memory_limit_bytes = memory_limit_bytes
        self._process_limit = process_limit
        self.disk_limit_bytes = disk_limit_bytes
        self._files_limit = files_limit
        self._hidden = hidden
        self._visible = visible
        self._next_uid = 0
        self.status = SandboxStatus(False, "none", "The sandbox has not been tested yet.")

    # -- what a sandbox is made of ----------------------------------------------------------------

    @property
    def as_root(self) -> bool:
        """Whether the server runs as root, so that kernels must drop to somebody else."""
        return os.geteuid() == 0

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

        ``data``: further files by their name, put into ``RUN``; ``memory_limit_bytes``: of a single
        process, by default the sandbox's.

        The caller passes ``descriptors`` on, and closes them afterwards. Raises ``OSError`` when
        the room's folder cannot be read.
        """
        made = Launch([shutil.which(COMMAND) or COMMAND])
        try:
            self._prepare(
                made,
                command,
                folder=folder,
                data=data,
                environment=environment,
                memory_limit_bytes=memory_limit_bytes or self.memory_limit_bytes,
            )
        except BaseException:
            made.abandon()
            raise
        return made

    def _prepare(
        self,
        made: Launch,
        command: list[str],
        *,
        folder: Path | None,
        data: Mapping[str, bytes] | None,
        environment: Mapping[str, str] | None,
        memory_limit_bytes: int,
    ) -> None:
        uid = self._new_uid()
        made.argv += [*self._namespaces(), *self._filesystem()]
        self._add_data(made, "/etc/passwd", f"coder:x:{uid}:{uid}::{HOME}:/bin/sh\n".encode())
        self._add_data(made, "/etc/group", f"coder:x:{uid}:\n".encode())
        self._add_data(made, "/etc/hosts", b"127.0.0.1 localhost room\n")
        for name, content in (data or {}).items():
            self._add_data(made, f"{RUN}/{name}", content)
        if folder is not None:
            self._add_files(made, folder)
        rules = seccomp.program()
        if rules is not None:
            made.argv += ["--seccomp", str(self._data(made, rules))]
        made.info_read, info_write = os.pipe()
        made.descriptors.append(info_write)
        made.argv += ["--info-fd", str(info_write)]
        for name, value in {**self._environment(), **(environment or {})}.items():
            made.argv += ["--setenv", name, value]
        made.argv += ["--chdir", ROOM, "--", *self._drop(uid, memory_limit_bytes), *command]

    def _new_uid(self) -> int:
        if not self.as_root:
            return 1000
        self._next_uid = (self._next_uid + 1) % UIDS
        return FIRST_UID + self._next_uid

    def _namespaces(self) -> list[str]:
        parts = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        parts += ["--unshare-cgroup-try", "--hostname", "room", "--die-with-parent"]
        parts += ["--new-session", "--clearenv"]
        if self.as_root:
            # Real root mounts what an ordinary user could not read, then becomes nobody (_drop).
            kept = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
            return [*parts, "--cap-drop", "ALL", *kept]
        return [*parts, "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"]

    def _filesystem(self) -> list[str]:
        visible = [Path("/usr"), *interpreter_folders(), *self._visible]
        # bubblewrap makes missing parents for root only; the kernel is somebody else.
        parents = {Path("/etc"), Path(HOME), Path(RUN)}.union(*(path.parents for path in visible))
        parents |= {Path(HOME).parent, Path(RUN).parent}
        parents |= {Path("/etc", name).parent for name in ETC_FILES}
        # The interpreter may live below /tmp: that has to be there before it is bound.
        parts = ["--perms", "0777", "--size", str(self.disk_limit_bytes), "--tmpfs", "/tmp"]  # noqa: S108
        for path in sorted(parents - {Path("/"), Path("/tmp")}):  # noqa: S108
            parts += ["--perms", "0755", "--dir", str(path)]
        parts += ["--ro-bind", "/usr", "/usr"]
        for name in SYSTEM_FOLDERS:
            path = Path("/") / name
            if path.is_symlink():
                parts += ["--symlink", os.readlink(path), str(path)]
            elif path.is_dir():
                parts += ["--ro-bind", str(path), str(path)]
        for name in ETC_FILES:
            parts += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        parts += ["--proc", "/proc", "--dev", "/dev"]
        for name in ("sys", "sysrq-trigger", "irq", "bus"):
            parts += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
        for path in visible[1:]:
            parts += ["--ro-bind", str(path), str(path)]
        for path in self._masked(visible):
            parts += ["--perms", "0555", "--size", "4096", "--tmpfs", str(path)]
        for place, size in (
            (ROOM, self.disk_limit_bytes),
            (HOME, SMALL_TMPFS_BYTES),
            ("/dev/shm", SMALL_TMPFS_BYTES),  # noqa: S108
            (RUN, RUN_TMPFS_BYTES),
        ):
            parts += ["--perms", "0777", "--size", str(size), "--tmpfs", place]
        return parts

    def _masked(self, visible: list[Path]) -> list[Path]:
        """Folders inside of visible ones that must be seen empty: they may hold keys or rooms."""
        candidates = [path / "etc" / "jupyter" for path in visible[1:]]
        candidates += [Path("/usr/etc/jupyter"), Path("/usr/local/etc/jupyter")]
        for hidden in self._hidden:
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

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": HOME,
            "USER": "coder",
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",  # noqa: S108 - the sandbox's own
            "IPYTHONDIR": f"{HOME}/.ipython",
            "MPLCONFIGDIR": f"{HOME}/.matplotlib",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            # Libraries that start a thread for each core would use up the processes.
            "OMP_NUM_THREADS": "2",
            "OPENBLAS_NUM_THREADS": "2",
        }

    def _drop(self, uid: int, memory_limit_bytes: int) -> list[str]:
        """The programs that limit themselves, become nobody, and turn into the command."""
        limits = [
            "prlimit",
            f"--nproc={self._process_limit}:{self._process_limit}",
            # Not the address space: that breaks runtimes which reserve much and use little.
            f"--data={memory_limit_bytes}:{memory_limit_bytes}",
            "--core=0:0",
            "--nofile=1024:1024",
            f"--fsize={self.disk_limit_bytes}:{self.disk_limit_bytes}",
            "--msgqueue=0:0",
            "--memlock=0:0",
        ]
        if not self.as_root:
            return limits
        setpriv = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        return [*limits, *setpriv, "--inh-caps=-all"]

    # -- what goes in -----------------------------------------------------------------------------

    def _data(self, made: Launch, content: bytes) -> int:
        descriptor = os.memfd_create("codepad", 0)
        made.descriptors.append(descriptor)
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def _add_data(self, made: Launch, place: str, content: bytes) -> None:
        made.argv += ["--perms", "0444", "--file", str(self._data(made, content)), place]

    def _add_files(self, made: Launch, folder: Path) -> None:
        folders: set[str] = set()
        first = len(made.argv)
        for file in self._open_files(folder):
            made.descriptors.append(file.descriptor)
            parent = os.path.dirname(file.place)
            while len(parent) > len(ROOM) and parent not in folders:
                folders.add(parent)
                parent = os.path.dirname(parent)
            made.argv += ["--perms", "0666", "--file", str(file.descriptor), file.place]
        for path in sorted(folders):
            first += self._insert(made, first, ["--perms", "0777", "--dir", path])

    def _insert(self, made: Launch, at: int, parts: list[str]) -> int:
        made.argv[at:at] = parts
        return len(parts)

    def _open_files(self, folder: Path) -> Iterator[RoomFile]:
        """Open the regular files of a folder without ever following a link out of it."""
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
                    if count > self._files_limit or total > self.disk_limit_bytes // 2:
                        os.close(opened)
                        self._log.warning("Not all files of %s fit into its sandbox.", folder)
                        return
                    yield RoomFile(opened, os.path.normpath(os.path.join(ROOM, inside, name)))
        finally:
            os.close(root)

    # -- whether it works -------------------------------------------------------------------------

    async def probe(self) -> SandboxStatus:
        """Try the real thing: a sandbox in which the attempts that must fail are made and fail."""
        self.status = await self._probe()
        return self.status

    async def _probe(self) -> SandboxStatus:
        if shutil.which(COMMAND) is None:
            return _off("bubblewrap is not installed (on Debian: apt-get install bubblewrap).")
        if seccomp.program() is None:
            return _off("this processor is not one whose system calls can be filtered.")
        for tool in ("prlimit", "setpriv"):
            if shutil.which(tool) is None:
                return _off(f"the program {tool} (package util-linux) is not installed.")
        listener = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        try:
            with tempfile.NamedTemporaryFile("w", prefix="codepad-probe-") as secret:
                code = PROBE % {"secret": secret.name, "port": port}
                made = self.launch([sys.executable, "-I", "-c", code])
                try:
                    done = await asyncio.to_thread(_run_probe, made)
                except subprocess.TimeoutExpired:
                    return _off("the sandbox's self-test did not end.")
        finally:
            listener.close()
            await listener.wait_closed()
        return _verdict(done.returncode, done.stdout, done.stderr)


def _run_probe(made: Launch) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - our own sandbox
            made.argv,
            env={"PATH": os.defpath, "CODEPAD_PROBE": "1"},
            pass_fds=made.descriptors,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    finally:
        made.abandon()


def _verdict(code: int, out: bytes, err: bytes) -> SandboxStatus:
    if code != 0:
        words = err.decode(errors="replace").strip().splitlines() or ["no reason given"]
        return _off(f"bubblewrap does not work here ({words[-1][:200]}).")
    facts = json.loads(out)
    holes = [name for name, good in facts.items() if name != "uid" and not good]
    if facts["uid"] == 0:
        holes.append("root")
    if holes:
        return _off(f"the sandbox has holes here ({', '.join(holes)}).")
    return SandboxStatus(True, "bubblewrap")


def _off(reason: str) -> SandboxStatus:
    return SandboxStatus(False, "none", f"Code cannot be run here: {reason}")


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
