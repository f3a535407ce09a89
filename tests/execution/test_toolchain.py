"""Parts of the toolchain kernel, and what is found on a machine, without running anything."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Array, Doc

from jupyter_codepad.errors import Unavailable
from jupyter_codepad.execution import kernelspecs
from jupyter_codepad.execution.conversation import COMPILING, Conversation
from jupyter_codepad.execution.helpers.run_sql import statements, table
from jupyter_codepad.execution.installed import find_program, is_installation, rustup_program
from jupyter_codepad.execution.language_table import Library
from jupyter_codepad.execution.languages import LANGUAGES, installed
from jupyter_codepad.execution.libraries import CompiledLibrary
from jupyter_codepad.execution.models import Run
from jupyter_codepad.execution.offer import LanguageOffer
from jupyter_codepad.execution.outputs import OutputCollector
from jupyter_codepad.execution.preludes import Prelude
from jupyter_codepad.execution.prepared import Tool, tidy
from jupyter_codepad.execution.questions import Questions
from jupyter_codepad.execution.run_document import RunDocument
from jupyter_codepad.execution.sandbox import Sandbox
from jupyter_codepad.execution.shapes import Message
from jupyter_codepad.execution.toolchain.building import NotBuilt, entry_class, program_files
from jupyter_codepad.execution.toolchain.recipe import Recipe
from jupyter_codepad.execution.toolchain.stream_text import StreamText, hidden_folder
from jupyter_codepad.execution.tools import run_tool
from tests.execution.test_languages import LOG, kernel_with, run
from tests.support.box import processes_named
from tests.support.sync_client import until

PROJECT = Path(__file__).parent.parent.parent


def test_a_recipe_survives_its_way_into_the_sandbox(tmp_path: Path) -> None:
    for language in LANGUAGES.values():
        for chain in language.toolchains:
            (tmp_path / "recipe.json").write_bytes(chain.recipe.to_json())
            assert Recipe.from_file(tmp_path / "recipe.json") == chain.recipe


def test_the_class_that_begins_a_java_program() -> None:
    main = "static void main"
    assert entry_class(f"class Main {{ {main} }}", "Main") == "Main"
    assert entry_class(f"class A {{}} class B {{ {main} }} class C {{}}", "x") == "B"
    assert entry_class(f"package a.b;\npublic class X {{ {main} }}", "X") == "a.b.X"
    assert entry_class("", "Main") == "Main"


def test_files_of_a_program_are_no_links_and_not_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.c", "a.c", "sub/c.c", ".hidden/d.c", "e.txt"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("")
    Path("link.c").symlink_to("/etc/passwd")
    assert program_files("a.c", (".c",)) == ["a.c", "b.c", "sub/c.c"]
    for number in range(500):
        Path(f"n{number}.c").write_text("")
    with pytest.raises(NotBuilt, match="more than 500"):
        program_files("a.c", (".c",))


def test_the_sandboxs_own_folder_is_left_out_of_text_in_whatever_pieces_it_comes() -> None:
    assert hidden_folder("/room") == "" and hidden_folder("/tmp/box-ab/room") == "/tmp/box-ab"
    said = "at f (/tmp/box-ab/room/main.js:3)\r\n/tmp/box-/tmp/box-ab/tmp/é /tmp/box-a".encode()
    seen = "at f (/room/main.js:3)\n/tmp/box-/tmp/é /tmp/box-a"
    for first in range(len(said) + 1):
        for second in range(first, len(said) + 1):
            text = StreamText("/tmp/box-ab")
            pieces = [said[:first], said[first:second], said[second:]]
            shown = "".join(text.take(piece) for piece in pieces) + text.take(b"", last=True)
            assert shown == seen, pieces
    prompt = StreamText("/tmp/box-ab")
    assert (prompt.take(b"where? /"), prompt.settle(), prompt.take(b"!")) == ("where? ", "/", "!")
    plain = StreamText()
    assert plain.take(said[:30]) + plain.take(said[30:]) == said.decode().replace("\r", "")
    assert (plain.take(b"a\r"), plain.settle(), plain.take(b"\n")) == ("a", "", "\n")


def test_sql_statements_know_their_lines() -> None:
    script = (
        "SELECT 1; SELECT\n 2;\n\n-- a; comment\nSELECT ';';\n"
        "CREATE TRIGGER t AFTER INSERT ON a\nBEGIN SELECT 1; END;\nSELECT"
    )
    assert [line for line, _ in statements(script)] == [1, 1, 5, 6, 8]
    assert table(["a", "b"], [(1, "x"), (10, None)]) == " a | b\n---+-----\n 1 | x\n10 | NULL"


def test_only_installations_are_shown_never_what_is_a_persons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home" / "ada"
    monkeypatch.setenv("HOME", str(home))
    for folder in (home, home.parent, home / ".local", home / ".cargo", Path("/"), Path("/opt")):
        assert not is_installation(folder), folder
    for folder in (home / ".nvm/versions/node/v20", Path("/opt/jdk-21"), home / "tools/go/1.22"):
        assert is_installation(folder), folder
    assert not is_installation(Path("/home/bob/tools/go/1.22")), "somebody else's"
    program = home / ".local" / "bin" / "codepad-thing"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (home / ".local" / "secret").write_text("")
    monkeypatch.setenv("PATH", str(program.parent))
    found = find_program("codepad-thing")
    assert found is not None and found.visible == program, "the one file, nothing beside it"
    assert find_program("nothing-of-the-kind") is None


def test_rustup_stands_for_its_default_toolchain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "toolchains" / "stable-x" / "bin" / "rustc"
    real.parent.mkdir(parents=True)
    real.write_text("")
    (tmp_path / "rustup").write_text("")
    (tmp_path / "rustc").symlink_to("rustup")
    monkeypatch.setenv("RUSTUP_HOME", str(tmp_path))
    (tmp_path / "rustup").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert rustup_program(tmp_path / "rustc") is None, "no default is chosen"
    assert find_program("rustc") is None
    (tmp_path / "settings.toml").write_text('default_toolchain = "stable-x"\n')
    assert rustup_program(tmp_path / "rustc") == real
    found = find_program("rustc")
    assert found is not None and found.visible == real.parent.parent
    assert rustup_program(Path(sys.executable)) is None


def spec_at(folder: Path, argv: list[str]) -> None:
    folder.mkdir(parents=True)
    values = {"argv": argv, "display_name": "Own", "language": "bash"}
    values["env"] = {"PLAIN": "yes", "SECRET": "${CODEPAD_TEST_SECRET}"}  # type: ignore[assignment]
    (folder / "kernel.json").write_text(json.dumps(values))


def test_kernelspecs_bring_nothing_of_the_server_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("CODEPAD_TEST_SECRET", "the secret")
    spec_at(tmp_path / "kernels" / "own", ["bash", "{resource_dir}/run", "{connection_file}"])
    spec_at(tmp_path / "kernels" / "gone", ["/nothing/here", "{connection_file}"])
    languages, broken = kernelspecs.offered_languages(["own", "gone", "none", "x" * 40])
    assert [(x.id, x.file_name, x.notebook) for x in languages] == [("kernel:own", "main.sh", True)]
    assert sorted(broken) == ["gone", "none", "x" * 40]
    start = kernelspecs.spec_start("own")
    assert start.argv == ("bash", f"{tmp_path}/kernels/own/run", "{connection_file}")
    assert dict(start.environment) == {"PLAIN": "yes"}
    assert kernelspecs.spec_folders(["own", "none"]) == [tmp_path / "kernels" / "own"]
    with pytest.raises(Unavailable):
        kernelspecs.spec_start("none")


async def test_a_tool_that_hangs_is_ended_with_all_that_it_has_started() -> None:
    hangs = ("sh", "-c", "sleep 31337 & setsid sleep 31338 & echo; wait")
    left = ("sleep 31337", "sleep 31338")

    def none_left() -> bool:
        return not any(processes_named(mark) for mark in left)

    with pytest.raises(TimeoutError):
        await run_tool(hangs, seconds=0.5)
    await until(none_left, "the end of all")
    running = asyncio.create_task(run_tool(hangs, seconds=60))
    await until(lambda: all(processes_named(mark) for mark in left), "all that it starts")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(none_left, "the end of all")
    for turns in range(20):
        starting = asyncio.create_task(run_tool(hangs, seconds=60))
        for _ in range(turns):  # turns of the loop, not time
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    await until(none_left, "the end of all")
    assert await run_tool(("sh", "-c", 'exit "${HOME:-3}"'), seconds=60) == 3, "nothing of ours"
    assert await run_tool(("sh", "-c", "exit $N"), seconds=60, environment={"N": "4"}) == 4
    with pytest.raises(OSError, match="nowhere"):
        await run_tool(("/nowhere",), seconds=60, cwd=Path("/nowhere"))


async def test_headers_are_read_once_for_programs_that_begin_with_them(tmp_path: Path) -> None:
    found = installed(LANGUAGES["cpp"])
    assert found is not None
    chain = dataclasses.replace(found.toolchain, prelude="#include <string>\n")
    folder = tmp_path / "preludes"
    folder.mkdir()
    prelude = Prelude.of(dataclasses.replace(found, toolchain=chain), folder)
    assert prelude is not None
    await prelude.build(LOG)
    made = os.stat(prelude.built).st_mtime_ns
    await prelude.build(LOG)
    assert os.stat(prelude.built).st_mtime_ns == made, "once"
    code = '#include <cstdio>\nint main() { std::string s = "with"; std::puts(s.c_str()); }\n'
    async with kernel_with(prelude.applied(found), visible=[folder]) as kernel:
        assert (await run(kernel, code)).text() == "with\n"
        assert "string" in (await run(kernel, "#define A\n" + code)).text("stderr"), "left out"


async def test_a_library_is_compiled_once_for_all_rooms_and_no_room_can_change_it(
    tmp_path: Path,
) -> None:
    found = installed(LANGUAGES["go"])
    if found is None:
        pytest.skip("Go is not installed")
    folder = tmp_path / "prepared"
    folder.mkdir()
    library = Library(("go", "build", "container/heap"), "GOCACHE", "not/compiled")
    chain = dataclasses.replace(found.toolchain, library=library)
    wanted = CompiledLibrary.of(dataclasses.replace(found, toolchain=chain), folder)
    assert wanted is not None
    old = folder / ("0" * 16)
    old.mkdir()
    Tool(str(Path(sys.executable)), 1, 1).note(old)
    await asyncio.gather(wanted.build(LOG), wanted.build(LOG))
    made = os.stat(wanted.built).st_ctime_ns
    await wanted.build(LOG)
    assert os.stat(wanted.built).st_ctime_ns == made, "once"
    names = sorted(path.name for path in folder.iterdir())
    assert names == [wanted.built.name, f"{wanted.built.name}.json"], "nothing else is left"
    before = {path: path.stat().st_mtime_ns for path in wanted.built.rglob("*")}
    code = (
        'package main\n\nimport "fmt"\nimport "os"\n\nfunc main() {\n'
        '\tcache := os.Getenv("READY_GOCACHE")\n\t_, err := os.ReadDir(cache)\n'
        '\tfmt.Println(err)\n\tfmt.Println(os.WriteFile(cache+"/00/x", nil, 0666))\n}\n'
    )
    async with kernel_with(wanted.applied(found), visible=[folder]) as kernel:
        said = (await run(kernel, code)).text().splitlines()
    assert said[0] == "<nil>", "it is there"
    assert "read-only file system" in said[1] or "permission denied" in said[1]
    assert {path: path.stat().st_mtime_ns for path in wanted.built.rglob("*")} == before
    ready = dataclasses.replace(library, ready="bin/*")
    chain = dataclasses.replace(found.toolchain, library=ready)
    assert CompiledLibrary.of(dataclasses.replace(found, toolchain=chain), folder) is None


def test_what_is_of_no_use_any_more_is_removed_and_nothing_else(tmp_path: Path) -> None:
    program = tmp_path / "go"
    program.write_text("version 1")
    folder, days = tmp_path / "prepared", 24 * 3600.0
    ages = {"new": 0.0, "used": 20 * days, "unused": 40 * days, "tmp": 0.0, "tmp-left": 2 * days}
    places = {name: folder / f"{number:016x}" for number, name in enumerate(ages)}
    places |= {name: folder / name for name in ages if name.startswith("tmp")}
    places["unknown"] = folder / ("a" * 16)
    for name, place in places.items():
        place.mkdir(parents=True)
        (place / "content").write_text("x")
        if name in {"new", "used", "unused"}:
            Tool.of(program).note(place)
        then = time.time() - ages.get(name, 0.0)
        os.utime(place, (then, then))
    (folder / "link").symlink_to(program)
    then = time.time() - 2 * days
    os.utime(folder / "link", (then, then), follow_symlinks=False)
    tidy(folder)
    kept = {name for name, place in places.items() if place.exists()}
    assert kept == {"new", "used", "tmp", "unknown"}
    assert sorted(path.stem for path in folder.glob("*.json")) == ["0" * 16, "0" * 15 + "1"]
    assert program.read_text() == "version 1" and not (folder / "link").is_symlink()
    program.write_text("version 1.1")
    tidy(folder)
    assert {name for name, place in places.items() if place.exists()} == {"tmp", "unknown"}
    assert not list(folder.glob("*.json")), "what an older version has made"


async def test_compiling_that_takes_a_while_is_told_once() -> None:
    found = installed(LANGUAGES["bash"])
    assert found is not None
    slow = dataclasses.replace(found.toolchain.recipe, compile=("sleep", "2"))
    chain = dataclasses.replace(found.toolchain, recipe=slow)
    heard: list[Message] = []
    async with kernel_with(dataclasses.replace(found, toolchain=chain)) as kernel:
        await kernel.execute("echo compiled", heard.append)
        told = [m for m in heard if m["msg_type"] in {COMPILING, "stream"}]
        assert [m["content"].get("compiling") for m in told] == [True, False, None]
        now = datetime.now(UTC)
        fields: dict[str, Any] = dict.fromkeys(Run.model_fields)
        fields |= dict.fromkeys(("id", "document", "participant_id", "participant_name"), "x")
        run = Run.model_validate({**fields, "status": "running", "queued_at": now, "message": ""})
        [entry] = RunDocument(Doc(), keep=1, keep_bytes=1000).add([run], "#000")
        collector = OutputCollector(entry, limit_bytes=1000, on_truncated=lambda: None)
        talk = Conversation(collector, Questions(entry, collector, kernel, None), entry)
    changes: list[Any] = []
    entry.doc.observe(changes.append)
    shown = entry.doc.get("runs", type=Array)[0]
    for compiling in (False, "x", 1, True):
        talk.hear({"msg_type": COMPILING, "content": {"compiling": compiling}})
    assert shown["compiling"] == 1
    for number in range(100):
        talk.hear({"msg_type": COMPILING, "content": {"compiling": number % 2 == 1}})
    assert shown["compiling"] == 0
    assert len(changes) == 2, "code could send them without end"


async def test_a_busy_machine_is_no_reason_to_miss_a_language() -> None:
    offer = LanguageOffer(
        sandbox=Sandbox(log=LOG), allowed=lambda: False, kernelspecs=(), prepared=None, log=LOG
    )
    offer.start()
    try:
        offer._note_versions("c\t0\tgcc 12.2.0\nbash\t124\t\nsql\t1\tno such thing\n")
        by_id = {one.language.id: one for one in await offer.standings()}
        assert by_id["c"].version == "12.2.0" and by_id["c"].missing is None
        assert by_id["bash"].version is None and by_id["bash"].missing is None
        assert "no such thing" in str(by_id["sql"].missing)
    finally:
        await offer.stop()


def test_the_doctor_says_what_can_be_run() -> None:
    command = [sys.executable, "-m", "jupyter_codepad.cli", "doctor"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    bare = [*command, "--CodepadApp.sandboxes=bubblewrap"]
    environment = {**os.environ, "PATH": "/nowhere"}
    with (
        subprocess.Popen([*command, "--json"], **pipes, cwd=PROJECT) as here,
        subprocess.Popen(bare, **pipes, cwd=PROJECT, env=environment) as elsewhere,
    ):
        said, errors = here.communicate()
        words, _ = elsewhere.communicate()
    assert here.returncode == 0, errors
    found = json.loads(said)
    assert found["sandbox"]["available"] and found["sandbox"]["name"] == "bubblewrap"
    by_id = {one["id"]: one for one in found["languages"]}
    assert by_id.keys() == LANGUAGES.keys()
    assert by_id["python"]["version"] and by_id["sql"]["version"] and by_id["bash"]["version"]
    assert elsewhere.returncode == 1 and "bubblewrap is not installed" in words
    assert "✗ Go" in words and "apt-get install" in words
