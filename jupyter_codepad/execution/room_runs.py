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
from .models import Run
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


@dataclass(frozen=True)
class Accepted:
    """A run that the server has taken on; ``color``: of who asked for it.

    ``accepted_at``: on the clock of ``time.monotonic``.
    """

    record: RunRecord
    wish: RunWish
    source: str
    color: str
    notebook: Notebook | None = None
    accepted_at: float = field(default_factory=time.monotonic)


@dataclass
class Job:
    """A run on its way: in the queue, where everybody sees it, or running.

    ``accepted_at``: see ``Accepted``; ``running``: the kernel has its code.
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

    ``later``: cells that were asked for together and follow once there is a place in the queue.
    ``kernel_language``: what the kernel speaks; ``start``: of a kernel, while that is going on;
    ``closed``: why nothing starts here any more; empty while it is in use.
    """

    room: RunRoom
    document: RunDocument
    queue: deque[Job] = field(default_factory=deque)
    later: deque[Accepted] = field(default_factory=deque)
    current: Job | None = None
    kernel: RoomKernel | None = None
    kernel_language: str = ""
    start: asyncio.Task[RoomKernel] | None = None
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

    def line_up(self, taken: Sequence[Accepted]) -> None:
        """Let runs of one person wait in the queue, where everybody sees them."""
        notebook, main = taken[0].notebook, taken[0].wish.main
        shown = [Run.of(one.record) for one in taken]
        entries = self.document.add(shown, taken[0].color, main)
        cells = notebook.cells if notebook is not None else ()
        places = {cell.get("id"): place for place, cell in enumerate(cells)}
        for one, entry in zip(taken, entries, strict=True):
            job = Job(one.record, one.wish, one.source, entry, accepted_at=one.accepted_at)
            if one.notebook is not None and (cell_id := one.wish.cell_id) is not None:
                job.notebook = one.notebook
                at = places.get(cell_id, 0)
                job.cell = CellOutputs(one.notebook.doc, one.notebook.cells, cell_id, at)
                job.cell.queue()
            self.queue.append(job)

    def fill(self, most: int) -> bool:
        """Let those follow that were asked for together; whether anything waits in the queue.

        ``most``: of them, so that there are places for others; they come when half have gone.
        """
        while self.later and len(self.queue) <= most // 2:
            color, part = self.later[0].color, list[Accepted]()
            while self.later and self.later[0].color == color and len(part) < most:
                part.append(self.later.popleft())
            self.line_up(part)
        return bool(self.queue)

    def forget_later(self, batch: str | None = None) -> list[RunRecord]:
        """Take those out again that no place was found for yet: of one batch, or all (None)."""
        gone = [one for one in self.later if batch in (None, one.wish.batch)]
        self.later = deque(one for one in self.later if batch not in (None, one.wish.batch))
        for one in gone:
            if one.notebook is not None:
                one.notebook.close()
        return [one.record for one in gone]

    def batch_later(self, run_id: str) -> str | None:
        """The batch of a run that there is no place for yet; None: it is none of those."""
        later = (one.wish.batch for one in self.later if one.record.id == run_id)
        return next(later, None)
