"""FileSync: the files of a room, in the sandbox before a run and back in the folder after it."""

from __future__ import annotations

import asyncio
import os
import stat
import weakref
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import Protocol

from .trees import (
    Deadline,
    OutOfTime,
    Stamp,
    Tree,
    adopt,
    copy,
    name_new,
    new_file,
    opened,
    opened_within,
    regular,
    remove,
    showable,
    status_of,
    survey,
)

SYNC_SECONDS = 5.0
NAMES_SHOWN = 5
VERSIONS_LIMIT = 20
"""How many files ``name (2)``, ``name (3)`` … a program can make people have of one name."""
INSIDE_MODE, INSIDE_FOLDER_MODE = 0o666, 0o777
OUTSIDE_MODE, OUTSIDE_FOLDER_MODE = 0o644, 0o755


class Place(Protocol):
    """What is asked of a kernel: where the server sees the folder that its code runs in."""

    @property
    def room_path(self) -> Path | None:
        """The folder; None where it cannot be reached."""


@dataclass(frozen=True)
class FileLimits:
    """What a room's files may be: their number, and their bytes together."""

    files: int
    total_bytes: int
    seconds: float = SYNC_SECONDS


@dataclass
class Written:
    """What a run has left in the room's folder: paths in it, and how many files were refused."""

    names: list[str] = field(default_factory=list)
    refused: int = 0
    reasons: set[str] = field(default_factory=set)

    def refuse(self, reason: str) -> None:
        """Count a file that is not kept."""
        self.refused += 1
        self.reasons.add(reason)

    @property
    def words(self) -> str:
        """What was written, of bounded length; empty when nothing was."""
        if not self.names:
            return ""
        shown = ", ".join(_shortened(name) for name in self.names[:NAMES_SHOWN])
        more = len(self.names) - NAMES_SHOWN
        return f"wrote: {shown}" + (f" and {more} more" if more > 0 else "")

    @property
    def warning(self) -> str:
        """What was not kept, and why; empty when all was."""
        if not self.refused:
            return ""
        files = "1 file was" if self.refused == 1 else f"{self.refused} files were"
        return f"{files} not kept: {', '.join(sorted(self.reasons))}"


def _shortened(name: str, limit: int = 60) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"


@dataclass
class _Known:
    """A file that both sides have: how each was when they were last the same.

    ``inside`` None: code has deleted it; ``outside`` None: what the folder has goes in again.
    """

    inside: Stamp | None
    outside: Stamp | None


@dataclass(frozen=True)
class _Out:
    """One way out: both folders open, what the room's has, what in it people have open."""

    inside: int
    outside: int
    theirs: Tree
    open_files: frozenset[str]
    deadline: Deadline


