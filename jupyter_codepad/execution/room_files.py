"""RoomFiles: what is done about a room's files around each of its runs."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from logging import Logger

from .files import FileLimits, FileSync
from .kernels import RoomKernel
from .room_runs import Job, RoomRuns

THREADS = 2
"""Files are never carried for more rooms at a time: disks are for everybody."""


class RoomFiles:
    """Brings each room's files into its sandbox before a run, and new ones back after it.

    What there is to say about them is shown with the run. ``limits``: of each room.
    """

    def __init__(self, limits: FileLimits, *, log: Logger) -> None:
        self._limits = limits
        self._log = log
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="codepad-files")

    async def stop(self) -> None:
        """End the threads; what they are doing is done first, in bounded time."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    async def before_run(self, runs: RoomRuns, job: Job, kernel: RoomKernel) -> None:
        """Make the sandbox's files those of the folder."""
        warning = await self._sync(runs).bring_in(kernel, apart=runs.room.pad_names)
        if warning:
            job.entry.note_files(warning=warning)

    async def after_run(self, runs: RoomRuns, job: Job, kernel: RoomKernel) -> None:
        """Put what the program wrote into the folder."""
        room = runs.room
        written = await self._sync(runs).bring_out(
            kernel, apart=room.pad_names, open_files=room.open_files()
        )
        if written.words or written.warning:
            job.entry.note_files(written.words, written.warning)

    def _sync(self, runs: RoomRuns) -> FileSync:
        if runs.files is None:
            runs.files = FileSync(
                runs.room.folder, self._limits, log=self._log, executor=self._executor
            )
        return runs.files
