"""What a pad can be in, and how everybody in the room goes on when that changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pycrdt import Array, Map

from jupyter_codepad.execution.languages import LANGUAGES
from tests.execution.test_limits import server_with
from tests.execution.test_runs import Desk, desk, screen, text_of
from tests.support.files import notebook_in
from tests.support.server import JupyterServer, Person
from tests.support.sync_client import until


async def change(person: Person, room_id: str, language: str, **wish: Any) -> Any:
    return await person.api("POST", f"rooms/{room_id}/language", {"language": language, **wish})


async def test_the_pad_goes_on_in_another_language_for_everybody(server: JupyterServer) -> None:
    at = await desk(server)
    bob = await server.guest(at.id, "Bob")
    other = await bob.document().connect()
    lab = await server.host.lab_document(at.room["pad_path"])
    assert text_of(await at.run("print('python')")) == "python\n"
    answer = await change(at.ada, at.id, "bash", starter=True)
    assert answer.status_code == 200 and answer.json()["language"] == "bash", answer.text
    starter = LANGUAGES["bash"].starter_text
    for client in (at.pad, other, lab):
        await until(lambda client=client: str(client.text) == starter, "the new starter")  # type: ignore[misc]
    await until(lambda: at.screen.kernel["status"] == "off", "the end of its kernel")
    room = (await server.host.api("GET", f"rooms/{at.id}")).json()
    assert room["pad_path"].endswith("/main.sh")
    assert not server.pad_file(at.room).exists()
    other.type("echo more\n")
    lab.type("echo from lab\n")
    path = lab.ydoc.get("state", type=Map)
    await until(lambda: path.get("path") == room["pad_path"], "the new name in JupyterLab")
    await until(lambda: {"more", "lab"} <= set(str(at.pad.text).split()), "both on the server")
    run = await at.screen.end_of(await at.start(None, by=bob))
    assert text_of(run).startswith("Hello, room!\n") and "from lab" in text_of(run)
    await until(lambda: "echo more" in server.pad_file(room).read_text(), "the file is written")
    assert not server.pad_file(at.room).exists(), "under its old name it does not come back"
    log = (await server.host.api("GET", f"rooms/{at.id}/activity")).json()["activity"]
    noted = next(entry for entry in log if entry["detail"].get("language"))
    assert (noted["kind"], noted["detail"]["language"]) == ("room_changed", "bash")
    assert noted["actor"] == "Ada (guest)"


async def test_what_somebody_has_written_stays(server: JupyterServer) -> None:
    room = await server.room(starter_text="mine\n")
    ada = await server.guest(room["id"])
    assert (await change(ada, room["id"], "c")).status_code == 200
    assert (await change(ada, room["id"], "java")).status_code == 200
    pad = await ada.document().connect()
    assert str(pad.text) == "mine\n"
    now = (await server.host.api("GET", f"rooms/{room['id']}")).json()
    assert now["pad_path"].endswith("/Main.java")
    untouched = await server.room()
    await change(server.host, untouched["id"], "c")
    opened = await server.host.document(room_id=untouched["id"]).connect()
    assert str(opened.text) == LANGUAGES["c"].starter_text, "nobody had written anything"


async def test_a_file_of_a_persons_own_keeps_its_name(server: JupyterServer) -> None:
    (server.root_dir / "solver.py").write_text("mine\n")
    room = await server.room(source_path="solver.py")
    answer = await change(server.host, room["id"], "cpp")
    assert answer.json()["pad_path"].endswith("/solver.cpp")


async def test_a_run_begins_in_the_pads_file_or_in_the_one_it_names(server: JupyterServer) -> None:
    code = (
        'public class {} {{\n    static String name() {{ return "solver"; }}\n'
        "    {} {{\n        {};\n    }}\n}}\n"
    )
    begins, prints = "public static void main(String[] a)", "System.out.println({})"
    (server.root_dir / "Solver.java").write_text(
        code.format("Solver", begins, prints.format("name()"))
    )
    room = await server.room(source_path="Solver.java", language="java")
    at = await Desk(server, room).open()
    run = await at.screen.end_of(await at.start())
    assert text_of(run) == "solver\n", run
    other = code.format("Other", begins, prints.format('"other, " + Solver.name()'))
    server.pad_file(room).with_name("Other.java").write_text(other)
    for name, said in (("Other.java", "other, solver\n"), ("None.java", "")):
        wish = {"document": "pad", "main": name}
        answer = await at.ada.api("POST", f"rooms/{room['id']}/runs", wish)
        assert answer.status_code == 202, answer.text
        run = await at.screen.end_of(answer.json()["id"])
        assert text_of(run) == said, run
    assert "no file “None.java”" in run["outputs"][-1]["evalue"]


async def test_who_and_what_is_refused(server: JupyterServer) -> None:
    room = await server.room()
    olga = await server.guest(room["id"], "Olga", "observer")
    assert (await change(olga, room["id"], "c")).status_code == 403
    assert (await change(server.host, room["id"], "klingon")).status_code == 422
    other = await server.guest((await server.room())["id"])
    assert (await change(other, room["id"], "c")).status_code == 401
    taken = server.pad_file(room).with_name("main.c")
    taken.write_text("somebody's\n")
    answer = await change(server.host, room["id"], "c")
    assert (answer.status_code, answer.json()["code"]) == (409, "file_exists")
    assert taken.read_text() == "somebody's\n" and server.pad_file(room).exists()
    now = (await server.host.api("GET", f"rooms/{room['id']}")).json()
    assert (now["language"], now["pad_path"]) == ("python", room["pad_path"])


async def test_a_notebook_stays_with_kernels_that_have_notebooks(server: JupyterServer) -> None:
    room = await server.room(pad_type="notebook")
    answer = await change(server.host, room["id"], "cpp")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_notebook")
    wish = {"title": "x", "pad_type": "notebook", "language": "cpp"}
    assert (await server.host.api("POST", "rooms", wish)).status_code == 422


async def test_languages_are_listed_with_versions_for_users_only(server: JupyterServer) -> None:
    async def listed() -> dict[str, dict[str, Any]]:
        answer = await server.host.api("GET", "languages")
        return {one["id"]: one for one in answer.json()["languages"]}

    known = await listed()
    assert list(known) == list(LANGUAGES)
    assert known["python"]["available"] and known["python"]["notebook"]
    assert known["go"]["indent"] == "tab" and known["lua"]["comment"] == "--"
    for one in known.values():
        assert one["available"] != bool(one["missing"]), one
    while (known := await listed())["sql"]["version"] is None:
        continue  # the request itself waits
    assert all(one["version"] for one in known.values() if one["available"])
    guest = await server.guest((await server.room())["id"])
    answer = await guest.api("GET", f"rooms/{guest.room_id}/languages")
    assert [one["id"] for one in answer.json()["languages"]] == list(LANGUAGES)
    assert all("version" not in x and x["missing"] is None for x in answer.json()["languages"])


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with what a sandbox needs, and one language that needs more than some have."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("mcs", "mono"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    for name in ("bwrap", "setsid", "prlimit", "setpriv", "sh"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return str(folder)


async def test_what_is_missing_is_said_and_offered_kernels_run(
    tmp_path: Path, bare_path: str
) -> None:
    options = ("kernelspecs=python3", "kernelspecs=nothing", "sandboxes=bubblewrap-without-proc")
    async with server_with(tmp_path, *options, path=bare_path) as server:
        known = (await server.host.api("GET", "languages")).json()["languages"]
        by_id = {one["id"]: one for one in known}
        assert by_id["c"]["available"] is False and "apt-get install gcc" in by_id["c"]["missing"]
        assert by_id["csharp"]["available"] is False and "needs /proc" in by_id["csharp"]["missing"]
        answer = await server.host.api("POST", "rooms", {"title": "x", "language": "csharp"})
        assert (answer.status_code, answer.json()["code"]) == (503, "language_unavailable")
        assert "needs /proc" in answer.json()["message"]
        room = await server.room()
        answer = await change(server.host, room["id"], "c")
        assert (answer.status_code, answer.json()["code"]) == (503, "language_unavailable")
        assert "apt-get install" in answer.json()["message"]
        assert by_id["kernel:python3"]["available"] and "kernel:nothing" not in by_id
        assert "kernelspec nothing cannot be offered" in server.log
        answer = await change(server.host, room["id"], "kernel:python3")
        assert answer.json()["pad_path"].endswith("/main.py"), answer.text
        ada = await server.guest(room["id"])
        pad = await ada.document().connect()
        pad.text.clear()
        pad.type("import os\nprint(6 * 7, os.listdir('/root') if os.path.exists('/root') else '')")
        await until(lambda: pad.durable, "the code on the server")
        shown = await screen(ada, room["id"])
        run = await ada.api("POST", f"rooms/{room['id']}/runs", {"document": "pad"})
        ended = await shown.end_of(run.json()["id"])
        assert ended["status"] == "ok" and text_of(ended).startswith("42"), ended
        wish = {"document": "pad", "main": "main.py"}
        answer = await ada.api("POST", f"rooms/{room['id']}/runs", wish)
        assert answer.json()["code"] == "no_main_file", "such a kernel runs what it is sent"
        await a_notebook_goes_on_in_another_kernel(server)


async def a_notebook_goes_on_in_another_kernel(server: JupyterServer) -> None:
    room = await server.room(pad_type="notebook", starter_text="x = 6 * 7\nprint(x)")
    ada = await server.guest(room["id"])
    pad, shown = await ada.document().connect(), await screen(ada, room["id"])
    cell = str(pad.ydoc.get("cells", type=Array)[0]["id"])
    run = {"document": "pad", "cell_id": cell}
    answer = await ada.api("POST", f"rooms/{room['id']}/runs", run)
    await shown.end_of(answer.json()["id"])
    answer = await change(ada, room["id"], "kernel:python3")
    assert answer.json()["language"] == "kernel:python3" and answer.json()["pad_type"] == "notebook"
    await until(lambda: shown.kernel["status"] == "off", "the end of its kernel")
    cells = pad.ydoc.get("cells", type=Array)
    await until(lambda: cells[0]["execution_count"] == 1, "the cell as it was")
    assert str(cells[0]["source"]) == "x = 6 * 7\nprint(x)" and len(cells[0]["outputs"]) == 1
    source = cells[0]["source"]
    source += "\nprint('again')"
    await until(lambda: pad.durable, "the cell on the server")
    answer = await ada.api("POST", f"rooms/{room['id']}/runs", run)
    assert (await shown.end_of(answer.json()["id"]))["status"] == "ok"
    file = server.pad_file(room)
    await until(lambda: "again" in str(notebook_in(file)["cells"]), "the file")
    metadata = notebook_in(file)["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert metadata["kernelspec"]["display_name"] == "Python 3 (ipykernel)"
    assert metadata["language_info"] == {"name": "python"}
