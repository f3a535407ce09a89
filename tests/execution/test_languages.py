"""Every language that this machine has: real programs, in a real sandbox."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jupyter_codepad.execution.files import FileLimits, FileSync
from jupyter_codepad.execution.kernels import RoomKernel
from jupyter_codepad.execution.languages import (
    LANGUAGES,
    Installed,
    installed,
    toolchain_folders,
    toolchain_start,
)
from jupyter_codepad.execution.sandbox import Sandbox
from jupyter_codepad.execution.toolchain.recipe import Recipe
from tests.execution.programs import PROGRAMS
from tests.support.sync_client import until

LOG = logging.getLogger(__name__)
REQUIRED = frozenset(
    ("javascript", "typescript", "c", "cpp", "java", "go", "ruby", "php", "perl", "lua", "bash")
    + ("sql", "r")
)
"""What `make setup-test` installs: without one of them the tests fail."""
GROUPS = (
    ("cpp", "perl", "lua"),
    ("java", "bash", "sql"),
    ("typescript", "ruby", "tcl"),
    ("rust", "javascript", "php"),
    ("go", "c", "r"),
    ("csharp", "pascal"),
)


@dataclass
class Console:
    """What somebody sees of a run, and answers."""

    kernel: RoomKernel
    answers: list[str]
    shown: list[tuple[str, str]] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    error: str = ""
    status: str = ""

    def hear(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            self.shown.append((content["name"], content["text"]))
        elif message["msg_type"] == "error":
            self.error = content["evalue"]

    async def ready(self) -> None:
        """There is always room for more."""

    def lost(self) -> None:
        raise AssertionError("some of the output has not come")

    def asked(self, prompt: str, password: bool) -> None:
        assert (prompt, password) == ("", False), "what is asked stands in the output"
        self.questions.append(self.text())
        self.kernel.answer(self.answers.pop(0) if self.answers else "\x04")

    def text(self, *names: str) -> str:
        return "".join(text for name, text in self.shown if name in (names or ("stdout", "stderr")))


@cache
def sandbox() -> Sandbox:
    """One for all: where the server is root each kernel gets a user of its own from it."""
    return Sandbox(log=LOG, visible=toolchain_folders())


async def run(
    kernel: RoomKernel,
    code: str,
    *answers: str,
    stdin: str | None = None,
    main: str | None = None,
    file: str | None = None,
) -> Console:
    console = Console(kernel, list(answers))
    reply = await kernel.execute(code, console, stdin=stdin, main=main, file=file)
    console.status = str(reply["status"])
    return console


@asynccontextmanager
async def kernel_of(language_id: str, folder: Path | None = None) -> AsyncIterator[RoomKernel]:
    found = installed(LANGUAGES[language_id])
    if found is None:
        assert language_id not in REQUIRED, f"{language_id} has to be installed for the tests"
        pytest.skip(f"{language_id} is not installed here")
    async with kernel_with(found, folder) as kernel:
        yield kernel


@asynccontextmanager
async def kernel_with(
    found: Installed | None, folder: Path | None = None, visible: Sequence[Path] = ()
) -> AsyncIterator[RoomKernel]:
    """A kernel for a toolchain; for none it is Python's."""
    box = sandbox() if not visible else Sandbox(log=LOG, visible=tuple(visible))
    if not box.status.available:
        await box.probe()
    assert box.status.available, box.status.reason
    kernel = RoomKernel(sandbox=box, log=LOG, start=toolchain_start(found) if found else None)
    await kernel.start()
    try:
        if folder is not None:
            limits = FileLimits(files=50, total_bytes=1024 * 1024)
            assert await FileSync(folder, limits, log=LOG, executor=None).bring_in(kernel) == ""
        yield kernel
    finally:
        await kernel.shutdown()


def test_the_table_is_sound() -> None:
    modes = {language.editor_mode for language in LANGUAGES.values()}
    files = [language.file_name for language in LANGUAGES.values()]
    assert len(modes) == len(set(files)) == len(files) == 18
    assert {"python", *PROGRAMS} == set(LANGUAGES) == {"python", *sum(GROUPS, ())}
    for language in LANGUAGES.values():
        assert language.starter_text.strip() and language.starter_text.endswith("\n"), language.id
        assert language.comment and language.indent in (2, 4, "tab")


