"""The life of rooms' kernels: when one is started, and when and why it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from logging import Logger

from ..errors import CodepadError, TooMany
from ..storage.tables import utc_now
from .kernels import KernelDied, RoomKernel
from .limits import LimitSettings
from .pool import KernelPool
from .room_runs import RoomRuns
from .sandbox import Sandbox
from .starts import KernelStart
from .tasks import Tasks

IDLE_CHECK_SECONDS = 10.0
PLACE_SECONDS = 1.0
"""So long is waited for a run to end whose kernel can give way."""
GIVEN_UP = "The kernel was ended while it was being started."
NOT_USED = "The kernel was ended because it was not used."
PLACE_NEEDED = "The kernel was ended because other rooms needed its place."


class RoomKernels:
    """Gives each room its kernel, one at a time, and ends those that nobody uses.

    ``rooms``: all rooms that run something or have; ``limit``: kernels that may live at a time;
    ``start_of``: how the kernel of a language is started, called in a thread; ``idle_seconds``: how
    long an unused one lives; ``pool_size``: how many are kept warm for rooms that have none yet,
    they count too; ``limits``: the memory of some languages.
    """

    def __init__(
        self,
        *,
        rooms: Callable[[], Iterable[RoomRuns]],
        sandbox: Sandbox,
        start_of: Callable[[str], KernelStart],
        log: Logger,
        tasks: Tasks,
        limit: int,
        idle_seconds: float,
        pool_size: int,
        limits: LimitSettings,
    ) -> None:
        self._rooms = rooms
        self._sandbox = sandbox
        self._start_of = start_of
        self._log = log
        self._tasks = tasks
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._limits = limits
        self._starting = 0
        self._pool: KernelPool[RoomKernel] = KernelPool(
            start=self._started,
            has_place=lambda: self.has_place,
            log=log,
            tasks=tasks,
            size=pool_size,
            idle_seconds=idle_seconds,
        )

    def start(self) -> None:
        """Begin to keep warm kernels, and to look for kernels that nobody uses."""
        self._tasks.add(self._end_idle_kernels())
        self._pool.start()

    async def stop(self) -> None:
        """End the kernels that are no room's yet."""
        await self._pool.stop()

    @property
    def has_place(self) -> bool:
        """Whether one more kernel may be started without ending another."""
        return self._count < self._limit

    @property
    def _count(self) -> int:
        """Kernels that live or are being started."""
        return len(self._alive) + self._starting + self._pool.count

    @property
    def _alive(self) -> list[RoomRuns]:
        return [runs for runs in self._rooms() if runs.kernel is not None]

    async def kernel(self, runs: RoomRuns) -> RoomKernel:
        """The room's kernel, started if it has none that lives.

        Raises ``KernelDied`` when it does not start, ``TooMany`` when there is no place for it.
        """
        async with runs.starting:
            if runs.closed:
                raise KernelDied(runs.closed)
            language = runs.room.language
            if runs.kernel is not None and runs.kernel.alive and runs.kernel_language == language:
                return runs.kernel
            if runs.kernel is not None:
                await runs.kernel.shutdown()
                runs.kernel = None
            runs.kernel, runs.kernel_language = await self._taken(runs, language), language
            kernel = runs.kernel
            runs.last_used = utc_now()
            runs.document.set_kernel("idle")
            self._tasks.add(self._tell_death(runs, kernel))
            return kernel

    async def _taken(self, runs: RoomRuns, language: str) -> RoomKernel:
        """A warm kernel, or one that is started now."""
        warm = self._pool.take(language)
        if warm is not None:
            return warm
        await self._make_place()
        runs.document.set_kernel("starting")
        self._starting += 1
        runs.start = start = asyncio.create_task(self._started(language))
        try:
            await asyncio.wait({start})
        finally:
            runs.start = None
            self._starting -= 1
            _give_up(start)
        if start.cancelled():
            raise KernelDied(GIVEN_UP)
        return start.result()

    async def _started(self, language: str) -> RoomKernel:
        """A kernel that answers; the room's files come before its first run."""
        sandbox = self._sandbox if self._sandbox.status.available else None
        try:
            start = await asyncio.to_thread(self._start_of, language)
        except CodepadError as error:
            raise KernelDied(error.message) from error
        memory = self._limits.memory_of(language)
        if memory is not None:
            start = replace(start, memory_limit_bytes=memory)
        kernel = RoomKernel(sandbox=sandbox, log=self._log, start=start)
        await kernel.start()
        return kernel

    async def start_ahead(self, runs: RoomRuns) -> None:
        """Start the room's kernel before anything is run; what prevents it is shown."""
        try:
            await self.kernel(runs)
        except (KernelDied, TooMany) as error:
            runs.document.set_kernel("dead", str(error))

    async def warm_up(self, runs: RoomRuns) -> None:
        """Start the room's kernel if it has none, and there is a place for it.

        One at a time: when a class enters, those who run something now come first.
        """
        async with self._pool.one_at_a_time:
            if runs.kernel is None and (self.has_place or self._pool.has(runs.room.language)):
                await self.start_ahead(runs)

    async def end(self, runs: RoomRuns) -> bool:
        """End the room's kernel, or give up the start of one. Whether it had one."""
        if runs.start is not None:
            _give_up(runs.start)
        async with runs.starting:
            kernel, runs.kernel = runs.kernel, None
            if kernel is not None:
                await kernel.shutdown()
        return kernel is not None

    @property
    def _idle(self) -> list[RoomRuns]:
        """Rooms whose kernel does nothing, and has nothing to do."""
        return [
            runs
            for runs in self._alive
            if runs.current is None and not runs.queue and not runs.starting.locked()
        ]

    async def _make_place(self) -> None:
        """At the limit, end a kernel that is no room's, or was not used for the longest time."""
        if self.has_place or await self._pool.make_place():
            return
        deadline = time.monotonic() + PLACE_SECONDS
        while not (idle := self._idle) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        if not idle:
            alive = self._alive
            words = f"{len(alive)} rooms run code on this server now; try again later."
            raise TooMany("too_many_kernels", words, 60)
        longest = min(idle, key=lambda runs: runs.last_used)
        if await self.end(longest):
            longest.document.set_kernel("off", PLACE_NEEDED)

    async def _tell_death(self, runs: RoomRuns, kernel: RoomKernel) -> None:
        await kernel.ended()
        if runs.kernel is kernel and runs.current is None:
            runs.document.set_kernel("dead", kernel.death_words)

    async def _end_idle_kernels(self) -> None:
        while True:
            await asyncio.sleep(min(IDLE_CHECK_SECONDS, self._idle_seconds))
            for runs in list(self._rooms()):
                idle = (utc_now() - runs.last_used).total_seconds()
                if runs.kernel is None or runs.current is not None or idle < self._idle_seconds:
                    continue
                if await self.end(runs):
                    runs.document.set_kernel("off", NOT_USED)


def _give_up(start: asyncio.Task[RoomKernel]) -> None:
    """Cancel a start, once: it ends what it has begun, and a second time would prevent that."""
    if not start.cancelling():
        start.cancel()
