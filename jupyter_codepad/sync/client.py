"""SyncClient: somebody's open socket on a shared document."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..access.rate_limit import SocketLimit
from .connection import Connection, binary_frame
from .protocol import ProtocolError, ack_frame

if TYPE_CHECKING:
    from .shared_document import SharedDocument

DOCUMENT_FULL = 4413
MALFORMED = 4400
TRY_LATER = 1013
TOO_MANY = 4429
REASON_CHARACTERS = 120
MESSAGE_BYTES = 16 * 1024
MESSAGE_SECONDS = 0.0003
"""A message that is longer, or takes longer, counts as several."""


class DocumentFull(ProtocolError):
    """An update would make the document larger than it may become."""


class SyncClient:
    """What a socket is to a document; each kind of page has a kind of its own.

    ``author``: participant id (or ``user:<name>``), written into the update log; ``user``: who this
    is, as the server knows it, in place of what the client says in its awareness; ``trusted``: a
    JupyterLab of this server's users (no size limit, free awareness states); ``message_limit``:
    counts frames, None where they are not counted.
    """

    __slots__ = (
        "_reads_for",
        "_refused_since",
        "ack_due",
        "acks_wanted",
        "answered",
        "asked",
        "author",
        "behind",
        "client_id",
        "connection",
        "document",
        "foreign",
        "gap",
        "greeted",
        "may_edit",
        "message_limit",
        "parts",
        "returns",
        "trusted",
        "updates_received",
        "user",
        "wants_acks",
        "writes_as",
    )

    def __init__(
        self,
        connection: Connection,
        *,
        author: str,
        user: dict[str, Any],
        may_edit: bool,
        trusted: bool = False,
        wants_acks: bool = False,
        message_limit: SocketLimit | None = None,
    ) -> None:
        self.connection = connection
        self.author = author
        self.user = user
        self.may_edit = may_edit
        self.trusted = trusted
        self.wants_acks = wants_acks
        self.message_limit = message_limit
        self.client_id: int | None = None
        self.updates_received = 0
        self.acks_wanted = False
        self.behind: bytes | None = None
        self.greeted = False
        self.ack_due = 0
        self.writes_as: int | None = None
        self.asked: bytes | None = None
        self.foreign: bytes | None = None
        self.parts: list[bytes] = []
        self.answered = False
        self.gap = False
        self.returns = 0
        self.document: SharedDocument | None = None
        self._reads_for: SharedDocument | None = None
        self._refused_since = 0.0

    def start(self, document: SharedDocument) -> None:
        """Attach to a document and begin to listen."""
        self.document = document
        document.attach(self)
        self.connection.listen(self)

    # -- the connection's receiver ---------------------------------------------------------------

    def received(self, message: bytes) -> None:
        """Hand a frame to the document; what cannot be read closes this socket and no other."""
        document = self.document
        if document is None:
            return
        if not self._counts(1 + len(message) // MESSAGE_BYTES):
            return
        if self._reads_for is None:
            self._reads_for = document
            document.reading()
        try:
            document.receive(self, message)
        except ProtocolError as error:
            document.log.warning("A frame in %s was refused: %s", document.document_id, error)
            self.refuse(error)

    def rested(self) -> None:
        """All that has come by now has been handed to the document."""
        document, self._reads_for = self._reads_for, None
        if document is not None:
            document.rested()

    def took(self, seconds: float) -> None:
        """The server was busy so long with what this client has sent."""
        self._counts(int(seconds / MESSAGE_SECONDS))

    def _counts(self, messages: int) -> bool:
        if self.message_limit is None or self.message_limit.hit(messages):
            return True
        words = "That was too much at once. The connection comes back by itself."
        self.connection.close(TOO_MANY, words)
        return False

    def congested(self) -> None:
        """The client reads slower than others write; it is brought up to date later, in one go."""
        if self.document is not None:
            self.document.client_congested(self)
        self._refused_since = asyncio.get_running_loop().time()

    def drained(self) -> None:
        """The client has read what was sent."""
        if self.document is not None:
            try:
                self.document.client_drained(self)
            except ProtocolError as error:
                self.refuse(error)

    def lost(self) -> None:
        """The socket has ended."""
        document, self.document = self.document, None
        if document is not None:
            document.detach(self)

    # -- what the document says ------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Send one frame to this client only; never raises, never waits."""
        self.connection.send(binary_frame(frame))

    def take_ack(self) -> bytes:
        """What says, as a WebSocket frame, how many of this connection's updates are on disk."""
        frame, self.ack_due = ack_frame(self.ack_due), 0
        return bytes((130, len(frame))) + frame

    def refuse(self, error: Exception) -> None:
        """Close because of something that this client has sent."""
        if isinstance(error, DocumentFull):
            words = "This pad is full: it cannot hold that much text."
            self.connection.close(DOCUMENT_FULL, words)
        else:
            self.connection.close(MALFORMED, str(error)[:REASON_CHARACTERS])

    def stalled_for(self) -> float:
        """For how many seconds the client has not read what waits for it."""
        if self.behind is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._refused_since

    def heard_message(self, rest: bytes) -> None:
        """A text message of JupyterLab's own has come; others have none."""
        raise ProtocolError("frames of kind 2 are not known here")

    def user_as_said(self, said: dict[str, Any]) -> dict[str, Any]:
        """Who this is, for what they say of themselves: never what they say that they are."""
        return self.user

    def did_something(self) -> None:
        """The person has just typed, moved or looked elsewhere."""

    def edit_refused(self) -> None:
        """A change was dropped because this person may not edit (any more)."""

    def tell_conflict(self) -> None:
        """There are two versions of the document to choose between, or not any more."""

    def close(self, code: int, reason: str) -> None:
        """End this socket."""
        self.connection.close(code, reason)
