"""Programs that ask: everybody sees it, the first answer is the one, and nobody has to wait."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

import pytest

from tests.execution.test_runs import Desk, desk, text_of
from tests.support.server import JupyterServer, Person
from tests.support.sync_client import until

KERNEL = """
kernel = get_ipython().kernel
parent = kernel.get_parent("shell")
ident = kernel._get_shell_context_var(kernel._shell_parent_ident)
def send(kind, content, parent=parent):
    kernel.session.send(kernel.stdin_socket, kind, content, parent, ident=ident)
"""
FLOOD = f"""{KERNEL}
import time
for number in range(20_000):
    send("input_request", {{"prompt": "x" * 2000 + str(number), "password": False}})
send("input_request", {{"prompt": "y" * 5_000_000, "password": False}})
time.sleep(1)
"""
FORGERIES = f"""{KERNEL}
other = {{**parent, "header": {{**parent["header"], "msg_id": "another"}}}}
send("input_request", {{"prompt": "forged", "password": False}}, other)
send("input_reply", {{"value": "forged"}})
send("input_request", {{"prompt": ["odd"], "password": "no"}})
send("unknown", {{}})
kernel.stdin_socket.send_multipart([*(ident or []), b"<IDS|MSG>", b"not signed", *[b"{{}}"] * 4])
"""


async def asked(at: Desk, run_id: str, prompt: str | None = None) -> dict[str, Any]:
    """What a run asks, on the observer's screen."""

    def shown() -> Any:
        run = at.screen.run(run_id)
        assert run["status"] in {"unknown", "queued", "running"}, run
        return run.get("input") and prompt in (None, run["input"]["prompt"])

    await until(shown, f"the question {prompt!r}", 30)
    question: dict[str, Any] = at.screen.run(run_id)["input"]
    return question


async def give(by: Person, at: Desk, run_id: str, text: str) -> int:
    answer = await by.api("POST", f"rooms/{at.id}/runs/{run_id}/input", {"text": text})
    return answer.status_code


async def test_what_a_program_asks_is_answered_by_the_first_who_does(
    server: JupyterServer,
) -> None:
    at = await desk(server)
    bob = await server.guest(at.id, "Bob")
    run_id = await at.start(
        "import sys, getpass\n"
        "name = input('Name? ')\nline = sys.stdin.readline()\n"
        "word = getpass.getpass('Word: ')\nprint([name, line, word])"
    )
    assert await asked(at, run_id, "Name? ") == {"prompt": "Name? ", "password": False}
    answers = await asyncio.gather(*(give(who, at, run_id, "Eve") for who in (at.ada, bob)))
    assert sorted(answers) == [202, 409]
    await asked(at, run_id, "")
    assert at.screen.run(run_id)["answered_by"] in {"Ada (guest)", "Bob (guest)"}
    first = at.ada if "Ada" in at.screen.run(run_id)["answered_by"] else bob
    assert await give(first, at, run_id, "a\x1b[2Jb\n") == 202
    assert (await asked(at, run_id, "Word: "))["password"] is True
    assert await give(first, at, run_id, "secret") == 202
    run = await at.screen.end_of(run_id)
    shown = text_of(run)
    assert run["status"] == "ok" and run["input"] is None
    assert shown.startswith("Name? Eve\na^[[2Jb\nWord: ••••••••\n")
    assert shown.endswith("['Eve', 'a\\x1b[2Jb\\n', 'secret']\n")


async def test_lines_until_the_end_and_what_is_typed_ahead(server: JupyterServer) -> None:
    at = await desk(server)
    run_id = await at.start(
        "import sys\nfor line in sys.stdin:\n    print('got', line, end='')\n"
        "print(sys.stdin.read(), end='')\nprint(input('last? '))"
    )
    await asked(at, run_id)
    assert await give(at.ada, at, run_id, "one\ntwo\n\x04") == 202
    await until(lambda: "^D" in text_of(at.screen.run(run_id)), "the end of the input")
    await asked(at, run_id, "")
    assert await give(at.ada, at, run_id, "rest\n\x04\nbye") == 202
    run = await at.screen.end_of(run_id)
    assert run["status"] == "ok", run
    assert text_of(run) == ("one\ngot one\ntwo\ngot two\n^D\nrest\n^D\nrest\nlast? bye\nbye\n")