def test_what_has_to_be_installed_is() -> None:
    assert {name for name in REQUIRED if installed(LANGUAGES[name]) is None} == set()


@pytest.mark.parametrize("group", GROUPS, ids="-".join)
async def test_real_programs(group: tuple[str, ...]) -> None:
    there = [name for name in group if installed(LANGUAGES[name]) is not None]
    absent = sorted(set(group) - set(there))
    await asyncio.gather(*(check_here(name) for name in there))
    if absent:
        pytest.skip(f"not installed here: {', '.join(absent)}")


async def check_here(name: str) -> None:
    async with kernel_of(name) as kernel:
        await check(name, kernel)


async def check(name: str, kernel: RoomKernel) -> None:
    """See that programs of a language do what they should in its kernel."""
    language, programs = LANGUAGES[name], PROGRAMS[name]
    started = time.monotonic()
    first = await run(kernel, language.starter_text)
    building = time.monotonic() - started
    assert "Hello" in first.text("stdout") and first.status == "ok", (name, first)
    compiled = bool(installed_recipe(name).compile)
    for _ in range(20 if compiled else 1):
        started = time.monotonic()
        again = await run(kernel, language.starter_text)
        assert again.text("stdout") == first.text("stdout"), (name, again)
        if not compiled or time.monotonic() - started < building:
            break
    else:
        raise AssertionError(f"{name} was built again")
    if programs.asks:
        await check_input(name, kernel, programs.asks)
    failed = await run(kernel, programs.fails)
    assert programs.fails_at in failed.text("stderr"), (name, failed)
    assert "/tmp" not in failed.text(), (name, failed)
    assert failed.status == "error", (name, failed)
    assert failed.error, name
    ended = await run(kernel, programs.exits)
    assert "out" in ended.text("stdout") and "err" in ended.text("stderr"), (name, ended)
    assert ended.error == ("exit status 1" if name == "sql" else "exit status 3"), (name, ended)
    await check_interrupt(name, kernel, programs.loops)


def installed_recipe(name: str) -> Recipe:
    found = installed(LANGUAGES[name])
    assert found is not None
    return found.toolchain.recipe


async def check_input(name: str, kernel: RoomKernel, code: str) -> None:
    asked = await run(kernel, code, "Ada", "41")
    assert "Hello Ada, 42!\n" in asked.text("stdout"), (name, asked)
    questions = [re.findall(r"\w+\? $", question) for question in asked.questions]
    assert questions == [["Name? "], ["Number? "]], (name, asked.questions)
    assert "\r" not in asked.text() and "41" not in asked.text(), f"{name} echoes what is typed"
    given = await run(kernel, code, stdin="Bob\n6\n")
    assert "Hello Bob, 7!\n" in given.text("stdout"), (name, given)
    assert given.status == "ok" and not given.questions, (name, given)


async def check_interrupt(name: str, kernel: RoomKernel, code: str) -> None:
    console = Console(kernel, [])
    running = asyncio.ensure_future(kernel.execute(code, console))
    try:
        await until(lambda: "on" in console.text("stdout"), f"the loop in {name}", 30)
        interrupted = time.monotonic()
        kernel.interrupt()
        reply = await asyncio.wait_for(running, 20)
    finally:
        running.cancel()
    assert (reply["status"], console.error) == ("error", "interrupted"), (name, console)
    assert time.monotonic() - interrupted < 10, f"{name} heeds an interrupt"


