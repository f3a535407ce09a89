"""The table that ``make bench`` prints, and what is said above it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.load.generator import Cores
from tests.load.scenarios import Row
from tests.load.servers import Peer

COLUMNS = (
    "server",
    "scenario",
    "ops/s",
    "p50 ms",
    "p95",
    "p99",
    "max",
    "durable p50",
    "p95",
    "CPU",
    "lost",
    "doubled",
    "diverged",
    "dropped",
    "up B/op",
    "down B",
    "gen late p95",
    "gen CPU",
    "others CPU",
)
MEMORY_WORDS = {"M": "each further client of a room", "R": "each further room with one client"}
LEFT = 2
"""Columns whose text begins at the left."""


def processor() -> str:
    """The name of the CPU."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine(peers: Iterable[type[Peer]], cores: Cores) -> dict[str, str]:
    """What the figures were measured on, and with."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    pins = (
        "not pinned"
        if cores.server is None
        else f"server on core {cores.server}, generator on core {cores.generator}"
    )
    return {
        "CPU": f"{processor()}, {os.cpu_count()} cores; {pins}",
        "System": f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"Node {node.stdout.strip() or 'none'}",
        "Load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        **{peer.name: peer.described() for peer in peers},
    }


def milliseconds(value: float, count: int) -> str:
    """A time with as many digits as mean something; nothing where nothing was measured."""
    if count == 0:
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def cells(row: Row) -> list[str]:
    """One row of the table of times."""
    report = row.report
    times, ack = report["latency_ms"], report["ack_ms"]
    latencies = [milliseconds(times[name], times["n"]) for name in ("p50", "p95", "p99", "max")]
    acks = [milliseconds(ack[name], ack["n"]) for name in ("p50", "p95")]
    bad = [str(report["lost"]), str(report["doubled"]), str(row.diverged)]
    return [
        row.peer,
        f"{row.scenario} {row.what}",
        f"{row.ops:,.0f}",
        *latencies,
        *acks,
        f"{report['server_cpu']:.0%}",
        *bad,
        str(report["dropped"] + report["refused"]),
        f"{report['up']['sync']['bytes'] / max(1, report['sent']):.1f}",
        f"{report['down']['sync']['bytes'] / max(1, report['expected']):.1f}",
        milliseconds(report["late_ms"]["p95"], report["late_ms"]["n"]),
        f"{report['own_cpu']:.0%}",
        f"{report['others_cpu']:.0%}",
    ]


def aligned(rows: list[list[str]]) -> str:
    """Columns side by side."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < LEFT else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def remarks(row: Row) -> list[str]:
    """What a reader of this row's figures has to know."""
    report = row.report
    found = list(row.notes)
    if report["missing"]:
        found.append(f"{report['missing']} of {report['expected']} deliveries missing at the end")
    if report["resent"]:
        found.append(f"{report['resent']} sent again")
    if report["connected"] < report["clients"]:
        found.append(f"{report['connected']} of {report['clients']} clients came in")
    if not row.on_schedule:
        found.append(f"the generator sent {report['sent']} of {report['scheduled']}")
    if report["unreadable"] or report["garbled"]:
        found.append(f"{report['unreadable']} unreadable, {report['garbled']} garbled")
    if report["first_fault"]:
        found.append(report["first_fault"])
    return found


def memory_cells(row: Row) -> list[str]:
    """One row of the table of memory."""
    report = row.report
    first, last = (f"{value / 1024:,.1f}" for value in report["resident_kib"][1:])
    each = f"{report['kib_each']:.1f}"
    return [row.peer, f"{row.scenario} {MEMORY_WORDS[row.scenario]}, {row.what}", each, first, last]


def most_held(rows: list[Row]) -> list[str]:
    """The result of scenario E, a line for each server."""
    lines = []
    for name in dict.fromkeys(row.peer for row in rows):
        steps = [row for row in rows if row.peer == name]
        held = [row for row in steps if row.held]
        if held:
            best = max(held, key=lambda row: row.ops)
            p95 = best.report["latency_ms"]["p95"]
            lines.append(f"  {name}: {best.ops:,.0f} ops/s held, p95 {p95:.1f} ms")
        else:
            lines.append(f"  {name}: not even {min(row.ops for row in steps):,.0f} ops/s held")
    return lines


def render(rows: list[Row]) -> str:
    """All that was measured: times, then memory, then what to know about single rows."""
    timed = [row for row in rows if row.scenario not in MEMORY_WORDS]
    memory = [row for row in rows if row.scenario in MEMORY_WORDS]
    parts = []
    if timed:
        parts.append(aligned([list(COLUMNS), *map(cells, timed)]))
    if rising := [row for row in rows if row.scenario == "E"]:
        parts.append("\n".join(["E, the most that was held:", *most_held(rising)]))
    if memory:
        head = ["server", "idle memory", "KiB each", "MiB at first", "at last"]
        parts.append(aligned([head, *map(memory_cells, memory)]))
    if said := [
        f"  {row.peer}, {row.scenario} {row.what}: {'; '.join(words)}"
        for row in rows
        if (words := remarks(row))
    ]:
        parts.append("\n".join(["Remarks:", *said]))
    return "\n\n".join(parts)
