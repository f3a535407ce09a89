"""What is done to each server, and what is kept of it."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.load.generator import ClientLine, Cores, Load, Report, generate
from tests.load.replicas import compare
from tests.load.servers import Peer

P95_LIMIT_MS = 50.0
ON_SCHEDULE = 0.99
"""Share of the scheduled insertions that the generator has to have sent for a figure to count."""
RISE_MOST = 12
MEMORY_SETTLE_SECONDS = 4.0


@dataclass(frozen=True)
class Scenario:
    """So many rooms with so many clients, each of whom inserts so often a second."""

    key: str
    rooms: int
    people: int
    rate: float
    length: int = 10

    def __str__(self) -> str:
        return f"{self.rooms} x {self.people} x {self.rate:g}/s"


TYPING = {
    one.key: one
    for one in (
        Scenario("A", 1, 2, 10),
        Scenario("B", 1, 50, 2),
        Scenario("C", 1, 100, 2),
        Scenario("F", 1, 200, 2),
        Scenario("D", 100, 10, 1),
        Scenario("W", 1, 2, 10, length=1),
    )
}
RISING = Scenario("E", 100, 10, 1)
QUICK = Scenario("Q", 2, 4, 5)
MEMORY = {"M": ((1, 500), (100, 500)), "R": ((220, 1), (20, 220))}
"""Idle memory: rooms and people in each, and how many are connected at the two readings."""
KEYS = (*TYPING, "E", *MEMORY)


@dataclass(frozen=True)
class Timing:
    """How long everything takes, in seconds."""

    seconds: float = 10.0
    warmup: float = 2.0
    drain: float = 10.0
    rise_seconds: float = 6.0


@dataclass
class Row:
    """One measurement of one server."""

    peer: str
    scenario: str
    what: str
    rate: float
    report: Report
    diverged: int = 0
    compared: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether everything that was typed is everywhere, once, and everybody stayed."""
        report = self.report
        bad = ("lost", "doubled", "garbled", "unreadable", "dropped", "refused")
        return self.diverged == 0 and not any(report[name] for name in bad)

    @property
    def ops(self) -> float:
        """Insertions a second."""
        seconds = self.report["seconds"]
        return float(self.report["measured"] / seconds) if seconds else 0.0

    @property
    def on_schedule(self) -> bool:
        """Whether the generator sent what it should have, and is not what was measured."""
        return bool(self.report["sent"] >= ON_SCHEDULE * self.report["scheduled"])

    @property
    def disturbance(self) -> float:
        """Cores' worth of CPU that everything else on the machine used meanwhile."""
        return float(self.report["others_cpu"])

    @property
    def held(self) -> bool:
        """Whether the server kept up."""
        return self.clean and bool(self.report["latency_ms"]["p95"] <= P95_LIMIT_MS)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**vars(self), "clean": self.clean, "held": self.held, "ops_per_second": self.ops}


Say = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """Runs scenarios on servers, each on a server that has just been started."""

    cores: Cores
    timing: Timing
    say: Say

    @asynccontextmanager
    async def _started(self, kind: type[Peer]) -> AsyncIterator[Peer]:
        home = Path(tempfile.mkdtemp(prefix="codepad-load-"))
        peer = kind(home, self.cores.server)
        try:
            await peer.start()
            yield peer
        finally:
            await peer.close()
            shutil.rmtree(home, ignore_errors=True)

    async def _row(
        self, peer: Peer, scenario: Scenario, lines: list[ClientLine], load: Load
    ) -> Row:
        with tempfile.TemporaryDirectory(prefix="codepad-load-") as name:
            folder = Path(name)
            report = await generate(
                lines,
                load,
                port=peer.port,
                pid=peer.pid,
                folder=folder,
                core=self.cores.generator,
                keep=load.seconds > 0,
            )
            compared, diverged = compare(folder)
        return Row(
            peer.name, scenario.key, str(scenario), scenario.rate, report, diverged, compared
        )

    def _load(self, scenario: Scenario, seconds: float) -> Load:
        timing = self.timing
        return Load(
            scenario.rate,
            seconds,
            warmup=timing.warmup,
            drain=timing.drain,
            length=scenario.length,
        )

    async def typing(self, kind: type[Peer], scenario: Scenario) -> Row:
        """One of ``TYPING``."""
        async with self._started(kind) as peer:
            lines = await peer.clients(scenario.rooms, scenario.people)
            return await self._row(peer, scenario, lines, self._load(scenario, self.timing.seconds))

    async def memory(self, kind: type[Peer], key: str) -> Row:
        """Idle memory: what each client more, or each room with one client more, takes."""
        (rooms, people), (first, last) = MEMORY[key]
        async with self._started(kind) as peer:
            lines = await peer.clients(rooms, people)
            load = Load(1, 0, settle=MEMORY_SETTLE_SECONDS, stages=(first, last))
            scenario = Scenario(key, rooms, people, 0)
            row = await self._row(peer, scenario, lines, load)
        _, before, after = row.report["resident_kib"]
        row.what = f"{first} to {last}"
        row.report["kib_each"] = (after - before) / (last - first)
        return row

    async def rising(self, kind: type[Peer]) -> list[Row]:
        """``E``: twice the rate, step by step, until a server does not keep up any more.

        A step that fails only in time is tried again, because other work on the machine may have
        been the reason; between the last rate that was held and the first that was not, one more
        is tried; where not even the first is held, a tenth of it.
        """
        held: list[Row] = []
        rate, tried_again = RISING.rate, 0.0
        while True:
            *rows, last = await self._rise(kind, rate)
            held += rows
            if last.held or not last.clean or last.rate == tried_again:
                break
            rate = tried_again = last.rate
        if last.held:
            last.notes.append("the generator could do no more")
            return [*held, last]
        between = last.rate / math.sqrt(2) if held else last.rate / 10
        return [*held, *await self._rise(kind, between, steps=1), last]

    async def _rise(self, kind: type[Peer], rate: float, steps: int = RISE_MOST) -> list[Row]:
        """Steps of a rising rate on one server, until the first that is not held."""
        rows: list[Row] = []
        async with self._started(kind) as peer:
            lines = await peer.clients(RISING.rooms, RISING.people)
            for step in range(steps):
                scenario = replace(RISING, rate=rate * 2**step)
                load = self._load(scenario, self.timing.rise_seconds)
                row = await self._row(peer, scenario, lines, load)
                rows.append(row)
                self.say(f"{row.ops:8.0f} ops/s: p95 {row.report['latency_ms']['p95']:.1f} ms")
                if not row.held or not row.on_schedule:
                    break
        return rows
