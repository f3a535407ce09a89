"""Who runs when: rooms in turn, nobody kept waiting by what never ends, nothing lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jupyter_codepad.execution.fair_queue import FairQueue, default_limit
from tests.execution.test_runs import Desk, desk, text_of
from tests.support.server import JupyterServer
from tests.support.sync_client import until


class Line:
    """Rooms that wait, and who has had a turn."""

    def __init__(self, **options: float) -> None:
        self.queue = FairQueue(**{"limit": 1, **options})  # type: ignore[arg-type]
        self.turns: list[str] = []
        self.places: dict[str, list[int]] = {}
        self.waiting: dict[str, asyncio.Task[bool]] = {}

    def join(self, room: str) -> asyncio.Task[bool]:
        told = self.places.setdefault(room, [])

        async def wait() -> bool:
            got = await self.queue.turn(room, told.append)
            if got:
                self.turns.append(room)
            return got

        self.waiting[room] = task = asyncio.create_task(wait())
        return task

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_rooms_have_their_turns_one_after_the_other() -> None:
    line = Line(limit=2)
    for room in "abcde":
        line.join(room)
    await line.settle()
    assert line.turns == ["a", "b"]
    assert [line.queue.before(room) for room in "abcde"] == [0, 0, 0, 1, 2]
    line.queue.done("a")
    line.join("a")
    await line.settle()
    assert line.turns == ["a", "b", "c"], "who had a turn goes to the end of the line"
    for room in "bcde":
        line.queue.done(room)
        await line.settle()
    assert line.turns == ["a", "b", "c", "d", "e", "a"]


async def test_places_are_told_to_those_who_wait() -> None:
    line = Line(limit=1)
    for room in "abc":
        line.join(room)
    await until(lambda: line.places["c"] == [1], "the place of the last")
    assert line.places["a"] == [] and line.places["b"] == [0]
    line.queue.done("a")
    await until(lambda: line.places["c"][-1] == 0, "the next place")
    line.queue.done("b")
    await line.waiting["c"]


async def test_what_never_ends_gives_way() -> None:
    line = Line(limit=1, give_way_seconds=0.05)
    for room in "abc":
        line.join(room)
    await until(lambda: line.turns == ["a", "b", "c"], "everybody's turn")
    line.queue.done("a")
    line.queue.done("a")
    assert await line.join("d")


async def test_who_leaves_or_is_cancelled_holds_nobody_up() -> None:
    line = Line(limit=1)
    for room in "abcde":
        line.join(room)
    await line.settle()
    line.queue.leave("b")
    line.waiting["c"].cancel()
    await line.settle()
    assert line.waiting["b"].done() and line.waiting["b"].result() is False
    line.queue.done("a")
    line.waiting["d"].cancel()  # in the moment in which it gets its turn
    await line.settle()
    assert line.turns == ["a", "e"]


async def test_any_order_of_events_lets_everybody_run() -> None:
    for seed in range(30):
        rng = random.Random(seed)
        line = Line(limit=rng.randint(1, 4), give_way_seconds=rng.choice([0.001, 10.0]))
        running: set[str] = set()
        served: Counter[str] = Counter()

        async def room(
            name: str,
            rng: random.Random = rng,
            line: Line = line,
            running: set[str] = running,
            served: Counter[str] = served,
        ) -> None:
            for _ in range(rng.randint(1, 5)):
                try:
                    got = await asyncio.wait_for(
                        line.queue.turn(name, lambda _place: None), rng.choice([0.001, 30])
                    )
                except TimeoutError:
                    continue
                assert got and name not in running
                running.add(name)
                for _ in range(rng.randint(0, 5)):
                    await asyncio.sleep(0)
                running.remove(name)
                served[name] += 1
                line.queue.done(name)

        await asyncio.gather(*(room(f"room-{number}") for number in range(20)))
        assert await line.join("last"), "no turn was lost"


def test_the_limit_fits_the_machine() -> None:
    assert default_limit() >= 2


@asynccontextmanager
async def one_at_a_time(home: Path) -> AsyncIterator[JupyterServer]:
    server = JupyterServer(home, options=["--CodepadApp.concurrent_runs_limit=1"])
    try:
        yield await server.start()
    finally:
        await server.close()


async def test_rooms_wait_in_turn_see_their_place_and_nothing_is_lost(tmp_path: Path) -> None:
    async with one_at_a_time(tmp_path) as server:
        first, *others = [await desk(server) for _ in range(4)]
        busy = await first.start("import time\nprint('on', flush=True)\ntime.sleep(60)")
        await until(lambda: first.screen.run(busy).get("outputs"), "the first at work", 30)
        more = await first.start("print('more')")
        runs = [await at.start(f"print({number})") for number, at in enumerate(others)]
        # Within three seconds the first gives way, although it goes on.
        ends = [at.screen.end_of(run) for at, run in zip(others, runs, strict=True)]
        done = await asyncio.gather(*ends)
        assert [text_of(run) for run in done] == ["0\n", "1\n", "2\n"]
        assert [run["status"] for run in done] == ["ok"] * 3
        assert first.screen.run(busy)["status"] == "running"
        await until(lambda: first.screen.run(more)["position"] == 1, "its place in its room")
        started = [run["started_at"] for run in done]
        assert started == sorted(started), "in the order in which they were asked for"
        await _restart_and_stop_while_waiting(first, others, busy)


async def _restart_and_stop_while_waiting(first: Desk, others: list[Desk], busy: str) -> None:
    """What waits for its turn can be stopped, restarted and closed, and the line goes on."""
    await stop(first, busy)
    await first.screen.end_of(busy)
    for _ in range(3):  # on a slow machine the busy room may have given way meanwhile
        if await _stopped_in_line(first, others):
            return
    raise AssertionError("what waits was not stopped")


async def _stopped_in_line(first: Desk, others: list[Desk]) -> bool:
    """Whether what is stopped had not had its turn yet."""
    again = await others[0].start("import time\nprint('on', flush=True)\ntime.sleep(60)")
    await until(lambda: others[0].screen.run(again).get("outputs"), "a busy room", 30)
    waiting = [await at.start("print('waited')") for at in (first, *others[1:])]
    last = others[2].screen
    await until(
        lambda: last.run(waiting[2]).get("position") == 2 or last.run(waiting[2]).get("outputs"),
        "the last's place",
    )
    await stop(first, waiting[0])
    restart = f"rooms/{others[1].id}/kernel/restart"
    assert (await others[1].ada.api("POST", restart)).status_code == 202
    ends = [
        await at.screen.end_of(run) for at, run in zip((first, others[1]), waiting, strict=False)
    ]
    later = await others[1].start("print('later')")
    for at, run, words in ((others[2], waiting[2], "waited\n"), (others[1], later, "later\n")):
        assert text_of(await at.screen.end_of(run)) == words
    await stop(others[0], again)
    await others[0].screen.end_of(again)
    return [end["status"] for end in ends] == ["interrupted"] * 2


async def stop(at: Desk, run_id: str) -> None:
    answer = await at.ada.api("POST", f"rooms/{at.id}/runs/{run_id}/interrupt")
    assert answer.status_code == 202
