"""Hostile bytes for the decoder and for a document, without a network: many cases, quickly."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Text

from jupyter_codepad.sync.content import content_hash, histories
from jupyter_codepad.sync.protocol import AwarenessEntry, Kind, SyncStep, ack_frame, awareness_frame
from jupyter_codepad.sync.states import CLOCK_LIMIT
from jupyter_codepad.sync.updates import read_state
from tests.fuzz.hostile import Attack, attack, frame, sync
from tests.fuzz.plan import CASES, MINUTES, keep, memory_bytes, seeds
from tests.fuzz.room import HIGH, MESSAGE_LIMIT, Honest, Room

pytestmark = pytest.mark.filterwarnings("ignore:Non-unique cell ID")

SECONDS = 4.0
ROUND = 25
"""Cases on one document, before another takes its place."""

CHECKED = 3
"""The others are looked after every few cases."""

SLOW_SECONDS = 1.0
"""Of the processor's time: what else runs on the machine is not the decoder's fault."""
GROWTH_BYTES = 200 * 2**20
WARM_CASES = 200
UNREAD_BYTES = 2 * HIGH + MESSAGE_LIMIT


class Trial:
    """One document, somebody honest at it, and hostile people one after the other."""

    def __init__(self, kind: str, *, trusted: bool) -> None:
        self.room = Room(kind)
        self.trusted = trusted
        self.honest = Honest(self.room)
        self.honest.text.insert(0, "honest\n")
        self.faults: list[str] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.faults.append(str(context)))

    async def suffer(self, attacked: Attack, *, may_edit: bool = True) -> float:
        """Let somebody do their worst; returns what the longest step took of the processor."""
        wire = self.room.meet(trusted=self.trusted, reads=attacked.reads, may_edit=may_edit)
        longest = 0.0
        for chunk in attacked.chunks:
            for at in range(0, len(chunk), 2**18):
                if wire.over:
                    break
                started = time.thread_time()
                wire.connection.data_received(chunk[at : at + 2**18])
                self.room.shared.flush()
                longest = max(longest, time.thread_time() - started)
        await asyncio.sleep(0)
        assert wire.over or not attacked.closes, f"{attacked.name}: still open"
        assert wire.most_unread < UNREAD_BYTES, f"{attacked.name}: {wire.most_unread} bytes unread"
        assert longest < SLOW_SECONDS, f"{attacked.name}: took {longest:.1f} s"
        wire.hang_up()
        return longest

    def check(self) -> None:
        """Nobody else has felt anything."""
        honest, room = self.honest, self.room
        word = f"word{random.getrandbits(60)}\n"
        honest.text.insert(0, word)
        room.shared.flush()
        honest.read()
        assert honest.wire.connection.open and self.faults == []
        ydoc = room.shared.ydoc
        assert read_state(honest.ydoc.get_state()) == read_state(ydoc.get_state())
        assert str(honest.text) == str(ydoc.get("source", type=Text))
        assert str(honest.text).count(word) == 1
        fresh = Honest(room)
        assert str(fresh.text) == str(honest.text) and len(fresh.cells) == len(honest.cells)
        fresh.leave()
        histories(ydoc)
        if not self.trusted:
            content_hash(room.document.get())

    def end(self) -> None:
        """Nothing is left behind."""
        self.honest.leave()
        self.room.stop()


@pytest.mark.timeout(120 + MINUTES * 60)
async def test_hostile_bytes_are_refused_and_nothing_else_happens() -> None:
    trial, start, longest, cases = None, 0, 0.0, 0
    for seed in seeds(0.4, SECONDS):
        rng = random.Random(seed)
        if trial is None or cases % ROUND == 0:
            if trial is not None:
                trial.end()
            trial = Trial(rng.choice(("file", "notebook")), trusted=rng.random() < 0.3)
        attacked = attack(rng, trial.room.world())
        try:
            took = await trial.suffer(attacked, may_edit=rng.random() < 0.8)
            if cases % CHECKED == 0 or not cases % ROUND:
                trial.check()
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
        trial = Trial(kind, trusted=trusted)
        await trial.suffer(Attack(path.stem, (path.read_bytes(),)))
        trial.check()
        trial.end()


@pytest.mark.parametrize("what", ["state vectors", "people", "pings"])
@pytest.mark.parametrize("trusted", [False, True])
async def test_who_asks_and_does_not_read_is_kept_waiting(what: str, *, trusted: bool) -> None:
    trial = Trial("file", trusted=trusted)
    trial.honest.text.insert(0, "x" * 300_000)
    question = {
        "state vectors": frame(sync(SyncStep.STATE, b"\0")),
        "people": frame(bytes((Kind.QUERY_AWARENESS,))),
        "pings": frame(b"x" * 125, 9),
    }[what]
    await trial.suffer(Attack(what, (question * 2000,), reads=False))
    trial.check()
    trial.end()


async def test_who_reads_at_last_is_answered() -> None:
    trial = Trial("file", trusted=True)
    trial.honest.text.insert(0, "x" * 300_000)
    wire = trial.room.meet(trusted=True, reads=False)
    wire.connection.data_received(frame(sync(SyncStep.STATE, b"\0")) * 20)
    trial.honest.text.insert(0, "later")
    trial.room.shared.flush()
    wire.read_all()
    late = Honest(trial.room, wire)
    late.read()
    assert str(late.text) == str(trial.honest.text)
    trial.end()


async def test_what_builds_on_nothing_is_asked_for_and_not_kept() -> None:
    trial = Trial("file", trusted=False)
    absent: Doc[Any] = Doc()
    made: list[bytes] = []
    absent.observe(lambda event: made.append(event.update))
    text = absent.get("source", type=Text)
    for word in ("first ", "second "):
        text += word
    wire = trial.room.meet(trusted=False, reads=True)
    wire.connection.data_received(frame(sync(SyncStep.UPDATE, made[1])))
    asked = frame(sync(SyncStep.STATE, trial.room.shared.ydoc.get_state()), mask=None)
    # The acknowledgement comes after: by then an honest client has sent all of it again.
    assert wire.received == asked + frame(ack_frame(1), mask=None)
    wire.connection.data_received(frame(sync(SyncStep.MISSING, absent.get_update())))
    trial.check()
    assert str(trial.honest.text).count("first second ") == 1
    trial.end()


async def test_nobody_writes_in_the_name_of_somebody_who_is_there() -> None:
    trial = Trial("file", trusted=False)
    trial.check()
    honest = trial.honest.ydoc
    thief: Doc[Any] = Doc(client_id=honest.client_id)
    thief.apply_update(honest.get_update())
    before = thief.get_state()
    thief.get("source", type=Text).insert(0, "x" * 100)
    for step in (SyncStep.UPDATE, SyncStep.MISSING):
        stolen = frame(sync(step, thief.get_update(before)))
        await trial.suffer(Attack("thief", (stolen,), closes=True))
    trial.check()
    trial.end()


async def test_who_repeats_what_they_heard_of_others_stays() -> None:
    trial = Trial("file", trusted=True)
    last = awareness_frame([AwarenessEntry(77, CLOCK_LIMIT, {})])
    beyond = awareness_frame([AwarenessEntry(77, CLOCK_LIMIT + 1, None)])
    await trial.suffer(Attack("last", (frame(last),)))
    trial.honest.wire.connection.data_received(frame(awareness_frame([AwarenessEntry(5, 1, {})])))
    for entry in (last, beyond):
        trial.honest.wire.connection.data_received(frame(entry))
    trial.check()
    trial.end()
