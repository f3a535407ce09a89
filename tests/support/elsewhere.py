"""Running tests as somebody else, or where everybody may read our Python.

Sandboxes that drop to another user, and ordinary users, cannot get at an interpreter below
``/root``. In a mount namespace of its own a process sees the few folders it needs at the same
places, with everything else on the way gone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jupyter_codepad.execution.landlock import closed_folder
from jupyter_codepad.execution.rungs import interpreter_folders

ORDINARY_UID = 65_432
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