async def test_all_files_of_the_folder_make_one_program(tmp_path: Path) -> None:
    files = {
        "greet.h": "const char *greet(void);\n",
        "greet.c": '#include "greet.h"\nconst char *greet(void) { return "from another file"; }\n',
        "sub/other.c": '#include <stdio.h>\nint main(void) { puts("other"); }\n',
        "notes.txt": "not a program\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    main = '#include <stdio.h>\n#include "greet.h"\nint main(void) { puts(greet()); }\n'
    async with kernel_of("c", tmp_path) as kernel:
        assert (await run(kernel, main)).text() == "from another file\n"
        other = await run(kernel, main, file="main.c", main="sub/other.c")
        assert other.text() == "other\n", "the chosen file is where it begins"
        named = await run(kernel, main, file="named.c")
        assert named.text() == "from another file\n"
        assert "no file “none.c”" in (await run(kernel, main, main="none.c", file="a.c")).error
        missing = await run(kernel, main.replace("greet()", "greet(1)"))
        assert "main.c:3:" in missing.text("stderr") and missing.error
        for path in ("../main.c", "/etc/main.c", "sub/../../main.c"):
            assert "not in this folder" in (await run(kernel, main, main=path)).error


async def test_java_finds_the_class_that_begins(tmp_path: Path) -> None:
    (tmp_path / "Greeter.java").write_text(
        'class Greeter {\n    static String greet() { return "from another file"; }\n}\n'
    )
    code = (
        "package room.program;\nclass Helper {}\nrecord Point(int x) {}\nclass Begin {\n"
        "    public static void main(String[] a) { System.out.println(new Point(7)); }\n}\n"
    )
    async with kernel_of("java", tmp_path) as kernel:
        assert (await run(kernel, code)).text() == "Point[x=7]\n"
        code = (
            "class Main {\n    public static void main(String[] a) {\n"
            "        System.out.println(Greeter.greet());\n    }\n}\n"
        )
        assert (await run(kernel, code)).text() == "from another file\n"


async def test_nothing_of_a_program_outlives_its_run() -> None:
    leave = (
        "(setsid sleep 1000 &) ; setsid bash -c 'trap \"\" INT TERM HUP; sleep 1001' & disown\n"
        "sleep 1002 &\necho left\n"
    )
    count = 'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline 2>/dev/null; echo; done\n'
    async with kernel_of("bash") as kernel:
        assert (await run(kernel, leave)).text("stdout") == "left\n"
        assert "sleep" not in (await run(kernel, count)).text("stdout")


async def test_how_a_program_ended_is_said_in_words() -> None:
    async with kernel_of("c") as kernel:
        crash = "int main(void) { volatile int *p = 0; return *p; }\n"
        assert (await run(kernel, crash)).error == "Segmentation fault (signal 11)"
        much = (
            "#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\nint main(void) {\n"
            "    for (int i = 0; i < 6; i++)\n"
            "        if (!fork()) { memset(malloc(100 << 20), 1, 100 << 20); pause(); }\n"
            "    pause();\n}\n"
        )
        assert (await run(kernel, much)).error == "stopped: used more than 512 MB"
        assert (await run(kernel, crash)).error, "the kernel is there still"


async def test_input_is_what_was_given_to_the_last_byte() -> None:
    code = (
        "#include <stdio.h>\nint main(void) {\n    int n = 0, last = 0, c;\n"
        '    while ((c = getchar()) != EOF) { n++; last = c; }\n    printf("%d %d", n, last);\n}\n'
    )
    async with kernel_of("c") as kernel:
        for text in ("", "a", "a\r\n\x03\x04\n", "é" * 30_000):
            bytes_given = text.encode()
            last = bytes_given[-1] if bytes_given else 0
            given = await run(kernel, code, stdin=text)
            assert given.text() == f"{len(bytes_given)} {last}"
        line = "x" * 9000
        asked = await run(kernel, code, line, "short")
        assert asked.text() == f"{len(line) + len('short') + 2} 10"
        assert len(asked.questions) == 3, "two lines, and the end"


async def test_a_program_that_does_not_wait_is_not_asked() -> None:
    code = "sleep 0.3\necho one\nsleep 0.3\nread -r line < <(sleep 0.2; echo own)\necho $line\n"
    async with kernel_of("bash") as kernel:
        console = await run(kernel, code)
        assert console.text() == "one\nown\n" and console.questions == []


async def test_a_flood_of_output_comes_in_pieces_and_in_order() -> None:
    code = "for i in $(seq 1 20000); do echo line $i; done; echo end >&2\n"
    async with kernel_of("bash") as kernel:
        console = await run(kernel, code)
        assert console.text("stdout").splitlines() == [f"line {i}" for i in range(1, 20001)]
        assert console.text("stderr") == "end\n"
        assert all(len(text) <= 64 * 1024 for _, text in console.shown)
        assert len(console.shown) < 1000
