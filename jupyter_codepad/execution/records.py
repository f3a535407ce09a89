"""What is written down of runs: by whom, of what, how it went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from ..access.tokens import new_id
from ..errors import NotFound
from ..metrics import RUNS
from ..storage import Database
from ..storage.tables import RunRecord, utc_now
from .models import Run, RunStatus
from .room_runs import RunAuthor, RunWish

LATELY = timedelta(hours=1)
AT_ONCE = 100
"""So many are written together; others have their turn in between."""
CHANGING = ("status", "started_at", "ended_at", "duration_ms", "execution_count", "message")
"""What a run gets to be different in while it lives."""


class RunRecords:
    """The table of runs."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def add(self, room_id: str, by: RunAuthor, wishes: Sequence[RunWish]) -> list[RunRecord]:
        """Write down runs that wait. Raises ``NotFound`` when the room has just been deleted."""
        records = [
            RunRecord(
                id=new_id(),
                room_id=room_id,
                participant_id=by.participant_id,
                participant_name=by.name,
                document=wish.document,
                cell_id=wish.cell_id,
                status=RunStatus.QUEUED.value,
                queued_at=utc_now(),
                message="",
            )
            for wish in wishes
        ]
        try:
            for start in range(0, len(records), AT_ONCE):
                async with self._db.transaction() as tx:
                    tx.add_all(records[start : start + AT_ONCE])
        except IntegrityError as error:
            raise NotFound("room_not_found", "There is no such room any more.") from error
        return records

    async def save(self, *records: RunRecord) -> None:
        """Write down how runs stand; of a room that has been deleted nothing is."""
        async with self._db.transaction() as tx:
            for record in records:
                values = {name: getattr(record, name) for name in CHANGING}
                await tx.execute(update(RunRecord).where(RunRecord.id == record.id).values(values))

    async def refuse(self, records: Sequence[RunRecord], words: str) -> None:
        """Write down that runs were not taken after all, for the reason ``words``."""
        end = {"status": RunStatus.INTERRUPTED.value, "ended_at": utc_now(), "message": words}
        for start in range(0, len(records), AT_ONCE):
            ids = [record.id for record in records[start : start + AT_ONCE]]
            async with self._db.transaction() as tx:
                await tx.execute(update(RunRecord).where(RunRecord.id.in_(ids)).values(end))
        RUNS.labels(RunStatus.INTERRUPTED.value).inc(len(records))

    async def past_run(self, room_id: str, run_id: str) -> Run:
        """A run that is over. Raises ``NotFound`` for one that is not of this room."""
        async with self._db.transaction() as tx:
            record = await tx.get(RunRecord, run_id)
        if record is None or record.room_id != room_id:
            raise NotFound("run_not_found", "This room has no such run.")
        return Run.of(record)

    async def end_all(self, words: str) -> set[str]:
        """Mark the runs that an earlier process left open as ended, for the reason ``words``.

        Returns the rooms of which the run documents may still say something else: a crash can cost
        them the end of a run that was written down here already.
        """
        async with self._db.transaction() as tx:
            left = RunRecord.status.in_([RunStatus.QUEUED.value, RunStatus.RUNNING.value])
            lately = RunRecord.ended_at > utc_now() - LATELY
            rooms = await tx.scalars(select(RunRecord.room_id).where(left | lately).distinct())
            unsettled = set(rooms)
            await tx.execute(
                update(RunRecord)
                .where(left)
                .values(status=RunStatus.DEAD.value, message=words, ended_at=utc_now())
            )
        return unsettled
