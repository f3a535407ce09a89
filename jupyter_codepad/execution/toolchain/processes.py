"""Starting programs, and ending all that they have started."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
END_SECONDS = 5.0
PRIVATE_RUN = "/run/codepad"
"""So the run folder is called in a sandbox with a file system, and processes, of its own."""
RESET = (signal.SIGINT, signal.SIGPIPE, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


def adopt_orphans() -> None:
    """Become the parent of whatever a program leaves behind: prctl(2)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Process:
    """A child of ours; there is one at a time, and what it leaves behind."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        """The exit status, or minus the number of the signal that ended it."""

    def poll(self) -> int | None:
        """Its status, None while it runs; orphans that have died meanwhile are buried."""
        while self.status is None:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == self.pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def signal(self, number: int) -> None:
        """Send a signal to its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def spawn(argv: list[str], environment: dict[str, str], streams: tuple[int, int, int]) -> Process:
    """Start a program in a session of its own. Raises ``OSError``.

    Not by ``subprocess``: that leaves signals ignored which this kernel ignores.
    """
    actions = [(os.POSIX_SPAWN_DUP2, stream, place) for place, stream in enumerate(streams)]
    pid = os.posix_spawnp(
        argv[0],
        argv,
        environment,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=RESET,
    )
    with suppress(OSError):  # niceness counts within a session only (autogroup, sched(7))
        Path(f"/proc/{pid}/autogroup").write_text(str(os.nice(0)))
    return Process(pid)


def children(pid: int) -> list[int]:
    """The processes that any thread of a process has started."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        tasks = [str(pid)]  # a sandbox may show no more of this kernel than its first thread
    for task in tasks:
        with suppress(OSError, ValueError):
            text = Path(f"/proc/{pid}/task/{task}/children").read_text()
            found += map(int, text.split())
    return found


def descendants() -> list[int]:
    """Everything that runs below this process."""
    found: list[int] = []
    waiting = children(os.getpid())
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children(pid)
    return found


def end_everything() -> None:
    """Kill all that runs below this process, and what becomes an orphan meanwhile."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        left = descendants() or unseen()
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not _reap() and left in ([], [-1]):
            return
        time.sleep(0.001)


def unseen() -> list[int]:
    """Where there is no /proc: whoever else is in this sandbox, if it has processes of its own."""
    alone = os.getppid() == 1 and os.environ.get("CODEPAD_RUN") == PRIVATE_RUN
    return [-1] if alone and not os.path.isdir("/proc/self") else []


def _reap() -> bool:
    """Bury the dead; whether there are children still."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def memory_of(pids: list[int]) -> int:
    """Resident memory of processes, in bytes; shared pages count for each."""
    page, total = os.sysconf("SC_PAGE_SIZE"), 0
    for pid in pids:
        with suppress(OSError, IndexError, ValueError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
    return total
