"""Widgets in a room, where nobody's browser talks to the kernel: words, and nothing breaks."""

from __future__ import annotations

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
    assert first["data"] == {"text/plain": "IntSlider(value=0)"}
    assert not any("widget" in mime for mime in second["data"])
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
