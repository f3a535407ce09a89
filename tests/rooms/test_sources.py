"""Rooms whose pad is a copy of a file: what is read, what is kept of it, and what is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import nbformat
import pytest

from jupyter_codepad.errors import Invalid
from jupyter_codepad.execution.recognition import recognise
from jupyter_codepad.rooms.sources import NO_WIDGET, WIDGET_VIEW, cleaned
from tests.support.server import JupyterServer

PYTHON = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
RULES = """
from jupyter_server.auth import Authorizer

class Rules(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "contents"

c = get_config()
c.ServerApp.authorizer_class = Rules
"""


def code(source: str, *outputs: Any, **more: Any) -> dict[str, Any]:
    """A code cell."""
    cell = {"cell_type": "code", "metadata": {}, "source": source, "outputs": list(outputs)}
    return {**cell, "execution_count": None, **more}


def shown(data: dict[str, Any]) -> dict[str, Any]:
    """An output of a display."""
    return {"output_type": "display_data", "metadata": {}, "data": data}


def notebook(*cells: Any, minor: int = 5, **metadata: Any) -> dict[str, Any]:
    """A notebook with these cells."""
    return {"nbformat": 4, "nbformat_minor": minor, "metadata": metadata, "cells": list(cells)}


async def refused(server: JupyterServer, path: str, **wish: Any) -> tuple[int, str]:
    """How the host's wish for a copy of a file is refused."""
    wish = {"title": "Room", "source_path": path, **wish}
    answer = await server.host.api("POST", "rooms", wish)
    assert len(answer.json()["message"]) > 20, answer.text
    return answer.status_code, answer.json()["code"]


async def test_a_copy_of_an_old_notebook_has_ids_and_is_not_trusted(server: JupyterServer) -> None:
    html = shown({"text/html": "<b>kept</b>", "text/plain": "kept"})
    slider = shown({WIDGET_VIEW: {"model_id": "m"}, "text/plain": "IntSlider(value=0)"})
    old = notebook(
        code("x = 1", html, slider, shown({WIDGET_VIEW: {}}), metadata={"trusted": True, "k": 1}),
        {"cell_type": "markdown", "metadata": {}, "source": "# Words"},
        minor=4,
        widgets={"application/vnd.jupyter.widget-state+json": {"state": {"m": {}}}},
        **PYTHON,
    )
    file = server.root_dir / "old.ipynb"
    file.write_text(json.dumps(old))
    trust = await server.host.http.post(f"{server.url}api/contents/old.ipynb/trust")
    assert trust.status_code == 201
    room = await server.room(source_path="old.ipynb")
    assert (room["pad_type"], room["language"]) == ("notebook", "python")
    made = nbformat.reads(server.pad_file(room).read_text(), as_version=4)
    nbformat.validate(made)
    assert "widgets" not in made["metadata"] and made["metadata"]["kernelspec"]["name"] == "python3"
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    first, second = made["cells"]
    assert first["id"] != second["id"] and first["metadata"] == {"k": 1}
    assert [output["data"] for output in first["outputs"]] == [
        html["data"],
        {"text/plain": "IntSlider(value=0)"},
        {"text/plain": NO_WIDGET},
    ]
    opened = await server.host.http.get(f"{server.url}api/contents/{room['pad_path']}")
    assert not opened.json()["content"]["cells"][0]["metadata"].get("trusted")
    pad = await (await server.guest(room["id"])).document().connect()
    assert [str(cell["source"]) for cell in pad.cells()] == ["x = 1", "# Words"]
    assert json.loads(file.read_text())["nbformat_minor"] == 4


async def test_what_cannot_be_copied_is_refused_in_words(server: JupyterServer) -> None:
    root = server.root_dir
    (root / "broken.ipynb").write_text("{not json")
    (root / "empty.ipynb").write_text("")
    (root / "deep.ipynb").write_text("[" * 100_000)
    (root / "list.ipynb").write_text("[]")
    (root / "odd.ipynb").write_text(json.dumps(notebook({"cell_type": "spreadsheet"})))
    (root / "future.ipynb").write_text(json.dumps({**notebook(), "nbformat": 9}))
    for name in ("broken", "empty", "deep", "list", "odd", "future"):
        assert await refused(server, f"{name}.ipynb") == (422, "source_broken"), name
    (root / ".secret.py").write_text("key = 1")
    (root / ".hidden").mkdir()
    (root / ".hidden/file.py").write_text("key = 1")
    assert await refused(server, ".secret.py") == (404, "source_not_found")
    assert await refused(server, ".hidden/file.py") == (404, "source_not_found")
    outside = server.home / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "file.py").write_text("key = 1")
    (root / "bridge.py").symlink_to(outside / "file.py")
    (root / "way").symlink_to(outside)
    for path in ("bridge.py", "way/file.py"):
        assert await refused(server, path) == (422, "source_is_link"), path
    (root / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    assert await refused(server, "photo.png") == (422, "source_not_text")
    (root / "long.py").write_text("#" * 1_000_001)
    assert await refused(server, "long.py") == (413, "document_too_large")
    (root / "julia.ipynb").write_text(
        json.dumps(notebook(kernelspec={"name": "julia-1.11", "language": "julia"}))
    )
    assert await refused(server, "julia.ipynb") == (422, "unknown_language")
    assert await refused(server, "julia.ipynb", language="cobol") == (422, "unknown_language")
    assert await refused(server, "julia.ipynb", language="sql") == (422, "no_notebook")
    rooms = root / "codepad-rooms"
    assert not list(rooms.glob("*/julia.ipynb")) and not list(rooms.glob("*/bridge.py"))


async def test_a_notebook_may_be_larger_than_a_code_file(server: JupyterServer) -> None:
    picture = shown({"image/png": "A" * 1_500_000, "text/plain": "picture"})
    root = server.root_dir
    (root / "large.ipynb").write_text(json.dumps(notebook(code("x", picture))))
    room = await server.room(source_path="large.ipynb")
    assert server.pad_file(room).stat().st_size > 1_500_000
    (root / "huge.ipynb").write_bytes(b" " * 20_000_001)
    assert await refused(server, "huge.ipynb") == (413, "document_too_large")


async def test_who_may_not_read_files_gets_no_copy_of_one(own_server: JupyterServer) -> None:
    server = own_server
    (server.home / "jupyter_config_dir/jupyter_server_config.py").write_text(RULES)
    (server.root_dir / "small.py").write_text("x = 1")
    await server.restart()
    assert await refused(server, "small.py") == (403, "contents_forbidden")
    assert (await server.room())["pad_path"].endswith("main.py")


async def test_a_guest_makes_no_room_and_copies_nothing(server: JupyterServer) -> None:
    (server.root_dir / "secret.py").write_text("key = 1")
    guest = await server.guest((await server.room())["id"])
    for person in (guest, server.person()):
        answer = await person.api("POST", "rooms", {"title": "x", "source_path": "secret.py"})
        assert answer.status_code in {401, 403} and "key = 1" not in answer.text


def test_cells_of_one_id_are_told_apart() -> None:
    cells = [code("a", id="same"), code("b", id="same"), code("c", id="not an id"), code("d", id=3)]
    ids = [cell["id"] for cell in cleaned(notebook(*cells))["cells"]]
    assert ids[0] == "same" and len(set(ids)) == 4
    assert all(len(one) <= 64 and " " not in one for one in ids[1:])


def test_what_a_cell_lacks_is_added() -> None:
    cell = {"cell_type": "code", "source": "x", "id": "a"}
    made = cleaned(notebook(cell))["cells"][0]
    assert (made["outputs"], made["execution_count"], made["metadata"]) == ([], None, {})
    assert cell == {"cell_type": "code", "source": "x", "id": "a"}


@pytest.mark.parametrize(
    ("name", "says", "language"),
    [
        ("main.py", (), "python"),
        ("notes.txt", (), "python"),
        ("a.ipynb", (), "python"),
        ("solve.cc", (), "cpp"),
        ("Main.java", (), "java"),
        ("plot.R", (), "r"),
        ("a.ipynb", ("ipython",), "python"),
        ("a.ipynb", ("Python 3.11",), "python"),
        ("a.ipynb", ("made up", "python3"), "python"),
    ],
)
def test_the_language_of_a_file(name: str, says: tuple[str, ...], language: str) -> None:
    assert recognise(name, says).id == language


@pytest.mark.parametrize("name", ["Julia", "C++"])
def test_a_notebook_that_rooms_cannot_run_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match=re.escape(f"notebook in {name}. Rooms have notebooks in Py")):
        recognise("a.ipynb", (name,))
