"""The folder of what is compiled once for all rooms: what lies in it, for how long.

Each thing there has a folder of its own, with a note beside it that says which tool has made it.
All servers of a user share them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

FOLDER = "jupyter-codepad"
READABLE = 0o755
"""Where the server is root, the sandbox's user is another one."""
NOTE = ".json"
NAME = re.compile(r"[0-9a-f]{16}")
DAY_SECONDS = 24 * 3600.0
UNUSED_SECONDS, HALF_DONE_SECONDS = 30 * DAY_SECONDS, DAY_SECONDS


def prepared_folder() -> Path | None:
    """Where what serves all rooms is kept, by all servers of this user; None where nothing can."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / FOLDER / "preludes"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(READABLE)
    except OSError:
        return None
    return folder


class Tool(NamedTuple):
    """A program as it is installed: another version has another time or size."""

    path: str
    changed_ns: int
    size: int

    @classmethod
    def of(cls, path: str | Path) -> Tool:
        """The program with this path. Raises ``OSError``."""
        found = os.stat(path)
        return cls(str(path), found.st_mtime_ns, found.st_size)

    @property
    def installed(self) -> bool:
        """Whether it is still there as it was."""
        try:
            return Tool.of(self.path) == self
        except OSError:
            return False

    def note(self, folder: Path) -> None:
        """Write down that a folder is, or will be, of this tool's making."""
        folder.with_suffix(NOTE).write_text(json.dumps(self))

    @classmethod
    def noted(cls, folder: Path) -> Tool | None:
        """The tool that has made what is in a folder; None: nobody knows."""
        try:
            return cls(*json.loads(folder.with_suffix(NOTE).read_text()))
        except (OSError, ValueError, TypeError):
            return None


def note_use(folder: Path) -> None:
    """Remember that what is in a folder was wanted now."""
    with suppress(OSError):
        os.utime(folder)


def tidy(parent: Path) -> None:
    """Remove what is of no use any more.

    That is what was made by a tool that is not installed in that version now, what nobody has used
    for a month, and what a server that was killed has left half-done.
    """
    for path in list(parent.iterdir()):
        with suppress(OSError):  # another server tidies too
            if not _is_useful(path):
                _remove(path)


def _is_useful(path: Path) -> bool:
    age = time.time() - path.lstat().st_mtime
    if path.suffix == NOTE:
        return path.with_suffix("").exists() or age < HALF_DONE_SECONDS
    tool = Tool.noted(path)
    if tool is not None:
        return tool.installed and age < UNUSED_SECONDS
    return age < (UNUSED_SECONDS if NAME.fullmatch(path.name) else HALF_DONE_SECONDS)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        path.with_suffix(NOTE).unlink(missing_ok=True)
    else:
        path.unlink()
