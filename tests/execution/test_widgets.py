"""Widgets in a room, where nobody's browser talks to the kernel: words, and nothing breaks."""

from __future__ import annotations

from typing import Any

from jupyter_codepad.execution.shapes import WIDGET_WORDS, display_output
from tests.execution.test_notebook_runs import notebook
from tests.execution.test_runs import desk, text_of
from tests.support.server import JupyterServer
from tests.support.sync_client import until

# What ipywidgets does, without it: a comm to the page, a view of the model, and messages both ways.
SLIDER = """
from comm import create_comm
from IPython.display import display
slider = create_comm(target_name="jupyter.widget", data={"state": {"value": 0}})
view = {"application/vnd.jupyter.widget-view+json": {"model_id": slider.comm_id}}
display({**view, "text/plain": "IntSlider(value=0)"}, raw=True)
display(view, raw=True)
for value in range(200):
    slider.send({"method": "update", "state": {"value": value}})
slider.close()
print("after")
"""


async def test_a_widget_is_shown_in_words(server: JupyterServer) -> None:
    at = await desk(server)
    run = await at.run(SLIDER)
    assert run["status"] == "ok" and text_of(run) == "after\n"
    first, second, _ = run["outputs"]
    assert first["data"] == {"text/plain": f"IntSlider(value=0)\n{WIDGET_WORDS}"}
    assert second["data"] == {"text/plain": WIDGET_WORDS}
    assert (await at.run("print('goes on')"))["status"] == "ok"


async def test_a_widget_in_a_cell_leaves_words_in_the_file(server: JupyterServer) -> None:
    at = await desk(server, pad_type="notebook", starter_text=SLIDER)
    cell = at.pad.cells()[0]
    answer = await at.ada.api(
        "POST", f"rooms/{at.id}/runs", {"document": "pad", "cell_id": str(cell["id"])}
    )
    assert (await at.screen.end_of(answer.json()["id"]))["status"] == "ok"
    file = server.pad_file(at.room)
    await until(lambda: "IntSlider(value=0)" in file.read_text(), "the words in the file")
    assert 'model_id"' not in file.read_text()


# The real package, as it is used.
SHOWS = """
from IPython.display import display
from ipywidgets import HBox, IntSlider, Output, interact
slider = IntSlider(value=3)
display(slider)
HBox([slider])
"""
INTERACTS = """
@interact(x=(0, 9))
def double(x):
    print('called with', x)
    return 2 * x
"""
COLLECTS = """
out = Output()
display(out)
with out:
    print('printed into it')
    display('shown in it')
out.append_stdout('appended')
"""
GOES_ON = """
from tqdm.auto import tqdm
from tqdm.notebook import tqdm as explicit
assert list(explicit([1], disable=True)) == [1]
for _ in tqdm(range(30), desc='steps'):
    slider.value += 1
slider.observe(lambda change: print('now', change.new), 'value')
slider.value = 7
slider.close()
print('after', slider.value)
"""


async def test_ipywidgets_are_words_and_nothing_breaks(server: JupyterServer) -> None:
    at = await notebook(server)
    cells = await at.set(SHOWS, INTERACTS, COLLECTS, GOES_ON)
    runs = [await at.screen.end_of(run_id) for run_id in await at.run_all(cells)]
    assert [run["status"] for run in runs] == ["ok"] * len(cells)
    await until(lambda: "after 7\n" in at.text(cells[3]), "the last output")

    def shown(cell: str) -> list[str]:
        outputs: list[dict[str, Any]] = at.cell(cell)["outputs"]
        return [output.get("text") or output["data"]["text/plain"] for output in outputs]

    assert shown(cells[0]) == [
        f"{widget}\n{WIDGET_WORDS}"
        for widget in ("IntSlider(value=3)", "HBox(children=(IntSlider(value=3),))")
    ]
    assert shown(cells[1])[:2] == ["called with 4\n", "8"]
    assert shown(cells[1])[2].startswith("interactive(children=(IntSlider(value=4, ")
    assert shown(cells[2]) == [
        f"Output()\n{WIDGET_WORDS}",
        "printed into it\n",
        "'shown in it'",
    ]
    bar, *texts = shown(cells[3])  # the end of the bar's line comes when it comes, as anywhere
    texts = [text for text in texts if text.strip()]
    assert bar.startswith("steps: 100%|") and "".join(texts) == "now 7\nafter 7\n"
    file = server.pad_file(at.room)
    await until(lambda: "now 7" in file.read_text(), "the words in the file")
    assert "model_id" not in file.read_text() and "widget-view" not in file.read_text()


def test_what_cannot_be_shown_is_named() -> None:
    def words(**data: object) -> object:
        return display_output("display_data", {"data": data})["data"].get("text/plain")

    assert words(**{"application/vnd.plotly.v1+json": {}}) == (
        "This cannot be shown in rooms: application/vnd.plotly.v1+json"
    )
    assert len(str(words(**{"x" * 10_000: 1}))) < 200
    assert words(**{"image/png": "iVBO"}) is None and words() is None
    chart = {"application/vnd.vegalite.v5+json": {}, "text/plain": "a chart"}
    assert words(**chart) == (
        "a chart\nThis cannot be shown in rooms: application/vnd.vegalite.v5+json"
    )
