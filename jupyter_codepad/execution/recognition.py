"""In which language a file is that somebody brings along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from ..errors import Invalid
from .language_table import Language
from .languages import LANGUAGES

DEFAULT_ID = "python"
OTHER_NAMES = MappingProxyType(
    {
        "ipython": "python",
        "ir": "r",
        "deno": "typescript",
        "node": "javascript",
        "nodejs": "javascript",
        "xcpp": "cpp",
        "c++": "cpp",
        "csharp": "csharp",
        "c#": "csharp",
        "gophernotes": "go",
        "evcxr": "rust",
        "iruby": "ruby",
        "ijava": "java",
        "bash_kernel": "bash",
        "shell": "bash",
        "sqlite": "sql",
        "xsqlite": "sql",
    }
)
"""How kernels call themselves and their languages, in small letters and without a version."""
OTHER_ENDINGS = MappingProxyType(
    {
        ".pyw": "python",
        ".mjs": "javascript",
        ".cjs": "javascript",
        ".mts": "typescript",
        ".cc": "cpp",
        ".cxx": "cpp",
        ".c++": "cpp",
        ".hpp": "cpp",
        ".h": "c",
        ".pm": "perl",
        ".bash": "bash",
        ".r": "r",
    }
)
"""Endings of file names besides those that new pads have."""


def recognise(
    file_name: str,
    says: Iterable[str] = (),
    languages: Mapping[str, Language] = LANGUAGES,
) -> Language:
    """The language of a file: of what it ``says`` of itself (a notebook), else by its name.

    A file that says nothing and has no known ending is taken for Python. Raises ``Invalid`` for a
    notebook in a language that rooms cannot run.
    """
    names = list(says)
    for name in names:
        language = _by_name(name, languages)
        if language is not None and language.notebook:
            return language
    if names:
        known = " and ".join(one.name for one in languages.values() if one.notebook)
        raise Invalid(
            "unknown_language",
            f"“{file_name}” is a notebook in {names[0][:40]}. Rooms have notebooks in {known}; a "
            "pad in another language is a code file.",
        )
    ending = PurePosixPath(file_name).suffix.lower()
    endings = {PurePosixPath(one.file_name).suffix.lower(): one.id for one in languages.values()}
    found = endings.get(ending) or OTHER_ENDINGS.get(ending, DEFAULT_ID)
    return languages.get(found, languages[DEFAULT_ID])


def _by_name(name: str, languages: Mapping[str, Language]) -> Language | None:
    names: dict[str, Language] = {}
    for one in languages.values():
        for other in (one.kernel_name, one.name, _bare(one.name), one.id):
            names.setdefault(other.lower(), one)
    names.pop("", None)
    for form in (name.strip().lower(), _bare(name).lower()):
        found = names.get(form) or languages.get(OTHER_NAMES.get(form, ""))
        if found is not None:
            return found
    return None


def _bare(name: str) -> str:
    """A name without the version at its end."""
    return name.strip().rstrip("0123456789.-_ ")
