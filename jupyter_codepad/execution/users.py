"""User ids for sandboxes, where the server is root: none is given to two at a time.

Other servers of this machine take theirs from the same range, and who has a user id in common can
send signals to each other, and takes processes from the other's number. So each id that is in use
is a lock on a byte of one file, which Linux lets go of when its server ends, however that is
(``F_OFD_SETLK``, fcntl(2)); and no id is taken that a process has already.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import secrets
import stat
import struct
from contextlib import suppress
from pathlib import Path

FIRST, COUNT = 700_000, 10_000
"""Each sandbox gets a user of its own from here on, that nobody else on the machine is."""
FIRST_MAPPED = 50_000
"""The same where root is root of a user namespace, as in rootless containers."""
LOCKS = tuple(Path(folder, "jupyter-codepad-users.lock") for folder in ("/run", "/dev/shm"))  # noqa: S108
"""The first that can be written is used; none but root can read it, and so none else lock it."""
FLOCK = struct.Struct("@hhqqi0q")
"""struct flock: a kind, from where, start and length in bytes, and no process."""


class Users:
    """The user ids from ``first`` on, in turn from somewhere; None: those that exist here."""

    def __init__(self, first: int | None = None, count: int = COUNT) -> None:
        self._first = first_user() if first is None else first
        self._count = count
        # Sandboxes are made in several threads: a count gives each number once.
        self._turns = itertools.count(secrets.randbelow(count))

    def take(self) -> tuple[int, int]:
        """A user id, and what holds it until it is closed. Raises ``OSError``."""
        for _ in range(self._count):
            uid = self._first + next(self._turns) % self._count
            held = hold(uid)
            if held is not None:
                return uid, held
        raise OSError(errno.EAGAIN, "all user ids for sandboxes are in use")


def hold(uid: int) -> int | None:
    """A descriptor that keeps a user id from being given to others; None: it is somebody's."""
    file = open_lock()
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, uid, 1, 0))
        if not lives(uid):
            return file
    except OSError as error:
        if error.errno not in {errno.EAGAIN, errno.EACCES}:
            os.close(file)
            raise
    os.close(file)
    return None


def open_lock() -> int:
    """The file whose bytes are locked, opened anew. Raises ``OSError``."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    failed = OSError(errno.ENOENT, "there is no place for locks")
    for path in LOCKS:
        try:
            file = os.open(path, flags, 0o600)
        except OSError as error:
            failed = error
            continue
        found = os.fstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            return file
        os.close(file)  # somebody else's, who could keep us from locking it
    raise failed


def lives(uid: int) -> bool:
    """Whether a process has this user id: setpriority(2)."""
    try:
        os.getpriority(os.PRIO_USER, uid)
    except ProcessLookupError:
        return False
    return True


def first_user() -> int:
    """The first of the user ids for sandboxes that exist in our user namespace."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/uid_map").read_text().splitlines():
            inside, _, count = (int(part) for part in line.split())
            if inside <= FIRST and inside + count >= FIRST + COUNT:
                return FIRST
        return FIRST_MAPPED
    return FIRST
