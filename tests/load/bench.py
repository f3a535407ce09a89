"""Measures servers of shared documents side by side: ``python -m tests.load.bench``.

See docs/performance.md for the scenarios and the columns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.load.generator import ClientLine, Cores, Load, build, generate, relay
from tests.load.scenarios import KEYS, MEMORY, QUICK, TYPING, Bench, Row, Timing
from tests.load.servers import ALL, Ours, Peer, Stock
from tests.load.table import machine, render

Keep = Callable[[list[Row]], None]
QUICK_TIMING = Timing(seconds=2, warmup=0.5, drain=5)
DISTURBED = 0.1
"""More than this of a core used by others is a reason to measure again (``--tries``)."""
CEILING_RATES = (10, 20, 40, 60, 80, 120, 160)
"""Insertions a second of each of 1,000 clients."""


def say(line: str) -> None:
    """Tell how it goes, beside the table."""
    print(line, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    names = [peer.name for peer in ALL]
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench", description=__doc__)
    parser.add_argument("--only", help=f"servers, by comma: {','.join(names)}")
    parser.add_argument("--scenarios", help=f"by comma: {','.join(KEYS)}")
    parser.add_argument("--seconds", type=float, default=Timing.seconds, help="of each scenario")
    parser.add_argument("--drain", type=float, default=Timing.drain, help="seconds, at most")
    parser.add_argument(
        "--tries", type=int, default=1, help="measure again, so often at most, when disturbed"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run of both Jupyter servers")
    parser.add_argument("--ceiling", action="store_true", help="the generator on a bare relay")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",") if chosen.only else names
    chosen.scenarios = chosen.scenarios.split(",") if chosen.scenarios else list(KEYS)
    if unknown := (set(chosen.only) - set(names)) | (set(chosen.scenarios) - set(KEYS)):
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    return chosen


async def measure(
    bench: Bench, peers: list[type[Peer]], keys: list[str], tries: int, keep: Keep
) -> bool:
    """All scenarios, each on all servers in turn: what disturbs one disturbs its neighbours.

    Returns whether everything could be measured. ``keep`` gets rows as soon as they are there.
    """
    complete = True
    for key in keys:
        for peer in peers:
            say(f"{key}: {peer.name}")
            try:
                keep(await measured(bench, peer, key, tries))
            except (RuntimeError, OSError, AssertionError) as error:
                # The other servers' figures are worth having all the same.
                complete = False
                say(f"{key}: {peer.name} could not be measured: {error}")
    return complete


async def measured(bench: Bench, peer: type[Peer], key: str, tries: int) -> list[Row]:
    """One scenario on one server.

    While others use the machine it is tried again, and the least disturbed row is kept, whatever
    its figures are.
    """
    if key == "E":
        return await bench.rising(peer)
    if key in MEMORY:
        return [await bench.memory(peer, key)]
    rows: list[Row] = []
    while len(rows) < tries and not any(row.disturbance <= DISTURBED for row in rows):
        rows.append(await bench.typing(peer, TYPING[key]))
        report = rows[-1].report
        say(
            f"  p95 {report['latency_ms']['p95']:.1f} ms, CPU {report['server_cpu']:.0%}, "
            f"others {report['others_cpu']:.0%}"
        )
    best = min(rows, key=lambda row: row.disturbance)
    if len(rows) > 1:
        best.notes.append(f"the least disturbed of {len(rows)}")
    return [best]


async def ceiling(cores: Cores, seconds: float, keep: Keep) -> None:
    """What the generator itself can do: 100 rooms of 10 on a relay that understands nothing."""
    lines = [ClientLine(room, f"/{room}") for room in range(100) for _ in range(10)]
    for rate in CEILING_RATES:
        async with relay(cores.server) as (port, pid):
            with tempfile.TemporaryDirectory(prefix="codepad-load-") as name:
                report = await generate(
                    lines,
                    Load(rate, seconds),
                    port=port,
                    pid=pid,
                    folder=Path(name),
                    core=cores.generator,
                    keep=False,
                )
        row = Row("bare relay", "ceiling", f"100 x 10 x {rate}/s", rate, report)
        keep([row])
        if not row.on_schedule:
            break


def available(names: list[str]) -> list[type[Peer]]:
    """The wanted servers that can be measured here; says which cannot."""
    peers = [peer for peer in ALL if peer.name in names]
    for peer in peers:
        if (why := peer.missing()) is not None:
            say(f"{peer.name} is left out: {why}")
    return [peer for peer in peers if peer.missing() is None]


async def main() -> int:
    """Measure what was asked for and print it; when it is interrupted, what there is."""
    chosen = arguments()
    own = asyncio.current_task()
    assert own is not None
    # Whoever ends the bench ends the server too that it has started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, own.cancel)
    build()
    cores = Cores.of_this_machine()
    timing = replace(Timing(), seconds=chosen.seconds, drain=chosen.drain)
    bench = Bench(cores, QUICK_TIMING if chosen.quick else timing, say)
    jupyter = [Ours.name, Stock.name]
    names = [] if chosen.ceiling else jupyter if chosen.quick else chosen.only
    peers = available(names)
    about = machine(peers, cores)
    print("\n".join(f"{name + ':':14}{value}" for name, value in about.items()), flush=True)
    rows: list[Row] = []
    complete = True

    def keep(more: list[Row]) -> None:
        rows.extend(more)
        if chosen.json is not None:
            figures = {"machine": about, "rows": [row.as_json() for row in rows]}
            chosen.json.write_text(json.dumps(figures, indent=1) + "\n")

    try:
        if chosen.ceiling:
            await ceiling(cores, chosen.seconds, keep)
        elif chosen.quick:
            for peer in peers:
                keep([await bench.typing(peer, QUICK)])
        else:
            complete = await measure(bench, peers, chosen.scenarios, max(1, chosen.tries), keep)
    finally:
        print(f"\n{render(rows)}", flush=True)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
