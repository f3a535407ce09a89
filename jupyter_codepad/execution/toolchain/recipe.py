"""Recipe: how programs of one language are compiled and run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

CLASS_MAIN = r"\bstatic\s+(?:final\s+)?void\s+main\b"
"""Where a program begins that is a class, as in Java."""


@dataclass(frozen=True)
class Recipe:
    """How to compile and run, as argument lists.

    In them ``{main}`` is the main file, ``{stem}`` its name without folder and suffix, ``{base}``
    without suffix, ``{out}`` the folder of this build, ``{tools}`` the folder that the kernel lies
    in, ``{python}`` the kernel's own interpreter, ``{entry}`` the class to start; an argument
    ``{sources}`` becomes all source files, the main file first, and ``{prelude}`` becomes
    ``prelude`` where the sources can be compiled with it. In ``environment`` ``{tools}`` and
    ``{tmp}``, a folder for files that nobody needs later, are replaced.

    ``suffixes``: of the files that a program is made of; ``sources``: of those that are named to
    the compiler; ``entry``: matches the place where a program begins, so that other files which
    have one too are left out; ``terminal``: what of the program is one, ``both``
    input and output, the ``input`` only, or ``none`` (for runtimes that do not hold back what they
    print into a pipe, and would draw on a terminal); ``prelude_file``: without
    it there is no prelude; ``noise``: matches lines of the compiler that are for nobody.
    """

    file_name: str
    run: tuple[str, ...]
    compile: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    entry: str = ""
    class_entry: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    terminal: Literal["both", "input", "none"] = "both"
    compile_seconds: float = 30.0
    prelude: tuple[str, ...] = ()
    prelude_file: str = ""
    noise: str = ""

    def to_json(self) -> bytes:
        """The recipe as the kernel reads it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_file(cls, path: Path) -> Recipe:
        """The recipe that the server has written."""
        values: dict[str, Any] = json.loads(path.read_bytes())
        for name, value in values.items():
            values[name] = tuple(value) if isinstance(value, list) else value
        return cls(**values)

    def filled(self, argv: Iterable[str], words: dict[str, str], sources: list[str]) -> list[str]:
        """An argument list with everything in its place."""
        lists = {"{sources}": sources, "{prelude}": self._prelude(sources)}
        made: list[str] = []
        for part in argv:
            if part in lists:
                made += lists[part]
            else:
                made.append(filled_text(part, words))
        return made

    def begins_in(self, text: str) -> bool:
        """Whether a program can begin in a file with this text."""
        pattern = CLASS_MAIN if self.class_entry else self.entry
        return not pattern or re.search(pattern, text, re.MULTILINE) is not None

    def _prelude(self, sources: list[str]) -> list[str]:
        if not self.prelude_file or not os.path.exists(self.prelude_file):
            return []
        return list(self.prelude) if all(map(_takes_prelude, sources)) else []


def filled_text(text: str, words: dict[str, str]) -> str:
    """A text with each ``{word}`` that is known replaced."""
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), text)


def _takes_prelude(source: str) -> bool:
    """Whether headers may be read before the first line: nothing there changes what they mean."""
    text = Path(source).read_text(errors="replace")
    start = re.search(r"^\s*#\s*include\b", text, re.MULTILINE)
    return start is not None and "#" not in text[: start.start()]
