"""What may not be in a pad is put right, and nothing is looked at without need."""

from __future__ import annotations

from jupyter_ydoc.ynotebook import YNotebook
from nbformat.v4 import new_code_cell, new_notebook
from pycrdt import Array, Map, Text

from jupyter_codepad.sync.tidy import Tidy


def test_what_a_run_says_of_its_cell_has_no_other_cell_looked_at() -> None:
    document = YNotebook()
    document.set(new_notebook(cells=[new_code_cell("1"), new_code_cell("2")]))
    tidy = Tidy(document)
    document.ycells.observe_deep(lambda events: tidy.changed("cells", events))
    tidy.start(now=False)
    cell = document.ycells[0]
    with document.ydoc.transaction():
        cell["execution_state"], cell["execution_count"] = "running", 1
        cell["outputs"].append(Map({"output_type": "stream", "name": "stdout", "text": Text("1")}))
    cell["execution_state"] = "idle"
    del cell["outputs"][0]
    assert not tidy(), "with a thousand cells it took all of the server's time"
    wrongs: list[object] = ["1", -1, {}, []]
    for wrong in wrongs:
        cell["execution_count"] = wrong
        assert tidy() and cell["execution_count"] is None
    del cell["execution_count"]
    assert tidy() and cell["execution_count"] is None
    with document.ydoc.transaction():
        cell["execution_state"], cell["metadata"] = "idle", Map({"trusted": True})
    assert tidy() and "trusted" not in cell["metadata"]
    with document.ydoc.transaction():
        cell["execution_count"] = 2
        document.ycells.append("no cell")
    assert tidy() and len(document.ycells) == 2
    cell["outputs"] = "nothing"
    assert tidy() and isinstance(cell["outputs"], Array)
