"""Hostile bytes for the decoder and for a document, without a network: many cases, quickly."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from pathlib import Path

import pytest
from pycrdt import Text

from tests.fuzz.hostile import Attack, attack
from tests.fuzz.plan import CASES, MINUTES, keep, memory_bytes, seeds
from tests.fuzz.room import HIGH, MESSAGE_LIMIT, Honest, Room

SECONDS = 6.0
ROUND = 25
"""Cases on one document, before another takes its place."""

SLOW_SECONDS = 2.0
GROWTH_BYTES = 200 * 2**20
WARM_CASES = 200
UNREAD_BYTES = 2 * HIGH + MESSAGE_LIMIT


class Trial:
    """One document, somebody honest at it, and hostile people one after the other."""

    def __init__(self, kind: str) -> None:
        self.room = Room(kind)
        self.honest = Honest(self.room)
        self.faults: list[str] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.faults.append(str(context)))

    async def suffer(self, attacked: Attack, *, trusted: bool, may_edit: bool = True) -> float:
        """Let somebody do their worst; returns how long the longest step took."""
        wire = self.room.meet(trusted=trusted, reads=attacked.reads, may_edit=may_edit)
        longest = 0.0
        for chunk in attacked.chunks:
            for at in range(0, len(chunk), 2**18):
                if wire.over:
                    break
                started = time.perf_counter()
                wire.connection.data_received(chunk[at : at + 2**18])
                self.room.shared.flush()
                longest = max(longest, time.perf_counter() - started)
        await asyncio.sleep(0)
        assert wire.over or not attacked.closes, f"{attacked.name}: still open"
        assert wire.most_unread < UNREAD_BYTES, f"{attacked.name}: {wire.most_unread} bytes unread"
        assert longest < SLOW_SECONDS, f"{attacked.name}: took {longest:.1f} s"
        wire.hang_up()
        return longest

    def check(self, *, trusted: bool = False) -> None:
        """Nobody else has felt anything."""
        honest, room = self.honest, self.room
        word = f"word{random.getrandbits(60)}\n"
        honest.text.insert(0, word)
        room.shared.flush()
        honest.read()
        assert honest.wire.connection.open and self.faults == []
        ydoc = room.shared.ydoc
        assert honest.ydoc.get_state() == ydoc.get_state()
        assert str(honest.text) == str(ydoc.get("source", type=Text))
        assert str(honest.text).count(word) == 1
        fresh = Honest(room)
        assert str(fresh.text) == str(honest.text) and len(fresh.cells) == len(honest.cells)
        fresh.wire.hang_up()
        if not trusted:
            room.document.get()

    def end(self) -> None:
        """Nothing is left behind."""
        self.honest.wire.hang_up()
        self.room.stop()


@pytest.mark.timeout(120 + MINUTES * 60)
async def test_hostile_bytes_are_refused_and_nothing_else_happens() -> None:
    trial, start, longest, cases = None, 0, 0.0, 0
    for seed in seeds(0.4, SECONDS):
        rng = random.Random(seed)
        if trial is None or cases % ROUND == 0:
            if trial is not None:
                trial.end()
            trial = Trial(rng.choice(("file", "notebook")))
        attacked = attack(rng, trial.room.world())
        trusted, may_edit = rng.random() < 0.3, rng.random() < 0.8
        try:
            took = await trial.suffer(attacked, trusted=trusted, may_edit=may_edit)
            trial.check(trusted=True)
        except BaseException as error:
            path = keep(attacked.wire)
            raise AssertionError(f"seed {seed}: {attacked.name}, kept as {path.name}") from error
        longest, cases = max(longest, took), cases + 1
        if cases == WARM_CASES:
            gc.collect()
            start = memory_bytes()
    gc.collect()
    grown = memory_bytes() - start if start else 0
    print(f"{cases} cases, slowest step {longest:.2f} s, grown by {grown / 2**20:.0f} MiB")
    assert cases > ROUND and grown < GROWTH_BYTES


@pytest.mark.parametrize("path", sorted(CASES.glob("*.bin")), ids=lambda path: path.stem)
@pytest.mark.parametrize("kind", ["file", "notebook"])
async def test_what_once_went_wrong_goes_well(path: Path, kind: str) -> None:
    for trusted in (False, True):
        trial = Trial(kind)
        await trial.suffer(Attack(path.stem, (path.read_bytes(),)), trusted=trusted)
        trial.check(trusted=trusted)
        trial.end()
