"""Measures the sync of ours beside others, in one run: how long, how much, and whether all arrives.

Each server runs on one core and the load generator (``generator.c``) on another. Every insertion of
every client is followed to every other client of its room; afterwards what the clients received is
put together and compared with what the server has. ``make bench`` installs what this needs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx
from pycrdt import Doc, Text

from tests.support.server import JupyterServer, free_port
from tests.support.sync_client import until

HERE = Path(__file__).parent
SOCKETS_PER_PERSON = 8
RATES = (1, 2, 4, 8, 15, 30, 60, 90, 120)
HELD_P95_MS = 50.0
SERVER_CORE, GENERATOR_CORE = 0, 1


@dataclass(frozen=True)
class Scenario:
    """So many rooms with so many clients, each of whom inserts so often in a second."""

    name: str
    rooms: int
    clients: int
    rates: tuple[float, ...]

    @property
    def words(self) -> str:
        """What it is, for the table."""
        rate = f"× {self.rates[0]:g}/s" if len(self.rates) == 1 else "× rising"
        return f"{self.name}: {self.rooms} × {self.clients} {rate}"


SCENARIOS = {
    "A": Scenario("A", 1, 2, (10,)),
    "B": Scenario("B", 1, 50, (2,)),
    "C": Scenario("C", 1, 100, (2,)),
    "F": Scenario("F", 1, 200, (2,)),
    "D": Scenario("D", 100, 10, (1,)),
    "E": Scenario("E", 100, 10, RATES),
}
QUICK = Scenario("quick", 4, 5, (5,))


@dataclass
class Target:
    """A running server: its process, and where each client of a scenario connects."""

    name: str
    pid: int
    port: int
    hocuspocus: bool = False
    lines: list[str] = field(default_factory=list)

    def rss_kb(self) -> int:
        """Resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


def compiled(folder: Path) -> Path:
    """The generator, compiled. Raises ``RuntimeError`` where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("the load generator needs a C compiler (cc), and there is none")
    program = folder / "generator"
    source = HERE / "generator.c"
    subprocess.run([compiler, "-O2", "-o", str(program), str(source), "-lm"], check=True)
    return program


def on_core(core: int, command: list[str]) -> list[str]:
    """A command that stays on one core, where there are several."""
    if (os.cpu_count() or 1) < 2 or shutil.which("taskset") is None:
        return command
    return ["taskset", "-c", str(core), *command]


def pin(pid: int) -> None:
    """Keep a server, with all its threads, on its core."""
    if (os.cpu_count() or 1) >= 2 and shutil.which("taskset") is not None:
        command = ["taskset", "-apc", str(SERVER_CORE), str(pid)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


# -- the servers ----------------------------------------------------------------------------------


@asynccontextmanager
async def ours(scenario: Scenario, home: Path) -> AsyncIterator[Target]:
    """jupyter-server with Codepad; guests with cookies, acknowledgements on."""
    server = JupyterServer(home, options=["--CodepadApp.participants_per_room_limit=1000"])
    try:
        await server.start()
        assert server.process is not None
        pin(server.process.pid)
        target = Target("codepad", server.process.pid, server.port)
        few = asyncio.Semaphore(4)

        async def room(number: int) -> list[str]:
            async with few:
                made = await server.room()
                code = await server.invite(made["id"])
                path = f"/codepad/rooms/{made['id']}/documents/pad/sync?acks=1"
                lines: list[str] = []
                for client in range(scenario.clients):
                    if client % SOCKETS_PER_PERSON == 0:
                        person = await server.person().join(code, f"Person {client}")
                    lines.append(f"{number}\t{path}\tCookie: {person.cookie_header}")
                return lines

        await server.room()
        for lines in await asyncio.gather(*(room(n) for n in range(scenario.rooms))):
            target.lines += lines
        yield target
        problems = [line for line in server.log.splitlines() if "Traceback" in line]
        assert not problems, server.log[-4000:]
    finally:
        await server.close()


@asynccontextmanager
async def stock(scenario: Scenario, home: Path) -> AsyncIterator[Target]:
    """jupyter-server with jupyter-collaboration as it comes."""
    server = JupyterServer(home, options=["--ServerApp.jpserver_extensions=jupyter_codepad=False"])
    server.health = "api/status"
    try:
        await server.start()
        assert server.process is not None
        pin(server.process.pid)
        target = Target("jupyter-collaboration", server.process.pid, server.port)
        for number in range(scenario.rooms):
            (server.root_dir / f"{number}.py").write_text("")
            key, session = await server.host.lab_key(f"{number}.py")
            path = f"/api/collaboration/room/{key}?sessionId={session}"
            line = f"{number}\t{path}\tAuthorization: token {server.token}"
            target.lines += [line] * scenario.clients
        yield target
    finally:
        await server.close()


@asynccontextmanager
async def node(
    name: str, script: str, scenario: Scenario, *, hocuspocus: bool
) -> AsyncIterator[Target]:
    """A server of Node's."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *on_core(SERVER_CORE, ["node", script]),
        cwd=HERE / "peers",
        env={**os.environ, "PORT": str(port), "HOST": "127.0.0.1"},
        stdout=subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient() as probe:
            for _ in range(200):
                try:
                    await probe.get(f"http://127.0.0.1:{port}/")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        target = Target(name, process.pid, port, hocuspocus)
        for number in range(scenario.rooms):
            target.lines += [f"{number}\t/room-{number}\tX-Bench: 1"] * scenario.clients
        yield target
    finally:
        process.kill()
        await process.wait()


