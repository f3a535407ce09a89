"""Measures running code: from the press of Run to the first output on another client's screen.

On a real server of its own, with real kernels in the sandbox, over real HTTP and sockets; beside
it, in the same run, Jupyter's own kernels through ``/api/kernels`` on the same server. Also: from
the press of Stop to the end on the other's screen; fifty rooms that press Run together, and what
typing feels of that and of floods of output. Times are in milliseconds. Read ratios: the machine's
other work is in every figure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

from pycrdt import Array, Map
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from jupyter_codepad.execution.languages import LANGUAGES
from tests.support.server import JupyterServer, Person
from tests.support.sync_client import SyncClient, until

KEYS_PER_SECOND = 10
FLOOD_SECONDS = 10
FIRST_ROOMS = 3
PROGRAMS: dict[str, Callable[[int], str]] = {
    "python": lambda n: f"print({n})\n",
    "c": lambda n: f'#include <stdio.h>\nint main(void) {{ printf("{n}\\n"); return 0; }}\n',
    "cpp": lambda n: (
        "#include <iostream>\n#include <vector>\n#include <string>\n"
        f"int main() {{ std::vector<int> v{{{n}}}; std::cout << v[0] << std::endl; }}\n"
    ),
    "java": lambda n: (
        "public class Main {\n    public static void main(String[] args) {\n"
        f"        System.out.println({n});\n    }}\n}}\n"
    ),
    "javascript": lambda n: f"console.log({n});\n",
    "bash": lambda n: f"echo {n}\n",
    "sql": lambda n: f"SELECT {n};\n",
    "go": lambda n: f'package main\n\nimport "fmt"\n\nfunc main() {{ fmt.Println({n}) }}\n',
    "rust": lambda n: f'fn main() {{ println!("{{}}", {n}); }}\n',
}
BUSY = "a busy loop"
WAITING = "children that wait"
BUSY_CHILDREN = "busy children"
DEAF = "ignores signals"
DEAF_CHILDREN = "its children ignore signals"
DEAF_SHELL = "sh -c \"trap '' INT TERM; echo on; while :; do :; done\""
STOPPED: dict[str, dict[str, str]] = {
    "python": {
        BUSY: "print('on', flush=True)\nwhile True:\n    pass\n",
        WAITING: "import subprocess\nsubprocess.run('echo on; sleep 100', shell=True)\n",
        BUSY_CHILDREN: (
            "import subprocess\n"
            "many = [subprocess.Popen('while :; do :; done', shell=True) for _ in range(3)]\n"
            "print('on', flush=True)\n[one.wait() for one in many]\n"
        ),
        DEAF: (
            "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
            "print('on', flush=True)\nwhile True:\n    pass\n"
        ),
        DEAF_CHILDREN: f"import os\nos.system({DEAF_SHELL!r})\n",
    },
    "c": {
        BUSY: '#include <stdio.h>\nint main(void) { puts("on"); for (;;) { } }\n',
        BUSY_CHILDREN: (
            "#include <stdio.h>\n#include <sys/wait.h>\n#include <unistd.h>\n"
            "int main(void) {\n"
            '    for (int i = 0; i < 3; i++) if (!fork()) for (;;) { }\n    puts("on");\n'
            "    while (wait(0) > 0) { }\n}\n"
        ),
        DEAF: (
            "#include <signal.h>\n#include <stdio.h>\n"
            'int main(void) { signal(SIGINT, SIG_IGN); puts("on"); for (;;) { } }\n'
        ),
    },
    "cpp": {
        BUSY: '#include <iostream>\nint main() { std::cout << "on" << std::endl; for (;;) { } }\n'
    },
    "java": {
        BUSY: (
            "public class Main {\n    public static void main(String[] args) {\n"
            '        System.out.println("on");\n        while (true) { }\n    }\n}\n'
        ),
        DEAF: (
            "public class Main {\n    public static void main(String[] args) {\n"
            '        sun.misc.Signal.handle(new sun.misc.Signal("INT"), signal -> { });\n'
            '        System.out.println("on");\n        while (true) { }\n    }\n}\n'
        ),
    },
    "javascript": {
        BUSY: "console.log('on');\nfor (;;) { }\n",
        WAITING: (
            "const child = require('child_process');\n"
            "child.spawnSync('echo on; sleep 100', { shell: true, stdio: 'inherit' });\n"
        ),
        DEAF: "process.on('SIGINT', () => {});\nconsole.log('on');\nfor (;;) { }\n",
    },
    "bash": {
        BUSY: "echo on\nwhile :; do :; done\n",
        WAITING: "echo on\nsleep 100 | cat\n",
        BUSY_CHILDREN: "for i in 1 2 3; do (while :; do :; done) & done\necho on\nwait\n",
        DEAF: "trap '' INT TERM\necho on\nwhile :; do :; done\n",
        DEAF_CHILDREN: f"setsid -w {DEAF_SHELL}\n",
    },
}
WORK = "total = 0\nfor i in range(2_000_000):\n    total += i\nprint(total)\n"
FLOODS = {
    "100 MB in one print": "print('x' * 100_000_000)\n",
    "100 MB in lines": "for i in range(1_000_000):\n    print('x' * 99)\n",
    "10,000 lines in six seconds": (
        "import time\nfor i in range(10_000):\n    print('line', i)\n    time.sleep(0.0005)\n"
    ),
    "10,000 lines at once": "for i in range(10_000):\n    print('line', i)\n",
}


def now() -> float:
    """Milliseconds on one clock for all processes."""
    return time.monotonic() * 1000


def share(values: list[float], part: float) -> float:
    """A percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))]