async def test_all_the_input_is_given_with_the_run(server: JupyterServer) -> None:
    at = await desk(server)

    async def run(code: str, stdin: str) -> dict[str, Any]:
        at.write(code)
        await until(lambda: at.pad.durable, "the code on the server")
        body = {"document": "pad", "stdin": stdin}
        answer = await at.ada.api("POST", f"rooms/{at.id}/runs", body)
        assert answer.status_code == 202, answer.text
        return await at.screen.end_of(str(answer.json()["id"]))

    done = await run(
        "import sys, subprocess\nprint(input('first? '))\n"
        "print([*sys.stdin], sys.stdin.read() == '')\n"
        "print(subprocess.run(['cat'], capture_output=True).stdout)\ninput()",
        "1\né\n3",
    )
    assert text_of(done).splitlines() == ["first? 1", "['é\\n', '3'] True", "b''"]
    assert done["outputs"][-1]["ename"] == "EOFError" and done["input"] is None
    nothing = await run("input('?')", "")
    assert nothing["outputs"][-1]["ename"] == "EOFError"
    assert text_of(await run("import subprocess\nprint(subprocess.check_output('cat'))", "x")) == (
        "b'x'\n"
    )
    too_long = {"document": "pad", "stdin": "é" * 40_000}
    answer = await at.ada.api("POST", f"rooms/{at.id}/runs", too_long)
    assert answer.status_code == 422 and "65536 bytes" in answer.json()["message"]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler")
async def test_a_c_program_asks_with_scanf(server: JupyterServer) -> None:
    at = await desk(server, language="c")
    code = (
        '#include <stdio.h>\nint main(void) { int a = 0, b = 0; printf("two? ");\n'
        'scanf("%d %d", &a, &b); printf("%d\\n", a + b); return a + b == 42 ? 0 : 3; }\n'
    )
    run_id = await at.start(code)
    await asked(at, run_id)
    await until(lambda: "two? " in text_of(at.screen.run(run_id)), "the prompt")
    assert await give(at.ada, at, run_id, "40\n2") == 202
    run = await at.screen.end_of(run_id)
    assert run["status"] == "ok" and text_of(run) == "two? 40\n2\n42\n"
    answer = await at.ada.api("POST", f"rooms/{at.id}/runs", {"document": "pad", "stdin": "1 2"})
    run = await at.screen.end_of(answer.json()["id"])
    assert run["status"] == "error" and text_of(run) == "two? 3\n"
    assert run["outputs"][-1]["evalue"] == "exit status 3"


async def test_who_may_not_run_may_not_answer_and_answers_are_bounded(
    server: JupyterServer,
) -> None:
    at = await desk(server)
    other = await desk(server)
    run_id = await at.start("print(input('? '))")
    await asked(at, run_id)
    assert await give(at.olga, at, run_id, "x") == 403
    assert await give(other.ada, at, run_id, "x") == 401
    assert await give(other.ada, other, run_id, "x") == 404
    assert await give(server.person(), at, run_id, "x") in {401, 403}
    assert await give(at.ada, at, run_id, "é" * 9000) == 422
    wrong: Any
    for wrong in ({}, {"text": 1}, {"text": "x", "by": "Bob"}):
        answer = await at.ada.api("POST", f"rooms/{at.id}/runs/{run_id}/input", wrong)
        assert answer.status_code == 422
    assert at.screen.run(run_id)["input"]
    assert await give(at.ada, at, run_id, "fine ☃") == 202
    assert text_of(await at.screen.end_of(run_id)) == "? fine ☃\nfine ☃\n"
    assert await give(at.ada, at, run_id, "late") == 409


async def test_a_program_that_asks_can_be_stopped(server: JupyterServer) -> None:
    at = await desk(server)
    for how in ("interrupt", "restart"):
        run_id = await at.start("input('? ')")
        await asked(at, run_id)
        loop = asyncio.get_running_loop()
        began = loop.time()
        path = f"runs/{run_id}/interrupt" if how == "interrupt" else "kernel/restart"
        assert (await at.ada.api("POST", f"rooms/{at.id}/{path}")).status_code == 202
        run = await at.screen.end_of(run_id)
        assert run["status"] == "interrupted" and run["input"] is None
        assert loop.time() - began < 10
        assert await give(at.ada, at, run_id, "x") == 409


async def test_a_flood_of_questions_keeps_nobody_from_working(server: JupyterServer) -> None:
    at = await desk(server)
    await at.run("1")
    before = at.screen.client.updates_seen
    loop = asyncio.get_running_loop()
    run_id = await at.start(FLOOD)
    await asked(at, run_id)
    slowest = 0.0
    while at.screen.run(run_id)["status"] == "running":
        began = loop.time()
        at.pad.type("x")
        await until(lambda: at.pad.durable, "typing goes on")
        slowest = max(slowest, loop.time() - began)
    run = await at.screen.end_of(run_id)
    seconds = run["duration_ms"] / 1000
    assert at.screen.client.updates_seen - before < 100 * seconds + 50
    assert slowest < 2
    assert run["input"] is None and len(at.screen.client.ydoc.get_update()) < 100_000


async def test_forged_questions_and_answers_are_nobodys(server: JupyterServer) -> None:
    at = await desk(server)
    run_id = await at.start(FORGERIES + "print(input('true? '))")
    await asked(at, run_id, "true? ")
    assert await give(at.ada, at, run_id, "yes") == 202
    run = await at.screen.end_of(run_id)
    assert run["status"] == "ok" and text_of(run) == "true? yes\nyes\n"
