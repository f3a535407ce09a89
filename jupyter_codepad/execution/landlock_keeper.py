"""Starts a command inside of Landlock and seccomp, and ends everything that it has started.

This file is a program of its own (Python's standard library only). It gets two descriptors: one to
read what to do from, as JSON, and one that reads as closed when the server has gone or wants an
end. The keeper itself stays outside: all processes of the sandbox are its children, or become so
when their parents end (``PR_SET_CHILD_SUBREAPER``, prctl(2)).

Landlock's calls and constants are those of ``include/uapi/linux/landlock.h``.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import shutil
import signal
import struct
import sys
import time
from typing import Any

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
SECCOMP_MODE_FILTER = 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION, RULE_PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
FILES_ONLY = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15
FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
ALL_FS_BITS = 16
TCP, SCOPES = 3, 3
NET_ABI, SCOPE_ABI = 4, 6
OWN_PROC = ("auxv", "cmdline", "comm", "fd", "fdinfo", "limits", "maps", "smaps", "stat")
OWN_PROC_MORE = ("statm", "status")
SWEEP_SECONDS = 0.005
DESCRIPTORS = 1 << 20

libc = ctypes.CDLL(None, use_errno=True)


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
    call(
        ADD_RULE,
        ctypes.c_int(ruleset),
        ctypes.c_int(RULE_PATH_BENEATH),
        rule,
        ctypes.c_uint(0),
    )
    os.close(descriptor)


def filter_calls(program: bytes) -> None:
    """Install a seccomp filter."""
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count, and where the steps are.
    packed = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(packed))


def become(config: dict[str, Any], keeper: int) -> None:
    """Turn this process into the command; returns only by raising."""
    os.setsid()
    os.umask(0o022)
    for name, value in config["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    uid = config["uid"]
    if uid != os.geteuid():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != keeper:
        raise OSError("the keeper has gone")
    os.chdir(config["cwd"])
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    restrict(
        [*config["readable"], *own_proc()], config["devices"], config["writable"], config["abi"]
    )
    os.closerange(3, DESCRIPTORS)
    filter_calls(bytes.fromhex(config["filter"]))
    os.execve(config["command"][0], config["command"], config["environment"])  # noqa: S606


def own_proc() -> list[str]:
    """What the command may read about itself; not its view of the machine's network."""
    own = [f"/proc/self/{name}" for name in (*OWN_PROC, *OWN_PROC_MORE)]
    return [*own, f"/proc/self/task/{os.getpid()}/children"]


def children(pid: int) -> list[int]:
    """The processes that a process, in any of its threads, has started."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
        except OSError:
            continue
    return found


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
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    keeper = os.getpid()
    kernel = os.fork()
    if kernel == 0:
        try:
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            become(config, keeper)
        except BaseException as error:
            os.write(2, f"{error}\n".encode())
        finally:
            os._exit(126)
    status: int | None = None
    while status is None:
        ready, _, _ = select.select([lifeline, ended], [], [])
        if ended in ready and set(os.read(ended, 4096)) - {signal.SIGCHLD}:
            break
        if lifeline in ready:
            break
        status = reap(kernel)
    sweep()
    shutil.rmtree(config["folder"], ignore_errors=True)
    sys.exit(0 if status is None else status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
