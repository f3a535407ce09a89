"""The bench works, at small size; and it sees what is wrong where something is."""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Text

from tests.load.generator import ClientLine, Load, Report, build, compiler, generate, relay
from tests.load.replicas import compare
from tests.load.scenarios import Row

PROJECT = Path(__file__).parents[2]
LINES = [ClientLine(room, f"/{room}") for room in range(2) for _ in range(5)]
LOAD = Load(50, 0.6, warmup=0.1, drain=0.5, settle=0.1)


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    """The compiled generator and relay."""
    if compiler() is None:
        pytest.skip("the load generator needs a C compiler, and there is none")
    build()


async def run(folder: Path, *faults: str, load: Load = LOAD) -> Report:
    """A second of typing over the relay, with its faults."""
    async with relay(None, *faults) as (port, pid):
        return await generate(LINES, load, port=port, pid=pid, folder=folder, core=None, keep=False)


def row(report: Report) -> Row:
    """What the bench would make of a report."""
    return Row("relay", "-", "-", 1, report)


async def test_a_small_load_arrives_at_everybody_once(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.load.bench", "--quick", "--json", str(figures)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert "Q 2 x 4 x 5/s" in out.decode()
    ours, stock = json.loads(figures.read_text())["rows"]
    for measured in (ours, stock):
        report = measured["report"]
        assert report["sent"] > 0
        assert report["delivered"] == report["expected"] == 3 * report["sent"]
        assert (report["lost"], report["doubled"], report["dropped"]) == (0, 0, 0)
        assert (measured["compared"], measured["diverged"]) == (2, 0)
        assert measured["clean"], report["first_fault"]
    assert ours["report"]["ack_ms"]["n"] == ours["report"]["measured"] > 0


async def test_over_a_relay_without_faults_nothing_is_wrong(tmp_path: Path) -> None:
    report = await run(tmp_path)
    assert report["sent"] > 0 and report["delivered"] == 4 * report["sent"]
    assert row(report).clean and report["resent"] == report["echoes"] == 0


async def test_what_a_server_drops_is_lost(tmp_path: Path) -> None:
    report = await run(tmp_path, "--drop", "100")
    assert report["lost"] == report["sent"] // 100 > 0
    assert report["missing"] == 4 * report["lost"]
    assert not row(report).clean


async def test_what_comes_under_another_id_is_doubled(tmp_path: Path) -> None:
    report = await run(tmp_path, "--double", "100")
    assert report["doubled"] == report["sent"] // 100 > 0
    assert report["lost"] == 0 and not row(report).clean


async def test_the_same_again_is_not_doubled(tmp_path: Path) -> None:
    report = await run(tmp_path, "--resend", "100")
    assert report["resent"] == 4 * (report["sent"] // 100) > 0
    assert report["doubled"] == 0 and row(report).clean


async def test_who_is_thrown_out_is_counted(tmp_path: Path) -> None:
    report = await run(tmp_path, "--cut", "200")
    assert report["dropped"] > 0 and "dropped" in report["first_fault"]
    assert not row(report).clean


async def test_more_than_the_generator_can_do_is_said(tmp_path: Path) -> None:
    report = await run(tmp_path, load=Load(1e6, 0.2, warmup=0, drain=0.1, settle=0.1))
    assert 0 < report["sent"] < report["scheduled"]
    assert not row(report).on_schedule


def write_updates(path: Path, *updates: bytes) -> None:
    """As the generator keeps them."""
    path.write_bytes(b"".join(struct.pack("<I", len(update)) + update for update in updates))


def test_replicas_that_differ_from_the_server_are_counted(tmp_path: Path) -> None:
    ydoc: Doc[Any] = Doc()
    text = ydoc.get("source", type=Text)
    text += "one"
    first = ydoc.get_update()
    state = ydoc.get_state()
    text += " two"
    second = ydoc.get_update(state)
    for room in range(3):
        write_updates(tmp_path / f"{room}.replica", first, second)
    write_updates(tmp_path / "0.server", ydoc.get_update())
    write_updates(tmp_path / "1.server", first)
    (tmp_path / "2.server").touch()
    assert compare(tmp_path) == (3, 2)
