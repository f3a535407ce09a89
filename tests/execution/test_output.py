"""What becomes of output: as a terminal shows it, bounded, and never at the others' cost."""

from __future__ import annotations

import asyncio
import random
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from pycrdt import Doc

from jupyter_codepad.execution.models import Run, RunStatus
from jupyter_codepad.execution.run_document import RunDocument
from jupyter_codepad.execution.terminal import Terminal, restyled
from tests.execution.test_limits import server_with
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
        "import sys, time\nprint('first', flush=True)\nfor i in range(1, 10_001):\n"
        "    sys.stderr.write(f'\\r{i:6d}/10000 ' + '#' * (i // 200))\n    sys.stderr.flush()\n"
        "    if i % 100 == 0: time.sleep(0.02)\n"  # what comes faster than it is read may be lost
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
