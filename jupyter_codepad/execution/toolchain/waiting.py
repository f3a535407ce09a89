"""Whether a program is waiting for somebody to type.

A thread that waits in a system call shows which one, and its arguments, in
``/proc/<pid>/task/<tid>/syscall`` (proc(5)). It waits for us when that call reads from our end of
its input, or looks after it with others (poll, select, epoll). The numbers are those of Linux's
tables (``syscall_64.tbl``, ``asm-generic/unistd.h``).
"""

from __future__ import annotations

import os
import platform
import re
import struct
import time
from contextlib import suppress
from pathlib import Path

READ, POLL, SELECT, EPOLL = "read", "poll", "select", "epoll"
CALLS = {
    "x86_64": {0: READ, 19: READ, 7: POLL, 271: POLL, 23: SELECT, 270: SELECT}
    | {232: EPOLL, 281: EPOLL, 441: EPOLL},
    "aarch64": {63: READ, 65: READ, 73: POLL, 72: SELECT, 22: EPOLL, 441: EPOLL},
}
POLLIN = 1
FDS_LIMIT = 1024
STILL_SECONDS, STILL_LOOKS = 0.2, 6
"""So long, and so often, a program that stands still is found to have used no time: on a busy
machine its turn comes later, but then so does that of who looks."""
STATE = re.compile(r"^State:\s*(\w)", re.MULTILINE)
SLEEPS = re.compile(r"^voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)


class InputWatch:
    """Looks whether processes wait for what ``descriptor`` is the other end, or a copy, of.

    ``pid``: of the program itself, for where the calls of its threads cannot be seen.
    """

    def __init__(self, descriptor: int, pid: int) -> None:
        self._name = _link(os.getpid(), descriptor)
        self._calls = CALLS.get(platform.machine(), {})
        self._pid = pid
        self._seen = False
        self._clock = -1.0
        self._still_since = 0.0
        self._looks = 0

    def waits(self, pids: list[int]) -> str:
        """Who of these processes waits for input now, and since which sleep of theirs; "": nobody.

        The same again means that it has not woken up since.
        """
        readable = False
        for pid in pids:
            for task, call in self._thread_calls(pid):
                readable = True
                if self._is_ours(pid, call) and (sleep := sleep_of(task)):
                    return sleep
        self._seen = self._seen or readable
        return "" if self._seen else self._stands_still()

    def _thread_calls(self, pid: int) -> list[tuple[str, list[str]]]:
        calls = []
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/task"):
                task = f"/proc/{pid}/task/{name}"
                with suppress(OSError):
                    calls.append((task, Path(task, "syscall").read_text().split()))
        return calls

    def _is_ours(self, pid: int, call: list[str]) -> bool:
        if len(call) < 3 or not call[0].isdigit():
            return False  # it runs, or waits outside of any call
        kind = self._calls.get(int(call[0]), "")
        with suppress(OSError, ValueError, struct.error):
            read = looked_at(kind, pid, int(call[1], 16), int(call[2], 16))
            return any(_link(pid, descriptor) == self._name for descriptor in read)
        return False

    def _stands_still(self) -> str:
        """Without a look into it: whether the program has used no time for a while."""
        with suppress(OSError):
            clock = time.clock_gettime((~self._pid << 3) | 2)  # clock_getcpuclockid(3)
            now = time.monotonic()
            if clock != self._clock:
                self._clock, self._still_since, self._looks = clock, now, 0
            self._looks += 1
            if self._looks > STILL_LOOKS and now - self._still_since >= STILL_SECONDS:
                return f"used {clock} s"
        return ""


def sleep_of(task: str) -> str:
    """Which of its sleeps a thread is in, of those that a signal ends: proc(5); "": in none.

    On a busy machine it may stand within a call for a lock, though it has all that was typed.
    """
    with suppress(OSError):
        status = Path(task, "status").read_text()
        state, count = (STATE.search(status), SLEEPS.search(status))
        if state and state[1] == "S":
            return f"{task} {count[1] if count else 0}"
    return ""


def _link(pid: int, descriptor: int) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/fd/{descriptor}")
    return f"unknown {pid} {descriptor}"


def memory(pid: int, address: int, size: int) -> bytes:
    """Some bytes of a process. Raises ``OSError``."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        file.seek(address)
        return file.read(size)


def looked_at(kind: str, pid: int, first: int, second: int) -> list[int]:
    """The descriptors that a call with these arguments wants to read from. Raises ``OSError``."""
    if kind == READ:
        return [first]
    if kind == POLL:
        return polled(pid, first, second)
    if kind == SELECT:
        return selected(pid, first, second)
    return watched(pid, first) if kind == EPOLL else []


def polled(pid: int, address: int, count: int) -> list[int]:
    """The descriptors that a poll(2) wants to read from."""
    size = min(count, FDS_LIMIT) * 8
    entries = struct.iter_unpack("=ihh", memory(pid, address, size))
    return [descriptor for descriptor, events, _ in entries if events & POLLIN]


def selected(pid: int, count: int, address: int) -> list[int]:
    """The descriptors that a select(2) wants to read from."""
    if not address:
        return []
    count = min(count, FDS_LIMIT)
    bits = int.from_bytes(memory(pid, address, (count + 7) // 8), "little")
    return [descriptor for descriptor in range(count) if bits >> descriptor & 1]


def watched(pid: int, descriptor: int) -> list[int]:
    """The descriptors that an epoll(7) wants to read from."""
    found = []
    for line in Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text().splitlines():
        words = line.split()
        if words[:1] == ["tfd:"] and int(words[3], 16) & POLLIN:
            found.append(int(words[1]))
    return found
