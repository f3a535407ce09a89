"""A notebook that was changed outside, while people work in its cells."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from jupyter_ydoc.ynotebook import YNotebook

from jupyter_codepad.sync.content import built, first_history, outside_change

STREAM = {"output_type": "stream", "name": "stdout", "text": "printed\n"}


def notebook(*sources: str, ids: bool = True) -> dict[str, Any]:
    made = nbformat.v4.new_notebook()
    made["cells"] = [nbformat.v4.new_code_cell(s, id=f"c{n}") for n, s in enumerate(sources)]
    if not ids:
        made["nbformat_minor"] = 4
        for cell in made["cells"]:
            del cell["id"]
    content: dict[str, Any] = made
    return content


class Shared:
    """A notebook in a room, and its file."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.base = [first_history("notebook", content)]
        self.live: YNotebook = built("notebook", self.base)

    def write_outside(self, content: dict[str, Any]) -> list[str]:
        """Another program writes the file; returns the sources of the live cells then."""
        ydoc = self.live.ydoc
        update = outside_change("notebook", [self.base], ydoc.get_update(), content).update
        assert update is not None
        ydoc.apply_update(update)
        return [str(cell["source"]) for cell in self.live.ycells]

    def replace(self, cell: int, old: str, new: str) -> None:
        """Somebody types over something."""
        source = self.live.ycells[cell]["source"]
        at = str(source).index(old)
        with self.live.ydoc.transaction():
            del source[at : at + len(old)]
            source.insert(at, new)


@pytest.mark.parametrize("ids", [True, False])
def test_what_is_erased_and_typed_in_the_same_cell_stays_so(*, ids: bool) -> None:
    shared = Shared(notebook("a\nb\nc\n", "other", ids=ids))
    shared.replace(0, "b\n", "")
    shared.replace(0, "a", "A")
    assert shared.write_outside(notebook("a\nb\nc\nd\n", "other", ids=ids)) == [
        "A\nc\nd\n",
        "other",
    ]


@pytest.mark.parametrize("ids", [True, False])
def test_a_cell_is_the_same_when_only_its_outputs_are_others(*, ids: bool) -> None:
    shared = Shared(notebook("print(1)", "other", ids=ids))
    shared.replace(0, "1", "12")
    ran = notebook("print(1)", "other", ids=ids)
    ran["cells"][0]["outputs"] = [STREAM]
    ran["cells"][0]["execution_count"] = 3
    assert shared.write_outside(ran) == ["print(12)", "other"]
    cell = shared.live.get()["cells"][0]
    assert cell["outputs"] == [STREAM] and cell["execution_count"] == 3


def test_only_a_cell_that_is_moved_is_written_anew() -> None:
    shared = Shared(notebook("zero", "one", "two"))
    shared.replace(1, "one", "ONE")
    shared.replace(2, "two", "TWO")
    moved = notebook("zero", "one", "two")
    moved["cells"].append(moved["cells"].pop(0))
    assert shared.write_outside(moved) == ["ONE", "TWO", "zero"]


def test_cells_without_ids_are_found_by_their_sources() -> None:
    shared = Shared(notebook("zero", "one", "two", ids=False))
    shared.replace(0, "zero", "ZERO")
    shared.replace(2, "two", "TWO")
    content = notebook("zero", "new", "one", "two", ids=False)
    assert shared.write_outside(content) == ["ZERO", "new", "one", "TWO"]
    del content["cells"][2]
    shared = Shared(notebook("zero", "new", "one", "two", ids=False))
    shared.replace(3, "two", "TWO")
    assert shared.write_outside(content) == ["zero", "new", "TWO"]


def test_a_cell_of_another_type_and_metadata_come_over() -> None:
    shared = Shared(notebook("# title", "other"))
    shared.replace(1, "other", "OTHER")
    content = notebook("# title", "other")
    content["cells"][0] = nbformat.v4.new_markdown_cell("# title", id="c0")
    content["cells"][1]["metadata"]["tags"] = ["kept"]
    content["metadata"]["title"] = "T"
    assert shared.write_outside(content) == ["# title", "OTHER"]
    got = shared.live.get()
    assert got["cells"][0]["cell_type"] == "markdown"
    assert got["cells"][1]["metadata"] == {"tags": ["kept"]}
    assert got["metadata"]["title"] == "T"
