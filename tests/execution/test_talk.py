"""What is said with a kernel is heard in the order in which it was said, and nothing stops it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from jupyter_codepad.execution.kernels import RoomKernel
from jupyter_codepad.execution.languages import LANGUAGES, installed
from jupyter_codepad.execution.shapes import Message
from jupyter_codepad.execution.talk import QuestionOrder
from jupyter_codepad.execution.toolchain import waiting
from tests.execution.test_languages import Console, kernel_of, kernel_with, run
from tests.support.sync_client import until

ASKS = """
import json, os, sys
from jupyter_codepad.execution.toolchain import program, waiting

seen = []

class Console:
    interrupts = 0
    def __init__(self):
        self.answers, self.typed = os.pipe()
        self.wake = os.pipe()[0]
    def show(self, name, text):
        seen.append(text)
    def ask(self):
        seen.append(None)
        os.write(self.typed, b"1")
    def answer(self):
        os.read(self.answers, 1)
        return "Ada"

class SlowWatch(waiting.InputWatch):
    "On a machine that is very busy."
    found = ""
    def waits(self, pids):
        if self.found:
            return self.found  # what was typed is on its way for long
        while not self.found:  # the program prints, and waits, before it is looked at
            self.found = super().waits(pids)
        return self.found

program.InputWatch = SlowWatch
asks = "import time; time.sleep(0.1); input('Name? '); time.sleep(0.2)"
run = program.Program([sys.executable, "-c", asks], dict(os.environ), Console(), given=None,
                      terminal="both")