def serve(name: str, scenario: Scenario, home: Path) -> Any:
    """A server by its name in ``--only``."""
    if name == "codepad":
        return ours(scenario, home)
    if name == "stock":
        return stock(scenario, home)
    if name == "hocuspocus":
        return node("Hocuspocus", "hocuspocus.js", scenario, hocuspocus=True)
    script = "node_modules/y-websocket/bin/server.cjs"
    return node("y-websocket", script, scenario, hocuspocus=False)


SERVERS = ("codepad", "y-websocket", "hocuspocus", "stock")


# -- measuring ------------------------------------------------------------------------------------


async def generate(
    program: Path, target: Target, folder: Path, *options: str
) -> list[dict[str, Any]]:
    """Run the generator; returns its lines."""
    plan = folder / "clients.txt"
    plan.write_text("\n".join([f"127.0.0.1 {target.port}", *target.lines]) + "\n")
    command = [str(program), str(plan), "--pid", str(target.pid), *options]
    if target.hocuspocus:
        command.append("--hocuspocus")
    process = await asyncio.create_subprocess_exec(
        *on_core(GENERATOR_CORE, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    lines: list[dict[str, Any]] = []
    assert process.stdout is not None
    async for line in process.stdout:
        lines.append(json.loads(line))
        last = lines[-1]
        if len(options) and "--rising" in options and not held(last):
            process.kill()
            break
    await process.wait()
    return lines


def held(line: dict[str, Any]) -> bool:
    """Whether a server has kept up with a rate."""
    whole = not (line["lost"] or line["doubled"] or line["dropped"])
    asked = line["rate"] * line["clients"] if "clients" in line else 0
    return whole and 0 <= line["p95"] <= HELD_P95_MS and line["ops_per_second"] >= 0.97 * asked


def replica(file: Path) -> str:
    """What the updates that one client has received come to."""
    ydoc: Doc[Any] = Doc()
    data, at = file.read_bytes(), 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        ydoc.apply_update(data[at + 4 : at + 4 + size])
        at += 4 + size
    return str(ydoc.get("source", type=Text))


def characters_of(text: str) -> dict[str, int]:
    """The insertions in a text, in words that do not depend on their order."""
    return {text[i : i + 10]: 1 for i in range(0, len(text), 10)}


async def measure(
    program: Path, name: str, scenario: Scenario, seconds: float
) -> list[dict[str, Any]]:
    """One scenario on one server: a line for each rate that was tried."""
    with tempfile.TemporaryDirectory(prefix="codepad-bench-") as place:
        folder = Path(place)
        (folder / "home").mkdir()
        async with serve(name, scenario, folder / "home") as target:
            rising = len(scenario.rates) > 1
            found = []
            for rate in scenario.rates:
                dump = folder / f"dump-{rate:g}"
                dump.mkdir()
                options = ["--rates", f"{rate:g}", "--seconds", f"{seconds:g}"]
                options += ["--warmup", f"{min(3, seconds / 3):g}", "--dump", str(dump)]
                lines = await generate(program, target, folder, *options)
                if not lines:
                    found.append({"rate": rate, "failed": True})
                    break
                line = {**lines[0], "clients": scenario.rooms * scenario.clients}
                line["diverged"] = 0 if name != "codepad" else await diverged(target, dump)
                found.append(line)
                if rising and not held(line):
                    break
                if rising:
                    break_between = asyncio.Event()
                    await asyncio.wait_for(_quiet(break_between), 10)
            return found


async def _quiet(event: asyncio.Event) -> None:
    asyncio.get_running_loop().call_later(1, event.set)
    await event.wait()


async def diverged(target: Target, dump: Path) -> int:
    """How many rooms' first clients have something else than a fresh client gets."""
    from tests.support.sync_client import SyncClient  # noqa: PLC0415

    wrong = 0
    rooms = {line.split("\t")[0]: line for line in target.lines}
    for number, line in list(rooms.items())[:20]:
        _, path, header = line.split("\t")
        key, _, value = header.partition(": ")
        client = SyncClient(f"ws://127.0.0.1:{target.port}{path}", {key: value})
        await client.connect()
        fresh = str(client.text)
        await client.disconnect()
        mine = await asyncio.to_thread(replica, dump / f"{number}.updates")
        # The replica lacks what its own client has typed: nobody sends it back.
        there = {fresh[i : i + 10] for i in range(0, len(fresh), 10)}
        here = {mine[i : i + 10] for i in range(0, len(mine), 10)}
        wrong += not here <= there
    return wrong


async def memory(program: Path, name: str) -> dict[str, float]:
    """Resident memory for each further client of a room, and for each room with one client."""
    found = {}
    for what, small, large in (
        ("client", Scenario("", 1, 100, (0,)), Scenario("", 1, 900, (0,))),
        ("room", Scenario("", 50, 1, (0,)), Scenario("", 450, 1, (0,))),
    ):
        sizes = []
        for scenario in (small, large):
            with tempfile.TemporaryDirectory(prefix="codepad-bench-") as place:
                folder = Path(place)
                (folder / "home").mkdir()
                async with serve(name, scenario, folder / "home") as target:
                    before = target.rss_kb()
                    run = asyncio.create_task(
                        generate(program, target, folder, "--rates", "0", "--seconds", "8")
                    )
                    most = before
                    while not run.done():
                        most = max(most, target.rss_kb())
                        await asyncio.wait({run}, timeout=0.5)
                    sizes.append(most - before)
        count = (large.clients - small.clients) or (large.rooms - small.rooms)
        found[what] = (sizes[1] - sizes[0]) / count
    return found


# -- telling --------------------------------------------------------------------------------------


def hardware() -> str:
    """The machine, in one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0].partition(": ")[2] if names else model
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def row(name: str, line: dict[str, Any]) -> str:
    """One line of the table."""
    if line.get("failed"):
        return f"{name:22} could not let everybody in"
    return (
        f"{name:22} {line['ops_per_second']:8.0f} {line['p50']:8.2f} {line['p95']:8.2f} "
        f"{line['p99']:8.2f} {100 * line['server_cpu']:6.0f} {line['durable_p95']:9.2f} "
        f"{line['bytes_in_per_delivery']:7.1f} {line['lost']:6} {line['doubled']:7} "
        f"{line['diverged']:8} {line['dropped']:7} {line['late_p95']:9.2f}"
    )


HEAD = (
    f"{'':22} {'ops/s':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'CPU %':>6} {'durable':>9} "
    f"{'B/op':>7} {'lost':>6} {'doubled':>7} {'diverged':>8} {'dropped':>7} {'gen. late':>9}"
)


async def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that was asked for."""
    results: dict[str, Any] = {"hardware": hardware(), "scenarios": {}, "memory": {}}
    print(results["hardware"])
    with tempfile.TemporaryDirectory(prefix="codepad-bench-") as folder:
        program = compiled(Path(folder))
        for letter in options.scenarios:
            scenario = QUICK if letter == "quick" else SCENARIOS[letter]
            print(f"\n{scenario.words}\n{HEAD}")
            for name in options.only:
                lines = await measure(program, name, scenario, options.seconds)
                results["scenarios"].setdefault(letter, {})[name] = lines
                for line in lines:
                    print(row(name, line), flush=True)
        if options.memory:
            print(f"\n{'':22} {'kB a client':>12} {'kB a room':>12}")
            for name in options.only:
                results["memory"][name] = found = await memory(program, name)
                print(f"{name:22} {found['client']:12.1f} {found['room']:12.1f}", flush=True)
    return results


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    arguments = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    arguments.add_argument("--only", type=lambda text: text.split(","), default=list(SERVERS))
    arguments.add_argument(
        "--scenarios", type=lambda text: text.split(","), default=list(SCENARIOS)
    )
    arguments.add_argument("--seconds", type=float, default=10.0)
    arguments.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True)
    arguments.add_argument("--json", type=Path)
    return arguments


def main() -> None:
    """Entry point of ``make bench``."""
    options = parser().parse_args()
    results = asyncio.run(bench(options))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
