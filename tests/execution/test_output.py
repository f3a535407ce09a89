"""What becomes of output: as a terminal shows it, bounded, and never at the others' cost."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from pycrdt import Array, Doc, Map

from jupyter_codepad.execution.models import Run, RunStatus
from jupyter_codepad.execution.pace import BATCH_SECONDS, FLOOD_BATCH_SECONDS, Pace
from jupyter_codepad.execution.run_document import RunDocument, RunEntry
from jupyter_codepad.execution.terminal import Terminal, overwritten, restyled
from jupyter_codepad.sync.history import Limits
from jupyter_codepad.sync.shared_document import SharedDocument
from jupyter_codepad.sync.turns import Turns
from jupyter_codepad.sync.update_log import UpdateLog
from tests.execution.test_limits import server_with
from tests.execution.test_notebook_runs import notebook
from tests.execution.test_runs import Desk, desk, text_of
from tests.support.server import JupyterServer
from tests.support.sync_client import until

PIECES = (
    *("a", "bc", "é😀", "\n", "\r", "\b", "\t", "\r\n", "\x07", "\x1b"),
    *("\x1b[A", "\x1b[2A", "\x1b[B", "\x1b[E", "\x1b[F", "\x1b[5C", "\x1b[2D", "\x1b[3G"),
    *("\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[J", "\x1b[2J", "\x1b[H", "\x1b[3;4H"),
    *("\x1b[31m", "\x1b[1;44m", "\x1b[0m", "\x1b[38;5;0m", "\x1b[?25l", "\x1b]0;title\x07"),
    *("line\n" * 70, "long" * 3000),
)


def shown(*pieces: str) -> str:
    """What a text is after all edits."""
    terminal, text = Terminal(), b""
    for piece in pieces:
        edit = terminal.feed(piece)
        assert 0 <= edit.drop <= len(text)
        text = text[: len(text) - edit.drop] + edit.text.encode()
    return text.decode()


def look(text: str) -> list[tuple[str, str]]:
    """Each character with its colours: these can be written in several ways."""
    found, style = [], ""
    for number, part in enumerate(re.split(r"\x1b\[([0-9;]*)m", text)):
        if number % 2:
            style = restyled(style, part)
        else:
            found += [(character, style if character != "\n" else "") for character in part]
    return found


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("10%\r20%\r100%", "100%"),
        ("abc\rX", "Xbc"),
        ("abc\b\bX", "aXc"),
        ("one\r\ntwo\n", "one\ntwo\n"),
        ("a\nb\nc\n\x1b[2A\x1b[2Kx\n", "a\nx\nc\n"),
        ("a\nb\nc\n\x1b[3A\x1b[Jz", "z"),
        ("a\nb\x1b[H\x1b[2Jc", "c"),
        ("ab\x1b[5Gx", "ab  x"),
        ("\x1b[31mred\x1b[0m plain\r\x1b[32mg", "\x1b[0;32mg\x1b[0;31med\x1b[0m plain"),
        ("\x1b[31mas it is\x1b[0m\nx\ry", "\x1b[31mas it is\x1b[0m\ny"),
        ("\x1b[1m\x1b[31mx\x1b[22my", "\x1b[1m\x1b[31mx\x1b[22my"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1b[?25lz\x07", "link z"),
        ("\x1b[999999999999Ax\x1b[99999999Cy", "x" + " " * 999 + "y"),
    ],
)
def test_control_characters_do_what_they_do_in_a_terminal(output: str, text: str) -> None:
    assert shown(output) == text


def test_how_output_is_cut_into_pieces_makes_no_difference() -> None:
    for seed in range(300):
        chance = random.Random(seed)
        output = "".join(chance.choices(PIECES[:-2], k=chance.randint(1, 40)))
        cuts = sorted(chance.randrange(len(output) + 1) for _ in range(5))
        pieces = [output[a:b] for a, b in zip([0, *cuts], [*cuts, len(output)], strict=True)]
        assert look(shown(output)) == look(shown(*pieces)), f"seed {seed}"
        shown(*chance.choices(PIECES, k=30))


def test_what_is_written_over_need_not_be_drawn() -> None:
    for seed in range(300):
        chance = random.Random(seed)
        text = "".join(chance.choices(["a", "bcd", "é", "\r", "\r", "\n", "\r\n", "\t"], k=40))
        before = chance.choice(["", "some", "more\n", "\x1b[31mred"])
        short, whole = shown(before, overwritten(text), "x"), shown(before, text, "x")
        assert look(short) == look(whole), f"seed {seed}"
    assert len(overwritten("\r12 % " * 10_000)) < 20


def test_text_is_the_same_however_rarely_it_is_written() -> None:
    for seed in range(200):
        chance = random.Random(seed)
        pieces = chance.choices(PIECES[:-2], k=40)
        doc: Doc[Any] = Doc()
        runs = doc.get("runs", type=Array)
        runs.append(Map({"outputs": Array()}))
        entry = RunEntry(doc, runs[0], runs)
        grown = 0
        for piece in pieces:
            grown += entry.append_text("stdout", piece, 10_000).grown
            if chance.random() < 0.2:
                entry.write_text()
        entry.write_text()
        texts = [str(output["text"]) for output in runs[0]["outputs"]]
        assert "".join(texts) == shown(*pieces) and len(texts) <= 1, f"seed {seed}"
        assert grown == len("".join(texts).encode()), f"seed {seed}"


def test_a_display_without_end_is_shown_more_and_more_rarely() -> None:
    """Each update leaves some bytes in the shared document: a day of them must not fill it."""
    pace, now, updates = Pace(), 0.0, 0
    while now < 24 * 3600:
        updates += 1
        pace.count(100)
        pace.shown(now, 100, updates)
        now = max(now + 0.001, pace.next_at)
        if updates == 1000:
            assert now < 120, "the first ones are not kept waiting"
    assert updates < 50_000


def test_floods_are_shown_more_rarely_and_quiet_programs_at_once() -> None:
    pace, now, pauses = Pace(), 100.0, []
    for _ in range(6):
        pace.count(1_000_000)
        pace.shown(now, 0)
        pauses.append(pace.next_at - now)
        now = pace.next_at
    assert pauses[0] == pytest.approx(BATCH_SECONDS) and pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(FLOOD_BATCH_SECONDS)
    for _ in range(6):
        pace.count(80)
        pace.shown(now, 0)
        now = pace.next_at + 0.1
    assert pace.next_at + 0.1 - now == pytest.approx(0) and pace._pause == BATCH_SECONDS
    pace.count(80)
    pace.shown(now, 1_000_000)
    assert pace.next_at - now > 1  # what takes the place of so much is sent rarely


@pytest.mark.parametrize(
    "hostile",
    ["\x1b[A", "\x1b[999A\x1b[999B", "\r", "\b", "\x1b[H\x1b[2J\n\n", "\x1b[999C.\r", "\x1b[1;2m"],
)
async def test_a_million_escape_sequences_cost_little(server: JupyterServer, hostile: str) -> None:
    began = time.process_time()
    terminal = Terminal()
    for _ in range(8):
        terminal.feed(hostile * (8192 // len(hostile)))
    assert time.process_time() - began < 1.0  # 64 KiB of it; the server takes 8 KiB at a time


async def test_a_progress_bar_leaves_one_line_and_few_changes(server: JupyterServer) -> None:
    at = await desk(server)
    await at.run("1")
    before, size = at.screen.client.updates_seen, len(at.screen.client.ydoc.get_update())
    run = await at.run(
        "import sys\nprint('first', flush=True)\nfor i in range(1, 10_001):\n"
        "    sys.stderr.write(f'\\r{i:6d}/10000 ' + '#' * (i // 200))\n    sys.stderr.flush()\n"
    )
    assert text_of(run) == "first\n" and text_of(run, "stderr") == " 10000/10000 " + "#" * 50
    assert not run["truncated"]
    seconds = run["duration_ms"] / 1000
    assert at.screen.client.updates_seen - before < 40 * seconds + 20
    assert len(at.screen.client.ydoc.get_update()) - size < 3000


async def test_tqdm_and_lines_that_are_drawn_again(server: JupyterServer) -> None:
    at = await desk(server)
    run = await at.run(
        "import sys\n"
        "sys.stdout.write('a: 0\\nb: 0\\n')\n"
        "for i in range(1, 501):\n"
        "    sys.stdout.write(f'\\x1b[2A\\x1b[2Ka: {i}\\n\\x1b[2K\\x1b[32mb: {2 * i}\\x1b[0m\\n')\n"
        "    sys.stdout.flush()\n"
    )
    assert text_of(run) == "a: 500\n\x1b[0;32mb: 1000\n"


async def test_displays_are_updated_and_output_is_cleared(server: JupyterServer) -> None:
    at = await desk(server)
    first = await at.run("from IPython.display import *\nh = display('one', display_id='d')")
    run = await at.run(
        "for i in range(200):\n    clear_output(wait=True)\n    print(i)\n"
        "for i in range(200): h.update(f'two {i}')\n"
    )
    assert text_of(run) == "199\n" and len(run["outputs"]) == 1
    await until(
        lambda: "two 199" in str(at.screen.run(first["id"])["outputs"]), "the earlier display"
    )
    assert len(at.screen.run(first["id"])["outputs"]) == 1
    run = await at.run("print('gone')\nclear_output()\nprint('there')\nclear_output(wait=True)")
    assert text_of(run) == "there\n"


CURSOR_WAITS = """
from IPython.display import display
handle = display("old", display_id="d")
print("100 %", end="\\r")
handle.update("new")
print("done")
print("100 %", end="\\r", flush=True)
"""


async def test_a_cursor_stays_where_it_is_while_a_display_is_updated(server: JupyterServer) -> None:
    at, book = await desk(server), await notebook(server)
    run = await at.run(CURSOR_WAITS)
    [cell] = await book.set(CURSOR_WAITS)
    await book.screen.end_of(await book.run_cell(cell))
    await until(lambda: book.cell(cell)["execution_state"] == "idle", "the cell at rest")
    for outputs in (run["outputs"], book.cell(cell)["outputs"]):
        assert outputs[0]["data"] == {"text/plain": "'new'"}
        assert [output.get("text") for output in outputs[1:]] == ["done%\n100 %"]


FLUSHED = """
import os, sys
from IPython.display import clear_output, display
for i in range(10_000): print(i, end="\\r", flush=True)
print("\\nout", flush=True); print("err", file=sys.stderr, flush=True); print("out", flush=True)
display("shown"); print("after", flush=True)
name = input("name? ")
print(name, flush=True)
child = os.fork()
if child == 0: os._exit(0)
os.waitpid(child, 0)
"""


async def test_flushes_without_a_pause_lose_and_delay_nothing(server: JupyterServer) -> None:
    at = await desk(server)
    run_id = await at.start(FLUSHED)
    wanted = [
        ("stdout", "9999\nout\n"),
        ("stderr", "err\n"),
        ("stdout", "out\n"),
        (None, {"text/plain": "'shown'"}),
        ("stdout", "after\n"),
    ]

    def all_is_shown() -> bool:
        run = {"outputs": [], "input": None, **at.screen.run(run_id)}
        shown = [(one.get("name"), one.get("text") or one.get("data")) for one in run["outputs"]]
        return shown == wanted and run["input"] is not None

    await until(all_is_shown, "the output, and the question", 30)
    await at.ada.api("POST", f"rooms/{at.id}/runs/{run_id}/input", {"text": "Ada"})
    run = await at.screen.end_of(run_id)
    assert text_of(run).endswith("after\nname? Ada\nAda\n")
    run = await at.run("import os\nfor i in range(50): print(i, flush=True)\nos._exit(3)")
    assert run["status"] == "dead" and text_of(run).endswith("\n48\n49\n")


LARGE = """
import os
from IPython.display import Image, display
picture = b"\\x89PNG" + os.urandom(5_000_000)
handle = display(Image(picture, format="png"), display_id="large")
print("after")
display({"text/plain": "x" * 2_000_000}, raw=True)
print("and on")
raise ValueError("x" * 6_000_000)
"""


async def test_what_is_too_large_has_words_in_its_place(server: JupyterServer) -> None:
    at = await desk(server)
    run = await at.run(LARGE)
    first, after, second, on, error = run["outputs"]
    words = first["data"]["text/plain"]
    assert words == "output of 6.4 MB not shown: a run may have 1.0 MB", words
    assert second["data"]["text/plain"] == "output of 1.9 MB not shown: a run may have 1.0 MB"
    assert after["text"] == "after\n" and on["text"] == "and on\n"
    assert error["ename"] == "ValueError" and len(error["evalue"]) < 10_000
    assert run["status"] == "error" and not run["truncated"]
    run = await at.run("handle.update('small')")
    shown_first = at.screen.runs[0]["outputs"][0]["data"]
    assert run["status"] == "ok" and shown_first == {"text/plain": "'small'"}
    run = await at.run("print('x' * 10_000_000)")
    assert run["truncated"] and run["status"] == "ok" and len(text_of(run)) == 1024 * 1024
    run_id = await at.start("input('why ' + '?' * 100_000)")
    await until(lambda: bool(at.screen.run(run_id).get("input")), "the question", 30)
    await at.ada.api("POST", f"rooms/{at.id}/runs/{run_id}/input", {"text": "so"})
    assert (await at.screen.end_of(run_id))["status"] == "ok"


async def download(at: Desk, run_id: str) -> Any:
    return await at.olga.api("GET", f"rooms/{at.id}/runs/{run_id}/output")


async def test_output_can_be_downloaded_as_it_is(server: JupyterServer) -> None:
    at = await desk(server)
    other = await desk(server)
    run = await at.run("print('\\x1b[31mred\\x1b[0m <b>')\nprint('x\\ry')\n6 * 7")
    answer = await download(at, run["id"])
    assert answer.status_code == 200 and answer.text == "\x1b[31mred\x1b[0m <b>\ny\n42\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    name = f'attachment; filename="{at.id}-{run["id"]}.txt"'
    assert answer.headers["content-disposition"] == name
    assert (await download(other, run["id"])).status_code == 404
    elsewhere = await other.ada.api("GET", f"rooms/{at.id}/runs/{run['id']}/output")
    assert elsewhere.status_code == 401
    stranger = await server.person().api("GET", f"rooms/{at.id}/runs/{run['id']}/output")
    assert stranger.status_code in {401, 403, 404}
    failed = await at.run("1 / 0")
    assert "ZeroDivisionError" in (await download(at, failed["id"])).text


async def test_too_much_output_is_cut_and_the_error_is_still_shown(tmp_path: Any) -> None:
    options = ("output_limit_bytes=20000", "runs_kept_bytes=50000")
    async with server_with(tmp_path, *options) as server:
        at = await desk(server)
        run = await at.run("for i in range(10_000): print('é' * 50)\n1 / 0")
        assert run["truncated"] and 19_990 <= len(text_of(run).encode()) <= 20_000
        assert run["status"] == "error" and run["outputs"][-1]["ename"] == "ZeroDivisionError"
        assert len((await download(at, run["id"])).content) > 19_990
        many = await at.run(
            "import sys\nfor i in range(5000): print(i, file=[sys.stdout, sys.stderr][i % 2])"
        )
        assert many["truncated"] and len(many["outputs"]) <= 2001
        await at.run("print('x' * 30_000)")
        last = await at.run("print('x' * 19_000)")
        kept = [entry["id"] for entry in at.screen.runs]
        assert run["id"] not in kept and last["id"] in kept
        gone = await download(at, run["id"])
        assert gone.status_code == 404 and gone.json()["code"] == "output_not_kept"


ODD = """
import json
kernel = get_ipython().kernel
kernel.session.pack = lambda content: json.dumps(content, default=str).encode()
def say(kind, content):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent("shell"))
deep = []
for _ in range(500): deep = [deep]
for content in (
    {}, {"data": [1]}, {"data": {"text/plain": {"a": 1}}}, {"data": {"text/plain": "\\ud800"}},
    {"data": {"application/json": deep}}, {"data": {"application/json": 10 ** 300}},
    {"data": {"application/json": {"x": float("inf")}}},
    {"data": {"text/plain": ["a", 1]}, "transient": "x", "execution_count": 10 ** 30},
):
    for kind in ("display_data", "execute_result", "update_display_data"):
        say(kind, content)