print(json.dumps([run.run(), seen]))
"""


def test_what_a_program_asks_is_shown_first_and_asked_once() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ASKS],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert json.loads(ran.stdout) == [[0, ""], ["Name? ", None]], ran.stderr


async def test_a_question_waits_for_the_output_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []
    order = QuestionOrder(lambda prompt, password: asked.append((prompt, password)))
    order.asks({"prompt": "at once", "after": 0})
    assert asked == [("at once", False)]
    order.asks({"prompt": "later", "password": True, "after": 2})
    order.output_came()
    assert len(asked) == 1
    order.output_came()
    order.output_came()
    assert asked[1:] == [("later", True)]
    unsaid: list[object] = ["9", None, [], -1]
    for forged in unsaid:
        order.asks({"prompt": "forged", "after": forged})
    order.asks({"prompt": "no word of it"})
    assert asked[2:] == [("forged", False)]
    await until(lambda: len(asked) == 4, "the question that says nothing of output")
    order.asks({"prompt": "replaced", "after": 1000})
    monkeypatch.setattr("jupyter_codepad.execution.talk.BEHIND_SECONDS", 0.01)
    order.asks({"prompt": "output was lost", "after": 1000})
    await until(lambda: len(asked) == 5, "the question without its output")
    assert asked[3:] == [("no word of it", False), ("output was lost", False)]
    order.asks({"prompt": "never", "after": 1000})
    order.close()
    for _ in range(1000):
        order.output_came()
    assert len(asked) == 5


def test_a_program_whose_turn_does_not_come_is_not_taken_for_one_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, used = [100.0], [1.0]
    clocks = SimpleNamespace(monotonic=lambda: now[0], clock_gettime=lambda _clock: used[0])
    monkeypatch.setattr(waiting, "time", clocks)
    watch = waiting.InputWatch(0, 1)  # nothing is seen of its calls

    def looks(count: int) -> list[bool]:
        found = []
        for _ in range(count):
            now[0] += 0.5  # on a busy machine
            found.append(bool(watch.waits([])))
        return found

    assert not any(looks(4))
    used[0] += 0.001
    assert looks(20) == [False] * 6 + [True] * 14


class Busy(Console):
    """Somebody who takes output slowly, while a question comes another way at once."""

    def hear(self, message: Message) -> None:
        super().hear(message)
        if message["msg_type"] == "display_data":
            self.shown.append(("stdout", "seen\n"))

    async def ready(self) -> None:
        await asyncio.sleep(0.1)

    def asked(self, prompt: str, password: bool) -> None:
        self.shown.append(("stdout", f"{prompt}\n"))
        super().asked("", password)


async def test_python_asks_after_what_it_has_shown() -> None:
    code = (
        "import time\nfor i in range(4):\n    print(i)\n    time.sleep(0.1)\n"
        "display({'text/plain': 'seen'}, raw=True)\ninput('next? ')\n"
        "print('again')\ninput('and? ')\n"
    )
    async with kernel_with(None) as kernel:
        for _ in range(2):  # each run counts its own output
            console = Busy(kernel, ["", ""])
            await kernel.execute(code, console)
            assert [asked.splitlines() for asked in console.questions] == [
                ["0", "1", "2", "3", "seen", "next? "],
                ["0", "1", "2", "3", "seen", "next? ", "again", "and? "],
            ]


async def test_a_message_that_nobody_can_deal_with_is_the_only_one_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []

    def hear(message: Message) -> None:
        if message["msg_type"] == "stream":
            heard.append(message["content"]["text"])
            raise ValueError("not to be dealt with")

    async with kernel_of("bash") as kernel:
        reply = await kernel.execute("echo one; sleep 0.1; echo two\n", hear)
        assert reply["status"] == "ok" and "".join(heard) == "one\ntwo\n"
        assert (await kernel.execute("echo three\n", hear))["status"] == "ok"
    assert "".join(heard) == "one\ntwo\nthree\n"
    said = [record for record in caplog.records if "was not understood" in record.message]
    assert len(heard) > len(said) == 1, "once, not for every message"


class Satisfied(Console):
    """Somebody who wants no more than the first piece."""

    def hear(self, message: Message) -> None:
        super().hear(message)
        if self.shown:
            self.kernel.want_less()


async def test_what_nobody_wants_more_of_is_not_looked_into_and_the_rest_is_heard() -> None:
    code = (
        "echo first; sleep 0.2; for i in $(seq 2000); do echo $i; done\n"
        "sleep 0.2; read -r name; echo $name >&2; exit 3\n"
    )
    async with kernel_of("bash") as kernel:
        console = Satisfied(kernel, ["Ada"])
        await kernel.execute(code, console)
        assert console.text() == "first\n" and console.error == "exit status 3"
        assert len(console.questions) == 1
        assert (await run(kernel, "echo next\n")).text() == "next\n"


class Away(Console):
    """Somebody who reads nothing for a while."""

    def __init__(self, kernel: RoomKernel) -> None:
        super().__init__(kernel, [])
        self.back = asyncio.Event()

    def hear(self, message: Message) -> None:
        super().hear(message)
        if message["msg_type"] == "display_data":
            self.shown.append(("stdout", message["content"]["data"]["text/plain"]))

    async def ready(self) -> None:
        await self.back.wait()


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("bash", "head -c 12000000 /dev/zero | tr '\\0' x; touch done"),
        ("python", "for _ in range(1200): print('x' * 9999)\nopen('done', 'w').close()"),
        (
            "python",
            "for _ in range(120): display({'text/plain': 'x' * 10**5}, raw=True)\n"
            "open('done', 'w').close()",
        ),
    ],
)
async def test_a_program_waits_while_what_it_shows_is_not_read(language: str, code: str) -> None:
    """What gathers meanwhile would fill the kernel's memory, or be lost."""
    found = installed(LANGUAGES[language])
    async with kernel_with(found) as kernel:
        away = Away(kernel)
        running = asyncio.create_task(kernel.execute(code, away))
        used = [-1.0, await kernel.cpu_seconds()]
        while used[-1] != used[-2]:  # until it stands still
            await asyncio.sleep(0.1)
            used.append(await kernel.cpu_seconds())
        assert kernel.room_path is not None and not (kernel.room_path / "done").exists()
        away.back.set()
        assert (await running)["status"] == "ok" and (kernel.room_path / "done").exists()
        assert len(away.text()) == 12_000_000


async def test_a_kernel_does_not_keep_what_it_has_shown() -> None:
    code = (
        "import resource\n"
        "def used(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = used()\nfor i in range(400): print('x' * 99_999)\n"
        "print((used() - before) // 1024, file=__import__('sys').stderr)"
    )
    async with kernel_with(None) as kernel:
        said = (await run(kernel, code)).text("stderr")
    assert int(said) < 20, f"{said} MB of 40 are kept"