def table(what: str, *columns: str) -> None:
    """Begin a table, as docs/performance.md has it."""
    columns = (what, *(columns or ("p50", "p95")), "n")
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)


def line(what: str, values: list[float]) -> None:
    """A row of the table."""
    if values:
        p50, p95 = statistics.median(values), share(values, 0.95)
        print(f"| {what} | {p50:,.1f} ms | {p95:,.1f} ms | {len(values)} |", flush=True)


class Screen:
    """Somebody's output panel: notes when the first output of each run, and its end, are there."""

    def __init__(self, client: SyncClient) -> None:
        self.client = client
        self.first: dict[str, float] = {}
        self.ends: dict[str, float] = {}
        self.statuses: dict[str, str] = {}
        self._loop = asyncio.get_running_loop()
        self._runs: Array[Any] = client.ydoc.get("runs", type=Array)
        client.ydoc.observe(self._changed)

    @property
    def kernel(self) -> str:
        """What the room's kernel does."""
        return str(self.client.ydoc.get("kernel", type=Map).get("status"))

    def text(self, run_id: str) -> str:
        """What one of the last runs has printed."""
        last = [entry for entry in list(self._runs)[-2:] if entry["id"] == run_id]
        return "".join(str(out.get("text", "")) for entry in last for out in entry["outputs"])

    def _changed(self, _event: Any) -> None:
        self._loop.call_soon(self._look, now())  # a document cannot be read while it changes

    def _look(self, at: float) -> None:
        runs = self._runs
        for place in range(max(0, len(runs) - 2), len(runs)):
            entry = runs[place]
            run_id, status = entry["id"], entry["status"]
            if run_id not in self.first and len(entry["outputs"]):
                self.first[run_id] = at
            if run_id not in self.ends and status not in {"queued", "running"}:
                self.ends[run_id] = at
                self.statuses[run_id] = status


