"""One live document: everybody's sockets on one Yjs document, gathered turn by turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from logging import Logger
from typing import Any, Protocol

from pycrdt import Doc, TransactionEvent, merge_updates

from .awareness import page_state
from .protocol import (
    AwarenessEntry,
    Kind,
    ProtocolError,
    Reader,
    SyncStep,
    ack_frame,
    awareness_frame,
    check_counts,
    read_awareness,
    sync_frame,
)
from .update_log import Update, UpdateLog

NOTHING = b"\x00\x00"
"""The Yjs update that changes nothing."""

SERVER = "server"
SMALL_UPDATE_BYTES = 1024
"""Updates below this may go a little over the limit: deletions are small."""
SMALL_UPDATES_SHARE = 4
AWARENESS_ENTRIES_LIMIT = 64
LAB_AWARENESS_ENTRIES_LIMIT = 4096
"""JupyterLab repeats what it has heard of everybody in the room."""


class SyncClient(Protocol):
    """What a socket is to a document."""

    author: str
    """Participant id, written into the update log."""
    may_edit: bool
    """Asked for every frame: it may change while the socket is open."""
    wants_acks: bool
    trusted: bool
    """A JupyterLab of this server's users: no size limit, free awareness states."""
    awareness_user: dict[str, Any]
    """Who this is, as the server knows it; replaces what the client says in its awareness."""
    client_id: int | None
    """The one Yjs client this socket speaks for, learnt from its first awareness frame."""
    updates_received: int

    def queue(self, frame: bytes) -> None:
        """Queue a frame; never raises, never waits."""

    def did_something(self) -> None:
        """The person has just typed, moved or looked elsewhere."""

    def edit_refused(self) -> None:
        """A change was dropped because this person may not edit (any more)."""


class DocumentFull(ProtocolError):
    """An update would make the document larger than it may become."""


