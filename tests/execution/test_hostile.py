"""The library of hostile programs, on every rung of the ladder; ``hostile/`` says what must happen.

A program's first lines say what it does and what must come of it. ``expect:`` the last line that it
prints, a regular expression, or ``killed`` with a part of the words about the kernel's end, or
either. Where a rung differs ``expect <rung>:``, and ``expect <rung> as an ordinary user:`` for a
gap that is known and written down. ``where: kernel``: it runs in the kernel itself; ``leaves:`` a
process that it starts, and that must be gone when the kernel is.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from jupyter_codepad.execution.kernels import KernelDied
from jupyter_codepad.execution.probe import targets
from tests.support.box import Box, processes_named, wait_until, working

PROGRAMS = sorted((Path(__file__).parent / "hostile").iterdir())
MIB = 1024 * 1024
SUCCESS = re.compile(r"^(succeeded|read|linked|connected|opened|found|seen|forged)\b", re.MULTILINE)
COMMANDS = {
    ".py": "[sys.executable, '-I', '-S', path]",
    ".sh": "['bash', path]",
    ".pl": "['perl', path]",
    ".js": "['node', path]",
    ".c": "['./a.out']",
}
RUN = """
import base64, os, select, signal, subprocess, sys, zlib
def codepad_run(name, text, variables):
    path = os.path.join(os.environ['TMPDIR'], name)
    if name.endswith('.c'):
        open('a.out', 'wb').write(zlib.decompress(base64.b85decode(text)))
        os.chmod('a.out', 0o700)
    else:
        open(path, 'w').write(text)
    variables = {**os.environ, **variables}
    with subprocess.Popen(COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=variables, start_new_session=True) as p:
        out, over = b'', False
        # What it leaves behind may keep the pipe open.
        while not over:
            over = p.poll() is not None
            while select.select([p.stdout], [], [], 0.01)[0] and (block := p.stdout.read1(65536)):
                out = (out + block)[-2000:]
        p.stdout.close()
    print(out.decode(errors='replace'))
"""
CLEAN = """
import shutil
%s
for codepad_place in (os.environ['TMPDIR'], os.environ['CODEPAD_ROOM'], '/dev/shm'):
    try: codepad_names = os.listdir(codepad_place)
    except OSError: continue
    for codepad_name in codepad_names:
        codepad_path = os.path.join(codepad_place, codepad_name)
        if os.path.isdir(codepad_path) and not os.path.islink(codepad_path):
            shutil.rmtree(codepad_path, ignore_errors=True)
        else:
            try: os.remove(codepad_path)
            except OSError: pass
"""


class Program:
    """A hostile program and what is said about it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text()
        self.says: dict[str, str] = {}
        for line in self.text.splitlines():
            found = re.match(r"(?:#|//) ([a-z][a-z -]*): (.*)", line)
            if found is None and not line.startswith(("#", "//")):
                break
            if found is not None:
                self.says[found.group(1)] = found.group(2)

    def expected(self, box: Box) -> str:
        """What must come of it here."""
        names = [f"expect {box.name}", "expect"]
        if not box.as_root:
            names.insert(0, f"expect {box.name} as an ordinary user")
        return next(self.says[name] for name in names if name in self.says)


pytestmark = pytest.mark.apart

RUNGS = ("bubblewrap", "landlock")
"""Without /proc there is less of the same: the attacks of ``test_sandbox`` are made there too."""


@pytest.fixture(scope="module", params=RUNGS)
def arena(request: pytest.FixtureRequest) -> Iterator[tuple[Box, dict[str, str]]]:
    """A kernel for all programs, with small limits, and what they are after."""
    limits = {"memory_limit_bytes": 300 * MIB, "process_limit": 48, "disk_limit_bytes": 24 * MIB}
    before = os.environ.get("CODEPAD_TEST_SECRET")
    os.environ["CODEPAD_TEST_SECRET"] = "hunter2"
    box = working(request.param, **limits)
    with targets() as wish:
        try:
            variables = {f"T_{key.upper()}": str(value) for key, value in wish.items()}
            yield box, variables
            assert Path(wish["secret"]).read_text() == "secret"
            assert Path(wish["secret"]).parent.stat().st_mode & 0o777 == 0o755
        finally:
            box.close()
            if before is None:
                del os.environ["CODEPAD_TEST_SECRET"]
    leaves = [Program(path).says.get("leaves", "") for path in PROGRAMS]
    for mark in filter(None, leaves):
        wait_until(lambda mark=mark: processes_named(mark) == [], f"the end of {mark}")


def run(box: Box, program: Program, variables: dict[str, str]) -> str:
    """Run a program to its end; what it printed."""
    if program.says.get("where") == "kernel":
        return box.run(program.text)
    code = RUN.replace("COMMAND", COMMANDS[program.path.suffix])
    text = built(program.path) if program.path.suffix == ".c" else program.text
    wish = (program.path.name, text, variables)
    return box.run(f"{code}\ncodepad_run(*{wish!r})")


@cache
def built(path: Path) -> str:
    """A C program, compiled, as text."""
    with TemporaryDirectory() as folder:
        subprocess.run(["gcc", "-w", "-s", "-o", f"{folder}/a.out", path, "-lrt"], check=True)
        return base64.b85encode(zlib.compress(Path(folder, "a.out").read_bytes())).decode()


def outcome(box: Box, program: Program, variables: dict[str, str]) -> tuple[str, str]:
    """What a program printed, or the words about the end of its kernel."""
    try:
        return run(box, program, variables), ""
    except KernelDied as error:
        return "", str(error)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_a_hostile_program(arena: tuple[Box, dict[str, str]], path: Path) -> None:
    box, variables = arena
    program = Program(path)
    expected = program.expected(box)
    expected, _, killed = expected.removesuffix('"').partition('killed "')
    expected = expected.removesuffix(" or ")
    said, words = outcome(box, program, variables)
    if words:
        assert killed and re.search(killed, words), words
        assert box.run("print('again')") == "again\n"
        return
    assert expected, f"it was not ended, and said {said}"
    lines = said.strip().splitlines() or [""]
    assert re.match(expected, lines[-1]), said
    if expected != "succeeded":
        assert SUCCESS.search(said) is None, said
    end_rest = "" if "leaves" in program.says else "os.kill(-1, signal.SIGKILL)"
    clean = CLEAN % f"try: {end_rest or 'pass'}\nexcept OSError: pass"
    assert box.run(f"import os, signal\n{clean}\nprint('still here')") == "still here\n"


def test_there_are_enough_programs_in_enough_languages() -> None:
    assert len(PROGRAMS) >= 40
    assert {path.suffix for path in PROGRAMS} == set(COMMANDS)
    for path in PROGRAMS:
        says = Program(path).says
        assert "expect" in says and path.read_text().splitlines()[0].endswith("."), path.name
        known = {"expect", "where", "leaves"}
        assert all(key in known or key.startswith("expect ") for key in says), path.name