say("stream", {"name": 7, "text": {"a": 1}})
say("stream", {"name": "stdout", "text": "\\udfff"})
say("error", {"traceback": "no list", "ename": 1})
say("error", {"traceback": ["x" * 5000] * 500, "ename": "E" * 10_000, "evalue": "v"})
say("clear_output", {"wait": "yes"})
say("status", {"execution_state": {}})
say("execute_input", {"execution_count": "many"})
say("nothing_known", {"x": 1})
say(5, {})
print("fine")
"""


async def test_odd_messages_break_nothing(server: JupyterServer) -> None:
    at = await desk(server)
    run = await at.run(ODD)
    assert run["status"] == "ok", run["outputs"]
    assert text_of(run) == "fine\n"
    assert text_of(await at.run("print('next')")) == "next\n"


async def test_a_forged_reply_ends_only_the_forgers_run(server: JupyterServer) -> None:
    at = await desk(server)
    run = await at.run(
        "import time\nkernel = get_ipython().kernel\n"
        "kernel.session.send(kernel.shell_stream or kernel.shell_socket, 'execute_reply',"
        " {'status': 'ok'}, kernel.get_parent('shell'),"
        " ident=kernel._get_shell_context_var(kernel._shell_parent_ident))\n"
        "time.sleep(0.5)\nprint('late')"
    )
    assert run["status"] in {"ok", "error"}
    run = await at.run("print('next')")
    assert run["status"] == "ok" and text_of(run) == "next\n"


async def test_floods_leave_typing_alone(server: JupyterServer) -> None:
    at = await desk(server)
    await at.run("1")
    loop = asyncio.get_running_loop()

    async def slowest(run_id: str) -> float:
        times = []
        while at.screen.run(run_id)["status"] in {"unknown", "queued", "running"}:
            began = loop.time()
            at.pad.type("x")
            await until(lambda: at.pad.durable, "typing goes on")
            times.append(loop.time() - began)
        return sorted(times)[-1 - len(times) // 20]

    lines = await slowest(await at.start("for i in range(10_000): print('line', i)"))
    escapes = await slowest(await at.start("print('\\x1b[A\\x1b[K' * 1_000_000)"))
    much = await slowest(await at.start("for _ in range(1600): print('x' * 65_536)"))
    assert max(lines, escapes, much) < 2, (lines, escapes, much)
    assert at.screen.runs[-1]["truncated"]


async def test_a_bar_that_never_ends_fills_neither_the_document_nor_the_log(tmp_path: Any) -> None:
    log = logging.getLogger(__name__)
    limits = Limits(factor=2, floor_bytes=10_000, tail_rows=50, tail_bytes=10_000)
    update_log = UpdateLog(tmp_path / "updates.sqlite", log=log, limits=limits)
    await update_log.start()
    turns = Turns(update_log, timeout_seconds=90, active=lambda: None)
    doc: Doc[Any] = Doc()
    shared = SharedDocument("runs", doc, turns=turns, log=log, read_only=True)
    shared.start()

    def checkpoint(key: str) -> None:
        shared.flush()
        update_log.checkpoint(key, doc.get_update())

    update_log.wants_checkpoint = checkpoint
    runs = doc.get("runs", type=Array)
    runs.append(Map({"outputs": Array()}))
    entry = RunEntry(doc, runs[0], runs)
    for number in range(1000):
        entry.append_text("stdout", f"\r{number} " + "#" * (number % 1000), 10_000)
        entry.write_text()
        await asyncio.sleep(0)
    await shared.durable()
    assert len(doc.get_update()) < 20_000
    kept = sum(len(content) for _, content in await update_log.past("runs"))
    assert kept < 60_000  # of half a million bytes
    loaded: Doc[Any] = Doc()
    for update in (await update_log.load("runs")).updates:
        loaded.apply_update(update)
    assert loaded.get("runs", type=Array).to_py() == runs.to_py()
    shared.stop()
    await update_log.stop()


def test_the_run_document_is_what_the_page_expects() -> None:
    document = RunDocument(Doc(), keep=2, keep_bytes=1000)
    run = Run(
        id="x" * 12,
        document="pad",
        cell_id=None,
        participant_id="p",
        participant_name="Ada",
        status=RunStatus.QUEUED,
        queued_at=datetime.now(UTC),
        started_at=None,
        ended_at=None,
        duration_ms=None,
        execution_count=None,
        message="",
    )
    document.add([run], "#123456")
    found = document.find(run.id)
    assert found is not None
    assert found["input"] is None and found["answered_by"] is None and found["position"] == 0
