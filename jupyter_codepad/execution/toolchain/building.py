"""Building a program, unless it has been built already."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .processes import end_everything, spawn
from .recipe import CLASS_MAIN, Recipe, filled_text

KEPT_BUILDS = 4
FILES_LIMIT = 500
BYTES_LIMIT = 32 * 1024 * 1024
MESSAGES_LIMIT = 100_000
LOOK_SECONDS = 0.005
A_WHILE_SECONDS = 0.7
MESSAGES = "messages"


class NotBuilt(Exception):
    """There is no program to run; the message says why, in one line."""


class Builder:
    """Builds what is in the current folder, with a recipe.

    ``tools``: the folder of the kernel's own files; ``cache``: where builds are kept;
    ``interrupted``: whether somebody wants it to end; ``told``: called with true when compiling
    takes a while, then with false at its end.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        tools: Path,
        cache: Path,
        interrupted: Callable[[], bool],
        told: Callable[[bool], None],
    ) -> None:
        self._recipe = recipe
        self._tools = tools
        self._cache = cache
        self._interrupted = interrupted
        self._told = told

    def build(self, main: str, say: Callable[[str], None]) -> list[str]:
        """How to start what begins in the file ``main``; ``say`` gets the compiler's words.

        Raises ``NotBuilt``.
        """
        recipe = self._recipe
        if not recipe.compile:
            return recipe.filled(recipe.run, self._words(main, None), [main])
        files = program_files(main, recipe.suffixes)
        sources = self._sources(main, files)
        out = self._cache / self._key(main, files)
        words = self._words(main, out)
        if (out / MESSAGES).exists():
            os.utime(out)
            say((out / MESSAGES).read_text())
        else:
            self._compile(recipe.filled(recipe.compile, words, sources), out, say)
        return recipe.filled(recipe.run, words, sources)

    def _words(self, main: str, out: Path | None) -> dict[str, str]:
        words = {
            "main": main,
            "stem": Path(main).stem,
            "base": str(Path(main).with_suffix("")),
            "out": str(out),
            "tools": str(self._tools),
            "python": sys.executable,
        }
        if self._recipe.class_entry:
            words["entry"] = entry_class(Path(main).read_text(errors="replace"), words["stem"])
        return words

    def _sources(self, main: str, files: list[str]) -> list[str]:
        """The main file and all others that do not begin a program of their own."""
        others = [f for f in files if f != main and f.endswith(self._recipe.sources)]
        if self._recipe.entry:
            begins = re.compile(self._recipe.entry, re.MULTILINE)
            others = [f for f in others if not begins.search(Path(f).read_text(errors="replace"))]
        return [main, *others]

    def _key(self, main: str, files: list[str]) -> str:
        digest = hashlib.sha256(self._recipe.to_json() + main.encode())
        for file in files:
            content = Path(file).read_bytes()
            digest.update(f"\0{file}\0{len(content)}\0".encode(errors="surrogateescape"))
            digest.update(content)
        return digest.hexdigest()[:32]

    def _compile(self, argv: list[str], out: Path, say: Callable[[str], None]) -> None:
        self._make_room()
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        status, output = self._run(argv)
        said = self._readable(output, out)
        say(said)
        if status != 0:
            shutil.rmtree(out, ignore_errors=True)
            raise NotBuilt("interrupted" if self._interrupted() else "the program does not compile")
        (out / MESSAGES).write_text(said)

    def _run(self, argv: list[str]) -> tuple[int, bytes]:
        """Run a compiler; its exit status and what it printed."""
        log = self._cache / "log"
        with log.open("w+b") as file, open(os.devnull, "rb") as nothing:
            try:
                process = spawn(
                    argv,
                    self.environment,
                    (nothing.fileno(), file.fileno(), file.fileno()),
                )
            except OSError as error:
                raise NotBuilt(f"{argv[0]} cannot be started: {error.strerror}") from error
            started, is_told = time.monotonic(), False
            while (status := process.poll()) is None:
                if self._interrupted():
                    break
                took = time.monotonic() - started
                if took > A_WHILE_SECONDS and not is_told:
                    is_told = True
                    self._told(True)
                if took > self._recipe.compile_seconds:
                    process.signal(signal.SIGKILL)
                    end_everything()
                    limit = f"{self._recipe.compile_seconds:g} s"
                    raise NotBuilt(f"stopped: compiling took longer than {limit}")
                time.sleep(LOOK_SECONDS)
            process.signal(signal.SIGKILL)
            end_everything()
            if is_told:
                self._told(False)
            file.seek(0)
            return (1 if status is None else status), file.read(MESSAGES_LIMIT)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of compilers and programs."""
        words = {"tools": str(self._tools), "tmp": str(self._cache.parent)}
        own = self._recipe.environment.items()
        return {**os.environ, **{name: filled_text(value, words) for name, value in own}}

    def _readable(self, output: bytes, out: Path) -> str:
        """What a compiler says, with files as people know them."""
        text = output.decode(errors="replace").replace("\r\n", "\n")
        text = text.replace(f"{os.getcwd()}/", "").replace(f"{out}/", "")
        text = re.sub(r"/tmp/\w+\.(o|s)\b:? ?", "", text)  # noqa: S108 - a pattern
        if self._recipe.noise:
            noise = re.compile(self._recipe.noise)
            text = "".join(x for x in text.splitlines(keepends=True) if not noise.match(x))
        return text

    def _make_room(self) -> None:
        """Remove the oldest builds."""
        self._cache.mkdir(parents=True, exist_ok=True)
        builds = [path for path in self._cache.iterdir() if path.is_dir()]
        builds.sort(key=lambda path: path.stat().st_mtime)
        for old in builds[: max(0, len(builds) - KEPT_BUILDS + 1)]:
            shutil.rmtree(old, ignore_errors=True)


def program_files(main: str, suffixes: tuple[str, ...]) -> list[str]:
    """Files below the current folder that may belong to a program, in a fixed order.

    Raises ``NotBuilt`` when they are too many.
    """
    found, total = [], 0
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.normpath(os.path.join(folder, name))
            if path != main and not name.endswith(suffixes):
                continue
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            found.append(path)
            total += os.path.getsize(path)
            if len(found) > FILES_LIMIT or total > BYTES_LIMIT:
                raise NotBuilt(f"there are more than {FILES_LIMIT} source files, or too large ones")
    return found


def entry_class(source: str, stem: str) -> str:
    """The class of a Java file whose ``main`` is to run, with its package."""
    package = re.search(r"^\s*package\s+([\w.]+)\s*;", source, re.MULTILINE)
    kinds = r"\b(?:class|record|enum|interface)\s+(\w+)"
    names = re.findall(kinds, source)
    begin = re.search(CLASS_MAIN, source)
    above = re.findall(kinds, source[: begin.start()]) if begin else []
    name = stem if stem in names else (above or names or [stem])[-1]
    return f"{package[1]}.{name}" if package else name
