"""Libraries that a language's tool would compile in each room, compiled once for all of them.

Go comes without its library compiled since version 1.20 (go.dev/doc/go1.20): the first program of a
room would wait for that, in a sandbox with few processors. What is compiled here, outside of any
sandbox, is nothing but the tool's own library; rooms see it read-only, so none can change it for
another.
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
from .toolchain.recipe import filled_text
from .tools import run_tool

BUILD_SECONDS = 900.0
READABLE_TO_ALL = 'umask 022; exec "$0" "$@"'
"""Where the server is root, the sandbox's user is another one."""


@dataclass(frozen=True)
class CompiledLibrary:
    """The library of one toolchain; ``folder``: where it is, or will be."""

    tool: Tool
    argv: tuple[str, ...]
    variable: str
    environment: dict[str, str]
    folder: Path

    @classmethod
    def of(cls, found: Installed, parent: Path) -> CompiledLibrary | None:
        """What a toolchain wants compiled, be it there or not; None if there is nothing to do."""
        library = found.toolchain.library
        program = shutil.which(library.argv[0]) if library is not None else None
        if library is None or program is None:
            return None
        path = Path(program).resolve()
        if any(path.parents[1].glob(library.ready)):
            return None
        own, tool = found.toolchain.recipe.environment, Tool.of(path)
        facts = (*tool, library, own)
        name = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        return cls(tool, library.argv, library.variable, own, parent / name)

    @property
    def built(self) -> Path:
        """What is there when all of it is."""
        return self.folder

    def applied(self, found: Installed) -> Installed:
        """The toolchain with this library in its recipe, used as soon as it is there."""
        environment = {**self.environment, f"READY_{self.variable}": str(self.folder)}
        recipe = replace(found.toolchain.recipe, environment=environment)
        return replace(found, toolchain=replace(found.toolchain, recipe=recipe))

    async def build(self, log: Logger) -> None:
        """Compile it, unless it is there; programs compile what they want of it meanwhile."""
        if self.built.exists():
            return
        self.tool.note(self.folder)
        work = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self.folder.parent))
        try:
            if await self._compile(work, log):
                made = work / "library"
                made.chmod(READABLE)
                with suppress(OSError):  # another server has been faster
                    os.replace(made, self.folder)
                await asyncio.to_thread(tidy, self.folder.parent)
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    async def _compile(self, work: Path, log: Logger) -> bool:
        words = {"tmp": str(work)}
        own = {name: filled_text(value, words) for name, value in self.environment.items()}
        own[self.variable] = str(work / "library")
        own["HOME"] = str(work)
        argv = ("sh", "-c", READABLE_TO_ALL, *self.argv)
        try:
            return await run_tool(argv, seconds=BUILD_SECONDS, environment=own, cwd=work) == 0
        except TimeoutError:
            log.warning("%s could not be done in time.", " ".join(self.argv))
            return False
