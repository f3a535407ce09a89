"""Which programs of the machine a sandbox can be shown, and where they really are."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

SYSTEM = (Path("/usr"), Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib64"))
SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
CONFIGURATION = (
    *("java-*-openjdk", "java", "mono", "fpc.cfg", "php/*/cli", "php/*/mods-available"),
    *("R/ldpaths", "R/Renviron", "R/repositories", "R/Makeconf", "R/javaconf"),
)
"""Patterns below ``/etc``: of what is the same on every machine, and holds nothing of this one."""
RUSTUP = "rustup"
INSTALLATION_BELOW_HOME = 2
"""So many folders below a home folder at least: `~/.cargo` or `~/.local` hold what is private."""


@dataclass(frozen=True)
class Program:
    """A program: the folder to look for it in, and what has to be visible, None: nothing more."""

    folder: Path
    visible: Path | None


def find_program(name: str) -> Program | None:
    """The program that this server would start by its name, None when there is none to show."""
    path = shutil.which(name)
    if path is None:
        return None
    place = Path(path).absolute()
    if in_system(place) and in_system(place.resolve()):
        return Program(place.parent, None)
    if place.resolve().name == RUSTUP:
        real = rustup_program(place)
        return _outside(real) if real is not None else None
    return _outside(place.resolve())


def in_system(path: Path) -> bool:
    """Whether every sandbox sees a path anyhow."""
    return any(path.is_relative_to(folder) for folder in SYSTEM)


def _outside(real: Path) -> Program | None:
    """A program that is in no folder of the system: its whole installation, and no more."""
    if in_system(real):
        return None  # a link to something with another name, such as a version manager's shim
    if real.is_relative_to(Path(sys.prefix)) or real.is_relative_to(Path(sys.base_prefix)):
        return Program(real.parent, None)
    if real.parent.name != "bin" or not is_installation(real.parent.parent):
        return Program(real.parent, real) if os.access(real, os.R_OK) else None
    return Program(real.parent, real.parent.parent)


def is_installation(folder: Path) -> bool:
    """Whether a folder can be shown as a whole: it holds programs, and nothing of people."""
    home = Path.home().resolve()
    if folder in (Path("/"), home) or home.is_relative_to(folder) or len(folder.parts) < 3:
        return False
    if folder.is_relative_to(home):
        return len(folder.relative_to(home).parts) > INSTALLATION_BELOW_HOME
    return not folder.is_relative_to("/home") and not folder.is_relative_to("/root")


def rustup_program(path: Path) -> Path | None:
    """What a program of rustup stands for: that of the default toolchain."""
    if path.resolve().name != RUSTUP:
        return None
    home = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
    try:
        name = tomllib.loads((home / "settings.toml").read_text())["default_toolchain"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return None
    real = (home / "toolchains" / str(name) / "bin" / path.name).resolve()
    return real if real.exists() else None


def configuration_files() -> list[Path]:
    """What compilers and runtimes of the system read below ``/etc``."""
    found: set[Path] = set()
    for pattern in CONFIGURATION:
        found.update(path for path in Path("/etc").glob(pattern) if os.access(path, os.R_OK))
    return sorted(found)
