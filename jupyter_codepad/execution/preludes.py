"""Headers that C++ programs begin with, read by the compiler once for all of them.

GCC calls it a precompiled header (gcc.gnu.org/onlinedocs/gcc/Precompiled-Headers.html): it is used
when the options are the same, else silently passed over.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from logging import Logger
from pathlib import Path

from .languages import Installed
from .prepared import READABLE, Tool, tidy
from .tools import run_tool

MARK = "{prelude}"
BUILD_SECONDS = 120.0


@dataclass(frozen=True)
class Prelude:
    """The prelude of one toolchain, for one compiler with one set of options."""

    tool: Tool
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
        tool = Tool.of(program)
        facts = (*tool, argv, text)
        name = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        return cls(tool, argv, text, folder / name / "usual.hpp")

    @property
    def folder(self) -> Path:
        """What has to be there for all of it."""
        return self.header.parent

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
        self.tool.note(self.folder)
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(READABLE)
        self.header.write_text(self.text)
        self.header.chmod(0o644)
        descriptor, name = tempfile.mkstemp(dir=self.folder.parent)
        os.close(descriptor)
        argv = (*self.argv, "-x", "c++-header", str(self.header), "-o", name)
        try:
            if await run_tool(argv, seconds=BUILD_SECONDS) == 0:
                os.chmod(name, 0o644)
                os.replace(name, self.built)
                await asyncio.to_thread(tidy, self.folder.parent)
        except TimeoutError:
            log.warning("The usual headers of C++ could not be prepared in time.")
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)
