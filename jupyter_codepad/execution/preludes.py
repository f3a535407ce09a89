"""Headers that C++ programs begin with, read by the compiler once for all of them.

GCC calls it a precompiled header (gcc.gnu.org/onlinedocs/gcc/Precompiled-Headers.html): it is used
when the options are the same, else silently passed over.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from logging import Logger
from pathlib import Path

from .languages import Installed
from .tools import run_tool

MARK = "{prelude}"
FOLDER = "jupyter-codepad"
BUILD_SECONDS = 120.0
READABLE = 0o755
"""Where the server is root, the sandbox's user is another one."""


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


@dataclass(frozen=True)
class Prelude:
    """The prelude of one toolchain, for one compiler with one set of options."""

    argv: tuple[str, ...]
    text: str
    header: Path

    @classmethod
    def of(cls, found: Installed, folder: Path) -> Prelude | None:
        """The prelude that a toolchain wants, built or not; None if it wants none."""
        text, compile_argv = found.toolchain.prelude, found.toolchain.recipe.compile
        program = shutil.which(compile_argv[0]) if text else None
        if program is None:
            return None
        argv = compile_argv[: compile_argv.index(MARK)]
        compiler = os.stat(program)
        facts = (program, compiler.st_mtime_ns, compiler.st_size, argv, text)
        name = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        return cls(argv, text, folder / name / "usual.hpp")

    @property
    def built(self) -> Path:
        """The file that the compiler reads instead."""
        return self.header.with_name(self.header.name + ".gch")

    def applied(self, found: Installed) -> Installed:
        """The toolchain with this prelude in its recipe."""
        recipe = replace(
            found.toolchain.recipe,
            prelude=("-include", str(self.header)),
            prelude_file=str(self.built),
        )
        return replace(found, toolchain=replace(found.toolchain, recipe=recipe))

    async def build(self, log: Logger) -> None:
        """Build it, unless it is there; programs are compiled without it meanwhile."""
        if self.built.exists():
            return
        self.header.parent.mkdir(exist_ok=True)
        self.header.parent.chmod(READABLE)
        self.header.write_text(self.text)
        self.header.chmod(0o644)
        descriptor, name = tempfile.mkstemp(dir=self.header.parent, suffix=".tmp")
        os.close(descriptor)
        argv = (*self.argv, "-x", "c++-header", str(self.header), "-o", name)
        try:
            if await run_tool(argv, seconds=BUILD_SECONDS) == 0:
                os.chmod(name, 0o644)
                os.replace(name, self.built)
        except TimeoutError:
            log.warning("The usual headers of C++ could not be prepared in time.")
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)
