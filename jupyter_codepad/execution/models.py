"""The shape of a run on the wire."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel

from ..rooms.models import Moment
from ..storage.tables import RunRecord


class RunStatus(StrEnum):
    """How far a run is, or how it ended."""

    QUEUED = "queued"
    RUNNING = "running"
    OK = "ok"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    DEAD = "dead"

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self not in {RunStatus.QUEUED, RunStatus.RUNNING}


class Run(BaseModel):
    """One execution: by whom, of what, and how it went; times in UTC, duration in milliseconds."""

    id: str
    document: str
    cell_id: str | None
    participant_id: str
    participant_name: str
    status: RunStatus
    queued_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    duration_ms: int | None
    execution_count: int | None
    message: str

    @classmethod
    def of(cls, record: RunRecord) -> Run:
        """The run behind a record."""
        return cls.model_validate(record, from_attributes=True)


class Runs(BaseModel):
    """The runs that were accepted, in order; those at the end that found no place are left out."""

    runs: list[Run]
