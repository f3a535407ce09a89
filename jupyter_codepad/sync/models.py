"""The shapes of conflicts and measurements on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from ..rooms.models import Body, Moment
from .conflicts import Keep, Reason

SAMPLES_LIMIT = 200
SAMPLE_LIMIT_MS = 60_000


class ConflictModel(BaseModel):
    """Two versions of one document; a notebook's are written cell by cell below ``# %%`` lines."""

    id: str
    since: Moment
    path: str
    reason: Reason
    who: str | None = Field(description="Whose text the other version is, if not the file's.")
    mine: str = Field(description="What is in the document now.")
    theirs: str = Field(description="The other version.")
    truncated: bool


class ConflictAnswer(BaseModel):
    """The conflict of a document, if it has one."""

    conflict: ConflictModel | None


class ConflictChoice(Body):
    """What to go on with: the document as it is, the other version, or both in one."""

    id: Annotated[str, Field(max_length=64)]
    keep: Keep


class Latency(Body):
    """How long changes took to be acknowledged, as a browser has measured it."""

    milliseconds: Annotated[
        list[Annotated[float, Field(ge=0, le=SAMPLE_LIMIT_MS, allow_inf_nan=False)]],
        Field(max_length=SAMPLES_LIMIT),
    ]
