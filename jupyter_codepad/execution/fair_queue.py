"""FairQueue: whose turn it is to run code on this server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from ..metrics import RUNS_WAITING

GIVE_WAY_SECONDS = 3.0
"""After this time a run does not count any more among those that run at a time."""
TELL_SECONDS = 0.25
"""Places in the line are told this often; who gets a turn sooner never hears of one."""


def default_limit() -> int:
    """Runs at a time that keep this machine's processors busy: two for each, at least two."""
    return max(2, 2 * (os.cpu_count() or 1))


@dataclass
class _Waiting:
    turn: asyncio.Future[bool]
    told: Callable[[int], None]


class FairQueue:
    """Lets rooms run a few at a time; a room that has had its turn goes to the end of the line.

    So fifty people who press Run together each wait for the runs before theirs, and nobody for all
    runs of one busy room. ``limit``: turns that count at a time. A turn that takes longer than
    ``give_way_seconds`` counts no more, and the next room begins: programs that never end, wait for
    input, or cells that train for hours keep nobody waiting. They then share the processors with
    everybody, which the system does fairly; how many there can be is bounded by the number of
    kernels.
    """

    def __init__(self, *, limit: int, give_way_seconds: float = GIVE_WAY_SECONDS) -> None:
        self._limit = limit
        self._give_way_seconds = give_way_seconds
        self._line: dict[str, _Waiting] = {}
        self._turns: dict[str, asyncio.TimerHandle] = {}
        self._telling: asyncio.TimerHandle | None = None

    async def turn(self, room_id: str, told: Callable[[int], None]) -> bool:
        """Wait for the room's turn, which lasts until ``done``; false when it has left the line.

        ``told``: called now and then with how many rooms are before it.
        """
        if not self._line and len(self._turns) < self._limit:
            self._begin(room_id)
            return True
        waiting = _Waiting(asyncio.get_running_loop().create_future(), told)
        self._line[room_id] = waiting
        self._tell_soon()
        try:
            return await waiting.turn
        except asyncio.CancelledError:
            self.leave(room_id)
            if waiting.turn.done() and not waiting.turn.cancelled() and waiting.turn.result():
                self.done(room_id)
            raise

    def done(self, room_id: str) -> None:
        """The room's turn is over."""
        self._give_way(room_id)

    def leave(self, room_id: str) -> None:
        """The room does not wait any more."""
        waiting = self._line.pop(room_id, None)
        if waiting is not None and not waiting.turn.done():
            waiting.turn.set_result(False)
        self._tell_soon()

    def before(self, room_id: str) -> int:
        """How many rooms are before this one in the line; 0 when it is not in it."""
        return list(self._line).index(room_id) if room_id in self._line else 0

    # -- inside -----------------------------------------------------------------------------------

    def _begin(self, room_id: str) -> None:
        loop = asyncio.get_running_loop()
        self._turns[room_id] = loop.call_later(self._give_way_seconds, self._give_way, room_id)

    def _give_way(self, room_id: str) -> None:
        timer = self._turns.pop(room_id, None)
        if timer is not None:
            timer.cancel()
        while self._line and len(self._turns) < self._limit:
            first = next(iter(self._line))
            waiting = self._line.pop(first)
            if not waiting.turn.done():
                self._begin(first)
                waiting.turn.set_result(True)
        self._tell_soon()

    def _tell_soon(self) -> None:
        RUNS_WAITING.set(len(self._line))
        if self._line and self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._telling = None
        for place, waiting in enumerate(list(self._line.values())):
            waiting.told(place)
