"""What a run may use, by the server's settings and by language, and what is said of what it hit."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields

from .rungs import MIB
from .shapes import Output

LANGUAGE_LIMITS = frozenset(
    {"run_limit_seconds", "cpu_limit_seconds", "memory_limit_bytes", "output_limit_bytes"}
)
LOOK_SECONDS = 0.2
NOBODY_ANSWERED = "stopped: nobody answered for {limit:g} s"


@dataclass(frozen=True)
class RunLimits:
    """What one run may use; None: as much as it wants.

    ``wall_seconds``: of time in which it does not wait for an answer; ``cpu_seconds``: of all its
    processes together; ``input_wait_seconds``: for which it may wait for one answer.
    """

    wall_seconds: float | None
    cpu_seconds: float | None
    output_bytes: int
    input_wait_seconds: float


@dataclass(frozen=True)
class LimitSettings:
    """The settings about what runs and rooms may use; 0 seconds: as much as they want.

    ``languages``: by the id of a language, other values for what ``LANGUAGE_LIMITS`` names.
    """

    run_limit_seconds: float = 30.0
    notebook_run_limit_seconds: float = 0.0
    cpu_limit_seconds: float = 60.0
    notebook_cpu_limit_seconds: float = 0.0
    output_limit_bytes: int = MIB
    input_wait_seconds: float = 600.0
    memory_limit_bytes: int = 512 * MIB
    process_limit: int = 64
    disk_limit_bytes: int = 64 * MIB
    languages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: object) -> LimitSettings:
        """The settings of the same names, and ``language_limits``, of an object."""
        names = [field.name for field in fields(cls) if field.name != "languages"]
        values = {name: getattr(settings, name) for name in names}
        return cls(**values, languages=getattr(settings, "language_limits", {}))

    def of_run(self, language: str, *, notebook: bool) -> RunLimits:
        """What a run of a pad in this language may use."""
        own = self.languages.get(language, {})
        wall = self.notebook_run_limit_seconds if notebook else self.run_limit_seconds
        cpu = self.notebook_cpu_limit_seconds if notebook else self.cpu_limit_seconds
        if not notebook:
            wall = own.get("run_limit_seconds", wall)
            cpu = own.get("cpu_limit_seconds", cpu)
        return RunLimits(
            wall_seconds=wall or None,
            cpu_seconds=cpu or None,
            output_bytes=int(own.get("output_limit_bytes", self.output_limit_bytes)),
            input_wait_seconds=self.input_wait_seconds,
        )

    def memory_of(self, language: str) -> int | None:
        """What the kernel of this language may use, in bytes; None: what all may."""
        own = self.languages.get(language, {}).get("memory_limit_bytes")
        return int(own) if own else None

    def hint(self, error: Output | None, language: str) -> str:
        """Words about the limit that an error may come from; empty when it does not look so.

        The system tells a program that something is used up, not whose limit it was: so this is
        what the error says, with the number that it is about.
        """
        if error is None:
            return ""
        words = f"{error['ename']}: {error['evalue']}"
        memory = self.memory_of(language) or self.memory_limit_bytes
        no_memory = f"out of memory: a room has {memory // MIB} MB"
        for pattern, hint in (
            (_PYTHON_MEMORY, f"{no_memory}. Restart frees what variables hold."),
            (_MEMORY, no_memory),
            (_DISK, f"the disk is full: a room has {self.disk_limit_bytes // MIB} MB"),
            (_PROCESSES, f"no more than {self.process_limit} processes and threads can be started"),
        ):
            if pattern.search(words):
                return hint
        return ""


_PYTHON_MEMORY = re.compile(r"^MemoryError\b")
_MEMORY = re.compile(r"Cannot allocate memory|OutOfMemoryError|bad_alloc")
_DISK = re.compile(r"No space left on device|File too large")
_PROCESSES = re.compile(
    r"can't start new thread|BlockingIOError.*Resource temporarily unavailable"
    r"|unable to create (?:new )?(?:native )?thread"
)


class RunWatch:
    """Looks at what a run uses, and has it stopped when that is too much.

    ``cpu_seconds``: asked for what the kernel has used since it began; ``asking``: whether the
    program waits for an answer; ``stop``: called once, with words.
    """

    def __init__(
        self,
        limits: RunLimits,
        *,
        cpu_seconds: Callable[[], Awaitable[float]],
        asking: Callable[[], bool],
        stop: Callable[[str], None],
    ) -> None:
        self._limits = limits
        self._cpu_seconds = cpu_seconds
        self._asking = asking
        self._stop = stop

    async def watch(self) -> None:
        """Look until something is exceeded; cancel it when the run is over."""
        ran = waited = 0.0
        limits = self._limits
        cpu_before = await self._cpu_seconds() if limits.cpu_seconds is not None else 0.0
        last = time.monotonic()
        while True:
            await asyncio.sleep(self._pause(ran))
            now = time.monotonic()
            if self._asking():
                waited += now - last
            else:
                ran, waited = ran + now - last, 0.0
            last = now
            words = self._exceeded(ran, waited)
            if not words and limits.cpu_seconds is not None:
                used = await self._cpu_seconds() - cpu_before
                if used > limits.cpu_seconds:
                    words = f"stopped: used more than {limits.cpu_seconds:g} s of processor time"
            if words:
                self._stop(words)
                return

    def _pause(self, ran: float) -> float:
        limit = self._limits.wall_seconds
        return LOOK_SECONDS if limit is None else max(0.01, min(LOOK_SECONDS, limit - ran))

    def _exceeded(self, ran: float, waited: float) -> str:
        wall, wait = self._limits.wall_seconds, self._limits.input_wait_seconds
        if wall is not None and ran >= wall:
            return f"stopped: ran longer than {wall:g} s"
        return NOBODY_ANSWERED.format(limit=wait) if wait and waited >= wait else ""
