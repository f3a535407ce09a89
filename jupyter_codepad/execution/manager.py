"""RunManager: the runs of rooms, one kernel each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from logging import Logger

from ..errors import Conflict, TooMany, Unavailable
from ..storage import Database
from .fair_queue import FairQueue, default_limit
from .models import Run, RunStatus
from .outputs import CellOutputs, RunDocument
from .records import RunRecords
from .room_files import RoomFiles
from .room_kernels import RoomKernels
from .room_runs import Documents, Job, RoomRuns, RunAuthor, RunRoom
from .sandbox import NOT_RUN, Sandbox, SandboxStatus
from .starts import KernelStart
from .tasks import Tasks
from .worker import RunWorker

RESTARTED = "The server was restarted while this ran."
STOPPED = "stopped by {name}"


class RunManager:
    """What people ask of runs and kernels.

    Responsible for: whether code is run at all (in the sandbox or, unless ``allow_unsandboxed``,
    not); the bounded queue of each room. ``RunWorker`` runs what waits there, ``RoomKernels`` has
    the kernels, ``RunRecords`` what is written down, ``files`` what is done about a room's files.

    Limits: ``output_limit_bytes`` of one run, ``run_limit_seconds`` of a run of a code file (None:
    no limit; a notebook's cells have none), ``runs_kept`` in the document, ``run_queue_limit``
    waiting in a room, ``concurrent_runs_limit`` (0: as fits the processors) and ``kernels_limit``
    on the server, ``kernel_idle_seconds``. ``warm_kernels``: whether ``warm`` does anything;
    ``warm_pool_size``: kernels that are warm for rooms to come.
    """

    def __init__(
        self,
        *,
        database: Database,
        documents: Documents,
        sandbox: Sandbox,
        start_of: Callable[[str], KernelStart],
        log: Logger,
        allow_unsandboxed: bool,
        output_limit_bytes: int,
        run_limit_seconds: float | None,
        runs_kept: int,
        run_queue_limit: int,
        kernels_limit: int,
        kernel_idle_seconds: float,
        files: RoomFiles,
        concurrent_runs_limit: int = 0,
        warm_kernels: bool = True,
        warm_pool_size: int = 0,
    ) -> None:
        self._documents = documents
        self._files = files
        self._sandbox = sandbox
        self._allow_unsandboxed = allow_unsandboxed
        self._runs_kept = runs_kept
        self._queue_limit = run_queue_limit
        self._warm = warm_kernels
        self._rooms: dict[str, RoomRuns] = {}
        self._opening = asyncio.Lock()
        self._tasks = Tasks(log)
        self._records = RunRecords(database)
        self._kernels = RoomKernels(
            rooms=self._rooms.values,
            sandbox=sandbox,
            start_of=start_of,
            log=log,
            tasks=self._tasks,
            limit=kernels_limit,
            idle_seconds=kernel_idle_seconds,
            pool_size=warm_pool_size if warm_kernels else 0,
        )
        self._worker = RunWorker(
            kernels=self._kernels,
            records=self._records,
            queue=FairQueue(limit=concurrent_runs_limit or default_limit()),
            tasks=self._tasks,
            output_limit_bytes=output_limit_bytes,
            run_limit_seconds=run_limit_seconds,
            before_run=files.before_run,
            after_run=files.after_run,
        )

    @property
    def sandbox_status(self) -> SandboxStatus:
        """Whether the sandbox works here, as found at start."""
        return self._sandbox.status

    @property
    def running_allowed(self) -> bool:
        """Whether code of rooms is run on this server."""
        return self.sandbox_status.available or self._allow_unsandboxed

    async def start(self) -> None:
        """Test the sandbox, and close the records of runs that an earlier process left open."""
        await self._sandbox.probe()
        await self._records.end_all(RESTARTED)
        if self.running_allowed:
            self._kernels.start()

    async def stop(self) -> None:
        """End every kernel."""
        await asyncio.gather(*(self.close_room(room_id) for room_id in list(self._rooms)))
        await self._kernels.stop()
        await self._tasks.stop()
        await self._files.stop()

    # -- what people ask for ----------------------------------------------------------------------

    async def run(self, room: RunRoom, by: RunAuthor, document: str, cell_id: str | None) -> Run:
        """Accept a run of what the document says right now; returns at once.

        Raises ``Unavailable`` where code is not run, ``Conflict`` for a cell of no notebook or none
        of a notebook, ``NotFound`` for an unknown cell, ``TooMany`` when the queue is full.
        """
        self._require_allowed()
        if (cell_id is None) == (room.pad_type == "notebook"):
            raise Conflict("wrong_cell", "Name a cell to run in a notebook, and only there.")
        runs = await self._open(room)
        if len(runs.queue) >= self._queue_limit:
            raise TooMany(
                "run_queue_full", f"{self._queue_limit} runs are waiting here already.", 5
            )
        source = await self._documents.pad_source(room.room_id, cell_id)
        cell = None
        if cell_id is not None:
            cell = CellOutputs(await self._documents.notebook_cell(room.room_id, cell_id))
        record = await self._records.add(room.room_id, by, document, cell_id)
        job = Job(record, source, runs.document.add(Run.of(record), by.color), cell)
        runs.queue.append(job)
        self._worker.work(runs)
        return Run.of(record)

    async def interrupt(self, room_id: str, run_id: str, by: str = "") -> Run:
        """Stop a run, or take it out of the queue; one that is over stays as it is.

        Code that ignores the interrupt for some seconds is ended with its kernel. Raises
        ``NotFound`` for a run that is not of this room.
        """
        runs = self._rooms.get(room_id)
        job = runs.find(run_id) if runs is not None else None
        if job is None or runs is None:
            return await self._records.past_run(room_id, run_id)
        await self._worker.stop_run(runs, job, STOPPED.format(name=by) if by else "stopped")
        return Run.of(job.record)

    async def restart(self, room: RunRoom) -> None:
        """Give the room a fresh kernel; what ran or waited is interrupted."""
        self._require_allowed()
        runs = await self._open(room)
        await self._worker.clear(runs, "The kernel was restarted.")
        self._tasks.add(self._kernels.start_ahead(runs))

    def warm(self, room: RunRoom) -> None:
        """Start the room's kernel ahead of the first run, if there is a place for it."""
        if self._warm and self.running_allowed and self._kernels.has_place:
            self._tasks.add(self._warm_up(room))

    async def close_room(self, room_id: str, words: str = "The room was closed.") -> None:
        """End the kernel of a room and all of its runs, for the reason ``words``."""
        runs = self._rooms.pop(room_id, None)
        if runs is not None:
            await self._worker.clear(runs, words)
            runs.document.set_kernel("off")

    # -- inside -----------------------------------------------------------------------------------

    def _require_allowed(self) -> None:
        if not self.running_allowed:
            raise Unavailable("sandbox_unavailable", NOT_RUN)

    async def _open(self, room: RunRoom) -> RoomRuns:
        async with self._opening:
            runs = self._rooms.get(room.room_id)
            if runs is None:
                doc = await self._documents.run_document(room.room_id)
                runs = RoomRuns(room, RunDocument(doc, keep=self._runs_kept))
                runs.document.end_all(RunStatus.DEAD, RESTARTED)
                self._rooms[room.room_id] = runs
            runs.room = room
            return runs

    async def _warm_up(self, room: RunRoom) -> None:
        await self._kernels.warm_up(await self._open(room))
