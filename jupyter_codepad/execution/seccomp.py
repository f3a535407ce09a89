"""The system calls that code in the sandbox may not make, as a classic BPF program.

The numbers are those of Linux's own tables (``arch/x86/entry/syscalls/syscall_64.tbl`` and
``include/uapi/asm-generic/unistd.h``); a program is made of ``struct sock_filter``, seccomp(2).
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass

from .landlock_keeper import MODE_CALLS, START_CALLS

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN, AND = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
ALLOW, ERROR, KILL, NOTIFY = 0x7FFF0000, 0x00050000, 0x80000000, 0x7FC00000
NUMBER_AT, ARCH_AT, FIRST_ARGUMENT_AT, SECOND_ARGUMENT_AT = 0, 4, 16, 24
CLONE_NEWUSER = 0x10000000
TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902
FS_IOC_SETFLAGS, FS_IOC_SETVERSION, FS_IOC_FSSETXATTR = 0x40086602, 0x40087602, 0x401C5820
F_SETOWN, F_SETOWN_EX, F_SETLEASE, F_NOTIFY = 8, 15, 1024, 1026
AF_UNIX, SOCK_STREAM, SOCK_SEQPACKET, SOCKET_KIND = 1, 1, 5, 0xF
X32_BIT = 0x40000000


@dataclass(frozen=True)
class Machine:
    """What differs between processors."""

    audit_arch: int
    clone: int
    ioctl: int
    clone3: int
    denied: tuple[int, ...]


# In this order: memfd_create, memfd_secret (memory outside of every limit); shm*, msgget; ptrace,
# process_vm_*, kcmp, pidfd_getfd (other processes); keys; bpf, perf, userfaultfd, io_uring (attack
# surface of the kernel); mounts and namespaces; modules, kexec, swap, reboot; file handles.
NEW_NUMBERS = (447, 438, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442)
MACHINES = {
    "x86_64": Machine(
        audit_arch=0xC000003E,
        clone=56,
        ioctl=16,
        clone3=435,
        denied=(319, 29, 30, 31, 67, 68, 101, 310, 311, 312, 248, 249, 250, 321, 298, 323)
        + (165, 166, 155, 161, 272, 308, 175, 313, 176, 246, 320, 167, 168, 169, 103, 163, 179)
        + (303, 304, 172, 173)
        + NEW_NUMBERS,
    ),
    "aarch64": Machine(
        audit_arch=0xC00000B7,
        clone=220,
        ioctl=29,
        clone3=435,
        denied=(279, 194, 195, 196, 197, 186, 117, 270, 271, 272, 217, 218, 219, 280, 241, 282)
        + (40, 39, 41, 51, 97, 268, 105, 273, 106, 104, 294, 224, 225, 142, 116, 89, 60)
        + (264, 265)
        + NEW_NUMBERS,
    ),
}


# What a file system and namespaces of its own keep from code on other rungs, and a filter must
# where it shares the machine's. In this order: SysV semaphores and messages, POSIX queues; watches
# on files; other processes' memory; owners of files; priorities of disks.
SHARED = {
    "x86_64": (64, 65, 66, 220, 69, 70, 71, 240, 241, 254, 300, 256, 279, 440, 448)
    + (92, 93, 94, 260, 251),
    "aarch64": (190, 193, 191, 192, 189, 188, 187, 180, 181, 27, 262, 238, 239, 440, 448)
    + (54, 55, 30),
}
ATTRIBUTES = {
    "x86_64": (188, 189, 190, 197, 198, 199, 463, 466, 469),
    "aarch64": (5, 6, 7, 14, 15, 16, 463, 466, 469),
}
"""Setting and removing extended attributes: as where a file system has none, so programs go on."""
CONNECT = {"x86_64": 42, "aarch64": 203}
SOCKETS = {"x86_64": (41, 53), "aarch64": (198, 199)}
SETPRIORITY = {"x86_64": 141, "aarch64": 140}
PRLIMIT = {"x86_64": 302, "aarch64": 261}
SCHEDULING = {"x86_64": (203, 144, 142, 314), "aarch64": (122, 119, 118, 274)}
"""sched_setaffinity, -scheduler, -param and -attr: whose first argument is a thread, of anybody."""
SIGNALS = {"x86_64": (62, 200, 234, 129, 297, 424), "aarch64": (129, 130, 131, 138, 240, 424)}
FCNTL = {"x86_64": 72, "aarch64": 25}
OLD_TIMES = {"x86_64": (132, 235, 261), "aarch64": ()}
"""utime, utimes, futimesat: C libraries use utimensat."""
TRUNCATE = {"x86_64": 76, "aarch64": 45}


@dataclass(frozen=True)
class Shared:
    """For code that is not in namespaces of its own.

    ``signals``: whether signals may be sent, because something else sees to it that they reach only
    the sandbox's own processes; ``truncate``: the same of cutting a file by its name; ``modes``:
    the same of modes and times of files, else ``landlock_keeper`` is asked; ``starts``: the same of
    how many processes and threads are started.
    """

    signals: bool = True
    truncate: bool = True
    modes: bool = True
    starts: bool = True


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


REFUSE = _step(RETURN, ERROR | errno.EPERM)
PASS = _step(RETURN, ALLOW)
ASK = _step(RETURN, NOTIFY)
NOTHING = _step(RETURN, ERROR)
UNSUPPORTED = _step(RETURN, ERROR | errno.EOPNOTSUPP)
"""For sockets the one error at which ZeroMQ does without the network instead of ending."""


def _of(number: int, steps: list[bytes]) -> list[bytes]:
    """What is decided about one system call; ``steps`` end in a decision."""
    return [_step(JUMP_EQUAL, number, 0, len(steps)), *steps]


def _only(argument: int, *values: int, mask: int = 0, otherwise: bytes = REFUSE) -> list[bytes]:
    """Go on when an argument is one of ``values``, refuse else."""
    steps = [_step(LOAD, argument)] + ([_step(AND, mask)] if mask else [])
    for left, value in reversed(list(enumerate(reversed(values), 1))):
        steps.append(_step(JUMP_EQUAL, value, left, 0))
    return [*steps, otherwise]


def _none_of(argument: int, *values: int) -> list[bytes]:
    """Refuse when an argument is one of ``values``, allow else."""
    steps = [_step(LOAD, argument)]
    for left, value in reversed(list(enumerate(reversed(values), 1))):
        steps.append(_step(JUMP_EQUAL, value, left, 0))
    return [*steps, PASS, REFUSE]


def program(machine_name: str | None = None, shared: Shared | None = None) -> bytes | None:
    """The filter for this machine (or the named one), or None where its numbers are not known.

    Denied calls fail with EPERM. ``clone3`` fails with ENOSYS, so that C libraries fall back to
    ``clone``, whose flags a filter can see. Calls of a foreign architecture kill the process.
    ``shared``: the stricter filter for code outside of namespaces.
    """
    name = machine_name or platform.machine()
    machine = MACHINES.get(name)
    if machine is None:
        return None
    steps = [
        _step(LOAD, ARCH_AT),
        _step(JUMP_EQUAL, machine.audit_arch, 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER_AT),
        _step(JUMP_AT_LEAST, X32_BIT, 0, 1),
        REFUSE,
        *_of(machine.clone3, [_step(RETURN, ERROR | errno.ENOSYS)]),
    ]
    for number in machine.denied:
        steps += _of(number, [REFUSE])
    ioctls = [TIOCSTI, TIOCLINUX]
    if shared is not None:
        steps += _shared_steps(name, shared)
        ioctls += [] if shared.signals else [FIOSETOWN, SIOCSPGRP]
        ioctls += [] if shared.modes else [FS_IOC_SETFLAGS, FS_IOC_SETVERSION, FS_IOC_FSSETXATTR]
    start = PASS if shared is None or shared.starts else ASK
    flags = [_step(LOAD, FIRST_ARGUMENT_AT), _step(JUMP_ANY_BIT, CLONE_NEWUSER, 0, 1), REFUSE]
    for number in START_CALLS[name]:
        steps += _of(number, [*(flags if number == machine.clone else []), start])
    steps += _of(machine.ioctl, _none_of(SECOND_ARGUMENT_AT, *ioctls))
    return b"".join([*steps, PASS])


def _shared_steps(name: str, shared: Shared) -> list[bytes]:
    steps = []
    denied = [*SHARED[name], CONNECT[name]]
    denied += [] if shared.signals else SIGNALS[name]
    denied += [] if shared.truncate else [TRUNCATE[name]]
    denied += [] if shared.modes else OLD_TIMES[name]
    for number in denied:
        steps += _of(number, [REFUSE])
    for number in ATTRIBUTES[name]:
        steps += _of(number, [UNSUPPORTED])
    for number in SOCKETS[name]:
        # Only kinds that must be connected first, which nothing can do.
        kind = _only(
            SECOND_ARGUMENT_AT, SOCK_STREAM, SOCK_SEQPACKET, mask=SOCKET_KIND, otherwise=UNSUPPORTED
        )
        family = _only(FIRST_ARGUMENT_AT, AF_UNIX, otherwise=UNSUPPORTED)
        steps += _of(number, [*family, *kind, PASS])
    steps += _of(PRLIMIT[name], [*_only(FIRST_ARGUMENT_AT, 0), PASS])
    for number in SCHEDULING[name]:
        # Libraries call them for their own threads and end when that fails: it does nothing.
        steps += _of(number, [*_only(FIRST_ARGUMENT_AT, 0, otherwise=NOTHING), PASS])
    own = [*_only(FIRST_ARGUMENT_AT, 0), *_only(SECOND_ARGUMENT_AT, 0), PASS]
    steps += _of(SETPRIORITY[name], own)
    for number in () if shared.modes else MODE_CALLS[name]:
        steps += _of(number, [ASK])
    wishes = [F_NOTIFY]
    wishes += [] if shared.signals else [F_SETOWN, F_SETOWN_EX]
    wishes += [] if shared.modes else [F_SETLEASE]
    steps += _of(FCNTL[name], _none_of(SECOND_ARGUMENT_AT, *wishes))
    return steps
