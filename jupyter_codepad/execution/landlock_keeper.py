"""Starts a command inside of Landlock and seccomp, and ends everything that it has started.

This file is a program of its own (Python's standard library only). It gets two descriptors: one to
read what to do from, as JSON, and one that reads as closed when the server has gone or wants an
end. The keeper itself stays outside: all processes of the sandbox are its children, or become so
when their parents end (``PR_SET_CHILD_SUBREAPER``, prctl(2)).

Landlock has no say in who changes modes and times of files, and Linux counts processes by user.
Where the command is the server's own user, Linux asks the keeper before (``seccomp_unotify(2)``),
who changes those of the command's own files, and lets it start as much as it may have.

The calls and constants are those of ``include/uapi/linux/landlock.h`` and ``seccomp.h``.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import platform
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Any, NamedTuple

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
SET_MODE_FILTER, NEW_LISTENER, WAIT_KILLABLE = 1, 8, 32
GO_ON = 1
NOTIFY_RECEIVE, NOTIFY_SEND = 0xC0502100, 0xC0182101
REQUEST = struct.Struct("=QIIiIQ6Q")
"""struct seccomp_notif: a number, a thread, flags; the system call with its arguments."""
TERMINAL = "CODEPAD_TERMINAL"
"""Names the two ends of a terminal to a command that cannot open one."""
MACHINE = platform.machine()
SECCOMP = {"x86_64": 317, "aarch64": 277}
OPENAT2, RESOLVE_NO_MAGICLINKS, RESOLVE_BENEATH = 437, 2, 8
AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH = -100, 0x100, 0x1000
PATH_BYTES, TIMES_BYTES = 4096, 32
ALLOWED_MODE = 0o1777
"""A program of the server's user that makes others that user is nobody's wish."""
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION, RULE_PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
FILES_ONLY = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15
FS_BITS, ALL_FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}, 16
TCP, SCOPES = 3, 3
NET_ABI, SCOPE_ABI = 4, 6
OWN_PROC = ("auxv", "cmdline", "comm", "fd", "fdinfo", "limits", "maps", "smaps", "stat")
OWN_PROC_MORE = ("statm", "status")
SWEEP_SECONDS = 0.005
DESCRIPTORS = 1 << 20
SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

libc = ctypes.CDLL(None, use_errno=True)


class Asked(NamedTuple):
    """Which arguments of a system call are what; without a path it is about ``folder`` itself."""

    folder: int | None
    path: int | None
    value: int
    flags: int | None = None
    times: bool = False


FCHMOD, FCHMODAT, FCHMODAT2 = Asked(0, None, 1), Asked(0, 1, 2), Asked(0, 1, 2, 3)
UTIMENSAT = Asked(0, 1, 2, 3, times=True)
START_CALLS = {"x86_64": (56, 57, 58), "aarch64": (220,)}
"""clone, fork, vfork; ``clone3`` there is not."""
MODE_CALLS = {
    "x86_64": {90: Asked(None, 0, 1), 91: FCHMOD, 268: FCHMODAT, 452: FCHMODAT2, 280: UTIMENSAT},
    "aarch64": {52: FCHMOD, 53: FCHMODAT, 452: FCHMODAT2, 88: UTIMENSAT},
}


def call(number: int, *arguments: Any) -> int:
    """A system call that must succeed."""
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"system call {number}: {os.strerror(code)}")
    return result


def prctl(option: int, *arguments: Any) -> None:
    """``prctl`` that must succeed."""
    wide = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    wide += [ctypes.c_ulong(0)] * (4 - len(wide))
    if libc.prctl(option, *wide) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")


def landlock_abi() -> int:
    """The newest version of Landlock that this Linux has; 0: none."""
    got = libc.syscall(ctypes.c_long(CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return max(0, int(got))


def restrict(readable: list[str], devices: list[str], writable: list[str], abi: int) -> None:
    """Let this process, and all that it starts, see no more than these files and folders."""
    everything = (1 << FS_BITS.get(abi, ALL_FS_BITS)) - 1
    attributes = struct.pack("=Q", everything)
    attributes += struct.pack("=Q", TCP) if abi >= NET_ABI else b""
    attributes += struct.pack("=Q", SCOPES) if abi >= SCOPE_ABI else b""
    ruleset = call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    read = EXECUTE | READ_FILE | READ_DIR
    write = everything & ~(MAKE_CHAR | MAKE_BLOCK)
    device = READ_FILE | WRITE_FILE | 1 << 15
    for paths, access in ((readable, read), (devices, device), (writable, write)):
        for path in paths:
            allow(ruleset, path, access & everything)
    call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    os.close(ruleset)


def allow(ruleset: int, path: str, access: int) -> None:
    """Add one rule; a path that is not there needs none."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(f"/proc/self/fd/{descriptor}"):
        access &= FILES_ONLY
    rule = struct.pack("=Qi", access, descriptor)
    kind = ctypes.c_int(RULE_PATH_BENEATH)
    call(ADD_RULE, ctypes.c_int(ruleset), kind, rule, ctypes.c_uint(0))
    os.close(descriptor)


