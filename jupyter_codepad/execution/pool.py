"""KernelPool: kernels that have been started before anybody needs them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from logging import Logger
from typing import Generic, Protocol, TypeVar

from ..metrics import KERNELS_WARM
from .kernels import KernelDied
from .tasks import Tasks

CHECK_SECONDS = 10.0
REST_SECONDS = 0.3
"""Between a kernel that was taken and the start of the next: what took it comes first."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 600.0
"""After a kernel that did not start or died by itself; doubled with each further one."""


class Warm(Protocol):
    """What the pool needs to know of a kernel."""

    death_words: str

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    async def ended(self) -> None:
        """Wait until it does not."""

    async def shutdown(self) -> None:
        """End it."""


Kernel = TypeVar("Kernel", bound=Warm)


class KernelPool(Generic[Kernel]):
    """Keeps one kernel warm for each of the languages that were used last.

    They have an empty folder and have run nothing. ``start``: starts a kernel of a language, raises
    ``KernelDied``; ``has_place``: whether the server may have one more; ``size``: most kernels that
    are kept, 0: none; ``idle_seconds``: for how long after a language's last use. Kernels are
    started one at a time, and those of a language that fail less and less often.
    """

    def __init__(
        self,
        *,
        start: Callable[[str], Awaitable[Kernel]],
        has_place: Callable[[], bool],
        log: Logger,
        tasks: Tasks,
        size: int,
        idle_seconds: float,
    ) -> None:
        self._start_kernel = start
        self._has_place = has_place
        self._log = log
        self._tasks = tasks
        self._size = size
        self._idle_seconds = idle_seconds
        self._used: dict[str, float] = {}
        """When each language was used last; the last one is at the end."""
        self._warm: dict[str, Kernel] = {}
        self._failures: dict[str, int] = {}
        self._paused_until: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._starting = 0
        self._ending: set[asyncio.Future[None]] = set()
        self.one_at_a_time = asyncio.Lock()
        """Held while a kernel is started that nobody waits for."""

    def start(self) -> None:
        """Begin to keep kernels."""
        if self._size > 0:
            self._tasks.add(self._keep())

    async def stop(self) -> None:
        """End all kernels that nobody has taken; nothing is started any more."""
        self._size = 0
        await asyncio.gather(*(self._end(language) for language in list(self._warm)))
        await asyncio.gather(*self._ending, return_exceptions=True)

    @property
    def count(self) -> int:
        """Kernels that are warm, or are being started for the pool."""
        return len(self._warm) + self._starting

    def take(self, language: str) -> Kernel | None:
        """A kernel of a language that lives and is nobody's yet; None where there is none.

        The language counts as used, so one will be there for the next.
        """
        self._used.pop(language, None)
        self._used[language] = time.monotonic()
        self._wake.set()
        kernel = self._out(language)
        if kernel is None:
            return None
        if not kernel.alive:
            self._tasks.add(kernel.shutdown())
            return None
        self._failures.pop(language, None)
        return kernel

    def has(self, language: str) -> bool:
        """Whether a kernel of a language is warm."""
        return language in self._warm

    async def make_place(self) -> bool:
        """End the kernel of the language whose last use is longest ago; false: there is none."""
        for language in [*self._used, *self._warm]:
            if language in self._warm:
                await self._end(language)
                return True
        return False

    # -- inside -----------------------------------------------------------------------------------

    @property
    def _wanted(self) -> list[str]:
        """The languages that a kernel is kept for, the last used first."""
        now = time.monotonic()
        recent = [x for x, at in self._used.items() if now - at < self._idle_seconds]
        return recent[::-1][: self._size]

    async def _keep(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._pause())
            self._wake.clear()
            await self._tidy()
            missing = self._missing()
            if missing is not None:
                await asyncio.sleep(REST_SECONDS)
                await self._fill(missing)
                self._wake.set()

    def _pause(self) -> float:
        now = time.monotonic()
        pauses = [until - now for until in self._paused_until.values() if until > now]
        ends = [at + self._idle_seconds - now for at in self._used.values()]
        return max(0.05, min([CHECK_SECONDS, *pauses, *ends]))

    async def _tidy(self) -> None:
        """End what is kept for languages that nobody has used for long; forget about these."""
        wanted = self._wanted
        for language in [language for language in self._warm if language not in wanted]:
            await self._end(language)
        now = time.monotonic()
        old = [x for x, at in self._used.items() if now - at >= self._idle_seconds]
        for language in old:
            del self._used[language]
            self._failures.pop(language, None)
            self._paused_until.pop(language, None)

    def _missing(self) -> str | None:
        now = time.monotonic()
        if not self._has_place():
            return None
        for language in self._wanted:
            if language not in self._warm and self._paused_until.get(language, 0.0) <= now:
                return language
        return None

    async def _fill(self, language: str) -> None:
        async with self.one_at_a_time:
            # Meanwhile others may have taken the place, or the pool was stopped.
            if language in self._warm or language not in self._wanted or not self._has_place():
                return
            self._starting += 1
            try:
                kernel = await self._start_kernel(language)
            except KernelDied as error:
                self._failed(language, str(error))
                return
            finally:
                self._starting -= 1
        if self._size == 0:
            await kernel.shutdown()
            return
        self._warm[language] = kernel
        KERNELS_WARM.set(len(self._warm))
        self._tasks.add(self._watch(language, kernel))

    async def _watch(self, language: str, kernel: Kernel) -> None:
        """Notice when a kernel dies that nobody has taken yet."""
        await kernel.ended()
        if self._warm.get(language) is kernel:
            self._out(language)
            self._failed(language, kernel.death_words)
            self._wake.set()
            await self._shut_down(kernel)

    def _failed(self, language: str, words: str) -> None:
        failures = self._failures[language] = self._failures.get(language, 0) + 1
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (failures - 1))
        self._paused_until[language] = time.monotonic() + pause
        self._log.warning("No warm kernel for %s in the next %g s: %s", language, pause, words)

    async def _end(self, language: str) -> None:
        kernel = self._out(language)
        if kernel is not None:
            await self._shut_down(kernel)

    async def _shut_down(self, kernel: Kernel) -> None:
        """End a kernel, whole: whoever stops the pool meanwhile waits for it."""
        ending = asyncio.ensure_future(kernel.shutdown())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)

    def _out(self, language: str) -> Kernel | None:
        kernel = self._warm.pop(language, None)
        KERNELS_WARM.set(len(self._warm))
        return kernel
