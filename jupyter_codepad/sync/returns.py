"""Returns: clients that come back with a history that the document does not have."""

from __future__ import annotations

from collections.abc import Callable

from pycrdt import merge_updates

from .client import DocumentFull, SyncClient
from .protocol import ProtocolError, SyncStep, sync_frame
from .updates import read_state

NO_STATE = b"\x00"
"""The state vector of an empty document."""

RETURNS_LIMIT = 3
"""So often a client can come back with another history; each time two documents are compared."""

GATHERED_SHARE = 2
"""What a client sends as all that it has may be so many times as large as the document may be."""


class Returns:
    """Asks such clients for all that they have, before anything of it is merged.

    That is so when the update log was lost and the document was made from its file again.
    ``histories``: the Yjs clients with which the document's own began; none while it is loaded.
    ``decide``: brings together what a client has and what we have; returns what only it needs.
    """

    def __init__(
        self, decide: Callable[[SyncClient, bytes], bytes | None], *, size_limit_bytes: int
    ) -> None:
        self.histories: set[int] = set()
        self._decide = decide
        self._limit = GATHERED_SHARE * size_limit_bytes

    def concern(self, state: bytes) -> bool:
        """Whether who has this state has another history than the document."""
        known = {who for who, clock in read_state(state).items() if clock > 0}
        return bool(self.histories and known) and known.isdisjoint(self.histories)

    def ask(self, client: SyncClient, state: bytes) -> None:
        """Ask for all that a client has."""
        client.foreign = state
        client.send(sync_frame(SyncStep.STATE, NO_STATE))

    def gather(self, client: SyncClient, step: int, content: bytes) -> bytes | None:
        """Take in a part; the whole, once it is there: much comes in several frames."""
        client.parts.append(content)
        if not client.trusted and sum(map(len, client.parts)) > self._limit:
            raise DocumentFull("this is more than the document can hold")
        if step != SyncStep.MISSING:
            return None
        parts, client.parts = client.parts, []
        return merge_updates(*parts) if len(parts) > 1 else content

    def decide(self, client: SyncClient, content: bytes) -> bytes | None:
        """What becomes of it. Raises ``ProtocolError`` for what is no document."""
        client.returns += 1
        if client.returns > RETURNS_LIMIT:
            raise ProtocolError("this is another document, again and again")
        try:
            return self._decide(client, content)
        except Exception as error:
            raise ProtocolError("the document cannot be read") from error