def filter_calls(program: bytes, *, listen: bool) -> int:
    """Install a seccomp filter; where the keeper listens, returns what it has to listen to."""
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count, and where the steps are.
    packed = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    number, mode = SECCOMP[MACHINE], ctypes.c_uint(SET_MODE_FILTER)
    if not listen:
        return call(number, mode, ctypes.c_uint(0), packed)
    with suppress(OSError):  # before Linux 5.19 who asks can be interrupted meanwhile
        return call(number, mode, ctypes.c_uint(NEW_LISTENER | WAIT_KILLABLE), packed)
    return call(number, mode, ctypes.c_uint(NEW_LISTENER), packed)


class Requests:
    """Changes modes and times of files for the command, and counts what it starts.

    ``listener``: what Linux asks by; ``folder``: with what may be changed; ``processes``: most of
    them, and threads. No path is looked at twice: what was opened, below the folder, is changed.
    """

    def __init__(self, listener: int, folder: str, processes: int) -> None:
        self.listener = listener
        self._most, self._counted = processes, processes
        self._root = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        self._prefixes = {os.fsencode(path) + b"/" for path in (folder, os.path.realpath(folder))}

    def answer(self) -> None:
        """Do, or refuse, what is asked for."""
        request = bytearray(REQUEST.size)
        try:
            fcntl.ioctl(self.listener, NOTIFY_RECEIVE, request)
        except OSError:
            return  # whoever has asked is gone
        number, pid, _, call_number, _, _, *arguments = REQUEST.unpack(request)
        code = flags = 0
        try:
            if call_number not in START_CALLS[MACHINE]:
                self._change(pid, call_number, arguments)
            elif self._may_start():
                flags = GO_ON  # its arguments are no memory that could be changed meanwhile
            else:
                code = errno.EAGAIN
        except OSError as error:
            code = error.errno or errno.EPERM
        with suppress(OSError):
            fcntl.ioctl(self.listener, NOTIFY_SEND, struct.pack("=QqiI", number, 0, -code, flags))

    def _may_start(self) -> bool:
        """Whether there is a place for one more; looks, twice, when all may be taken."""
        if self._counted >= self._most:
            self._counted = max(count_all(self._most), count_all(self._most))
        self._counted += 1
        return self._counted <= self._most

    def _change(self, pid: int, number: int, arguments: list[int]) -> None:
        asked = MODE_CALLS[MACHINE][number]
        folder = AT_FDCWD if asked.folder is None else ctypes.c_int(arguments[asked.folder]).value
        flags = 0 if asked.flags is None else arguments[asked.flags]
        address = 0 if asked.path is None else arguments[asked.path]
        value = arguments[asked.value]
        path = memory(pid, address, PATH_BYTES).split(b"\0", 1)[0] if address else b""
        if path:
            descriptor = self._opened(pid, folder, path, follow=not flags & AT_SYMLINK_NOFOLLOW)
        elif address == 0 or flags & AT_EMPTY_PATH:
            descriptor = self._own(os.open(f"/proc/{pid}/fd/{folder}", os.O_PATH | os.O_CLOEXEC))
        else:
            raise OSError(errno.ENOENT, "no path")
        try:
            self._set(f"/proc/self/fd/{descriptor}", asked.times, pid, value)
        finally:
            os.close(descriptor)

    def _set(self, place: str, times: bool, pid: int, value: int) -> None:
        if not times:
            os.chmod(place, value & ALLOWED_MODE)
            return
        wanted = memory(pid, value, TIMES_BYTES) if value else None
        if libc.utimensat(AT_FDCWD, place.encode(), wanted, 0) != 0:
            raise OSError(ctypes.get_errno(), "utimensat")

    def _opened(self, pid: int, folder: int, path: bytes, *, follow: bool) -> int:
        """What a path of a process leads to, if that is below our folder."""
        if not path.startswith(b"/"):
            place = "cwd" if folder == AT_FDCWD else f"fd/{folder}"
            path = os.readlink(os.fsencode(f"/proc/{pid}/{place}")) + b"/" + path
        inside = [path[len(prefix) :] for prefix in self._prefixes if path.startswith(prefix)]
        if not inside:
            raise OSError(errno.EPERM, "elsewhere")
        flags = os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        how = struct.pack("=QQQ", flags, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
        wanted = inside[0].lstrip(b"/") or b"."
        try:
            opened = call(OPENAT2, ctypes.c_int(self._root), wanted, how, ctypes.c_size_t(len(how)))
        except OSError as error:
            left = error.errno == errno.EXDEV
            raise OSError(errno.EPERM if left else error.errno, "not opened") from error
        return self._own(opened)

    def _own(self, descriptor: int) -> int:
        """The same, if it is below our folder."""
        path = os.readlink(f"/proc/self/fd/{descriptor}".encode())
        if any(path.startswith(prefix) for prefix in self._prefixes):
            return descriptor
        os.close(descriptor)
        raise OSError(errno.EPERM, "elsewhere")


def memory(pid: int, address: int, size: int) -> bytes:
    """Some bytes of a process, no more than there are."""
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, address)
    except (OverflowError, ValueError):
        raise OSError(errno.EFAULT, "no address") from None
    finally:
        os.close(descriptor)


