"""One live document: everybody's sockets on one Yjs document, gathered turn by turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from logging import Logger
from typing import Any

from pycrdt import Doc

from .. import metrics
from .client import TRY_LATER, DocumentFull, SyncClient
from .connection import binary_frame
from .intake import Fit, Intake, check_whole
from .protocol import (
    KEEP_ALIVE,
    Kind,
    ProtocolError,
    Reader,
    SyncStep,
    read_awareness,
    sync_frame,
)
from .replica import NOTHING, Part, Replica, merged_update
from .returns import Returns
from .states import StateRelay
from .turns import Turns
from .update_log import SERVER, Update

UPDATE_HEAD = bytes((Kind.SYNC, SyncStep.UPDATE))

INTERNAL_FAULT = 1011
SERVICE_RESTART = 1012
SMALL_UPDATE_BYTES = 1024
"""Updates below this may go a little over the limit: deletions are small."""
SMALL_UPDATES_SHARE = 4
AWARENESS_ENTRIES_LIMIT = 64
LAB_AWARENESS_ENTRIES_LIMIT = 4096
"""JupyterLab repeats what it has heard of everybody in the room."""

KEEP_ALIVE_FRAME = binary_frame(KEEP_ALIVE)


class SharedDocument:
    """Applies what clients send and sends on what changed, once per turn of the event loop.

    In one turn all changes are merged, handed to the update log and framed once; the same bytes go
    to every client but a lone sender. Awareness is relayed to the others only, and a client can
    only speak for the one Yjs client id it came with, under the name the server knows. A client
    that reads too slowly is left out until it has caught up, then gets all it missed in one update.

    ``document_id``: key in the update log; ``logged``: whether changes are written there at all;
    ``read_only``: no client may ever change it; ``size_limit_bytes``: ``size()`` plus a new update
    may not be larger (None: no limit); ``tidy``: takes out what nobody may see, called before
    anything of the document is sent, with whether something else than characters came in; returns
    whether there was anything to look after.
    """

    def __init__(
        self,
        document_id: str,
        ydoc: Doc[Any],
        *,
        turns: Turns,
        log: Logger,
        clients: set[Any] | None = None,
        logged: bool = True,
        read_only: bool = False,
        size: Callable[[], int] | None = None,
        size_limit_bytes: int | None = None,
        tidy: Callable[[bool], bool] | None = None,
    ) -> None:
        self.document_id = document_id
        self.ydoc = ydoc
        self.clients: set[SyncClient] = clients if clients is not None else set()
        self.returns: Returns | None = None
        self._turns = turns
        self.log = log
        self._logged = logged
        self._read_only = read_only
        self._size = size
        self._size_limit = size_limit_bytes
        self._size_at_most = size_limit_bytes or 0
        self._tidy = tidy
        self.edited: Callable[[], None] = lambda: None
        """Called when clients have changed something."""
        self.reads_alike: Callable[[], bool] = lambda: True
        """Called before somebody is told what has been written since the last time."""
        self._written = False
        self.applies_later = False
        """Whether what concerns nobody but those who have the pad open may be applied later."""
        self._intake = Intake(ydoc, self.flush)
        self._replica = Replica(ydoc, changed=self._changed, refused=self._not_applied)
        self._inbox: list[Part] = []
        self._urgent = False
        self._writers: dict[int, str] = {}
        self._whole: set[int] = set()
        self._own: list[bytes] = []
        self._acks: list[SyncClient] = []
        self._since = 0.0
        self._in_turn = False
        self.states = StateRelay(self.clients, soon=lambda: turns.soon(self))

    def start(self, *, unlogged: bytes = NOTHING) -> None:
        """Begin to log and relay changes.

        ``unlogged``: the update of what is in the document already and not in the log. With less in
        the log than was sent, other Yjs clients wait for ever for what they think is missing.
        """
        self._replica.watch()
        self._turns.add(self)
        if unlogged != NOTHING:
            self._own.append(unlogged)
            self._turns.soon(self)

    def stop(self) -> None:
        """Flush and stop relaying."""
        self.flush()
        self._turns.remove(self)
        self.states.stop()
        self._replica.unwatch()

    # -- clients ----------------------------------------------------------------------------------

    def attach(self, client: SyncClient) -> None:
        """Take in a new client; it hears of changes once it has said what it has already."""
        if not self._replica.watched:
            client.close(SERVICE_RESTART, "This document has been closed. Open it again.")
            return
        self.clients.add(client)
        self.states.greet(client)

    def detach(self, client: SyncClient) -> None:
        """Forget a client and tell the others that it is gone."""
        self.clients.discard(client)
        self.states.leave(client)

    def receive(self, client: SyncClient, frame: bytes) -> None:
        """Handle one frame of a client. Raises ``ProtocolError`` when it cannot be read."""
        if frame[:2] == UPDATE_HEAD and len(frame) > 2 and frame[2] < 128:
            content = frame[3 : 3 + frame[2]]
            if len(content) != frame[2]:
                raise ProtocolError("the frame is shorter than it says")
            self._receive_update(client, SyncStep.UPDATE, content)
            return
        reader = Reader(frame)
        kind = reader.var_uint()
        if kind == Kind.SYNC:
            step, content = reader.var_uint(), reader.var_bytes()
            if step == SyncStep.STATE:
                self._receive_state(client, content)
            elif step in (SyncStep.MISSING, SyncStep.UPDATE):
                self._receive_update(client, step, content)
            else:
                raise ProtocolError(f"sync step {step} is not known here")
        elif kind == Kind.AWARENESS:
            limit = LAB_AWARENESS_ENTRIES_LIMIT if client.trusted else AWARENESS_ENTRIES_LIMIT
            self.states.receive(client, read_awareness(reader.var_bytes(), limit))
        elif kind == Kind.QUERY_AWARENESS:
            self.states.greet(client)
        elif kind == Kind.JUPYTER:
            client.heard_message(frame[1:])
        else:
            raise ProtocolError(f"frames of kind {kind} are not known here")

    def reading(self) -> None:
        """Frames of a client are handed over now, until ``rested``."""
        self._turns.reading()

    def rested(self) -> None:
        """All of them are."""
        self._turns.rested()

    def _receive_state(self, client: SyncClient, state: bytes) -> None:
        """Say what the client lacks, and ask for what we lack."""
        if self.returns is not None and self.returns.concern(state):
            self.returns.ask(client, state)
        elif client.behind is not None:
            client.asked = state  # it is answered when it has read what it was sent
        else:
            self._answer(client, state)

    def _answer(self, client: SyncClient, state: bytes) -> None:
        self.flush()
        if self._written:
            self._written = False
            if not self.reads_alike():
                self.log.warning("What was made up in %s is out of the way.", self.document_id)
        try:
            missing = self.ydoc.get_update(state)
        except Exception as error:
            raise ProtocolError("the state vector cannot be read") from error
        client.send(sync_frame(SyncStep.STATE, self.ydoc.get_state()))
        client.send(sync_frame(SyncStep.MISSING, missing))
        client.greeted = True

    def _receive_update(self, client: SyncClient, step: int, content: bytes) -> None:
        client.updates_received += 1
        if client.foreign is not None and self.returns is not None:
            whole = self.returns.gather(client, step, content)
            if whole is not None:
                self._take_back(client, self.returns, whole)
        elif content != NOTHING and not self._read_only:
            # What may not be is dropped but counted: the client waits for no acknowledgement.
            if client.may_edit:
                self._take_in(client, step, content)
            else:
                client.edit_refused()
        client.answered = client.answered or step == SyncStep.MISSING
        if client.wants_acks and not client.acks_wanted:
            client.acks_wanted = True
            self._acks.append(client)
            self._turns.soon(self)

    def _take_in(self, client: SyncClient, step: int, content: bytes) -> None:
        if self._logged and self._turns.log_full:
            client.close(TRY_LATER, "The server’s disk is full. What you type stays with you.")
            return
        if not client.trusted and self._overfull(len(content)):
            raise DocumentFull("this would make the document too large")
        own = partial(self._may_write, client, claims=step == SyncStep.UPDATE)
        fit = self._intake.fits(content, client.writes_as, trusted=client.trusted, may_write=own)
        if not fit:
            if step == SyncStep.MISSING:
                raise ProtocolError("the update builds on what is not here")
            # It has typed before it was greeted, or was not allowed to for a while.
            if not client.gap:
                client.gap = True
                self.catch_up()
                client.send(sync_frame(SyncStep.STATE, self.ydoc.get_state()))
            return
        if not self._inbox and not self._own:
            self._since = time.perf_counter()
        self._written = True
        self._inbox.append((content, client))
        self._urgent = self._urgent or fit is not Fit.GOES_ON
        if step == SyncStep.MISSING:
            client.gap = False
            self._whole.add(len(self._inbox) - 1)
        self._turns.soon(self)

    def _may_write(self, client: SyncClient, clients: set[int], *, claims: bool) -> bool:
        """Whether somebody may write as these Yjs clients.

        What is written in the name of somebody else would take the place of what they write
        themselves: a Yjs client is the person's who first wrote as it, or else says that they are.
        """
        for who in clients:
            speaker = self.states.speaker(who)
            if speaker is not None and not speaker.answered:
                speaker = None  # others may bring back what a crash has lost
            owner = self._writers.get(who) or (speaker.author if speaker else None)
            if owner not in (None, client.author):
                return False
        if claims and len(clients) == 1:
            [client.writes_as] = clients
            self._writers.setdefault(client.writes_as, client.author)
        return True

    def _take_back(self, client: SyncClient, returns: Returns, content: bytes) -> None:
        """All that a client has whose history we do not know: the room decides about it."""
        state, client.foreign = client.foreign, None
        assert state is not None
        if returns.concern(state):  # and nobody with the same history was faster
            check_whole(content, trusted=client.trusted)
            if not client.trusted and client.may_edit and self._overfull(len(content)):
                raise DocumentFull("this would make the document too large")
            self.flush()
            instead = returns.decide(client, content)
            if instead is not None:
                client.send(sync_frame(SyncStep.UPDATE, instead))
        self._answer(client, state)

    def _overfull(self, more: int) -> bool:
        """Whether an update of so many bytes is too much; measures only when it may be."""
        if self._size is None or self._size_limit is None:
            return False
        limit = self._size_limit
        if more < SMALL_UPDATE_BYTES:
            limit += limit // SMALL_UPDATES_SHARE
        if self._size_at_most + more > limit:
            self.flush()
            self._size_at_most = self._size()
        self._size_at_most += more
        return self._size_at_most > limit

    def client_congested(self, client: SyncClient) -> None:
        """Send a client no more, until it has read what it was sent."""
        if client.behind is None and client in self.clients:
            if not self._in_turn:
                self.flush()  # so that what it has been sent is all that is in the document
            client.behind = self.ydoc.get_state()
            metrics.SYNC_BEHIND.inc()

    def client_drained(self, client: SyncClient) -> None:
        """Bring a client up to date that has been left out."""
        state, client.behind = client.behind, None
        asked, client.asked = client.asked, None
        if state is None:
            return
        if asked is not None:
            self._answer(client, asked)
        elif client.greeted:
            self.flush()
            missing = self.ydoc.get_update(state)
            if missing != NOTHING:
                client.send(sync_frame(SyncStep.UPDATE, missing))
        self.states.greet(client)

    def keep_alive(self) -> None:
        """Repeat who is still here, and let no line fall silent: browsers give up after 30 s."""
        self.states.repeat()
        for client in self.clients:
            if client.behind is None:
                client.connection.send(KEEP_ALIVE_FRAME)

    # -- turns ------------------------------------------------------------------------------------

    def _changed(self, update: bytes) -> None:
        """The server has changed the document itself."""
        self._intake.note(update)
        if not self._inbox and not self._own:
            self._since = time.perf_counter()
        self._own.append(update)
        self._turns.soon(self)

    def _not_applied(self, client: SyncClient, error: Exception) -> None:
        self._intake.forget()
        self.log.warning("An update in %s was refused: %r", self.document_id, error)
        client.refuse(ProtocolError("the update cannot be read"))

    def flush(self) -> None:
        """Log and send what has gathered, now: whoever reads the document wants it complete."""
        if not self._in_turn:
            self._turns.now(self)
        self._replica.catch_up()

    def catch_up(self) -> None:
        """Apply what has been put off long enough."""
        self._replica.catch_up()

    def fail(self) -> None:
        """Something went wrong that should not: everybody comes back with what was not saved."""
        self.log.exception("The document %s could not take its turn.", self.document_id)
        for client in list(self.clients):
            client.close(INTERNAL_FAULT, "Something went wrong on the server.")

    def take_turn(self) -> tuple[list[Update], list[tuple[SyncClient, int]]]:
        """Apply and send what has gathered; returns what to log, and whom to tell once it is."""
        self._in_turn = True
        try:
            return self._take_turn()
        finally:
            self._in_turn = False

    def _take_turn(self) -> tuple[list[Update], list[tuple[SyncClient, int]]]:
        inbox, self._inbox = self._inbox, []
        urgent, self._urgent = self._urgent or not self.applies_later, False
        merged: bytes | None = None
        if self._whole:
            inbox = self._take_whole(inbox)
        elif inbox and urgent:
            inbox, merged = self._replica.apply(inbox)
        elif inbox:
            merged = merged_update([content for content, _ in inbox])
            self._replica.put_off(merged)
            self._turns.later(self)
        objects = urgent and self._intake.objects_came()
        tidied = self._tidy is None or self._tidy(objects)
        if inbox:
            self.edited()
            if urgent:
                self._intake.applied(in_text_only=self.applies_later and not tidied)
        own, self._own = self._own, []
        if merged is None or own:
            merged = merged_update([*(content for content, _ in inbox), *own])
        acks = []
        for client in self._acks:
            client.acks_wanted = False
            acks.append((client, client.updates_received))
        self._acks.clear()
        updates = self._send_on(inbox, own, merged) if inbox or own else []
        self.states.relay()
        return updates, acks

    def _take_whole(self, inbox: list[Part]) -> list[Part]:
        whole, self._whole = self._whole, set()
        return self._replica.apply_whole(inbox, whole)

    def _send_on(self, inbox: list[Part], own: list[bytes], merged: bytes) -> list[Update]:
        lone = inbox[0][1] if inbox and not own else None
        if len(inbox) > 1 and any(client is not lone for _, client in inbox):
            lone = None
        frame = binary_frame(sync_frame(SyncStep.UPDATE, merged))
        for client in self.clients:
            if client is not lone and client.greeted and client.behind is None:
                # One call for both: each costs the system as much as all of Python here.
                client.connection.send(frame + client.take_ack() if client.ack_due else frame)
        metrics.SYNC_SECONDS.observe(time.perf_counter() - self._since)
        return self._rows(inbox, own, merged) if self._logged else []

    def _rows(self, inbox: list[Part], own: list[bytes], merged: bytes) -> list[Update]:
        """What the log gets: one row for each author."""
        if len(inbox) == 1 and not own:
            return [Update(self.document_id, merged, inbox[0][1].author)]
        by_author: dict[str, list[bytes]] = {}
        for content, client in inbox:
            by_author.setdefault(client.author, []).append(content)
        if own:
            by_author.setdefault(SERVER, []).extend(own)
        if len(by_author) == 1:
            return [Update(self.document_id, merged, next(iter(by_author)))]
        return [
            Update(self.document_id, merged_update(c), author) for author, c in by_author.items()
        ]

    async def durable(self) -> None:
        """Wait until all that is in the document now is on disk."""
        await self._turns.durable(self)
