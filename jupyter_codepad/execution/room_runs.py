"""What lives while code of a room runs: who asked for what, the queue, the kernel."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pycrdt import Array, Doc, Map

from ..errors import Conflict
from ..storage.tables import RunRecord, utc_now
from .files import FileSync
from .kernels import RoomKernel
from .outputs import OutputCollector
from .questions import Questions
from .run_document import CellOutputs, RunDocument, RunEntry

ONLY_PAD = "In this room the pad is what runs; no other file can be chosen."


class Notebook(Protocol):
    """A room's notebook, kept in memory and saved until ``close`` is called."""

    @property
    def doc(self) -> Doc[Any]:
        """The shared document."""

    @property
    def cells(self) -> Array[Map[Any]]:
        """Its cells."""

    @property
    def room(self) -> int:
        """How many bytes it may still grow by."""

    def again(self) -> Notebook:
        """The same for somebody else."""

    def close(self) -> None:
        """It is not needed any more."""


class Documents(Protocol):
    """What runs need of the room's documents."""

    async def pad_sources(self, room_id: str, cell_ids: Sequence[str | None]) -> list[str]:
        """The code to run."""

    async def run_document(self, room_id: str) -> Doc[Any]:
        """The room's run document."""

    async def hold_notebook(self, room_id: str) -> Notebook:
        """The room's notebook, for as long as code of it runs."""

    async def cell_outputs(self, room_id: str, cell_id: str) -> list[Any]:
        """The outputs of a cell of the room's notebook, in nbformat's shape."""

    async def rest_cells(self, room_id: str) -> None:
        """Mark every cell of the room's notebook as not running."""


@dataclass(frozen=True)
class RunRoom:
    """What a run needs to know of its room.

    ``folder``: where its files are, None where the server cannot reach them; ``pad_names``: those
    that runs write from the shared document; ``pad_file``: the one that the pad's text is in now,
    None for a notebook; ``runs_files``: whether others can be run, too; ``main_file``: the one that
    the room has chosen, None: the pad's; ``open_files``: says which of them people have open.
    """

    room_id: str
    language: str
    pad_type: str
    folder: Path | None
    pad_names: frozenset[str] = frozenset()
    pad_file: str | None = None
    runs_files: bool = False
    main_file: str | None = None
    open_files: Callable[[], Collection[str]] = frozenset

    def settled(self, wish: RunWish) -> RunWish:
        """The wish with the file that is run: the one it names, else the room's; None: the pad's.

        Raises ``Conflict`` where it names one and only the pad can be run.
        """
        if not self.runs_files:
            if wish.main is not None:
                raise Conflict("no_main_file", ONLY_PAD)
            return wish
        main = wish.main or self.main_file
        return replace(wish, main=None if main == self.pad_file else main)


@dataclass(frozen=True)
class RunAuthor:
    """Who a run is by."""

    participant_id: str
    name: str
    color: str


@dataclass(frozen=True)
class RunWish:
    """What somebody wants to be run.

    ``cell_id``: the cell of a notebook; ``stdin``: all the input there is, None: people are asked;
    ``main``: the file to run, None: the room's; ``batch``: runs with the same one are not
    run any more once one of them has failed.
    """

    document: str = "pad"
    cell_id: str | None = None
    stdin: str | None = None
    main: str | None = None
    batch: str | None = None


@dataclass
class Job:
    """A run on its way: accepted, maybe waiting, maybe running.

    ``accepted_at``: on the clock of ``time.monotonic``; ``running``: the kernel has its code.
    """

    record: RunRecord
    wish: RunWish
    source: str
    entry: RunEntry
    cell: CellOutputs | None = None
    notebook: Notebook | None = None
    questions: Questions | None = None
    collector: OutputCollector | None = None
    stop_words: str = ""
    running: bool = False
    accepted_at: float = field(default_factory=time.monotonic)


@dataclass
class RoomRuns:
    """What lives for one room: its kernel, its queue, the task that works it off.

    ``kernel_language``: what the kernel speaks; ``start``: of a kernel, while that is going on;
    ``closed``: why nothing starts here any more; empty while it is in use.
    """

    room: RunRoom
    document: RunDocument
    queue: deque[Job] = field(default_factory=deque)
    current: Job | None = None
    kernel: RoomKernel | None = None
    kernel_language: str = ""
    start: asyncio.Future[RoomKernel] | None = None
    closed: str = ""
    files: FileSync | None = None
    worker: asyncio.Task[None] | None = None
    last_used: datetime = field(default_factory=utc_now)
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def find(self, run_id: str) -> Job | None:
        """The run with this id, unless it is over."""
        if self.current is not None and self.current.record.id == run_id:
            return self.current
        return next((job for job in self.queue if job.record.id == run_id), None)
