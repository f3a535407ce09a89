"""The upper rungs of the ladder: bubblewrap (github.com/containers/bubblewrap) around a kernel.

What code in it has: the interpreter and the system's programs, read-only; a folder that the room's
files are copied to; some memory, processes and disk. What it has not: the network, the server's
environment, files or processes, other rooms, a way to become somebody else.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from . import seccomp
from .processes import LocalProcess, descendants, first_child, memory_of
from .rungs import ETC_FILES, MIB, SYSTEM_FOLDERS, Launch, LocalRung, launched, run_files
from .starts import KernelStart

ROOM, HOME, RUN = "/room", "/home/coder", "/run/codepad"
COMMAND = "bwrap"
INFO_BYTES, INFO_SECONDS = 4096, 0.002
TOOLS = ("setsid", "prlimit", "setpriv")
SMALL_TMPFS_BYTES = 16 * MIB
RUN_TMPFS_BYTES = MIB
JAVA = Path("/usr/lib/jvm")
TMPFS = (ROOM, HOME, RUN, "/tmp", "/dev/shm")  # noqa: S108 - the sandbox's own
FILE_BYTES = 4096
"""What a file counts for at least: an empty one takes memory too."""
GUARD = """
exec 3<&0 </dev/null
(read -r _; kill -s KILL -- -$$) <&3 3<&- >/dev/null 2>&1 &
"$@" 3<&-
status=$?
exec >/dev/null 2>&1
kill $!
wait
exit $status
"""
"""Runs bubblewrap, and kills it when the server goes, at whatever moment that is.