class SharedDocument:
    """Applies what clients send and sends on what changed, once per turn of the event loop.

    In one turn all changes are merged, handed to the update log and framed once; the same bytes go
    to every client but a lone sender. Awareness is relayed to the others only, and a client can
    only speak for the one Yjs client id it came with, under the name the server knows.

    ``document_id``: key in the update log; ``read_only``: no client may ever change it;
    ``size_limit_bytes``: state plus a new update may not be larger (None: no limit);
    ``tidy``: takes out what nobody may see, called before anything of the document is sent.
    """

    def __init__(
        self,
        document_id: str,
        ydoc: Doc[Any],
        *,
        update_log: UpdateLog,
        log: Logger,
        clients: set[Any] | None = None,
        read_only: bool = False,
        size: Callable[[], int] | None = None,
        size_limit_bytes: int | None = None,
        tidy: Callable[[], None] | None = None,
    ) -> None:
        self.document_id = document_id
        self.ydoc = ydoc
        self.clients: set[SyncClient] = clients if clients is not None else set()
        self._update_log = update_log
        self._log = log
        self._read_only = read_only
        self._size = size
        self._size_limit = size_limit_bytes
        self._size_at_most = size_limit_bytes or 0
        self._tidy = tidy
        self._subscription: Any = None
        self._source: SyncClient | None = None
        self._turn: list[tuple[bytes, SyncClient | None]] = []
        self._acks_wanted: set[SyncClient] = set()
        self._states: dict[int, AwarenessEntry] = {}
        self._states_turn: dict[int, SyncClient | None] = {}
        self._scheduled = False

    def start(self) -> None:
        """Begin to log and relay changes; what is in the document already is not logged."""
        self._subscription = self.ydoc.observe(self._changed)

    def stop(self) -> None:
        """Flush and stop relaying."""
        self.flush()
        if self._subscription is not None:
            self.ydoc.unobserve(self._subscription)
            self._subscription = None

    # -- clients ----------------------------------------------------------------------------------

    def attach(self, client: SyncClient) -> None:
        """Greet a new client: our state vector, and what the others are doing."""
        self.clients.add(client)
        client.queue(sync_frame(SyncStep.STATE, self.ydoc.get_state()))
        if self._states:
            client.queue(awareness_frame(list(self._states.values())))

    def detach(self, client: SyncClient) -> None:
        """Forget a client and tell the others that it is gone."""
        self.clients.discard(client)
        self._acks_wanted.discard(client)
        client_id = client.client_id
        if client_id is not None and self._spoken_by(client_id) is None:
            entry = self._states.pop(client_id, None)
            if entry is not None:
                gone = AwarenessEntry(client_id, entry.clock + 1, None)
                self._broadcast(awareness_frame([gone]), but=None)

    def receive(self, client: SyncClient, frame: bytes) -> None:
        """Handle one frame of a client. Raises ``ProtocolError`` when it cannot be read."""
        reader = Reader(frame)
        kind = reader.var_uint()
        if kind == Kind.SYNC:
            self._receive_sync(client, reader.var_uint(), reader.var_bytes())
        elif kind == Kind.AWARENESS:
            limit = LAB_AWARENESS_ENTRIES_LIMIT if client.trusted else AWARENESS_ENTRIES_LIMIT
            entries = read_awareness(reader.var_bytes(), limit)
            self._receive_awareness(client, entries)
        elif kind == Kind.QUERY_AWARENESS:
            client.queue(awareness_frame(list(self._states.values())))
        else:
            raise ProtocolError(f"frames of kind {kind} are not known here")

    def _receive_sync(self, client: SyncClient, step: int, content: bytes) -> None:
        check_counts(content)
        if step == SyncStep.STATE:
            self._make_tidy()
            try:
                missing = self.ydoc.get_update(content)
            except Exception as error:
                raise ProtocolError("the state vector cannot be read") from error
            client.queue(sync_frame(SyncStep.MISSING, missing))
        elif step in (SyncStep.MISSING, SyncStep.UPDATE):
            # What may not be is dropped but counted: the client waits for no acknowledgement.
            if content != NOTHING and not self._read_only:
                if client.may_edit:
                    self._apply(client, content)
                    client.did_something()
                else:
                    client.edit_refused()
            client.updates_received += 1
            if client.wants_acks:
                self._acks_wanted.add(client)
                self._schedule()
        else:
            raise ProtocolError(f"sync step {step} is not known here")

    def _apply(self, client: SyncClient, update: bytes) -> None:
        if not client.trusted and self._overfull(len(update)):
            raise DocumentFull("this would make the document too large")
        self._source = client
        try:
            self.ydoc.apply_update(update)
        except Exception as error:
            raise ProtocolError("the update cannot be read") from error
        finally:
            self._source = None

    def _overfull(self, more: int) -> bool:
        """Whether an update of so many bytes is too much; measures only when it may be."""
        if self._size is None or self._size_limit is None:
            return False
        limit = self._size_limit
        if more < SMALL_UPDATE_BYTES:
            limit += limit // SMALL_UPDATES_SHARE
        if self._size_at_most + more > limit:
            self._size_at_most = self._size()
        self._size_at_most += more
        return self._size_at_most > limit

    def _receive_awareness(self, client: SyncClient, entries: Iterable[AwarenessEntry]) -> None:
        for entry in entries:
            if client.client_id is None and entry.state is not None:
                if self._spoken_by(entry.client_id) is not None:
                    continue
                client.client_id = entry.client_id
            if entry.client_id != client.client_id:
                continue
            known = self._states.get(entry.client_id)
            if known is not None and entry.clock < known.clock:
                continue
            if entry.state is None:
                if self._states.pop(entry.client_id, None) is not None:
                    self._broadcast(awareness_frame([entry]), but=client)
                continue
            said = entry.state if client.trusted else page_state(entry.state)
            state = {**said, "user": client.awareness_user}
            if known is None or known.state != state:
                client.did_something()
            self._states[entry.client_id] = AwarenessEntry(entry.client_id, entry.clock, state)
            self._states_turn[entry.client_id] = client
            self._schedule()

    def user_changed(self, client: SyncClient) -> None:
        """Tell everybody, the client too, that it has another name, colour or role now."""
        entry = self._states.get(client.client_id) if client.client_id is not None else None
        if entry is None or entry.state is None:
            return
        state = {**entry.state, "user": client.awareness_user}
        renewed = AwarenessEntry(entry.client_id, entry.clock + 1, state)
        self._states[entry.client_id] = renewed
        self._broadcast(awareness_frame([renewed]), but=None)

    def _spoken_by(self, client_id: int) -> SyncClient | None:
        return next((c for c in self.clients if c.client_id == client_id), None)

    # -- turns ------------------------------------------------------------------------------------

    def _changed(self, event: TransactionEvent) -> None:
        self._turn.append((event.update, self._source))
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def _make_tidy(self) -> None:
        # Several frames may come in one turn: it is not enough to do it in a turn of its own.
        if self._tidy is not None:
            self._tidy()

    def flush(self) -> None:
        """Log and send what has gathered: once per turn, though more often does no harm."""
        self._make_tidy()
        self._scheduled = False
        turn, self._turn = self._turn, []
        acks = [(client, client.updates_received) for client in self._acks_wanted]
        self._acks_wanted.clear()
        if turn or acks:
            updates = [
                Update(self.document_id, update, source.author if source else SERVER)
                for update, source in turn
            ]
            self._update_log.append(updates, lambda: self._durable(acks))
        if turn:
            contents = [update for update, _ in turn]
            merged = merge_updates(*contents) if len(contents) > 1 else contents[0]
            senders = {source for _, source in turn}
            lone = senders.pop() if len(senders) == 1 else None
            self._broadcast(sync_frame(SyncStep.UPDATE, merged), but=lone)
        if self._states_turn:
            self._relay_states()

    def _relay_states(self) -> None:
        turn, self._states_turn = self._states_turn, {}
        entries = [self._states[client_id] for client_id in turn if client_id in self._states]
        speakers = set(turn.values())
        if len(speakers) == 1:
            self._broadcast(awareness_frame(entries), but=speakers.pop())
            return
        frame = awareness_frame(entries)
        for client in self.clients:
            if client in speakers:
                others = [e for e in entries if turn[e.client_id] is not client]
                client.queue(awareness_frame(others))
            else:
                client.queue(frame)

    def _broadcast(self, frame: bytes, *, but: SyncClient | None) -> None:
        for client in self.clients:
            if client is not but:
                client.queue(frame)

    def _durable(self, acks: list[tuple[SyncClient, int]]) -> None:
        for client, count in acks:
            if client in self.clients:
                client.queue(ack_frame(count))

    async def durable(self) -> None:
        """Wait until all that is in the document now is on disk."""
        written = asyncio.Event()
        self.flush()
        self._update_log.append([], written.set)
        await written.wait()
