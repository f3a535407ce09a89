"""What lives while code of a room runs: who asked for what, the queue, the kernel."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pycrdt import Doc, Map

from ..storage.tables import RunRecord, utc_now
from .files import FileSync
from .kernels import RoomKernel
from .outputs import CellOutputs, RunDocument, RunEntry


class Documents(Protocol):
    """What runs need of the room's documents."""

    async def pad_source(self, room_id: str, cell_id: str | None) -> str:
        """The code to run."""

    async def run_document(self, room_id: str) -> Doc[Any]:
        """The room's run document."""

    async def notebook_cell(self, room_id: str, cell_id: str) -> Map[Any]:
        """A cell of the room's notebook."""


@dataclass(frozen=True)
class RunRoom:
    """What a run needs to know of its room.

    ``folder``: where its files are, None where the server cannot reach them; ``pad_names``: those
    that runs write from the shared document; ``open_files``: says which of them people have
    open.
    """

    room_id: str
    language: str
    pad_type: str
    folder: Path | None
    pad_names: frozenset[str] = frozenset()
    open_files: Callable[[], Collection[str]] = frozenset


@dataclass(frozen=True)
class RunAuthor:
    """Who a run is by."""

    participant_id: str
    name: str
    color: str


@dataclass
class Job:
    """A run on its way: accepted, maybe waiting, maybe running."""

    record: RunRecord
    source: str
    entry: RunEntry
    cell: CellOutputs | None
    stop_words: str = ""


@dataclass
class RoomRuns:
    """What lives for one room: its kernel, its queue, the task that works it off."""

    room: RunRoom
    document: RunDocument
    queue: deque[Job] = field(default_factory=deque)
    current: Job | None = None
    kernel: RoomKernel | None = None
    files: FileSync | None = None
    worker: asyncio.Task[None] | None = None
    last_used: datetime = field(default_factory=utc_now)
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def find(self, run_id: str) -> Job | None:
        """The run with this id, unless it is over."""
        if self.current is not None and self.current.record.id == run_id:
            return self.current
        return next((job for job in self.queue if job.record.id == run_id), None)