def become(config: dict[str, Any], keeper: int, line: socket.socket) -> None:
    """Turn this process into the command; returns only by raising.

    ``line``: to the keeper.
    """
    os.setsid()
    os.umask(0o022)
    for name, value in config["limits"].items():
        limit_to(getattr(resource, name), value)
    uid = config["uid"]
    if uid != os.geteuid():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != keeper:
        raise OSError("the keeper has gone")
    os.chdir(config["cwd"])
    terminal = os.openpty() if config["terminal"] else ()
    environment = config["environment"]
    if terminal:
        environment[TERMINAL] = " ".join(map(str, terminal))
        for descriptor in terminal:
            os.set_inheritable(descriptor, True)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    restrict(
        [*config["readable"], *own_proc()], config["devices"], config["writable"], config["abi"]
    )
    close_all_but(line.fileno(), *terminal)
    listener = filter_calls(bytes.fromhex(config["filter"]), listen=config["asks"])
    if config["asks"]:
        socket.send_fds(line, [b"!"], [listener])
    os.execve(config["command"][0], config["command"], environment)  # noqa: S606


def limit_to(kind: int, value: int) -> None:
    """Have no more of something than this, nor than we have."""
    most = resource.getrlimit(kind)[1]
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (value, value))


def close_all_but(*kept: int) -> None:
    """Close all descriptors but the first three and some."""
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, DESCRIPTORS)


def own_proc() -> list[str]:
    """What the command may read about itself; not its view of the machine's network."""
    own = [f"/proc/self/{name}" for name in (*OWN_PROC, *OWN_PROC_MORE)]
    return [*own, f"/proc/self/task/{os.getpid()}/children"]


def tasks_of(pid: int) -> list[str]:
    """The threads of a process."""
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def children(pid: int) -> list[int]:
    """The processes that a process, in any of its threads, has started."""
    found: list[int] = []
    for task in tasks_of(pid):
        try:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
        except OSError:
            continue
    return found


def count_all(enough: int) -> int:
    """How many processes and threads this process has started, directly or not.

    Stops counting at ``enough``; may miss what becomes the keeper's own meanwhile.
    """
    waiting, count = children(os.getpid()), 0
    while waiting and count < enough:
        pid = waiting.pop()
        waiting += children(pid)
        count += len(tasks_of(pid))
    return count


def signal_all(number: int) -> int:
    """Send a signal to all that this process has started, directly or not; returns how many."""
    waiting, count = children(os.getpid()), 0
    while waiting:
        pid = waiting.pop()
        waiting += children(pid)
        try:
            os.kill(pid, number)
            count += 1
        except OSError:
            continue
    return count


def sweep() -> None:
    """End everything; returns when nothing is left."""
    while True:
        # What stands still starts nothing more meanwhile.
        signal_all(signal.SIGSTOP)
        signal_all(signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(SWEEP_SECONDS)


def reap(kernel: int) -> int | None:
    """Take note of what has ended; returns the exit status of the kernel when it is among it."""
    status = None
    while True:
        try:
            pid, code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status if status is not None else 0
        if pid == 0:
            return status
        if pid == kernel:
            status = os.waitstatus_to_exitcode(code)


def begin(config: dict[str, Any], lifeline: int) -> tuple[int, Requests | None]:
    """Start the command; its process, and who it asks, if it has to."""
    keeper = os.getpid()
    ours, theirs = socket.socketpair()
    kernel = os.fork()
    if kernel == 0:
        try:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            become(config, keeper, theirs)
        except BaseException as error:
            os.write(2, f"{error}\n".encode())
        finally:
            os._exit(126)
    theirs.close()
    with ours:
        ready = select.select([ours.fileno(), lifeline], [], [])[0] if config["asks"] else []
        found = socket.recv_fds(ours, 1, 1)[1] if ours.fileno() in ready else []
    made = [Requests(one, config["folder"], config["processes"]) for one in found]
    return kernel, made[0] if made else None


def attend(kernel: int, requests: Requests | None, *, lifeline: int, ended: int) -> int | None:
    """Wait for the end of the command, whose exit status it returns, or of the server."""
    watched = [lifeline, ended, *([requests.listener] if requests is not None else [])]
    status: int | None = None
    while status is None:
        ready, _, _ = select.select(watched, [], [])
        if lifeline in ready:
            break
        if ended in ready and set(os.read(ended, 4096)) - {signal.SIGCHLD}:
            break
        status = reap(kernel)
        if requests is not None and requests.listener in ready:
            requests.answer()
    return status


def main() -> None:
    """Start the command, wait for its end or the server's, and end the rest."""
    config_fd, lifeline = (int(number) for number in sys.argv[1:3])
    with os.fdopen(config_fd, "rb") as file:
        config = json.loads(file.read())
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    ended, wake = os.pipe()
    for descriptor in (ended, wake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    kernel, requests = begin(config, lifeline)
    status = attend(kernel, requests, lifeline=lifeline, ended=ended)
    sweep()
    shutil.rmtree(config["folder"], ignore_errors=True)
    sys.exit(0 if status is None else status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