bubblewrap asks Linux to be ended with its parent (``--die-with-parent``), and so does its first
process inside; but late, and who asks when its parent has gone already lives on. Both stay in this
shell's process group, and a group is killed at once; the sandbox ends with its first process.
"""
STATIC_PROC = ("cpuinfo", "meminfo", "filesystems", "version")
"""What many programs read below ``/proc``, copied where there is no real one."""


class BubblewrapRung(LocalRung):
    """Namespaces of its own for everything."""

    name = "bubblewrap"
    promises = (
        "Code sees the system's programs, read-only, and copies of the room's files.",
        "There is no network, not even to this machine.",
        "For it there are no processes, files, sockets or memory of the server or of other rooms.",
        "Memory, processes and disk are limited, and all ends with the kernel.",
    )

    def missing(self) -> str:
        if shutil.which(COMMAND) is None:
            return "bubblewrap is not installed (on Debian: apt-get install bubblewrap)"
        if seccomp.program() is None:
            return "this processor is not one whose system calls can be filtered"
        for tool in TOOLS:
            if shutil.which(tool) is None:
                return f"the program {tool} (package util-linux) is not installed"
        return ""

    def process(self) -> BubblewrapProcess:
        return BubblewrapProcess(self)

    def launch(self, start: KernelStart, key: str = "") -> Launch:
        made = Launch(["/bin/sh", "-c", GUARD, "guard", shutil.which(COMMAND) or COMMAND])
        try:
            made.stdin, made.lifeline = os.pipe()
            uid = self.user_of(made)
            made.argv += [*self._namespaces(), *self._filesystem(made)]
            self._add_people(made, uid if self.as_root else 1000)
            for name, content in run_files(start, key, f"{RUN}/k").items():
                self._add_data(made, f"{RUN}/{name}", content)
            # What bubblewrap makes for itself has no size: nothing can be written there.
            made.argv += ["--remount-ro", "/dev", "--remount-ro", "/"]
            rules = seccomp.program()
            if rules is not None:
                made.argv += ["--seccomp", str(made.data(rules))]
            # No pipe: who writes to one that the server has closed is ended half-way.
            info = made.data(b"")
            made.info = os.dup(info)
            made.argv += ["--info-fd", str(info)]
            variables = self.new_environment(home=HOME, temporary="/tmp")  # noqa: S108
            variables |= self._more_variables() | start.variables(run=RUN, room=ROOM)
            for name, value in variables.items():
                made.argv += ["--setenv", name, value]
            memory = start.memory_limit_bytes or self.options.memory_limit_bytes
            made.argv += ["--chdir", ROOM, "--", *self._drop(uid, memory)]
            made.argv += start.command(run=RUN, room=ROOM)
        except BaseException:
            made.abandon()
            raise
        return made

    def _namespaces(self) -> list[str]:
        parts = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        parts += ["--unshare-cgroup-try", "--hostname", "room", "--die-with-parent"]
        parts += ["--clearenv"]
        if self.as_root:
            # Real root mounts what an ordinary user could not read, then becomes nobody (_drop).
            kept = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
            return [*parts, "--cap-drop", "ALL", *kept]
        return [*parts, "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"]

    def _filesystem(self, made: Launch) -> list[str]:
        visible = [Path("/usr"), *self.options.readable()]
        # bubblewrap makes missing parents for root only; the kernel is somebody else.
        parents = {Path("/etc"), Path(HOME), Path(RUN)}.union(*(path.parents for path in visible))
        parents |= {Path(HOME).parent, Path(RUN).parent}
        parents |= {Path("/etc", name).parent for name in ETC_FILES}
        disk = self.options.disk_limit_bytes
        # The interpreter may live below /tmp: that has to be there before it is bound.
        parts = ["--perms", "0777", "--size", str(disk), "--tmpfs", "/tmp"]  # noqa: S108
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
        parts += [*self._proc(made), "--dev", "/dev"]
        for path in visible[1:]:
            parts += ["--ro-bind", str(path), str(path)]
        for path in self.options.masked():
            parts += ["--perms", "0555", "--size", "4096", "--tmpfs", str(path)]
        for place, size in (
            (ROOM, disk),
            (HOME, SMALL_TMPFS_BYTES),
            ("/dev/shm", SMALL_TMPFS_BYTES),  # noqa: S108
            (RUN, RUN_TMPFS_BYTES),
        ):
            parts += ["--perms", "0777", "--size", str(size), "--tmpfs", place]
        return parts

    def _more_variables(self) -> dict[str, str]:
        if self.has_proc:
            return {}
        # A program finds libraries beside itself (ld.so(8), $ORIGIN) by its link below /proc.
        folders = [path / "lib" for path in self.options.visible] + sorted(JAVA.glob("*/lib"))
        found = [str(path) for path in folders if any(path.glob("*.so"))]
        return {"LD_LIBRARY_PATH": ":".join(dict.fromkeys(found))} if found else {}

    def _proc(self, made: Launch) -> list[str]:
        if self.has_proc:
            parts = ["--proc", "/proc"]
            for name in ("sys", "sysrq-trigger", "irq", "bus"):
                parts += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
            return parts
        parts = ["--perms", "0555", "--size", str(MIB), "--tmpfs", "/proc"]
        for name in STATIC_PROC:
            with suppress(OSError):
                copy = made.data(Path("/proc", name).read_bytes())
                parts += ["--perms", "0444", "--file", str(copy), f"/proc/{name}"]
        return [*parts, "--remount-ro", "/proc"]

    def _drop(self, uid: int, memory: int) -> list[str]:
        """The programs that limit themselves, become nobody, and turn into the command."""
        processes, disk = self.options.process_limit, self.options.disk_limit_bytes
        limits = [
            "setsid",  # bubblewrap's own processes stay in the guard's session
            "prlimit",
            f"--nproc={processes}:{processes}",
            # Not the address space: that breaks runtimes which reserve much and use little.
            f"--data={memory}:{memory}",
            "--core=0:0",
            "--nofile=1024:1024",
            f"--fsize={disk}:{disk}",
            "--msgqueue=0:0",
            "--memlock=0:0",
        ]
        if not self.as_root:
            return limits
        setpriv = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        return [*limits, *setpriv, "--inh-caps=-all"]

    # -- what goes in -----------------------------------------------------------------------------

    def _add_people(self, made: Launch, uid: int) -> None:
        passwd = f"coder:x:{uid}:{uid}::{HOME}:/bin/sh\n"
        self._add_data(made, "/etc/passwd", passwd.encode())
        self._add_data(made, "/etc/group", f"coder:x:{uid}:\n".encode())
        self._add_data(made, "/etc/hosts", b"127.0.0.1 localhost room\n")

    def _add_data(self, made: Launch, place: str, content: bytes) -> None:
        made.argv += ["--perms", "0444", "--file", str(made.data(content)), place]


class BubblewrapWithoutProcRung(BubblewrapRung):
    """The same where no fresh ``/proc`` may be mounted, as inside of most containers."""

    name = "bubblewrap-without-proc"
    has_proc = False
    gaps = (
        "There is no /proc inside: programs that look at themselves there do not work, and that a "
        "program waits for input is noticed later.",
    )


class BubblewrapProcess(LocalProcess):
    """A kernel in bubblewrap's namespaces, of which ``pid`` is the first process."""

    def __init__(self, rung: BubblewrapRung) -> None:
        super().__init__()
        self._rung = rung
        self._memory_limit = rung.options.memory_limit_bytes
        self._launch: Launch | None = None
        self._first = -1
        """Stands for the first process, which is the last to go: all others have gone then."""

    async def _begin(self, start: KernelStart, key: str) -> None:
        self._memory_limit = start.memory_limit_bytes or self._memory_limit
        launch = await asyncio.to_thread(self._rung.launch, start, key)
        with launched(launch):
            await self._spawn(
                launch.argv,
                environment={"PATH": os.defpath},
                cwd="/",
                descriptors=launch.descriptors,
                stdin=launch.stdin,
            )
        self._launch = launch
        self.pid = await self._child_pid(launch)
        with suppress(ProcessLookupError):
            self._first = os.pidfd_open(self.pid)

    async def _child_pid(self, launch: Launch) -> int:
        """What bubblewrap says of the first process in the sandbox: its pid, as we see it."""
        assert self._process is not None
        while True:
            ended = self._process.returncode is not None
            said = os.pread(launch.info, INFO_BYTES, 0)
            if said.rstrip().endswith(b"}"):
                return int(json.loads(said)["child-pid"])
            if ended:
                raise ValueError("bubblewrap did not start")
            await asyncio.sleep(INFO_SECONDS)

    @property
    def _sockets(self) -> str:
        return f"/proc/{self.pid}/root{RUN}/k"

    @property
    def room_path(self) -> Path | None:
        return Path(f"/proc/{self.pid}/root{ROOM}") if self.pid else None

    async def wait(self) -> str:
        words = await super().wait()
        self._kill_first()  # bubblewrap's own process may have been killed alone
        if self._first >= 0:
            gone, loop = asyncio.Event(), asyncio.get_running_loop()
            own = os.dup(self._first)  # a loop has one reader for each, and others may wait too
            loop.add_reader(own, gone.set)
            try:
                await gone.wait()
            finally:
                loop.remove_reader(own)
                os.close(own)
        return words

    def interrupt(self) -> None:
        kernel = first_child(self.pid) if self.pid else 0
        if kernel:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(os.getpgid(kernel), signal.SIGINT)

    def kill(self) -> None:
        self._kill_first()
        if self._launch is not None:
            self._launch.cut()

    def _kill_first(self) -> None:
        if self._first >= 0:
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)  # the namespace ends with it

    async def close(self) -> None:
        if self._launch is not None:
            self._launch.abandon()
        if self._first >= 0:
            os.close(self._first)
            self._first = -1

    async def check(self) -> str:
        return await asyncio.to_thread(self._check)

    def _check(self) -> str:
        limit = self._memory_limit
        if memory_of(descendants(self.pid), limit) > limit:
            return f"stopped: used more than {limit // MIB} MB"
        files = self._rung.options.disk_limit_bytes // FILE_BYTES
        if files_in([f"/proc/{self.pid}/root{place}" for place in TMPFS]) > files:
            return f"stopped: made more than {files:,} files"
        return ""


def files_in(places: list[str]) -> int:
    """How many files there are in some file systems: each takes memory, and has no size."""
    count = 0
    for place in places:
        with suppress(OSError):
            found = os.statvfs(place)
            count += found.f_files - found.f_ffree
    return count
