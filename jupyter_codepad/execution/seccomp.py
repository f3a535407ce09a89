"""The system calls that code in the sandbox may not make, as a classic BPF program.

The numbers are those of Linux's own tables (``arch/x86/entry/syscalls/syscall_64.tbl`` and
``include/uapi/asm-generic/unistd.h``); a program is made of ``struct sock_filter``, seccomp(2).
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERROR, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER_AT, ARCH_AT, FIRST_ARGUMENT_AT, SECOND_ARGUMENT_AT = 0, 4, 16, 24
CLONE_NEWUSER = 0x10000000
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
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


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def program(machine_name: str | None = None) -> bytes | None:
    """The filter for this machine (or the named one), or None where its numbers are not known.

    Denied calls fail with EPERM. ``clone3`` fails with ENOSYS, so that C libraries fall back to
    ``clone``, whose flags a filter can see. Calls of a foreign architecture kill the process.
    """
    machine = MACHINES.get(machine_name or platform.machine())
    if machine is None:
        return None
    refuse = _step(RETURN, ERROR | errno.EPERM)
    steps = [
        _step(LOAD, ARCH_AT),
        _step(JUMP_EQUAL, machine.audit_arch, 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER_AT),
        _step(JUMP_AT_LEAST, X32_BIT, 0, 1),
        refuse,
        _step(JUMP_EQUAL, machine.clone3, 0, 1),
        _step(RETURN, ERROR | errno.ENOSYS),
    ]
    for number in machine.denied:
        steps += [_step(JUMP_EQUAL, number, 0, 1), refuse]
    steps += [
        _step(JUMP_EQUAL, machine.clone, 0, 4),
        _step(LOAD, FIRST_ARGUMENT_AT),
        _step(JUMP_ANY_BIT, CLONE_NEWUSER, 0, 1),
        refuse,
        _step(RETURN, ALLOW),
        _step(JUMP_EQUAL, machine.ioctl, 0, 4),
        _step(LOAD, SECOND_ARGUMENT_AT),
        _step(JUMP_EQUAL, TIOCSTI, 1, 0),
        _step(JUMP_EQUAL, TIOCLINUX, 0, 1),
        refuse,
        _step(RETURN, ALLOW),
    ]
    return b"".join(steps)
