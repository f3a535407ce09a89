"""Works off the queue of a room: one run after the other, from its turn to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from .. import metrics
from ..errors import TooMany
from ..storage.tables import utc_now
from .conversation import Conversation
from .fair_queue import FairQueue
from .kernels import KernelDied, RoomKernel
from .limits import LimitSettings, RunLimits, RunWatch
from .models import Run, RunStatus
from .outputs import OutputCollector
from .questions import Questions
from .records import RunRecords
from .room_kernels import RoomKernels
from .room_runs import Job, RoomRuns
from .tasks import Tasks

INTERRUPT_GRACE_SECONDS = 5.0
JUST_BEGUN_SECONDS, AGAIN_SECONDS = 1.0, 1.0
FLOOD_SECONDS = 0.3
"""After so long it is looked whether code that is to stop floods: what it has printed ahead would
keep everybody waiting."""
FLOOD_MESSAGES, FLOOD_CHARACTERS = 50, 64 * 1024
IGNORED = "The kernel was ended because the code ignored the interrupt."
NOT_RUN = "not run: a cell before it did not succeed"

Hook = Callable[[RoomRuns, Job, RoomKernel], Awaitable[None]]


async def nothing_more(runs: RoomRuns, job: Job, kernel: RoomKernel) -> None:
    """What is done around a run by default."""


class RunWorker:
    """Runs what waits, one run of a room at a time, and says how each ended.

    ``queue``: whose turn it is among the rooms of the server; ``limits``: of each run;
    ``shown_limit``: of the cells that were asked for together, in the queue at a time.
    ``before_run`` and ``after_run``: awaited around each run, while the kernel is the run's.
    """

    def __init__(
        self,
        *,
        kernels: RoomKernels,
        records: RunRecords,
        queue: FairQueue,
        tasks: Tasks,
        limits: LimitSettings,
        shown_limit: int,
        before_run: Hook = nothing_more,
        after_run: Hook = nothing_more,
    ) -> None:
        self._kernels = kernels
        self._records = records
        self._queue = queue
        self._tasks = tasks
        self._limits = limits
        self._shown_limit = shown_limit
        self._before_run = before_run
        self._after_run = after_run

    def work(self, runs: RoomRuns) -> None:
        """Work the queue off, unless that is being done already."""
        runs.fill(self._shown_limit)
        self._show_places(runs, self._queue.before(runs.room.room_id))
        if runs.worker is None or runs.worker.done():
            runs.worker = self._tasks.add(self._work_off(runs))

    async def stop_run(self, runs: RoomRuns, job: Job, words: str) -> None:
        """Interrupt a run, or take it out of the queue, for the reason ``words``."""
        if job is not runs.current:
            runs.queue.remove(job)
            await self._finish(job, status=RunStatus.INTERRUPTED, words=words)
            await self.stop_batch(runs, job.wish.batch)
        elif job.running:
            self._interrupt(runs, job, words)
        elif (
            job.record.status == RunStatus.QUEUED.value and not job.stop_words
        ):  # its kernel is still being started: that goes on without it
            job.stop_words = words
            await self._finish(job, status=RunStatus.INTERRUPTED)

    async def clear(self, runs: RoomRuns, words: str) -> None:
        """Interrupt every run of a room and end its kernel, for the reason ``words``."""
        waiting, later = list(runs.queue), runs.forget_later()
        runs.queue.clear()
        self._queue.leave(runs.room.room_id)
        if runs.current is not None:
            runs.current.stop_words = runs.current.stop_words or words
        await self._kernels.end(runs)
        if runs.worker is not None:
            await asyncio.gather(runs.worker, return_exceptions=True)
        await self._finish(*waiting, status=RunStatus.INTERRUPTED, words=words)
        await self._records.refuse(later, words)

    async def stop_batch(self, runs: RoomRuns, batch: str | None) -> None:
        """What was to run after a run that has failed or was stopped is not run."""
        if batch is None:
            return
        waiting, later = [x for x in runs.queue if x.wish.batch == batch], runs.forget_later(batch)
        for job in waiting:
            runs.queue.remove(job)
        await self._finish(*waiting, status=RunStatus.INTERRUPTED, words=NOT_RUN)
        await self._records.refuse(later, NOT_RUN)

    # -- inside -----------------------------------------------------------------------------------

    async def _work_off(self, runs: RoomRuns) -> None:
        room_id = runs.room.room_id
        while runs.fill(self._shown_limit):
            if not await self._queue.turn(room_id, partial(self._show_places, runs)):
                continue  # those who waited were stopped; others may have come since
            try:
                if runs.queue:  # else all were stopped while the room waited
                    await self._run_next(runs)
            finally:
                self._queue.done(room_id)

    async def _run_next(self, runs: RoomRuns) -> None:
        runs.current = job = runs.queue.popleft()
        runs.fill(self._shown_limit)
        self._show_places(runs, 0)
        try:
            await self._run_one(runs, job)
        finally:
            runs.current = None
            runs.last_used = utc_now()
        if job.record.status != RunStatus.OK.value:
            await self.stop_batch(runs, job.wish.batch)

    def _show_places(self, runs: RoomRuns, before: int) -> None:
        """Show how many runs go before each that waits: those of ``before`` rooms, and the room's.

        The room's next run has the place 0 when nothing of others goes before it. Of a batch the
        first shows it: what of the others goes before the rest of them, they see.
        """
        own = 1 if runs.current is not None else 0
        batches: set[str | None] = set()
        for place, job in enumerate(runs.queue):
            later = job.wish.batch in batches
            job.entry.show_place(0 if later else own + before + place)
            if job.wish.batch is not None:
                batches.add(job.wish.batch)

    async def _run_one(self, runs: RoomRuns, job: Job) -> None:
        try:
            kernel = await self._kernels.kernel(runs)
            if not job.stop_words:
                await self._before_run(runs, job, kernel)
        except (KernelDied, TooMany) as error:
            runs.document.set_kernel("dead", str(error))
            if not RunStatus(job.record.status).over:
                status = RunStatus.INTERRUPTED if job.stop_words else RunStatus.DEAD
                await self._finish(job, status=status, words=job.stop_words or str(error))
            return
        if job.stop_words:
            if not RunStatus(job.record.status).over:
                await self._finish(job, status=RunStatus.INTERRUPTED)
            return
        limits = self._limits.of_run(runs.room.language, notebook=job.cell is not None)
        collector = self._collector(kernel, job, limits)
        self._begin(runs, kernel, job, collector)
        status, words = await self._execute(runs, kernel, job, collector, limits)
        await collector.finish()
        if kernel.alive:
            await self._after_run(runs, job, kernel)
        job.record.execution_count = collector.execution_count
        with job.entry.doc.transaction():
            if kernel.alive:
                runs.document.set_kernel("idle")
            self._close(job, status, words)
        self._count(job, collector)
        await self._records.save(job.record)

    def _collector(self, kernel: RoomKernel, job: Job, limits: RunLimits) -> OutputCollector:
        def truncated() -> None:
            kernel.want_less()
            job.entry.show(truncated=True)

        most = limits.output_bytes
        if job.notebook is not None:
            most = max(0, min(most, job.notebook.room))
        return OutputCollector(job.cell or job.entry, limit_bytes=most, on_truncated=truncated)

    def _begin(
        self, runs: RoomRuns, kernel: RoomKernel, job: Job, collector: OutputCollector
    ) -> None:
        job.record.status = RunStatus.RUNNING.value
        job.record.started_at = utc_now()
        job.collector = collector
        job.questions = Questions(job.entry, collector, kernel, job.wish.stdin)
        with job.entry.doc.transaction():
            job.entry.set(Run.of(job.record), position=0)
            runs.document.set_kernel("busy")
        if job.cell is not None:
            job.cell.start()

    async def _execute(
        self,
        runs: RoomRuns,
        kernel: RoomKernel,
        job: Job,
        collector: OutputCollector,
        limits: RunLimits,
    ) -> tuple[RunStatus, str]:
        questions = job.questions
        assert questions is not None
        watch = RunWatch(
            limits,
            cpu_seconds=kernel.cpu_seconds,
            asking=lambda: questions.open,
            stop=lambda words: self._interrupt(runs, job, words),
        )
        watching = self._tasks.add(watch.watch())
        job.running = True
        talk = Conversation(collector, questions, job.entry)
        try:
            wish, file = job.wish, runs.room.pad_file
            reply = await kernel.execute(
                job.source, talk, stdin=wish.stdin, main=wish.main, file=file
            )
        except KernelDied as error:
            runs.document.set_kernel("dead", str(error))
            if job.stop_words:
                return RunStatus.INTERRUPTED, job.stop_words
            return RunStatus.DEAD, str(error)
        finally:
            job.running = False
            watching.cancel()
            questions.close()
        if reply.get("status") != "ok" and collector.error is None and not job.stop_words:
            collector.hear_error(reply)  # a flood may have cost us the message with it
        if job.stop_words:
            return RunStatus.INTERRUPTED, job.stop_words
        if reply.get("status") == "ok":
            return RunStatus.OK, ""
        return RunStatus.ERROR, self._limits.hint(collector.error, runs.room.language)

    def _interrupt(self, runs: RoomRuns, job: Job, words: str) -> None:
        """Interrupt the code that runs; one that does not stop is ended with its kernel."""
        if runs.current is not job or runs.kernel is None or not job.running:
            return
        first, job.stop_words = not job.stop_words, job.stop_words or words
        runs.kernel.interrupt()
        if first:
            self._tasks.add(self._insist(runs, job, runs.kernel))

    async def _insist(self, runs: RoomRuns, job: Job, kernel: RoomKernel) -> None:
        """Interrupt code once more that had just begun: a kernel may miss it then. End the rest."""
        began = job.record.started_at
        again = began is None or (utc_now() - began).total_seconds() < JUST_BEGUN_SECONDS
        await self._cut_flood(runs, job, kernel)
        with suppress(TimeoutError):
            await asyncio.wait_for(kernel.ended(), AGAIN_SECONDS - FLOOD_SECONDS)
        if again and runs.current is job and kernel is runs.kernel and kernel.alive:
            kernel.interrupt()
        with suppress(TimeoutError):
            await asyncio.wait_for(kernel.ended(), INTERRUPT_GRACE_SECONDS - AGAIN_SECONDS)
        if runs.current is job and job.running and kernel is runs.kernel and kernel.alive:
            kernel.kill(IGNORED)

    async def _cut_flood(self, runs: RoomRuns, job: Job, kernel: RoomKernel) -> None:
        heard = kernel.heard
        with suppress(TimeoutError):
            await asyncio.wait_for(kernel.ended(), FLOOD_SECONDS)
        if runs.current is job and job.collector is not None and kernel is runs.kernel:
            flood = kernel.heard - heard > FLOOD_MESSAGES
            if flood or job.collector.waiting > FLOOD_CHARACTERS:
                job.collector.cut()

    async def _finish(self, *jobs: Job, status: RunStatus, words: str = "") -> None:
        for job in jobs:
            self._close(job, status, words)
            self._count(job)
        await self._records.save(*(job.record for job in jobs))

    def _close(self, job: Job, status: RunStatus, words: str) -> None:
        record = job.record
        record.status = status.value
        record.ended_at = utc_now()
        if record.started_at is not None:
            record.duration_ms = round((record.ended_at - record.started_at).total_seconds() * 1000)
        record.message = words or job.stop_words
        job.entry.set(Run.of(record), position=0)
        if job.cell is not None:
            job.cell.finish(record.execution_count)
        if job.notebook is not None:
            job.notebook.close()
            job.notebook = None

    def _count(self, job: Job, collector: OutputCollector | None = None) -> None:
        metrics.RUNS.labels(job.record.status).inc()
        if collector is None:
            return
        metrics.RUN_SECONDS.observe(time.monotonic() - job.accepted_at)
        if collector.first_output_at is not None:
            first = collector.first_output_at - job.accepted_at
            metrics.RUN_FIRST_OUTPUT_SECONDS.observe(first)
