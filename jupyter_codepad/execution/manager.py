"""RunManager: the runs of rooms, one kernel each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from logging import Logger

from ..errors import Conflict, Invalid, NotFound, TooMany, Unavailable
from ..storage import Database
from .downloads import output_text
from .fair_queue import FairQueue, default_limit
from .gateway import RemoteRung
from .limits import LimitSettings
from .models import Run, RunStatus
from .records import RunRecords
from .room_files import RoomFiles
from .room_kernels import RoomKernels
from .room_runs import Accepted, Documents, RoomRuns, RunAuthor, RunRoom, RunWish
from .run_document import RunDocument
from .sandbox import NOT_RUN, Sandbox, SandboxStatus
from .starts import KernelStart
from .tasks import Tasks
from .worker import RunWorker

RESTARTED = "The server was restarted while this ran."
STOPPED = "stopped by {name}"
CLOSED = "The room was closed."
FULL = "Many runs are waiting in this room already."
OVER_KEPT = 1000
"""So many rooms that are over are remembered: a request that was let in before may still come."""


class RunManager:
    """What people ask of runs and kernels.

    Responsible for: whether code is run at all (in the sandbox or, unless ``allow_unsandboxed``,
    not); the bounded queue of each room. ``RunWorker`` runs what waits there, ``RoomKernels`` has
    the kernels, ``RunRecords`` what is written down, ``files`` what is done about a room's files.

    ``limits``: of each run; ``runs_kept`` in the document, with ``runs_kept_bytes`` of output at
    most; ``run_queue_limit`` waiting in a room, besides ``waiting_cells_limit`` cells that were
    asked for together; ``input_limit_bytes`` of an answer;
    ``concurrent_runs_limit`` (0: as fits the processors) and ``kernels_limit`` on the server,
    ``kernel_idle_seconds``. ``warm_kernels``: whether a kernel is started for who may run code;
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
        limits: LimitSettings,
        runs_kept: int,
        runs_kept_bytes: int,
        run_queue_limit: int,
        waiting_cells_limit: int,
        input_limit_bytes: int,
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
        self._runs_kept_bytes = runs_kept_bytes
        self._queue_limit, self._cells_limit = run_queue_limit, waiting_cells_limit
        self._input_limit = input_limit_bytes
        self._warm = warm_kernels
        self._rooms: dict[str, RoomRuns] = {}
        self._over: dict[str, None] = {}
        self._unsettled: set[str] = set()
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
            limits=limits,
        )
        self._worker = RunWorker(
            kernels=self._kernels,
            records=self._records,
            queue=FairQueue(limit=concurrent_runs_limit or default_limit()),
            tasks=self._tasks,
            limits=limits,
            shown_limit=max(1, run_queue_limit // 2),
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

    @property
    def reaches_files(self) -> bool:
        """Whether code finds the files of its room: not on another machine."""
        return self.sandbox_status.name != RemoteRung.name

    async def start(self) -> None:
        """Test the sandbox, and close the records of runs that an earlier process left open."""
        await self._sandbox.probe()
        self._unsettled = await self._records.end_all(RESTARTED)
        if self.running_allowed:
            self._kernels.start()

    async def stop(self) -> None:
        """End every kernel."""
        await asyncio.gather(*(self.close_room(room_id) for room_id in list(self._rooms)))
        await self._kernels.stop()
        await self._tasks.stop()
        await self._files.stop()

    # -- what people ask for ----------------------------------------------------------------------

    async def run(self, room: RunRoom, by: RunAuthor, wish: RunWish) -> Run:
        """Accept a run of what the document says right now; returns at once.

        Raises ``Unavailable`` where code is not run, ``Conflict`` for a cell of no notebook or none
        of a notebook, ``NotFound`` for an unknown cell, ``TooMany`` when the queue is full.
        """
        [run] = await self.run_all(room, by, [wish])
        return run

    async def run_all(self, room: RunRoom, by: RunAuthor, wishes: Sequence[RunWish]) -> list[Run]:
        """Accept runs, one after the other; those at the end that find no place are left out.

        Raises as ``run`` does, ``TooMany`` when there is a place for none.
        """
        self._require_allowed()
        wishes = [room.settled(wish) for wish in wishes]
        if any((wish.cell_id is None) == (room.pad_type == "notebook") for wish in wishes):
            raise Conflict("wrong_cell", "Name a cell to run in a notebook, and only there.")
        runs = await self._open(room)
        wishes = wishes[: self._places(runs, wishes)]
        cell_ids = [wish.cell_id for wish in wishes]
        sources = await self._documents.pad_sources(room.room_id, cell_ids)
        records = await self._records.add(room.room_id, by, wishes)
        notebook = None
        if room.pad_type == "notebook":
            notebook = await self._documents.hold_notebook(room.room_id)
        # From here on nothing is waited for, so that the room cannot be closed in between.
        try:
            taken = records[: self._places(runs, wishes)]
        except (Conflict, TooMany) as error:
            await self._records.refuse(records, str(error))
            raise
        else:
            accepted = [
                Accepted(record, wish, source, by.color, notebook and notebook.again())
                for record, wish, source in zip(taken, wishes, sources, strict=False)
            ]
            if _together(runs, wishes):
                runs.later.extend(accepted)
            else:
                runs.line_up(accepted)
            self._worker.work(runs)
        finally:
            if notebook is not None:
                notebook.close()
        if len(taken) < len(records):
            await self._records.refuse(records[len(taken) :], FULL)
        return [Run.of(record) for record in taken]

    def _places(self, runs: RoomRuns, wishes: Sequence[RunWish]) -> int:
        if runs.closed:
            raise Conflict("room_over", runs.closed)
        places = self._queue_limit - len(runs.queue)
        if _together(runs, wishes):
            places = self._cells_limit - len(runs.later)
        if places < 1:
            raise TooMany("run_queue_full", FULL, 5)
        return places

    async def answer(self, room_id: str, run_id: str, text: str, by: str) -> Run:
        """Answer what a run asks; the first answer is the one.

        Raises ``Invalid`` when it is too long, ``Conflict`` when nothing is asked, ``NotFound`` for
        a run that is not of this room.
        """
        if len(text.encode("utf-8", "replace")) > self._input_limit:
            words = f"An answer may have at most {self._input_limit} bytes."
            raise Invalid("input_too_long", words)
        runs = self._rooms.get(room_id)
        job = runs.find(run_id) if runs is not None else None
        if job is None:
            await self._records.past_run(room_id, run_id)
        if job is None or job.questions is None:
            raise Conflict("nobody_asks", "The program does not ask for anything now.")
        job.questions.answer(text, by)
        return Run.of(job.record)

    async def output(self, room: RunRoom, run_id: str) -> str:
        """The output of a run as text, as far as it is kept. Raises ``NotFound`` when it is not."""
        runs = await self._open(room)
        entry = runs.document.find(run_id)
        if entry is None:
            await self._records.past_run(room.room_id, run_id)
            raise NotFound("output_not_kept", "The output of this run is not kept any more.")
        outputs = entry["outputs"]
        cell_id = entry["cell_id"]
        if cell_id is not None:
            if runs.document.newest_of_cell(cell_id) != run_id:
                raise NotFound("output_not_kept", "This cell has been run again since.")
            outputs = await self._documents.cell_outputs(room.room_id, cell_id)
        return output_text(outputs)

    async def interrupt(self, room_id: str, run_id: str, by: str = "") -> Run:
        """Stop a run, or take it out of the queue; one that is over stays as it is.

        Code that ignores the interrupt for some seconds is ended with its kernel. Raises
        ``NotFound`` for a run that is not of this room.
        """
        runs = self._rooms.get(room_id)
        job = runs.find(run_id) if runs is not None else None
        if job is None or runs is None:
            if runs is not None:
                await self._worker.stop_batch(runs, runs.batch_later(run_id))
            return await self._records.past_run(room_id, run_id)
        await self._worker.stop_run(runs, job, STOPPED.format(name=by) if by else "stopped")
        return Run.of(job.record)

    async def restart(self, room: RunRoom) -> None:
        """Give the room a fresh kernel; what ran or waited is interrupted."""
        self._require_allowed()
        runs = await self._open(room)
        await self._worker.clear(runs, "The kernel was restarted.")
        self._tasks.add(self._kernels.start_ahead(runs))

    def entered(self, room: RunRoom, *, may_run: bool) -> None:
        """Somebody is in the room: start its kernel if they may run code and there is a place.

        What an earlier process has left unfinished is said to be over before they look at it long.
        """
        self._tasks.add(self._prepare(room, warm=may_run and self._warm))

    async def end_kernel(self, room_id: str, words: str) -> None:
        """End the kernel of a room and all of its runs, for the reason ``words``."""
        runs = self._rooms.pop(room_id, None)
        if runs is not None:
            runs.closed = words
            await self._worker.clear(runs, words)
            runs.document.set_kernel("off")

    async def close_room(self, room_id: str) -> None:
        """The same, because the room is over; no kernel is started in it any more."""
        self._over[room_id] = None
        while len(self._over) > OVER_KEPT:
            del self._over[next(iter(self._over))]
        await self.end_kernel(room_id, CLOSED)

    # -- inside -----------------------------------------------------------------------------------

    def _require_allowed(self) -> None:
        if not self.running_allowed:
            raise Unavailable("sandbox_unavailable", NOT_RUN)

    async def _open(self, room: RunRoom) -> RoomRuns:
        async with self._opening:
            if room.room_id in self._over:
                raise Conflict("room_over", CLOSED)
            runs = self._rooms.get(room.room_id)
            if runs is None:
                doc = await self._documents.run_document(room.room_id)
                runs = RoomRuns(
                    room, RunDocument(doc, keep=self._runs_kept, keep_bytes=self._runs_kept_bytes)
                )
                runs.document.end_all(RunStatus.DEAD, RESTARTED)
                if room.pad_type == "notebook":
                    await self._documents.rest_cells(room.room_id)
                if room.room_id in self._over:  # meanwhile
                    raise Conflict("room_over", CLOSED)
                self._rooms[room.room_id] = runs
            runs.room = room
            return runs

    async def _prepare(self, room: RunRoom, *, warm: bool) -> None:
        if not warm and room.room_id not in self._unsettled:
            return
        self._unsettled.discard(room.room_id)
        try:
            runs = await self._open(room)
        except Conflict:
            return
        if warm and self.running_allowed and self._kernels.has_place:
            await self._kernels.warm_up(runs)


def _together(runs: RoomRuns, wishes: Sequence[RunWish]) -> bool:
    """Whether runs are, or belong to, what was asked for at once and has a place for the whole."""
    return len(wishes) > 1 or any(one.wish.batch == wishes[0].batch for one in runs.later)
