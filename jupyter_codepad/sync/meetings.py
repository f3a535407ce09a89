"""Meetings: a client comes back with a history of a document that is not ours."""

from __future__ import annotations

from typing import Any

from pycrdt import Doc

from .client import SyncClient
from .conflicts import Conflict, Conflicts, Reason
from .content import content_hash, meet
from .merge import Content

GONE_KEPT = 8
"""Histories that gave way to others, and what they held."""


class Meetings:
    """Decides what becomes of a client's history, and of ours.

    ``clients``: all that the document has; ``conflicts``: what somebody has to choose between.
    """

    def __init__(
        self, file_type: str, ydoc: Doc[Any], clients: set[SyncClient], conflicts: Conflicts
    ) -> None:
        self._file_type = file_type
        self._ydoc = ydoc
        self._clients = clients
        self._conflicts = conflicts
        self._gone: dict[int, Content] = {}

    def meet(self, client: SyncClient, state: bytes, *, untouched: bool) -> bytes | None:
        """Bring together what a client has and what we have; returns what only it needs.

        ``state``: all that it has, as an update; ``untouched``: nobody has changed our document
        since it was made from its file.
        """
        alone = all(one is client or one.foreign is not None for one in self._clients)
        meeting = meet(
            self._file_type,
            self._ydoc.get_update(),
            state,
            untouched=untouched and alone,
            known=self._gone,
        )
        if not client.may_edit:
            return meeting.theirs_emptied
        if meeting.apart is not None:  # noted first, so that it is not forgotten in a crash
            self._keep_apart(client, meeting.apart, meeting.ours_went)
        self._ydoc.apply_update(meeting.update)
        self._gone = {
            **dict(list(self._gone.items())[-GONE_KEPT:]),
            **dict.fromkeys(meeting.gone, meeting.content),
        }
        return None

    def _keep_apart(self, client: SyncClient, other: Content, is_file: bool) -> None:
        self._conflicts.add(
            Conflict.now(
                Reason.FILE_CHANGED if is_file else Reason.OLD_CLIENT,
                other,
                base=None,
                hash=content_hash(other),
                who=None if is_file else str(client.user.get("display_name") or client.author),
            )
        )
