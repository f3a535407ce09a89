"""Works off the queue of a room: one run after the other, from its turn to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from ..errors import TooMany
from ..storage.tables import utc_now
from .fair_queue import FairQueue
from .kernels import KernelDied, RoomKernel
from .models import Run, RunStatus
from .outputs import OutputCollector
from .records import RunRecords
from .room_kernels import RoomKernels
from .room_runs import Job, RoomRuns
from .tasks import Tasks

INTERRUPT_GRACE_SECONDS = 5.0
IGNORED = "The kernel was ended because the code ignored the interrupt."

Hook = Callable[[RoomRuns, Job, RoomKernel], Awaitable[None]]


async def nothing_more(runs: RoomRuns, job: Job, kernel: RoomKernel) -> None:
    """What is done around a run by default."""


class RunWorker:
    """Runs what waits, one run of a room at a time, and says how each ended.

    ``queue``: whose turn it is among the rooms of the server.
    ``before_run`` and ``after_run``: awaited around each run, while the kernel is the run's;
    ``output_limit_bytes``: of one run; ``run_limit_seconds``: of a run of a code file, None: none.
    """

    def __init__(
        self,
        *,
        kernels: RoomKernels,
        records: RunRecords,
        queue: FairQueue,
        tasks: Tasks,
        output_limit_bytes: int,
        run_limit_seconds: float | None,
        before_run: Hook = nothing_more,
        after_run: Hook = nothing_more,
    ) -> None:
        self._kernels = kernels
        self._records = records
        self._queue = queue
        self._tasks = tasks
        self._output_limit = output_limit_bytes
        self._run_limit = run_limit_seconds
        self._before_run = before_run
        self._after_run = after_run

    def work(self, runs: RoomRuns) -> None:
        """Work the queue off, unless that is being done already."""
        self._show_places(runs, self._queue.before(runs.room.room_id))
        if runs.worker is None or runs.worker.done():
            runs.worker = self._tasks.add(self._work_off(runs))

    async def stop_run(self, runs: RoomRuns, job: Job, words: str) -> None:
        """Interrupt a run, or take it out of the queue, for the reason ``words``."""
        job.stop_words = words
        if job is not runs.current:
            runs.queue.remove(job)
            await self._finish(job, RunStatus.INTERRUPTED)
        elif runs.kernel is not None:
            runs.kernel.interrupt()
            self._tasks.add(self._insist(runs, job))

    async def clear(self, runs: RoomRuns, words: str) -> None:
        """Interrupt every run of a room and end its kernel, for the reason ``words``."""
        waiting = list(runs.queue)
        runs.queue.clear()
        self._queue.leave(runs.room.room_id)
        if runs.current is not None:
            runs.current.stop_words = words
        await self._kernels.end(runs)
        if runs.worker is not None:
            await asyncio.gather(runs.worker, return_exceptions=True)
        for job in waiting:
            await self._finish(job, RunStatus.INTERRUPTED, words)

    # -- inside -----------------------------------------------------------------------------------

    async def _work_off(self, runs: RoomRuns) -> None:
        room_id = runs.room.room_id
        while runs.queue:
            if not await self._queue.turn(room_id, partial(self._show_places, runs)):
                continue  # those who waited were stopped; others may have come since
            try:
                if runs.queue:  # else all were stopped while the room waited
                    await self._run_next(runs)
            finally:
                self._queue.done(room_id)

    async def _run_next(self, runs: RoomRuns) -> None:
        runs.current = job = runs.queue.popleft()
        self._show_places(runs, 0)
        try:
            await self._run_one(runs, job)
        finally:
            runs.current = None
            runs.last_used = utc_now()

    def _show_places(self, runs: RoomRuns, before: int) -> None:
        """Show how many runs go before each that waits: those of ``before`` rooms, and the room's.

        The room's next run has the place 0 when nothing of others goes before it.
        """
        own = 1 if runs.current is not None else 0
        for place, job in enumerate(runs.queue):
            job.entry.show_place(own + before + place)

    async def _run_one(self, runs: RoomRuns, job: Job) -> None:
        try:
            kernel = await self._kernels.kernel(runs)
        except (KernelDied, TooMany) as error:
            runs.document.set_kernel("dead", str(error))
            await self._finish(job, RunStatus.DEAD, str(error))
            return
        if not job.stop_words:
            await self._before_run(runs, job, kernel)
        if job.stop_words:
            await self._finish(job, RunStatus.INTERRUPTED)
            return
        self._begin(runs, job)
        sink = job.cell or job.entry
        collector = OutputCollector(
            sink,
            sink.doc,
            limit_bytes=self._output_limit,
            on_truncated=lambda: self._truncated(kernel, job),
        )
        status, words = await self._execute(runs, kernel, job, collector)
        collector.flush()
        if kernel.alive:
            await self._after_run(runs, job, kernel)
        job.record.execution_count = collector.execution_count
        if job.cell is not None:
            job.cell.finish(collector.execution_count)
        with job.entry.doc.transaction():
            if kernel.alive:
                runs.document.set_kernel("idle")
            self._close(job, status, words)
        await self._records.save(job.record)

    def _begin(self, runs: RoomRuns, job: Job) -> None:
        job.record.status = RunStatus.RUNNING.value
        job.record.started_at = utc_now()
        with job.entry.doc.transaction():
            job.entry.set(Run.of(job.record), position=0)
            runs.document.set_kernel("busy")
        if job.cell is not None:
            job.cell.start()

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
            self._tasks.add(self._insist(runs, job))

    async def _insist(self, runs: RoomRuns, job: Job) -> None:
        """End the kernel of code that does not stop when it is interrupted."""
        kernel = runs.kernel
        await asyncio.sleep(INTERRUPT_GRACE_SECONDS)
        if runs.current is job and kernel is not None and kernel is runs.kernel:
            kernel.kill(IGNORED)

    async def _finish(self, job: Job, status: RunStatus, words: str = "") -> None:
        self._close(job, status, words)
        await self._records.save(job.record)

    def _close(self, job: Job, status: RunStatus, words: str) -> None:
        record = job.record
        record.status = status.value
        record.ended_at = utc_now()
        if record.started_at is not None:
            record.duration_ms = round((record.ended_at - record.started_at).total_seconds() * 1000)
        record.message = words or job.stop_words
        job.entry.set(Run.of(record))
