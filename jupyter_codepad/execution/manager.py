"""RunManager: the runs of rooms, one kernel each."""

from __future__ import annotations

import asyncio
from logging import Logger
from typing import Any

from sqlalchemy import update

from ..access.tokens import new_id
from ..errors import Conflict, NotFound, TooMany, Unavailable
from ..storage import Database
from ..storage.tables import RunRecord, utc_now
from .kernels import KernelDied, RoomKernel
from .models import Run, RunStatus
from .outputs import CellOutputs, OutputCollector, RunDocument
from .room_runs import Documents, Job, RoomRuns, RunAuthor, RunRoom
from .sandbox import Sandbox, SandboxStatus

INTERRUPT_GRACE_SECONDS = 5.0
IDLE_CHECK_SECONDS = 10.0
RESTARTED = "The server was restarted while this ran."
STOPPED = "stopped by {name}"


class RunManager:
    """Queues, runs and records.

    Responsible for: the bounded queue of each room; one kernel for each room, started when needed,
    ended with the room, the server, or when idle; the record of each run and its output in the
    shared document. Code runs in the sandbox or, unless ``allow_unsandboxed``, not at all.

    Limits: ``output_limit_bytes`` of one run, ``run_limit_seconds`` of a run of a code file (None:
    no limit; a notebook's cells have none), ``runs_kept`` in the document, ``run_queue_limit``
    waiting in a room, ``kernels_limit`` on the server, ``kernel_idle_seconds``. ``warm_kernels``:
    whether ``warm`` does anything.
    """

    def __init__(
        self,
        *,
        database: Database,
        documents: Documents,
        sandbox: Sandbox,
        log: Logger,
        allow_unsandboxed: bool,
        output_limit_bytes: int,
        run_limit_seconds: float | None,
        runs_kept: int,
        run_queue_limit: int,
        kernels_limit: int,
        kernel_idle_seconds: float,
        warm_kernels: bool = True,
    ) -> None:
        self._db = database
        self._documents = documents
        self._sandbox = sandbox
        self._log = log
        self._allow_unsandboxed = allow_unsandboxed
        self._output_limit = output_limit_bytes
        self._run_limit = run_limit_seconds
        self._runs_kept = runs_kept
        self._queue_limit = run_queue_limit
        self._kernels_limit = kernels_limit
        self._idle_seconds = kernel_idle_seconds
        self._warm = warm_kernels
        self._rooms: dict[str, RoomRuns] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()

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
        async with self._db.transaction() as tx:
            left = RunRecord.status.in_([RunStatus.QUEUED.value, RunStatus.RUNNING.value])
            await tx.execute(
                update(RunRecord)
                .where(left)
                .values(status=RunStatus.DEAD.value, message=RESTARTED, ended_at=utc_now())
            )
        self._own(self._end_idle_kernels())

    async def stop(self) -> None:
        """End every kernel."""
        await asyncio.gather(*(self.close_room(room_id) for room_id in list(self._rooms)))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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
        record = RunRecord(
            id=new_id(),
            room_id=room.room_id,
            participant_id=by.participant_id,
            participant_name=by.name,
            document=document,
            cell_id=cell_id,
            status=RunStatus.QUEUED.value,
            queued_at=utc_now(),
            message="",
        )
        async with self._db.transaction() as tx:
            tx.add(record)
        job = Job(record, source, runs.document.add(Run.of(record), by.color), cell)
        runs.queue.append(job)
        self._work(runs)
        return Run.of(record)

    async def interrupt(self, room_id: str, run_id: str, by: str = "") -> Run:
        """Stop a run, or take it out of the queue; one that is over stays as it is.

        Code that ignores the interrupt for some seconds is ended with its kernel. Raises
        ``NotFound`` for a run that is not of this room.
        """
        runs = self._rooms.get(room_id)
        job = runs.find(run_id) if runs is not None else None
        if job is None or runs is None:
            return await self._past_run(room_id, run_id)
        job.stop_words = STOPPED.format(name=by) if by else "stopped"
        if job is not runs.current:
            runs.queue.remove(job)
            await self._finish(job, RunStatus.INTERRUPTED)
        elif runs.kernel is not None:
            runs.kernel.interrupt()
            self._own(self._insist(runs, job))
        return Run.of(job.record)

    async def restart(self, room: RunRoom) -> None:
        """Give the room a fresh kernel; what ran or waited is interrupted."""
        self._require_allowed()
        runs = await self._open(room)
        await self._clear(runs, "The kernel was restarted.")
        self._own(self._start_ahead(runs))

    def warm(self, room: RunRoom) -> None:
        """Start the room's kernel ahead of the first run, if there is a place for it."""
        if self._warm and self.running_allowed and len(self._kernels) < self._kernels_limit:
            self._own(self._warm_up(room))

    async def close_room(self, room_id: str) -> None:
        """End the kernel of a room and all of its runs."""
        runs = self._rooms.pop(room_id, None)
        if runs is not None:
            await self._clear(runs, "The room was closed.")
            runs.document.set_kernel("off")

    # -- inside -----------------------------------------------------------------------------------

    def _require_allowed(self) -> None:
        if not self.running_allowed:
            raise Unavailable("sandbox_unavailable", self.sandbox_status.reason or "")

    async def _past_run(self, room_id: str, run_id: str) -> Run:
        async with self._db.transaction() as tx:
            record = await tx.get(RunRecord, run_id)
        if record is None or record.room_id != room_id:
            raise NotFound("run_not_found", "This room has no such run.")
        return Run.of(record)

    async def _open(self, room: RunRoom) -> RoomRuns:
        async with self._opening:
            runs = self._rooms.get(room.room_id)
            if runs is None:
                doc = await self._documents.run_document(room.room_id)
                runs = RoomRuns(room, RunDocument(doc, keep=self._runs_kept))
                runs.document.end_all(RunStatus.DEAD, RESTARTED)
                self._rooms[room.room_id] = runs
            return runs

    def _own(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("A task of the run manager failed.", exc_info=error)

    def _work(self, runs: RoomRuns) -> None:
        if runs.worker is None or runs.worker.done():
            runs.worker = self._own(self._work_off(runs))

    async def _work_off(self, runs: RoomRuns) -> None:
        while runs.queue:
            job = runs.queue.popleft()
            runs.current = job
            try:
                await self._run_one(runs, job)
            finally:
                runs.current = None
                runs.last_used = utc_now()

    async def _run_one(self, runs: RoomRuns, job: Job) -> None:
        try:
            kernel = await self._kernel(runs)
        except (KernelDied, TooMany) as error:
            runs.document.set_kernel("dead", str(error))
            await self._finish(job, RunStatus.DEAD, str(error))
            return
        if job.stop_words:
            await self._finish(job, RunStatus.INTERRUPTED)
            return
        job.record.status = RunStatus.RUNNING.value
        job.record.started_at = utc_now()
        with job.entry.doc.transaction():
            job.entry.set(Run.of(job.record))
            runs.document.set_kernel("busy")
        if job.cell is not None:
            job.cell.start()
        sink = job.cell or job.entry
        collector = OutputCollector(
            sink,
            sink.doc,
            limit_bytes=self._output_limit,
            on_truncated=lambda: self._truncated(kernel, job),
        )
        status, words = await self._execute(runs, kernel, job, collector)
        collector.flush()
        job.record.execution_count = collector.execution_count
        if job.cell is not None:
            job.cell.finish(collector.execution_count)
        with job.entry.doc.transaction():
            if kernel.alive:
                runs.document.set_kernel("idle")
            self._close(job, status, words)
        await self._record(job)

    async def _execute(
        self, runs: RoomRuns, kernel: RoomKernel, job: Job, collector: OutputCollector
    ) -> tuple[RunStatus, str]:
        limit = self._run_limit if job.cell is None else None
        timer = None
        if limit is not None:
            words = f"stopped: ran longer than {limit:g} s"
            loop = asyncio.get_running_loop()
            timer = loop.call_later(limit, self._time_is_over, runs, job, words)
        try:
            reply = await kernel.execute(job.source, collector.hear)
        except KernelDied as error:
            runs.document.set_kernel("dead", str(error))
            if job.stop_words:
                return RunStatus.INTERRUPTED, job.stop_words
            return RunStatus.DEAD, str(error)
        finally:
            if timer is not None:
                timer.cancel()
        if job.stop_words:
            return RunStatus.INTERRUPTED, job.stop_words
        return (RunStatus.OK if reply.get("status") == "ok" else RunStatus.ERROR), ""

    def _truncated(self, kernel: RoomKernel, job: Job) -> None:
        kernel.flooding = True
        job.entry.set(Run.of(job.record), truncated=True)

    def _time_is_over(self, runs: RoomRuns, job: Job, words: str) -> None:
        if runs.current is job and runs.kernel is not None:
            job.stop_words = words
            runs.kernel.interrupt()
            self._own(self._insist(runs, job))

    async def _insist(self, runs: RoomRuns, job: Job) -> None:
        """End the kernel of code that does not stop when it is interrupted."""
        kernel = runs.kernel
        await asyncio.sleep(INTERRUPT_GRACE_SECONDS)
        if runs.current is job and kernel is not None and kernel is runs.kernel:
            kernel.kill("The kernel was ended because the code ignored the interrupt.")

    async def _finish(self, job: Job, status: RunStatus, words: str = "") -> None:
        self._close(job, status, words)
        await self._record(job)

    def _close(self, job: Job, status: RunStatus, words: str) -> None:
        record = job.record
        record.status = status.value
        record.ended_at = utc_now()
        if record.started_at is not None:
            record.duration_ms = round((record.ended_at - record.started_at).total_seconds() * 1000)
        record.message = words or job.stop_words
        job.entry.set(Run.of(record))

    async def _record(self, job: Job) -> None:
        async with self._db.transaction() as tx:
            await tx.merge(job.record)

    async def _clear(self, runs: RoomRuns, words: str) -> None:
        waiting = list(runs.queue)
        runs.queue.clear()
        if runs.current is not None:
            runs.current.stop_words = words
        async with runs.starting:
            kernel, runs.kernel = runs.kernel, None
            if kernel is not None:
                await kernel.shutdown()
        if runs.worker is not None:
            await asyncio.gather(runs.worker, return_exceptions=True)
        for job in waiting:
            await self._finish(job, RunStatus.INTERRUPTED, words)

    @property
    def _kernels(self) -> list[RoomRuns]:
        return [runs for runs in self._rooms.values() if runs.kernel is not None]

    async def _warm_up(self, room: RunRoom) -> None:
        runs = await self._open(room)
        if runs.kernel is None:
            await self._start_ahead(runs)

    async def _start_ahead(self, runs: RoomRuns) -> None:
        try:
            await self._kernel(runs)
        except (KernelDied, TooMany) as error:
            runs.document.set_kernel("dead", str(error))

    async def _kernel(self, runs: RoomRuns) -> RoomKernel:
        async with runs.starting:
            if runs.kernel is not None and runs.kernel.alive:
                return runs.kernel
            if runs.kernel is not None:
                await runs.kernel.shutdown()
                runs.kernel = None
            await self._make_place()
            runs.document.set_kernel("starting")
            sandbox = self._sandbox if self.sandbox_status.available else None
            kernel = RoomKernel(sandbox=sandbox, folder=runs.room.folder, log=self._log)
            await kernel.start()
            runs.kernel = kernel
            runs.last_used = utc_now()
            runs.document.set_kernel("idle")
            self._own(self._tell_death(runs, kernel))
            return kernel

    async def _make_place(self) -> None:
        """At the limit, end the kernel that was not used for the longest time."""
        kernels = self._kernels
        if len(kernels) < self._kernels_limit:
            return
        idle = [r for r in kernels if r.current is None and not r.queue and not r.starting.locked()]
        if not idle:
            words = f"{len(kernels)} rooms run code on this server now; try again later."
            raise TooMany("too_many_kernels", words, 60)
        await self._end_kernel(
            min(idle, key=lambda runs: runs.last_used),
            "The kernel was ended because other rooms needed its place.",
        )

    async def _end_kernel(self, runs: RoomRuns, words: str) -> None:
        async with runs.starting:
            kernel, runs.kernel = runs.kernel, None
        if kernel is not None:
            await kernel.shutdown()
            runs.document.set_kernel("off", words)

    async def _tell_death(self, runs: RoomRuns, kernel: RoomKernel) -> None:
        await kernel.ended()
        if runs.kernel is kernel and runs.current is None:
            runs.document.set_kernel("dead", kernel.death_words)

    async def _end_idle_kernels(self) -> None:
        while True:
            await asyncio.sleep(min(IDLE_CHECK_SECONDS, self._idle_seconds))
            for runs in list(self._rooms.values()):
                idle = (utc_now() - runs.last_used).total_seconds()
                if runs.kernel is None or runs.current is not None or idle < self._idle_seconds:
                    continue
                await self._end_kernel(runs, "The kernel was ended because it was not used.")
