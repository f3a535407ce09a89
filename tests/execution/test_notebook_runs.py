"""Cells of a room's notebook: run on the server, whoever looks, moves or deletes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pycrdt import Array, Map, Text

from tests.execution.test_limits import server_with
from tests.execution.test_runs import Desk, desk, screen
from tests.support.files import notebook_in
from tests.support.server import JupyterServer, Person
from tests.support.sync_client import until


class Notebook(Desk):
    """A room with a notebook; its cells are known by their ids."""

    async def set(self, *sources: str) -> list[str]:
        """Put these cells into it."""
        cells = self.pad.cells()
        with self.pad.ydoc.transaction():
            cells.clear()
            for number, source in enumerate(sources):
                cells.append(new_cell(f"cell-{number}", source))
        await until(lambda: self.pad.durable, "the cells on the server")
        return [f"cell-{number}" for number in range(len(sources))]

    def cell(self, cell_id: str) -> dict[str, Any]:
        for cell in self.pad.cells():
            if cell.get("id") == cell_id:
                found: dict[str, Any] = cell.to_py() or {}
                return found
        return {}

    async def run_cell(self, cell_id: str, **wish: Any) -> str:
        body = {"document": "pad", "cell_id": cell_id, **wish}
        answer = await self.ada.api("POST", f"rooms/{self.id}/runs", body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def run_all(self, cell_ids: list[str], **wish: Any) -> list[str]:
        answer = await self.ada.api(
            "POST", f"rooms/{self.id}/runs/batch", {"cell_ids": cell_ids, **wish}
        )
        assert answer.status_code == 202, answer.text
        runs = answer.json()["runs"]
        assert [run["cell_id"] for run in runs] == cell_ids[: len(runs)]
        return [str(run["id"]) for run in runs]

    async def state(self, cell_id: str, wanted: str) -> None:
        def reached() -> bool:
            return bool(self.cell(cell_id).get("execution_state") == wanted)

        await until(reached, f"a cell that is {wanted}", 30)

    def text(self, cell_id: str) -> str:
        outputs = self.cell(cell_id).get("outputs", [])
        return "".join(output.get("text", "") for output in outputs)


def new_cell(cell_id: str, source: str, outputs: list[Any] | None = None) -> Map[Any]:
    return Map(
        {
            "id": cell_id,
            "cell_type": "code",
            "source": Text(source),
            "metadata": Map({}),
            "outputs": Array(outputs or []),
            "execution_count": None,
            "execution_state": "idle",
        }
    )


async def notebook(server: JupyterServer) -> Notebook:
    made = Notebook(server, await server.room(pad_type="notebook", starter_text="1"))
    await made.open()
    return made


async def test_cells_get_their_output_counts_and_answers(server: JupyterServer) -> None:
    at = await notebook(server)
    first, asks, bar = await at.set(
        "print('cell')\n7",
        "input('name? ')",
        "import sys\nfor i in range(2000): sys.stdout.write(f'\\r{i}'); sys.stdout.flush()",
    )
    await at.screen.end_of(await at.run_cell(first))
    await until(lambda: at.cell(first)["execution_count"] == 1, "the count")
    outputs = at.cell(first)["outputs"]
    assert outputs[0]["text"] == "cell\n" and outputs[1]["data"]["text/plain"] == "7"
    run_id = await at.run_cell(asks)
    await until(lambda: at.screen.run(run_id).get("input"), "the question")
    assert at.screen.run(run_id)["cell_id"] == asks
    await at.state(asks, "running")
    path = f"rooms/{at.id}/runs/{run_id}/input"
    assert (await at.ada.api("POST", path, {"text": "Ada"})).status_code == 202
    run = await at.screen.end_of(run_id)
    assert run["answered_by"] == "Ada (guest)" and run["execution_count"] == 2
    await until(lambda: at.cell(asks)["execution_state"] == "idle", "the cell at rest")
    assert at.text(asks) == "name? Ada\n"
    run_id = await at.run_cell(bar)
    await at.screen.end_of(run_id)
    await until(lambda: at.text(bar) == "1999", f"one line, not {at.text(bar)[-100:]!r}")
    answer = await at.olga.api("GET", f"rooms/{at.id}/runs/{run_id}/output")
    assert answer.text == "1999"
    for wrong in ({"document": "pad"}, {"document": "pad", "cell_id": "none"}):
        answer = await at.ada.api("POST", f"rooms/{at.id}/runs", wrong)
        assert answer.status_code in {404, 409}


async def test_running_all_stops_at_the_first_error(server: JupyterServer) -> None:
    at = await notebook(server)
    asks = "if x == 1: input()\nx += 1"
    cells = await at.set("x = 1", asks, "1 / 0", "print('no')")
    runs = await at.run_all(cells, batch="all")
    runs.append(await at.run_cell(cells[3], batch="all"))
    other = await at.run_cell(cells[1])
    for cell in cells[1:]:
        await at.state(cell, "running")
    await until(lambda: at.screen.run(runs[1]).get("input"), "the question", 30)
    path = f"rooms/{at.id}/runs/{runs[1]}/input"
    assert (await at.ada.api("POST", path, {"text": ""})).status_code == 202
    ends = [await at.screen.end_of(run_id) for run_id in runs]
    assert [run["status"] for run in ends] == ["ok", "ok", "error", *["interrupted"] * 2]
    assert "not run" in ends[3]["message"] and "not run" in ends[4]["message"]
    assert (await at.screen.end_of(other))["status"] == "ok"
    await until(lambda: at.cell(cells[3])["execution_state"] == "idle", "the cell at rest")
    assert at.text(cells[3]) == ""


async def test_a_batch_that_cannot_be_run_is_refused_whole(server: JupyterServer) -> None:
    at = await notebook(server)
    [cell] = await at.set("1")
    for wrong, status in (([cell, "none"], 404), ([], 422), ([cell] * 10_001, 422)):
        answer = await at.ada.api("POST", f"rooms/{at.id}/runs/batch", {"cell_ids": wrong})
        assert answer.status_code == status, answer.text
    answer = await at.olga.api("POST", f"rooms/{at.id}/runs/batch", {"cell_ids": [cell]})
    assert answer.status_code == 403, "she watches"
    [run_id] = await at.run_all([cell])
    await at.screen.end_of(run_id)
    assert len(at.screen.runs) == 1


async def test_displays_are_updated_in_other_cells(server: JupyterServer) -> None:
    at = await notebook(server)
    first, second = await at.set(
        "from IPython.display import *\nh = display('one', display_id='d')\nprint('x')",
        "h.update('two')\nprint('y')",
    )
    await at.screen.end_of(await at.run_cell(first))
    await at.screen.end_of(await at.run_cell(second))
    await until(lambda: "two" in str(at.cell(first)["outputs"]), "the other cell's display")
    await until(lambda: at.text(second) == "y\n", "the output after it")
    assert at.text(first) == "x\n"
    assert "two" not in str(at.cell(second)["outputs"])


async def test_a_late_joiner_sees_what_runs(server: JupyterServer) -> None:
    at = await notebook(server)
    [cell] = await at.set("print('on', flush=True)\nimport time\ntime.sleep(60)")
    run_id = await at.run_cell(cell)
    await until(lambda: at.text(cell) == "on\n", "the first line", 30)
    late = await server.guest(at.id, "Late")
    pad, runs = await late.document().connect(), await screen(late, at.id)
    [seen] = pad.cells()
    assert seen["execution_state"] == "running" and str(seen["outputs"][0]["text"]) == "on\n"
    assert runs.run(run_id)["status"] == "running" and runs.kernel["status"] == "busy"
    await at.ada.api("POST", f"rooms/{at.id}/runs/{run_id}/interrupt")
    await until(lambda: seen["execution_state"] == "idle", "the cell at rest")


async def test_a_cell_is_moved_edited_and_deleted_while_it_runs(server: JupyterServer) -> None:
    at = await notebook(server)
    moved, other = await at.set(
        "for i in range(3): print(i, flush=True); input()", "print('other')"
    )
    run_id = await at.run_cell(moved)

    async def answer(text: str) -> None:
        await until(lambda: at.screen.run(run_id).get("input"), "the question", 30)
        path = f"rooms/{at.id}/runs/{run_id}/input"
        assert (await at.ada.api("POST", path, {"text": "x"})).status_code == 202
        await until(lambda: text in at.text(moved), f"{text!r} in {at.text(moved)!r}")

    await answer("x\n1\n")
    cells = at.pad.cells()
    text = at.text(moved)
    output = Map({"output_type": "stream", "name": "stdout", "text": Text(text)})
    with at.pad.ydoc.transaction():  # as editors move cells: a deletion and a copy
        del cells[0]
        cells.append(new_cell(moved, "moved", [output]))
    await until(lambda: at.pad.durable, "the move on the server")
    await answer("x\n2\n")
    assert at.text(moved) == "0\nx\n1\nx\n2\n"
    with at.pad.ydoc.transaction():
        cells[1]["outputs"].clear()
    await until(lambda: at.pad.durable, "the cleared output on the server")
    assert at.text(moved) == ""
    with at.pad.ydoc.transaction():
        del cells[1]
    await until(lambda: at.pad.durable, "the deletion on the server")
    path = f"rooms/{at.id}/runs/{run_id}/input"
    assert (await at.ada.api("POST", path, {"text": "x"})).status_code == 202
    assert (await at.screen.end_of(run_id))["status"] == "ok"
    await at.screen.end_of(await at.run_cell(other))
    await until(lambda: at.text(other) == "other\n", "the other cell's output")
    assert len(at.pad.cells()) == 1


async def leave(*people: Person) -> None:
    for person in people:
        for document in person.documents:
            await document.disconnect()


async def test_a_run_survives_closing_every_browser(tmp_path: Path) -> None:
    options = (
        "cleanup_delay_seconds=0.2",
        "rate_limits={'runs_per_person': '2 per minute'}",
        "run_queue_limit=10",
    )
    async with server_with(tmp_path, *options) as server:
        at = await notebook(server)
        first = "import time\nprint('on', flush=True)\ntime.sleep(2)\nprint('done')\n6 * 7"
        cell, *others = await at.set(first, *["print(_oh[1] + len(In))"] * 79)
        run_id = (await at.run_all([cell, *others]))[-1]
        await until(lambda: at.text(cell).startswith("on\n"), "the first line", 30)
        assert len(at.screen.runs) < 40, "of what waits the next are shown"
        await leave(at.ada, at.olga)
        pad = server.pad_file(at.room)

        def saved() -> list[tuple[Any, str]]:
            cells = notebook_in(pad)["cells"]
            return [(cell["execution_count"], str(cell["outputs"])) for cell in cells]

        await until(
            lambda: [count for count, _ in saved()] == list(range(1, 81)),
            "the output in the file, nobody there",
            60,
        )
        assert "done" in saved()[0][1] and f"{42 + 81}\\n" in saved()[-1][1]
        late = await server.guest(at.id, "Late")
        seen, *_ = (await late.document().connect()).cells()
        assert seen["execution_state"] == "idle" and seen["execution_count"] == 1
        assert str(seen["outputs"][0]["text"]) == "on\ndone\n"
        assert (await screen(late, at.id)).run(run_id)["status"] == "ok"


async def test_a_crash_leaves_no_cell_running(own_server: JupyterServer) -> None:
    at = await notebook(own_server)
    [cell] = await at.set("print('on', flush=True)\nimport time\ntime.sleep(60)")
    run_id = await at.run_cell(cell)
    await until(lambda: at.text(cell) == "on\n", "the first line", 30)
    await own_server.kill9()
    await own_server.start()
    late = await own_server.guest(at.id, "Late", "observer")
    pad, runs = await late.document().connect(), await screen(late, at.id)
    await until(lambda: runs.run(run_id)["status"] == "dead", "the run's end")
    await until(lambda: pad.cells()[0]["execution_state"] == "idle", "the cell at rest")
    assert "restarted" in runs.run(run_id)["message"]


async def test_output_does_not_fill_the_notebook(tmp_path: Path) -> None:
    options = ("notebook_limit_bytes=100000", "run_queue_limit=2", "waiting_cells_limit=5")
    async with server_with(tmp_path, *options) as server:
        at = await notebook(server)
        first, second = await at.set("print('x' * 80_000)", "print('y' * 80_000)")
        await at.screen.end_of(await at.run_cell(first))
        assert (await at.screen.end_of(await at.run_cell(second)))["truncated"]
        at.pad.cells()[1]["source"].insert(0, "# typing goes on\n")
        await until(lambda: at.pad.durable, "there is room left to type")
        taken = await at.run_all([first] * 7)
        assert len(taken) == 5, "as many as there are places for"
        await at.screen.end_of(taken[-1])
        await _what_follows_a_failure_or_a_stop_is_not_run(at)


async def _what_follows_a_failure_or_a_stop_is_not_run(at: Notebook) -> None:
    """Also what the queue has had no place for."""
    fails, waits = await at.set("1 / 0", "import time\ntime.sleep(60)")
    taken = await at.run_all([fails, *[waits] * 4])
    assert (await at.screen.end_of(taken[0]))["status"] == "error"
    alone = await at.run_cell(waits)
    await until(lambda: at.screen.run(alone)["status"] == "running", "the next run, at once", 30)
    for which in (2, 0):  # one that waits for a place, and one that waits in the queue
        taken = await at.run_all([waits] * 5)
        stopped = await at.ada.api("POST", f"rooms/{at.id}/runs/{taken[which]}/interrupt")
        assert (stopped.status_code, stopped.json()["status"]) == (202, "interrupted")
        ended = [
            (await at.ada.api("POST", f"rooms/{at.id}/runs/{one}/interrupt")).json()["status"]
            for one in taken
        ]
        assert ended == ["interrupted"] * 5
    assert at.screen.run(alone)["status"] == "running", "others' runs go on"
    taken = await at.run_all([waits] * 5)
    await at.ada.api("POST", f"rooms/{at.id}/kernel/restart")
    answer = await at.ada.api("POST", f"rooms/{at.id}/runs/{taken[-1]}/interrupt")
    assert answer.json()["message"] == "The kernel was restarted."


async def test_desks_of_files_have_no_cells(server: JupyterServer) -> None:
    at = await desk(server)
    answer = await at.ada.api("POST", f"rooms/{at.id}/runs", {"cell_id": "x"})
    assert answer.status_code == 409
