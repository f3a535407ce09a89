"""The languages a pad can be in, and how a kernel of each is started."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ..errors import Invalid, Unavailable
from .installed import SYSTEM_PATH, Program, configuration_files, find_program
from .language_table import ROWS, Language, Toolchain
from .starts import KernelStart, python_start

LANGUAGES = MappingProxyType({language.id: language for language in ROWS})
"""All languages by their id."""

HERE = Path(__file__).parent
ARCHIVE = "toolchain.pyz"
MAIN = "from toolchain.kernel import main\n\nmain()\n"
OPTIONS = ("--Application.log_level=ERROR", "--IPKernelApp.quiet=True")


@dataclass(frozen=True)
class Installed:
    """A toolchain that is on this machine, with where its programs are."""

    toolchain: Toolchain
    programs: tuple[Program, ...]

    @property
    def path(self) -> str:
        """Where programs are looked for in the sandbox."""
        own = [str(program.folder) for program in self.programs]
        folders = [*own, str(Path(sys.executable).parent), *SYSTEM_PATH]
        outside = [folder for folder in folders if folder not in SYSTEM_PATH]
        return ":".join(dict.fromkeys([*outside, *SYSTEM_PATH]))

    @property
    def visible(self) -> list[Path]:
        """What a sandbox must see besides what it always does."""
        return [program.visible for program in self.programs if program.visible is not None]


def get_language(language_id: str) -> Language:
    """The language with this id. Raises ``Invalid`` when there is none."""
    language = LANGUAGES.get(language_id)
    if language is None:
        known = ", ".join(LANGUAGES)
        raise Invalid(
            "unknown_language", f"“{language_id}” is not a language here. Choose one of: {known}."
        )
    return language


def installed(language: Language) -> Installed | None:
    """The first toolchain of a language all of whose programs are there."""
    for toolchain in language.toolchains:
        found = [find_program(name) for name in toolchain.programs]
        if None not in found:
            return Installed(toolchain, tuple(one for one in found if one is not None))
    return None


def toolchain_folders() -> tuple[Path, ...]:
    """All that sandboxes must see of this machine's toolchains, besides the system's folders."""
    found = (installed(language) for language in ROWS)
    folders = {path for one in found if one is not None for path in one.visible}
    return (*sorted(folders), *configuration_files())


def file_in(language_id: str, *names: str) -> str | None:
    """The first of some files that a language's programs can be in, by its suffix."""
    language = LANGUAGES.get(language_id)
    suffix = Path(language.file_name).suffix if language is not None else None
    return next((name for name in names if Path(name).suffix == suffix), None)


def missing_words(language: Language) -> str:
    """What to do about a language that cannot be run here."""
    needed = " or ".join(" and ".join(chain.programs) for chain in language.toolchains)
    packages = " ".join(language.packages)
    hint = f" (on Debian: apt-get install {packages})" if packages else ""
    return f"{language.name} needs {needed}{hint}."


def kernel_start(language_id: str) -> KernelStart:
    """How a kernel of a language is started; looks for its programs, so not on the event loop.

    Raises ``Invalid`` for an unknown language, ``Unavailable`` when its programs are missing.
    """
    language = get_language(language_id)
    if not language.toolchains:
        return python_start()
    found = installed(language)
    if found is None:
        raise Unavailable("language_unavailable", missing_words(language))
    return toolchain_start(found)


def toolchain_start(found: Installed) -> KernelStart:
    """The toolchain kernel with the recipe of one toolchain."""
    helpers = {name: (HERE / "helpers" / name).read_bytes() for name in found.toolchain.helpers}
    return KernelStart(
        argv=(sys.executable, f"{{run}}/{ARCHIVE}", "-f", "{connection_file}", *OPTIONS),
        data={ARCHIVE: archive(), "recipe.json": found.toolchain.recipe.to_json(), **helpers},
        # A terminal that nothing is drawn on.
        environment={"PATH": found.path, "TERM": "dumb"},
        terminal=found.toolchain.recipe.terminal != "none",
    )


@cache
def archive() -> bytes:
    """The toolchain kernel as one file that Python can run."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted((HERE / "toolchain").glob("*.py")):
            file.writestr(f"toolchain/{path.name}", path.read_bytes())
        file.writestr("__main__.py", MAIN)
    return made.getvalue()


def starters(languages: Iterable[Language] = ROWS) -> frozenset[str]:
    """Every text that is nobody's work yet."""
    return frozenset(language.starter_text for language in languages)
