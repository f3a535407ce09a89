"""LanguageOffer: which languages this server can run, in which versions, and what is missing."""

from __future__ import annotations

import asyncio
import platform
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import Logger
from pathlib import Path

from ..errors import Invalid, Unavailable
from ..rooms.sources import Source
from .kernels import KernelDied, RoomKernel
from .kernelspecs import offered_languages, spec_start
from .language_table import ROWS, Language, Toolchain
from .languages import Installed, installed, kernel_start, missing_words, toolchain_start
from .libraries import CompiledLibrary
from .preludes import Prelude
from .prepared import note_use
from .recognition import recognise
from .sandbox import Sandbox
from .shapes import Message
from .starts import KernelStart
from .toolchain.recipe import Recipe

VERSIONS_SECONDS = 60.0
ONE_SECONDS = 15
TOOK_TOO_LONG = "124"
"""What ``timeout`` says then: the machine is busy, which is no reason to miss a language."""
VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True)
class Standing:
    """How a language stands here.

    ``missing`` says in words why it cannot be run; ``installed``: whether its programs are there.
    """

    language: Language
    available: bool
    missing: str | None
    installed: bool
    version: str | None = None


class LanguageOffer:
    """What pads can be in on this server.

    Responsible for: the languages of the table and of the kernelspecs that the owner of this server
    offers (``kernelspecs``, names); which of them can be run, found at start without anybody
    waiting; their versions, asked for in the sandbox when somebody wants to know.

    ``sandbox``: where versions are asked for; ``allowed``: whether code is run here at all;
    ``prepared``: the folder of headers and libraries for all rooms, which every sandbox sees.
    """

    def __init__(
        self,
        *,
        sandbox: Sandbox,
        allowed: Callable[[], bool],
        kernelspecs: Sequence[str],
        prepared: Path | None,
        log: Logger,
    ) -> None:
        self._sandbox = sandbox
        self._allowed = allowed
        self._kernelspecs = tuple(kernelspecs)
        self._log = log
        self._table = {language.id: language for language in ROWS}
        self._specs: dict[str, Language] = {}
        self._missing: dict[str, str] = {}
        self._not_installed: set[str] = set()
        self._versions: dict[str, str] = {}
        self._prepared = prepared
        self._loop: asyncio.AbstractEventLoop | None = None
        self._found = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._preparing: dict[Path, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin to look which programs are there."""
        self._loop = asyncio.get_running_loop()
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Look no more."""
        owned = (self._looking, self._asking, *self._preparing.values())
        tasks = [task for task in owned if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def recognise(self, source: Source) -> str:
        """The id of the language of a file that becomes a pad. Raises ``Invalid``."""
        return recognise(source.name, source.languages, {**self._table, **self._specs}).id

    def get(self, language_id: str) -> Language:
        """The language with this id. Raises ``Invalid`` when there is none."""
        language = self._table.get(language_id) or self._specs.get(language_id)
        if language is None:
            known = ", ".join([*self._table, *self._specs])
            words = f"“{language_id}” is not a language here. Choose one of: {known}."
            raise Invalid("unknown_language", words)
        return language

    async def require(self, language_id: str) -> Language:
        """A language that can be run. Raises ``Invalid``, or ``Unavailable`` with the reason."""
        await self._found.wait()
        return self.runnable(language_id)

    def runnable(self, language_id: str) -> Language:
        """A language that can be run, as far as is known yet. Raises as ``require`` does."""
        language = self.get(language_id)
        if language_id in self._missing:
            raise Unavailable("language_unavailable", self._missing[language_id])
        return language

    def kernel_start(self, language_id: str) -> KernelStart:
        """How a kernel of a language is started; reads files. Raises as ``require`` does."""
        if language_id in self._specs:
            return spec_start(self.get(language_id).kernel_name)
        language = self.get(language_id)
        found = installed(language)
        if found is None:
            return kernel_start(language_id)
        if words := self._unfit(language, found):
            raise Unavailable("language_unavailable", words)
        if self._prepared is None:
            return toolchain_start(found)
        for kind in (Prelude, CompiledLibrary):
            wanted = kind.of(found, self._prepared)
            if wanted is not None:
                found = wanted.applied(found)
                note_use(wanted.folder)
                if self._loop is not None and not wanted.built.exists():
                    self._loop.call_soon_threadsafe(self._prepare, wanted)
        return toolchain_start(found)

    def _prepare(self, wanted: Prelude | CompiledLibrary) -> None:
        """Build what is used by all rooms, while the first programs are compiled without it."""
        task = self._preparing.get(wanted.built)
        if task is None or task.done():
            self._preparing[wanted.built] = asyncio.create_task(wanted.build(self._log))

    async def standings(self, *, wait_seconds: float = 0.0) -> list[Standing]:
        """All languages, in the order of the table; for versions is waited so long at most."""
        await self._found.wait()
        if self._allowed() and self._asking is None:
            self._asking = asyncio.create_task(self._ask_versions())
        if self._asking is not None and wait_seconds:
            await asyncio.wait({self._asking}, timeout=wait_seconds)
        languages = [*self._table.values(), *self._specs.values()]
        return [
            Standing(
                language,
                available=self._allowed() and language.id not in self._missing,
                missing=self._missing.get(language.id),
                installed=language.id not in self._not_installed,
                version=self._versions.get(language.id),
            )
            for language in languages
        ]

    # -- looking ----------------------------------------------------------------------------------

    async def _look(self) -> None:
        try:
            await asyncio.to_thread(self._find)
        except Exception:  # the root of a task; the languages are those that Python can run
            self._log.exception("It could not be found out which languages are installed.")
        finally:
            self._found.set()

    def _find(self) -> None:
        specs, broken = offered_languages(self._kernelspecs)
        for name, words in broken.items():
            self._log.warning("The kernelspec %s cannot be offered: %s", name, words)
        self._specs = {language.id: language for language in specs}
        for language in self._table.values():
            if not language.toolchains:
                continue
            found = installed(language)
            if found is None:
                self._missing[language.id] = missing_words(language)
                self._not_installed.add(language.id)
            elif words := self._unfit(language, found):
                self._missing[language.id] = words

    def _unfit(self, language: Language, found: Installed) -> str:
        """Why the sandbox in use is none for programs of a language, in words, or nothing."""
        if not self._sandbox.status.available:
            return ""
        rung = self._sandbox.rung
        if not rung.has_toolchains:
            return f"{language.name} cannot be run on this server's gateway."
        if found.toolchain.needs_proc and not rung.has_proc:
            needs = f"{found.toolchain.programs[-1]} needs /proc, which is not there"
            return f"{language.name} cannot be run in the sandbox of this server: {needs}."
        return ""

    async def _ask_versions(self) -> None:
        """Let each compiler say its version, in a sandbox as programs have it."""
        self._versions["python"] = platform.python_version()
        chains = await asyncio.to_thread(self._chains)
        heard: list[str] = []

        def hear(message: Message) -> None:
            if message["msg_type"] == "stream" and message["content"].get("name") == "stdout":
                heard.append(str(message["content"].get("text")))

        sandbox = self._sandbox if self._sandbox.status.available else None
        start = await asyncio.to_thread(versions_start, chains)
        kernel = RoomKernel(sandbox=sandbox, log=self._log, start=start)
        try:
            await kernel.start()
            script = versions_script(chains)
            await asyncio.wait_for(kernel.execute(script, hear), VERSIONS_SECONDS)
        except (KernelDied, TimeoutError) as error:
            self._log.warning("The versions of languages could not be found out: %s", error)
        finally:
            await kernel.shutdown()
        self._note_versions("".join(heard))

    def _chains(self) -> dict[str, Installed]:
        found = {x.id: installed(x) for x in self._table.values() if x.toolchains}
        return {
            name: chain
            for name, chain in found.items()
            if chain is not None and not self._unfit(self._table[name], chain)
        }

    def _note_versions(self, said: str) -> None:
        for line in said.splitlines():
            name, _, words = line.partition("\t")
            status, _, words = words.partition("\t")
            version = VERSION.search(words)
            if status == "0" and version is not None:
                self._versions[name] = version[0]
            elif name in self._table and status.isdigit() and status != TOOK_TOO_LONG:
                title = self._table[name].name
                self._missing[name] = f"{title} is installed, but does not start here: {words}"


def versions_start(chains: dict[str, Installed]) -> KernelStart:
    """A kernel that runs a shell script with all toolchains within reach."""
    programs = tuple(program for chain in chains.values() for program in chain.programs)
    shell = Toolchain(
        programs=("sh",),
        version=(),
        recipe=Recipe("versions.sh", run=("sh", "{main}"), terminal="none"),
    )
    return toolchain_start(Installed(shell, programs))


def versions_script(chains: dict[str, Installed]) -> str:
    """A script that prints a line for each language: its id, an exit status, the first words."""
    lines = []
    for name, chain in chains.items():
        argv = [sys.executable if part == "{python}" else part for part in chain.toolchain.version]
        command = shlex.join(argv)
        lines += [
            f"said=$(timeout {ONE_SECONDS} {command} 2>&1 </dev/null)",
            "status=$?",
            "first=$(printf '%s' \"$said\" | head -n 1 | cut -c 1-200)",
            f"printf '{name}\\t%s\\t%s\\n' $status \"$first\"",
        ]
    return "\n".join(lines) + "\n"