class FileSync:
    """Carries files between a room's folder and the sandbox of its kernel.

    ``folder``: the room's folder, None where the server cannot reach it: then nothing is carried.
    ``executor``: where the work is done; it blocks for as long as the disk does, at most
    ``limits.seconds`` each way. The folder is the truth at the beginning of a run; a program's
    changes come back at its end. What changed on both sides is kept twice, as ``name (2)``.
    Hidden files are never carried, links never followed.
    """

    def __init__(
        self, folder: Path | None, limits: FileLimits, *, log: Logger, executor: Executor | None
    ) -> None:
        self._folder = folder
        self._limits = limits
        self._log = log
        self._executor = executor
        self._known: dict[str, _Known] = {}
        self._created: dict[str, Stamp] = {}
        """Paths in the folder at which programs have put a new file, as it was then."""
        self._versions: dict[str, str] = {}
        """Under which other name the folder has a program's file, by its path in the sandbox."""
        self._kernel: weakref.ref[Place] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def bring_in(self, kernel: Place, *, apart: Collection[str] = ()) -> str:
        """Make the sandbox's files those of the folder; returns words when some did not fit.

        ``apart``: paths in the folder that are left alone, such as the pad's. Never raises for what
        it finds in either folder.
        """
        async with self._one_at_a_time:
            if self._kernel is None or self._kernel() is not kernel:
                self._kernel = weakref.ref(kernel)
                self._known = {}
            left_out = await self._in_thread(self._bring_in, kernel.room_path, frozenset(apart))
        if not left_out:
            return ""
        files = "1 file" if left_out == 1 else f"{left_out} files"
        return f"{files} of the room did not fit into the sandbox"

    async def bring_out(
        self, kernel: Place, *, apart: Collection[str] = (), open_files: Collection[str] = ()
    ) -> Written:
        """Put what the program wrote into the folder; returns what that was.

        ``apart``: paths that are left alone; ``open_files``: paths of files that people have open,
        which are not overwritten. Never raises for what it finds in either folder.
        """
        async with self._one_at_a_time:
            if self._kernel is None or self._kernel() is not kernel:
                return Written()
            written = Written()
            await self._in_thread(
                self._bring_out, kernel.room_path, written, frozenset(apart), frozenset(open_files)
            )
            return written

    async def _in_thread(self, work: Callable[..., int], *arguments: object) -> int:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._tried, work, arguments)

    def _tried(self, work: Callable[..., int], arguments: tuple[object, ...]) -> int:
        try:
            return work(*arguments, Deadline.after(self._limits.seconds))
        except OutOfTime:
            self._log.warning("The files of %s took too long.", self._folder)
        except OSError as error:
            # The kernel has ended, or the folder was moved or deleted: there is nothing to carry.
            self._log.debug("The files of %s were not carried: %s", self._folder, error)
        return 0

    # -- in ---------------------------------------------------------------------------------------

    def _bring_in(self, room: Path | None, apart: frozenset[str], deadline: Deadline) -> int:
        if room is None or self._folder is None:
            return 0
        with opened(self._folder) as outside, opened(room) as inside:
            theirs = survey(outside, deadline)
            count = total = left_out = 0
            for path in sorted(theirs.folders)[: self._limits.files]:
                _make_folder(inside, path)
            for path, stamp in sorted(theirs.files.items()):
                if path in apart:
                    continue
                count, total = count + 1, total + stamp.size
                if count > self._limits.files or total > self._limits.total_bytes:
                    count, total = count - 1, total - stamp.size
                    left_out += 1
                    continue
                known = self._known.get(path)
                if known is None or known.outside != stamp:
                    left_out += not self._copy_in(outside, inside, path, deadline)
            if theirs.complete:
                self._forget_deleted(inside, theirs)
            return left_out

    def _copy_in(self, outside: int, inside: int, path: str, deadline: Deadline) -> bool:
        folder, _, name = path.rpartition("/")
        with regular(outside, path) as found:
            if found is None:
                return False
            source, status = found
            mode = INSIDE_MODE | (0o111 if status.st_mode & stat.S_IXUSR else 0)
            try:
                with (
                    opened_within(inside, folder, make_mode=INSIDE_FOLDER_MODE) as into,
                    new_file(into) as (target, temporary),
                ):
                    limit = self._limits.total_bytes
                    if not copy(source, target, limit_bytes=limit, deadline=deadline):
                        return False
                    adopt(inside, target, mode)
                    # A program that builds from these files looks at their times.
                    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
                    os.rename(temporary, name, src_dir_fd=into, dst_dir_fd=into)
                    inside_stamp = Stamp.of(os.fstat(target))
            except OSError:
                return False  # no space, or the program has something else there
        self._known[path] = _Known(inside_stamp, Stamp.of(status))
        return True

    def _forget_deleted(self, inside: int, theirs: Tree) -> None:
        for path in [path for path in self._known if path not in theirs.files]:
            known = self._known.pop(path)
            self._created.pop(path, None)
            if known.inside is not None:
                remove(inside, path, known.inside)

    # -- out --------------------------------------------------------------------------------------

    def _bring_out(
        self,
        room: Path | None,
        written: Written,
        apart: frozenset[str],
        open_files: frozenset[str],
        deadline: Deadline,
    ) -> int:
        if room is None or self._folder is None:
            return 0
        with opened(room) as inside, opened(self._folder) as outside:
            mine, theirs = survey(inside, deadline), survey(outside, deadline)
            out = _Out(inside, outside, theirs, open_files, deadline)
            for path, stamp in sorted(mine.files.items()):
                known = self._known.get(path)
                if known is not None and known.inside == stamp:
                    continue
                if path in apart:
                    self._known.pop(path, None)  # another run may take it from the folder
                    continue
                refusal = self._refusal(path, stamp, theirs)
                final = "" if refusal else self._copy_out(out, path)
                if final:
                    written.names.append(final)
                elif final is not None:
                    written.refuse(refusal or "they could not be copied")
            if mine.complete:
                self._follow_deleted(out, mine, open_files | apart)
            return len(written.names)

    def _refusal(self, path: str, stamp: Stamp, theirs: Tree) -> str:
        if not showable(path):
            return "names"
        old = theirs.files.get(path)
        if old is None and len(theirs.files) >= self._limits.files:
            return f"the room has {self._limits.files} files"
        if stamp.size > self._space(path, theirs):
            return f"the room's files take {self._limits.total_bytes // 1024**2} MB"
        return ""

    def _space(self, path: str, theirs: Tree) -> int:
        old = theirs.files.get(path)
        return self._limits.total_bytes - theirs.size + (old.size if old is not None else 0)

    def _copy_out(self, out: _Out, path: str) -> str | None:
        """Copy one file into the folder; returns its path there.

        Empty: it was not taken; None: it is none any more.
        """
        with regular(out.inside, path) as found:
            if found is None:
                return None
            source, status = found
            if status.st_nlink != 1:
                return ""  # its other name may be one that the program must not read
            limit = self._space(path, out.theirs)
            try:
                with (
                    opened_within(
                        out.outside, path.rpartition("/")[0], make_mode=OUTSIDE_FOLDER_MODE
                    ) as folder,
                    new_file(folder) as (target, temporary),
                ):
                    if not copy(source, target, limit_bytes=limit, deadline=out.deadline):
                        return ""
                    adopt(out.outside, target, OUTSIDE_MODE)
                    final = self._name_it(folder, temporary, path, path in out.open_files)
                    new = Stamp.of(os.fstat(target))
            except OSError:
                return ""
        if final:
            self._note_written(path, final, Stamp.of(status), new, out.theirs)
        return final

    def _note_written(
        self, path: str, final: str, inside: Stamp, outside: Stamp, theirs: Tree
    ) -> None:
        old = theirs.files.get(final)
        if old is None or self._created.get(final) == old:
            self._created[final] = outside
        theirs.files[final] = outside
        if final == path:
            self._known[path] = _Known(inside, outside)
        else:
            # What people have under this name goes in before the next run.
            self._known[path] = _Known(inside, None)
            self._versions[path] = final

    def _name_it(self, folder: int, temporary: str, path: str, is_open: bool) -> str:
        """Give what was written its name, or the next that is free; returns its path.

        Only a file that is as we have left it is replaced. Empty: there is no name left.
        """
        parent, slash, name = path.rpartition("/")
        known = self._known.get(path)
        if known is not None and not is_open and _is(folder, name, known.outside):
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            return path
        if not is_open and name_new(folder, temporary, name):
            return path
        earlier = self._versions.get(path, "")
        version = earlier.rpartition("/")[2]
        if version and _is(folder, version, self._created.get(earlier)):
            os.rename(temporary, version, src_dir_fd=folder, dst_dir_fd=folder)
            return earlier
        stem, suffix = os.path.splitext(name)
        for number in range(2, VERSIONS_LIMIT + 2):
            version = f"{stem} ({number}){suffix}"
            if name_new(folder, temporary, version):
                return f"{parent}{slash}{version}"
        return ""

    def _follow_deleted(self, out: _Out, mine: Tree, kept: frozenset[str]) -> None:
        """Delete what a program put into the folder and has deleted, if nobody touched it."""
        for path, known in self._known.items():
            if path in mine.files or known.inside is None or path in kept:
                continue
            known.inside = None
            created = self._created.pop(path, None)
            if created is not None and created == known.outside == out.theirs.files.get(path):
                remove(out.outside, path, created)
        self._versions = {path: v for path, v in self._versions.items() if path in mine.files}


def _is(folder: int, name: str, stamp: Stamp | None) -> bool:
    status = status_of(folder, name)
    return (
        status is not None
        and stamp is not None
        and stat.S_ISREG(status.st_mode)
        and Stamp.of(status) == stamp
    )


def _make_folder(root: int, path: str) -> None:
    try:
        with opened_within(root, path, make_mode=INSIDE_FOLDER_MODE):
            pass
    except OSError:
        return  # no space, or the program has something else there
