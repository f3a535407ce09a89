"""A room as one file to keep: its files, who was there, and what happened."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import TooLarge
from .folders import open_regular
from .models import ActivityModel

HEADER = ("at", "kind", "actor", "subject", "detail")
PIECE = 1024 * 1024
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def activity_csv(entries: Iterable[ActivityModel]) -> str:
    """The activity log as CSV (UTF-8, one line per entry), safe to open in a spreadsheet.

    A text that a spreadsheet would take for a formula gets an apostrophe in front: names are chosen
    by guests (OWASP, "CSV injection").
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for entry in entries:
        detail = (
            json.dumps(entry.detail, ensure_ascii=False, sort_keys=True) if entry.detail else ""
        )
        row = (entry.at.isoformat(), entry.kind, entry.actor or "", entry.subject or "", detail)
        writer.writerow("'" + cell if cell.startswith(FORMULA) else cell for cell in row)
    return out.getvalue()


def regular_files(folder: Path) -> Iterator[tuple[str, int]]:
    """The regular files below a folder: path within it, and an open descriptor (closed after).

    No symbolic link is followed and no device, socket or pipe is opened, so nothing outside of the
    folder is ever read.
    """
    try:
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        for path, folders, names, descriptor in os.fwalk(".", dir_fd=root, follow_symlinks=False):
            folders.sort()
            for name in sorted(names):
                file = open_regular(descriptor, name)
                if file is None:
                    continue
                try:
                    yield os.path.normpath(os.path.join(path, name)), file
                finally:
                    os.close(file)
    finally:
        os.close(root)


def write_archive(
    folder: Path | None, texts: dict[str, str], *, limit_bytes: int, files_limit: int
) -> IO[bytes]:
    """A zip archive in a temporary file, at its beginning: ``texts``, and the folder's files.

    Blocks: call it in a thread. Raises ``TooLarge`` when the files are more than the limits.
    """
    out = tempfile.TemporaryFile()  # noqa: SIM115 - the caller reads and closes it
    size = count = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
        for name, descriptor in regular_files(folder) if folder is not None else ():
            size, count = size + os.fstat(descriptor).st_size, count + 1
            if size > limit_bytes or count > files_limit:
                out.close()
                raise TooLarge("export_too_large", "This room has more files than can be exported.")
            with (
                os.fdopen(os.dup(descriptor), "rb") as file,
                archive.open(f"files/{safe(name)}", "w") as target,
            ):
                while piece := file.read(PIECE):
                    target.write(piece)
    out.seek(0)
    return out


def safe(name: str) -> str:
    """A path that every unpacker takes: odd bytes are replaced."""
    return name.encode("utf-8", "replace").decode()


def as_json(value: Any) -> str:
    """A value as JSON for people to read."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
