"""Folders that somebody else may change while we look: everything is done by open descriptors.

One of the two sides is written by hostile code. So no path of more than one name is ever given to
the system: each folder on the way is opened in the one before it, never through a symbolic link
(``openat(2)``, ``O_NOFOLLOW``), and what counts is what was opened, not what was seen before.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..rooms.folders import open_regular

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
DEPTH_LIMIT = 8
NAME_LIMIT_BYTES = 200
ENTRIES_LIMIT = 10_000
"""Entries of a tree that are looked at; a program can make a million empty files in no time."""
PIECE_BYTES = 256 * 1024
CACHES = frozenset({"__pycache__"})
"""Folders that only programs want, and make again."""
TEMPORARY = ".codepad-"


class OutOfTime(Exception):
    """The work is not done by its deadline."""


@dataclass(frozen=True)
class Deadline:
    """A time (``time.monotonic``) by which the work has to be done."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """A deadline so many seconds from now."""
        return cls(time.monotonic() + seconds)

    def check(self) -> None:
        """Raise ``OutOfTime`` when it is past."""
        if time.monotonic() > self.at:
            raise OutOfTime


@dataclass(frozen=True, slots=True)
class Stamp:
    """What shows that a file was changed: its inode, size in bytes, time of change."""

    inode: int
    size: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp of a file."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass
class Tree:
    """What lies in a folder: its files and folders by their path within it.

    ``complete``: false when there was more than we look at.
    """

    files: dict[str, Stamp] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    complete: bool = True

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(stamp.size for stamp in self.files.values())


@contextmanager
def opened(path: Path | str) -> Iterator[int]:
    """A descriptor of a folder, which itself must be no link. Raises ``OSError``."""
    descriptor = os.open(path, FOLDER_FLAGS)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_within(root: int, path: str, *, make_mode: int | None = None) -> Iterator[int]:
    """A descriptor of a folder below ``root``; ``make_mode``: folders that are missing are made.

    Raises ``OSError`` when something on the way is a link, no folder, or on another file system.
    """
    device = os.fstat(root).st_dev
    current = os.dup(root)
    try:
        for name in path.split("/") if path else ():
            made = False
            if make_mode is not None:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=current)
                    made = True
            below = os.open(name, FOLDER_FLAGS, dir_fd=current)
            os.close(current)
            current = below
            if os.fstat(current).st_dev != device:
                raise OSError(f"{name} is on another file system")
            if made and make_mode is not None:
                adopt(root, current, make_mode)
        yield current
    finally:
        os.close(current)


def adopt(root: int, descriptor: int, mode: int) -> None:
    """Give what we have made the mode it shall have, and the owner of its folder."""
    os.fchmod(descriptor, mode)
    owner = os.fstat(root)
    if os.geteuid() == 0 and (owner.st_uid, owner.st_gid) != (0, 0):
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def survey(root: int, deadline: Deadline) -> Tree:
    """What lies below an open folder: regular files and folders, without hidden ones and caches.

    Nothing is opened but folders. Raises ``OutOfTime``.
    """
    found = Tree()
    device = os.fstat(root).st_dev
    waiting, left = [""], ENTRIES_LIMIT
    while waiting:
        inside = waiting.pop()
        try:
            with opened_within(root, inside) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        found.complete = False
                        return found
                    deadline.check()
                    _note(found, waiting, inside, entry, device)
        except OSError:
            found.complete = False  # gone or closed to us meanwhile
    return found


def _note(
    found: Tree, waiting: list[str], inside: str, entry: os.DirEntry[str], device: int
) -> None:
    if entry.name.startswith(".") or entry.name in CACHES:
        return
    path = f"{inside}/{entry.name}" if inside else entry.name
    status = entry.stat(follow_symlinks=False)
    if stat.S_ISREG(status.st_mode):
        found.files[path] = Stamp.of(status)
    elif stat.S_ISDIR(status.st_mode) and status.st_dev == device:
        if path.count("/") < DEPTH_LIMIT:
            found.folders.add(path)
            waiting.append(path)
        else:
            found.complete = False


def showable(path: str) -> bool:
    """Whether a path that a program has chosen may appear among people's files.

    Names that cannot be read (no UTF-8), could not be told from others (control and formatting
    characters, such as those that turn the direction of writing), are hidden or very long may not.
    """
    return all(_showable_name(name) for name in path.split("/"))


def _showable_name(name: str) -> bool:
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return False
    return (
        0 < len(encoded) <= NAME_LIMIT_BYTES
        and not name.startswith((".", "~"))
        and name == name.strip()
        and "\\" not in name
        # C: control, format, surrogate, private use, unassigned; Zl, Zp: line breaks.
        and not any(unicodedata.category(c)[0] == "C" for c in name)
        and not any(unicodedata.category(c) in {"Zl", "Zp"} for c in name)
    )


@contextmanager
def regular(root: int, path: str) -> Iterator[tuple[int, os.stat_result] | None]:
    """A descriptor of a regular file below ``root`` to read from, with its status; else None."""
    inside, _, name = path.rpartition("/")
    file = None
    with suppress(OSError), opened_within(root, inside) as folder:
        file = open_regular(folder, name)
    if file is None:
        yield None
        return
    try:
        yield file, os.fstat(file)
    finally:
        os.close(file)


def copy(source: int, target: int, *, limit_bytes: int, deadline: Deadline) -> bool:
    """Copy from one open file to another; false when there was more than ``limit_bytes``.

    Raises ``OSError`` (no space), ``OutOfTime``.
    """
    left = limit_bytes
    while piece := os.read(source, min(PIECE_BYTES, left + 1)):
        deadline.check()
        left -= len(piece)
        if left < 0:
            return False
        view = memoryview(piece)
        while view:
            view = view[os.write(target, view) :]
    return True


@contextmanager
def new_file(folder: int) -> Iterator[tuple[int, str]]:
    """A new file with a hidden name in an open folder, open to write; removed unless renamed."""
    name = f"{TEMPORARY}{secrets.token_hex(8)}"
    file = os.open(name, NEW_FLAGS, 0o600, dir_fd=folder)
    try:
        yield file, name
    finally:
        os.close(file)
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)


def name_new(folder: int, temporary: str, name: str) -> bool:
    """Give a new file its name; false when there is something with that name, whatever it is."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if status_of(folder, name) is not None:
            return False
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    return True


def status_of(folder: int, name: str) -> os.stat_result | None:
    """What has this name in an open folder, itself and not where it leads; None: nothing."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None


def remove(root: int, path: str, stamp: Stamp) -> bool:
    """Remove a regular file that is still the one with this stamp."""
    inside, _, name = path.rpartition("/")
    try:
        with opened_within(root, inside) as folder:
            status = status_of(folder, name)
            if status is None or not stat.S_ISREG(status.st_mode) or Stamp.of(status) != stamp:
                return False
            os.unlink(name, dir_fd=folder)
            return True
    except OSError:
        return False
