"""Running tests as somebody else, or where everybody may read our Python.

Sandboxes that drop to another user, and ordinary users, cannot get at an interpreter below
``/root``. In a mount namespace of its own a process sees the few folders it needs at the same
places, with everything else on the way gone.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jupyter_codepad.execution.landlock import closed_folder
from jupyter_codepad.execution.rungs import interpreter_folders

ORDINARY_UID = 65_432
CLONE_FS, CLONE_NEWNS = 0x200, 0x20000
PROJECT = Path(__file__).parents[2]
SCRIPT = """
set -e
stage="$1"; count="$2"; shift 2
number=0
for path in "${@:1:count}"; do
  mkdir "$stage/$number"; mount --rbind "$path" "$stage/$number"; number=$((number + 1))
done
for path in "${@:1:count}"; do
  while :; do
    closed=""; at=""
    IFS=/ read -ra parts <<<"${path#/}"
    for part in "${parts[@]}"; do
      at="$at/$part"
      [ "$at" = "$path" ] && break
      if [ -d "$at" ] && [ $(( 0$(stat -c %a "$at") & 1 )) = 0 ]; then closed="$at"; break; fi
    done
    [ -n "$closed" ] || break
    mount -t tmpfs -o mode=755 none "$closed"
  done
done
number=0
for path in "${@:1:count}"; do
  mkdir -p "$path"
  mountpoint -q "$path" || mount --rbind "$stage/$number" "$path"; number=$((number + 1))
done
shift "$count"
exec "$@"
"""


def needs_moving() -> bool:
    """Whether other users cannot get at our Python or at this project."""
    return any(closed_folder(path / "x") is not None for path in needed())


def needed() -> list[Path]:
    """The folders without which no test runs."""
    return [*interpreter_folders(), PROJECT]


def elsewhere(command: list[str], *, stage: Path, ordinary: bool) -> list[str]:
    """The command, run by root where everybody may read our Python, and maybe as nobody special.

    ``stage``: an empty folder. Only root can do this.
    """
    paths = [str(path) for path in needed()]
    drop = ["setpriv", f"--reuid={ORDINARY_UID}", f"--regid={ORDINARY_UID}", "--clear-groups"]
    script = ["bash", "-c", SCRIPT, "elsewhere", str(stage), str(len(paths)), *paths]
    parts = ["unshare", "--mount", "--propagation", "private", *script]
    return [*parts, *(drop if ordinary else []), *command]


@cache
def opened_view() -> int:
    """A descriptor of a mount namespace in which everybody may read our Python.

    Raises ``OSError`` where there can be none.
    """
    with TemporaryDirectory(prefix="codepad-stage-", dir="/tmp") as stage:
        command = elsewhere(["sh", "-c", "echo made; read _"], stage=Path(stage), ordinary=False)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as made:
            if made.stdout is None or made.stdout.readline() != b"made\n":
                raise OSError("no mount namespace can be made here")
            found = os.open(f"/proc/{made.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            made.communicate()
    return found


def move_this_thread() -> None:
    """Let this thread, and all that it starts, see our Python where everybody may read it."""
    libc = ctypes.CDLL(None, use_errno=True)
    view = opened_view()
    # Only who has a root and a working folder of their own can go elsewhere: setns(2).
    if libc.unshare(CLONE_FS) or libc.setns(view, CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "cannot go elsewhere")
    os.chdir(PROJECT)


def popen_elsewhere(command: list[str], **options: Any) -> subprocess.Popen[str]:
    """Start a program that sees our Python where everybody may read it."""

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, **options)

    if os.geteuid() != 0 or not needs_moving():
        return start()
    with ThreadPoolExecutor(1, initializer=move_this_thread) as pool:
        return pool.submit(start).result()


def environment(home: Path) -> dict[str, str]:
    """A small environment for tests that run elsewhere."""
    home.mkdir(exist_ok=True)
    os.chown(home, ORDINARY_UID, ORDINARY_UID)
    home.chmod(0o777)
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