class Desk:
    """A room with somebody who runs, and somebody else who looks."""

    async def open(self, server: JupyterServer, language: str) -> Desk:
        """Make the room, and let both in."""
        room = await server.room(language=language)
        self.id = room["id"]
        self.ada = await server.guest(self.id, "Ada")
        self.pad = await self.ada.document().connect()
        bob = await server.guest(self.id, "Bob", "observer")
        self.screen = Screen(await bob.document("runs").connect())
        return self

    async def write(self, code: str) -> None:
        """Have this code in the pad, and on the server's disk."""
        self.pad.text.clear()
        self.pad.type(code)
        await until(lambda: self.pad.durable, "the code on the server")

    async def press(self) -> tuple[str, float]:
        """Press Run; returns the run and when it was pressed."""
        pressed = now()
        answer = await self.ada.api("POST", f"rooms/{self.id}/runs", {"document": "pad"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"]), pressed

    async def end_of(self, run_id: str, seconds: float) -> None:
        """Wait until the other sees that a run is over."""
        await until(lambda: run_id in self.screen.ends, "the end of a run", seconds)

    async def run(self, code: str | None = None) -> float:
        """Milliseconds from Run to the first output on the other's screen."""
        if code is not None:
            await self.write(code)
        run_id, pressed = await self.press()
        await self.end_of(run_id, 60)
        assert self.screen.statuses[run_id] == "ok", self.screen.statuses[run_id]
        return self.screen.first[run_id] - pressed

    async def stop(self) -> float:
        """Run what is in the pad; milliseconds from Stop to its end on the other's screen."""
        run_id, _ = await self.press()
        await until(lambda: "on\n" in self.screen.text(run_id), "its first word", 60)
        pressed = now()
        answer = await self.ada.api("POST", f"rooms/{self.id}/runs/{run_id}/interrupt")
        assert answer.status_code == 202, answer.text
        await self.end_of(run_id, 60)
        assert self.screen.statuses[run_id] == "interrupted", self.screen.statuses[run_id]
        return self.screen.ends[run_id] - pressed

    async def warm(self) -> Desk:
        """Wait until the room has a kernel that waits for something to do."""
        await until(lambda: self.screen.kernel == "idle", "a warm kernel", 60)
        return self


async def available(server: JupyterServer) -> set[str]:
    """The languages that this machine can run."""
    # The answers wait some seconds for versions: then all is known.
    answers = [await server.host.api("GET", "languages") for _ in range(3)]
    return {item["id"] for item in answers[-1].json()["languages"] if item["available"]}


async def languages(server: JupyterServer, rounds: int) -> None:
    """Each language: first in some rooms, edited before each run, then again and again."""
    there = await available(server)
    table("Run to the first output on another screen, kernel warm")
    for language, program in PROGRAMS.items():
        name = LANGUAGES[language].name
        if language not in there:
            print(f"| {name}: not on this machine | – | – | – |")
            continue
        desks = [await (await Desk().open(server, language)).warm() for _ in range(FIRST_ROOMS)]
        first = [await at.run(program(-number)) for number, at in enumerate(desks)]
        line(f"{name}, first run in a room", first)
        at = desks[-1]
        await at.run(program(-FIRST_ROOMS))
        edited = [await at.run(program(number)) for number in range(rounds)]
        line(f"{name}, edited before each run", edited)
        if language != "python":
            line(f"{name}, unchanged", [await at.run() for _ in range(rounds)])


async def stops(server: JupyterServer, rounds: int) -> None:
    """From Stop to the end on another screen, of programs that make it easy and hard."""
    there = await available(server)
    table("Stop to the end of the run on another screen")
    for language, programs in STOPPED.items():
        if language not in there:
            continue
        at = await (await Desk().open(server, language)).warm()
        for what, program in programs.items():
            await at.write(program)
            await at.stop()
            deaf = what in (DEAF, DEAF_CHILDREN)
            count = min(rounds, 3) if deaf else min(rounds, 20)
            name = LANGUAGES[language].name
            line(f"{name}: {what}", [await at.stop() for _ in range(count)])
            await at.run(PROGRAMS[language](1))


async def stock(server: JupyterServer, rounds: int) -> None:
    """Jupyter's own kernels: start with the first execution, and execution in a warm one."""
    host = server.host
    starts, executions = [], []
    for attempt in range(3):
        began = now()
        answer = await host.http.post(f"{server.url}api/kernels", json={"name": "python3"})
        assert answer.status_code == 201, answer.text
        kernel = answer.json()["id"]
        request = HTTPRequest(
            f"{server.ws_url}api/kernels/{kernel}/channels?session_id={uuid4().hex}",
            headers=host.headers,
        )
        socket = await websocket_connect(request)
        await execute(socket)
        starts.append(now() - began)
        if attempt == 2:
            executions = [await execute(socket) for _ in range(rounds)]
        socket.close()
        await host.http.delete(f"{server.url}api/kernels/{kernel}")
    line("`/api/kernels`: start, first output", starts)
    line("`/api/kernels`: execute in a warm kernel, first output", executions)


async def execute(socket: Any) -> float:
    """One execution over Jupyter's kernel socket; milliseconds to its first output."""
    header = {
        "msg_id": uuid4().hex,
        "username": "",
        "session": uuid4().hex,
        "msg_type": "execute_request",
        "version": "5.3",
        "date": "2025-01-01T00:00:00Z",
    }
    content = {"code": "print(1)", "silent": False, "store_history": True, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    began, first = now(), 0.0
    await socket.write_message(json.dumps({**message, "channel": "shell", "buffers": []}))
    while True:
        frame = await socket.read_message()
        assert frame is not None
        heard = json.loads(frame) if isinstance(frame, str) else {}
        if heard.get("parent_header", {}).get("msg_id") != header["msg_id"]:
            continue
        if heard["msg_type"] == "stream" and not first:
            first = now() - began
        if heard["msg_type"] == "status" and heard["content"]["execution_state"] == "idle":
            return first


# -- typing, measured by a process of its own ------------------------------------------------------


class Typists:
    """Two people in a room, in another process: one types, the other sees it after a while."""

    def __init__(self, server: JupyterServer, room_id: str) -> None:
        self.server, self.room_id = server, room_id

    async def measure(self, seconds: float, ended: asyncio.Event | None = None) -> list[float]:
        """Type for so long, or until ``ended``; milliseconds from key to the other's document."""
        people = [await self.server.guest(self.room_id, name) for name in ("Ann", "Ben")]
        about = [{"url": self._url(person), "cookie": person.cookie_header} for person in people]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, "--type", json.dumps(about), str(seconds)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        if ended is not None:
            await ended.wait()
            process.stdin.write(b"enough\n")
        out, _ = await process.communicate()
        figures: list[float] = json.loads(out)
        return figures

    def _url(self, person: Person) -> str:
        path = f"codepad/rooms/{self.room_id}/documents/pad/sync?acks=1"
        return f"{self.server.ws_url}{path}"


async def type_here(about: list[dict[str, str]], seconds: float) -> None:
    """What the process of the typists does; prints the figures as JSON."""
    ann, ben = [await SyncClient(one["url"], {"Cookie": one["cookie"]}).connect() for one in about]
    seen: asyncio.Queue[float] = asyncio.Queue()
    ben.ydoc.observe(lambda _event: seen.put_nowait(now()))
    enough = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), enough.set)
    figures, until_ms = [], now() + 1000 * seconds
    while now() < until_ms and not enough.is_set():
        while not seen.empty():
            seen.get_nowait()
        pressed = now()
        ann.type("k", 1)
        arrived = 0.0
        while len(ben.text) < len(ann.text) or not arrived:
            arrived = await asyncio.wait_for(seen.get(), 30)
        figures.append(arrived - pressed)
        await asyncio.sleep(max(0.0, 1 / KEYS_PER_SECOND - (now() - pressed) / 1000))
    print(json.dumps(figures), flush=True)
    for client in (ann, ben):
        await client.disconnect()


# -- many at once, and much at once ----------------------------------------------------------------


async def crowd(server: JupyterServer, rooms: int) -> None:
    """So many rooms press Run at once, each with a fifth of a second of work."""
    desks = [await Desk().open(server, "python") for _ in range(rooms)]
    for at in desks:
        await at.write(WORK)
    for at in desks:
        await at.run()
    typists = Typists(server, (await server.room(starter_text="#\n"))["id"])
    table(f"{rooms} rooms, each with a fifth of a second of work, press Run in the same moment")
    line("Typing while nothing runs", await typists.measure(10))
    done = asyncio.Event()
    typing = asyncio.create_task(typists.measure(120, done))
    await asyncio.sleep(1)
    began = now()
    pressed = await asyncio.gather(*(at.press() for at in desks))
    runs = [(at, run_id) for at, (run_id, _) in zip(desks, pressed, strict=True)]
    await until(lambda: all(run in at.screen.ends for at, run in runs), "the end of all", 120)
    done.set()
    line(f"Typing while {rooms} rooms run", await typing)
    lost = sum(at.screen.statuses[run] != "ok" for at, run in runs)
    line(f"{rooms} rooms press Run: end of each", [at.screen.ends[run] - began for at, run in runs])
    print(f"\n{rooms} rooms: all done in {(now() - began) / 1000:.1f} s, {lost} lost")


async def floods(server: JupyterServer) -> None:
    """What typing feels of floods of output in the same room."""
    table("Typing in the room whose code floods it", "quiet, p95", "during, p95")
    for what, code in FLOODS.items():
        at = await Desk().open(server, "python")
        await at.run("print(1)\n")
        await at.write(f"#\n{code}")  # the comment is what the typists write
        typists = Typists(server, at.id)
        quiet = await typists.measure(5)
        done = asyncio.Event()
        typing = asyncio.create_task(typists.measure(60, done))
        await asyncio.sleep(1)
        began = now()
        while now() - began < 1000 * FLOOD_SECONDS:
            await at.end_of((await at.press())[0], 120)
        done.set()
        flooded = await typing
        before, during = share(quiet, 0.95), share(flooded, 0.95)
        number = len(flooded)
        print(f"| {what}, again and again | {before:.1f} ms | {during:.1f} ms | {number} |")


async def main(arguments: argparse.Namespace) -> None:
    """Measure one thing after the other on one server."""
    with tempfile.TemporaryDirectory() as home:
        options = ["--CodepadApp.warm_kernels=True", "--CodepadApp.kernels_limit=80"]
        server = JupyterServer(Path(home), options=options)
        try:
            await server.start()
            if "languages" in arguments.only:
                await languages(server, arguments.rounds)
                await stock(server, arguments.rounds)
                await server.goodbye()
            if "stops" in arguments.only:
                await stops(server, arguments.rounds)
                await server.goodbye()
            if "floods" in arguments.only:
                await floods(server)
                await server.goodbye()
            if "crowd" in arguments.only:
                await crowd(server, arguments.rooms)
        finally:
            await server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="runs of each kind")
    parser.add_argument("--rooms", type=int, default=50, help="rooms that press Run together")
    parser.add_argument(
        *("--only",),
        default="languages,stops,floods,crowd",
        help="languages, stops, floods, crowd: some of these",
    )
    parser.add_argument("--type", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.type:
        asyncio.run(type_here(json.loads(chosen.type[0]), float(chosen.type[1])))
    else:
        asyncio.run(main(chosen))
