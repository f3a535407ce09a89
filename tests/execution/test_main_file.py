"""The file that runs begin in: chosen for the whole room, in Python as in compiled languages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jupyter_codepad.execution.languages import LANGUAGES
from jupyter_codepad.execution.main_files import Programs
from tests.execution.test_runs import desk, plain, text_of
from tests.support.server import JupyterServer, Person
from tests.support.sync_client import until

PAD = (
    "def name():\n    return 'pad 1'\n\n\nif __name__ == '__main__':\n    print('the pad itself')\n"
)
OTHER = (
    "import sys\n"
    "from pathlib import Path\n"
    "from main import name\n"
    "import beside\n"
    "print(name(), beside.WORD, Path(__file__).name, sys.argv)\n"
    "if input('fail? ') == 'yes':\n"
    "    1 / 0\n"
)


async def offered(person: Person, room_id: str) -> Any:
    answer = await person.api("GET", f"rooms/{room_id}/main-file")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def choose(person: Person, room_id: str, path: str | None) -> Any:
    return await person.api("PUT", f"rooms/{room_id}/main-file", {"main_file": path})


async def test_one_chooses_and_everybody_runs_that_file(server: JupyterServer) -> None:
    at = await desk(server, starter_text=PAD)
    bob = await server.guest(at.id, "Bob")
    folder = server.pad_file(at.room).parent
    assert await offered(at.ada, at.id) == {"main_file": None, "files": ["main.py"]}
    (folder / "sub").mkdir()
    (folder / "sub" / "solve.py").write_text(OTHER)
    (folder / "sub" / "beside.py").write_text("WORD = 'one'")
    (folder / "data.csv").write_text("1")
    files = ["main.py", "sub/beside.py", "sub/solve.py"]
    assert await offered(at.ada, at.id) == {"main_file": None, "files": files}
    answer = await choose(at.ada, at.id, "sub/solve.py")
    assert answer.status_code == 200 and answer.json()["main_file"] == "sub/solve.py", answer.text
    run_id = await at.start(by=bob)
    await until(lambda: at.screen.run(run_id).get("input"), "the question of the other file", 30)
    assert at.screen.run(run_id)["main"] == "sub/solve.py"
    await bob.api("POST", f"rooms/{at.id}/runs/{run_id}/input", {"text": "no"})
    run = await at.screen.end_of(run_id)
    assert text_of(run).splitlines()[0] == "pad 1 one solve.py ['sub/solve.py']", run

    # What somebody has typed or saved meanwhile is what runs, also of what was imported.
    at.write(PAD.replace("pad 1", "pad 2"))
    (folder / "sub" / "beside.py").write_text("WORD = 'two'")
    await until(lambda: at.pad.durable, "the code on the server")
    wish = {"document": "pad", "stdin": "yes"}
    answer = await bob.api("POST", f"rooms/{at.id}/runs", wish)
    run = await at.screen.end_of(answer.json()["id"])
    assert text_of(run).startswith("pad 2 two"), run
    error = "".join(run["outputs"][-1]["traceback"])
    assert "ZeroDivisionError" in error and "File sub/solve.py, line 7" in plain(error)

    once = await bob.api("POST", f"rooms/{at.id}/runs", {"document": "pad", "main": "main.py"})
    run = await at.screen.end_of(once.json()["id"])
    assert (text_of(run), run["main"]) == ("the pad itself\n", None)
    (folder / "sub" / "solve.py").unlink()
    run = await at.screen.end_of(await at.start())
    assert run["status"] == "error"
    assert "no file “sub/solve.py”" in run["outputs"][-1]["evalue"]
    assert (await choose(bob, at.id, None)).json()["main_file"] is None
    (folder / "helper.py").write_text("def fail():\n    return 1 / 0\n")
    run = await at.run(PAD + "__import__('helper').fail()\n")
    assert text_of(run) == "the pad itself\n"
    error = plain("".join(run["outputs"][-1]["traceback"]))
    assert "File main.py, line 7" in error and "File helper.py, line 2" in error


async def test_who_may_choose_and_what(server: JupyterServer) -> None:
    room = await server.room(starter_text="pass\n")
    ada = await server.guest(room["id"])
    olga = await server.guest(room["id"], "Olga", "observer")
    folder = server.pad_file(room).parent
    for name in ("other.py", "main.c"):
        (folder / name).write_text("int main(void) {}")
    secret = server.root_dir / "secret.py"
    secret.write_text("SECRET = 1")
    (folder / "link.py").symlink_to(secret)
    assert (await offered(ada, room["id"]))["files"] == ["main.py", "other.py"]
    assert (await olga.api("GET", f"rooms/{room['id']}/main-file")).status_code == 403
    assert (await choose(olga, room["id"], "other.py")).status_code == 403
    for path, status in (
        ("none.py", 404),
        ("main.c", 404),
        ("link.py", 404),
        ("../secret.py", 422),
        ("/etc/passwd", 422),
    ):
        assert (await choose(ada, room["id"], path)).status_code == status, path
    assert (await choose(ada, room["id"], "other.py")).status_code == 200
    await ada.api("POST", f"rooms/{room['id']}/language", {"language": "bash"})
    assert (await offered(ada, room["id"])) == {"main_file": None, "files": ["main.sh"]}

    notebook = await server.room(pad_type="notebook")
    cem = await server.guest(notebook["id"])
    assert (await offered(cem, notebook["id"]))["files"] == []
    answer = await choose(cem, notebook["id"], "other.py")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_main_file")
    wish = {"document": "pad", "cell_id": "x", "main": "other.py"}
    answer = await cem.api("POST", f"rooms/{notebook['id']}/runs", wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_main_file")


async def test_everybody_is_told_of_programs_that_come_and_go(server: JupyterServer) -> None:
    room = await server.room(starter_text="pass\n")
    ada = await server.guest(room["id"])
    pad = await ada.document().connect()
    folder = server.pad_file(room).parent
    assert (await offered(ada, room["id"]))["files"] == ["main.py"]

    def told() -> int:
        return pad.events.count({"type": "files"})

    (folder / "data.csv").write_text("1")
    (folder / "other.py").write_text("print(2)")
    await until(lambda: told() == 1, "the news of a program")
    assert (await offered(ada, room["id"]))["files"] == ["main.py", "other.py"]
    (folder / "other.py").write_text("print(3)  # still the same list")
    (folder / "other.py").rename(folder / "renamed.py")
    await until(lambda: told() == 2, "the news of its other name")
    assert (await offered(ada, room["id"]))["files"] == ["main.py", "renamed.py"]
    (folder / "more.py").write_text("print(4)")
    bob = await server.guest(room["id"], "Bob")
    assert (await offered(bob, room["id"]))["files"] == ["main.py", "more.py", "renamed.py"]
    await until(lambda: told() == 3, "the news, also when somebody else has seen it first")


async def test_what_lies_where_the_pad_goes_stops_no_run(server: JupyterServer) -> None:
    at = await desk(server)
    for trap in (
        "os.mkfifo('main.py')",
        "os.symlink('/dev/zero', 'main.py')",
        "os.mkdir('main.py')",
    ):
        run = await at.run(
            f"import os\nif os.path.lexists('main.py'):\n    os.remove('main.py')\n{trap}"
        )
        assert run["status"] == "ok", run
        assert text_of(await at.run("print('goes on')\nimport os, stat\n")) == "goes on\n"


def test_programs_are_files_that_one_can_begin_in(tmp_path: Path) -> None:
    texts = {
        "main.c": "int main(void) { return 0; }",
        "tests/check.c": '#include "help.h"\nint\nx; int main(int n) {}\nvoid main(void) {}',
        "help.c": "int help(void) { return domain(1); }",
        "help.h": "int help(void);",
        ".hidden/main.c": "int main(void) {}",
        "Main.java": "class Main { public static void main(String[] a) {} }",
        "Help.java": "class Help {}",
        "b.rs": "mod help;\nfn main() {}",
        "help.rs": "fn helper() {}",
        "deep/er/x.py": "",
        "bad\nname.py": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    os.mkfifo(tmp_path / "pipe.c")

    def found(language: str, folder: Path = tmp_path) -> list[str]:
        programs = Programs(folder, LANGUAGES[language])
        programs.look()
        return programs.paths

    assert found("c") == ["main.c", "tests/check.c"]
    assert (found("java"), found("rust")) == (["Main.java"], ["b.rs"])
    assert found("python") == ["deep/er/x.py"] and found("lua") == []
    assert found("c", tmp_path / "none") == []
    c = Programs(tmp_path, LANGUAGES["c"])
    c.look()
    (tmp_path / "main.c").unlink()
    (tmp_path / "help.c").write_text("int main(void) { return help(); }")
    c.look()
    assert c.paths == ["help.c", "tests/check.c"]
