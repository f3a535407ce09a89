"""Two versions of one document, until somebody has chosen between them."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ..errors import Conflict as ConflictError
from .merge import Content, as_text, merge

SHOWN_CHARACTERS = 200_000


class Reason(StrEnum):
    """How there came to be two versions."""

    FILE_CHANGED = "file_changed"
    OLD_CLIENT = "old_client"


class Keep(StrEnum):
    """What to go on with."""

    MINE = "mine"
    THEIRS = "theirs"
    BOTH = "both"


@dataclass(frozen=True)
class Conflict:
    """The side that is not in the live document, and where it came from.

    ``base``: what both sides started from, where it is known; ``who``: whose text it is, if it is
    not the file's; ``hash``: of the other side's content.
    """

    id: str
    since: str
    reason: Reason
    theirs: Content
    base: Content | None
    hash: str
    who: str | None = None

    @classmethod
    def now(cls, reason: Reason, theirs: Content, **more: Any) -> Conflict:
        """A conflict that has come up just now."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(id=secrets.token_hex(8), since=since, reason=reason, theirs=theirs, **more)

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Conflict:
        """A conflict that was kept in the update log."""
        return cls(**{**stored, "reason": Reason(stored["reason"])})

    def stored(self) -> dict[str, Any]:
        """What the update log keeps."""
        return asdict(self)

    def settled(self, keep: Keep, mine: Content) -> Content:
        """What the document should be when somebody has chosen."""
        if keep is Keep.MINE:
            return mine
        return self.theirs if keep is Keep.THEIRS else merge(self.base, mine, self.theirs)[0]

    def model(self, mine: Content, path: str) -> dict[str, Any]:
        """Both sides, for people to look at."""
        sides = as_text(mine), as_text(self.theirs)
        return {
            "id": self.id,
            "since": self.since,
            "path": path,
            "reason": self.reason.value,
            "who": self.who,
            "mine": sides[0][:SHOWN_CHARACTERS],
            "theirs": sides[1][:SHOWN_CHARACTERS],
            "truncated": max(map(len, sides)) > SHOWN_CHARACTERS,
        }


def conflict_over() -> ConflictError:
    """Somebody else has chosen already."""
    return ConflictError("conflict_over", "Somebody else has chosen already what to keep.")
