"""Two versions of one document, until somebody has chosen between them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ..errors import Conflict as ConflictError
from .content import built, edited
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

    def settled(self, keep: Keep, file_type: str, state: bytes) -> bytes:
        """The Yjs update of a document when somebody has chosen. Slow: call it in a thread.

        ``state``: the whole document as it is.
        """
        document = built(file_type, [state])
        wanted = document.get()
        if keep is Keep.THEIRS:
            wanted = self.theirs
        elif keep is Keep.BOTH:
            wanted = merge(self.base, wanted, self.theirs)[0]
        return edited(document, wanted)

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


class Conflicts:
    """What there is to choose in a document: between it and its file, and between it and clients.

    At most one of each: what one more client brings is added to what others have brought, and of
    the file's versions the last one counts. ``keep``: writes all of them down, before what is
    written later; ``told``: called when there is a new one, or one less.
    """

    def __init__(self, *, keep: Callable[[list[dict[str, Any]]], None], told: Callable[[], None]):
        self._keep = keep
        self._told = told
        self._all: dict[Reason, Conflict] = {}

    def restore(self, stored: list[dict[str, Any]]) -> None:
        """Those that were written down."""
        self._all = {conflict.reason: conflict for conflict in map(Conflict.of, stored)}

    @property
    def first(self) -> Conflict | None:
        """The one to choose about now."""
        return self._all.get(Reason.FILE_CHANGED) or self._all.get(Reason.OLD_CLIENT)

    @property
    def with_file(self) -> Conflict | None:
        """The one with the file, which is not written until somebody has chosen."""
        return self._all.get(Reason.FILE_CHANGED)

    def find(self, conflict_id: str) -> Conflict:
        """The one with an id. Raises ``errors.Conflict`` when somebody has chosen already."""
        if self.first is None or self.first.id != conflict_id:
            raise ConflictError("conflict_over", "Somebody else has chosen already what to keep.")
        return self.first

    def add(self, conflict: Conflict) -> None:
        """One more to choose about."""
        known = self._all.get(conflict.reason)
        if known is not None and conflict.reason is Reason.OLD_CLIENT:
            names = dict.fromkeys(name for name in (known.who, conflict.who) if name)
            both = merge(None, known.theirs, conflict.theirs)[0]
            conflict = replace(conflict, theirs=both, who=", ".join(names))
        self._all[conflict.reason] = conflict
        self._changed()

    def settled(self, reason: Reason, conflict_id: str | None = None) -> None:
        """Somebody has chosen, or there is nothing to choose any more.

        With an id nothing happens to one that has come up since.
        """
        known = self._all.get(reason)
        if known is not None and conflict_id in (None, known.id):
            del self._all[reason]
            self._changed()

    def _changed(self) -> None:
        self._keep([conflict.stored() for conflict in self._all.values()])
        self._told()
