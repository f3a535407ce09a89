"""StateRelay: what clients say of themselves (Yjs awareness), on its way to the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from .awareness import page_state
from .client import SyncClient
from .connection import binary_frame
from .protocol import AwarenessEntry, ProtocolError, awareness_frame

PAUSE_SECONDS = 0.04
"""Carets are relayed no more often than this: nobody sees more, and they come with every key."""

CLOCK_LIMIT = 2**52
"""Of what somebody says of themselves: the server counts on from there."""

ONE_FRAME_SPEAKERS = 16
"""Of more who have said something of themselves at once, each hears the own words too."""


class StateRelay:
    """Relays states to the others, gathered, under the names that the server knows.

    A client can only speak for the one Yjs client id that it came with. What it repeats only to
    say that it is still here is passed on every few seconds, for all in one frame.

    ``clients``: everybody on the document; ``soon``: asks for ``relay`` at the end of the turn.
    """

    def __init__(self, clients: set[SyncClient], *, soon: Callable[[], None]) -> None:
        self._clients = clients
        self._soon = soon
        self._states: dict[int, AwarenessEntry] = {}
        self._speakers: dict[int, SyncClient] = {}
        self._turn: dict[int, SyncClient | None] = {}
        self._later: set[int] = set()
        self._told_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def all(self) -> list[dict[str, Any]]:
        """What clients say of themselves now."""
        return [entry.state for entry in self._states.values() if entry.state is not None]

    def speaker(self, client_id: int) -> SyncClient | None:
        """Who has come as this Yjs client."""
        return self._speakers.get(client_id)

    def stop(self) -> None:
        """Relay no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def greet(self, client: SyncClient) -> None:
        """Tell a client what everybody says; later, if it has not read what it was sent."""
        if self._states and client.behind is None:
            client.send(awareness_frame(list(self._states.values())))

    def receive(self, client: SyncClient, entries: Iterable[AwarenessEntry]) -> None:
        """Take in what a client says; what it says of others is dropped."""
        for entry in entries:
            if client.client_id is None and entry.state is not None:
                if entry.client_id in self._speakers or entry.client_id in self._states:
                    continue
                client.client_id = entry.client_id
                self._speakers[entry.client_id] = client
            if entry.client_id != client.client_id:
                continue
            if entry.clock > CLOCK_LIMIT:
                raise ProtocolError("a number in the frame is too large")
            known = self._states.get(entry.client_id)
            if known is not None and entry.clock < known.clock:
                continue
            if entry.state is None:
                if self._states.pop(entry.client_id, None) is not None:
                    self._broadcast([entry], but=client)
                continue
            said = entry.state if client.trusted else page_state(entry.state)
            state = {**said, "user": client.user_as_said(said)}
            self._states[entry.client_id] = AwarenessEntry(entry.client_id, entry.clock, state)
            if known is None or known.state != state:
                client.did_something()
                self._tell(entry.client_id, client)
            else:
                self._later.add(entry.client_id)

    def leave(self, client: SyncClient) -> None:
        """Tell the others that a client is gone."""
        client_id = client.client_id
        if client_id is None or self._speakers.get(client_id) is not client:
            return
        del self._speakers[client_id]
        self._later.discard(client_id)
        entry = self._states.pop(client_id, None)
        if entry is not None:
            self._broadcast([AwarenessEntry(client_id, entry.clock + 1, None)], but=None)

    def say(self, entry: AwarenessEntry) -> None:
        """Tell everybody something that the server says itself."""
        if entry.state is None:
            self._states.pop(entry.client_id, None)
            self._broadcast([entry], but=None)
        else:
            self._states[entry.client_id] = entry
            self._tell(entry.client_id, None)

    def user_changed(self, client: SyncClient) -> None:
        """Tell everybody, the client too, that it has another name, colour or role now."""
        entry = self._states.get(client.client_id) if client.client_id is not None else None
        if entry is None or entry.state is None:
            return
        state = {**entry.state, "user": client.user_as_said(entry.state)}
        self.say(AwarenessEntry(entry.client_id, entry.clock + 1, state))

    def repeat(self) -> None:
        """Say again who is still here."""
        later, self._later = self._later, set()
        entries = [self._states[client_id] for client_id in later if client_id in self._states]
        if entries:
            self._broadcast(entries, but=None)

    def relay(self) -> None:
        """Pass on what has gathered, unless it is too early for that."""
        if not self._turn or self._timer is not None:
            return
        turn, self._turn = self._turn, {}
        self._told_at = asyncio.get_running_loop().time()
        entries = [self._states[client_id] for client_id in turn if client_id in self._states]
        speakers = {speaker for speaker in turn.values() if speaker is not None}
        if not entries:
            return
        if not speakers or len(speakers) > ONE_FRAME_SPEAKERS:
            self._broadcast(entries, but=None)
            return
        frame = binary_frame(awareness_frame(entries))
        for client in self._clients:
            if client.behind is not None:
                continue
            if client not in speakers:
                client.connection.send(frame)
            elif others := [e for e in entries if turn.get(e.client_id) is not client]:
                client.send(awareness_frame(others))

    def _tell(self, client_id: int, speaker: SyncClient | None) -> None:
        self._turn[client_id] = speaker
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        due = self._told_at + PAUSE_SECONDS
        if loop.time() >= due:
            self._soon()
        else:
            self._timer = loop.call_at(due, self._due)

    def _due(self) -> None:
        self._timer = None
        self.relay()

    def _broadcast(self, entries: list[AwarenessEntry], *, but: SyncClient | None) -> None:
        frame = binary_frame(awareness_frame(entries))
        for client in self._clients:
            if client is not but and client.behind is None:
                client.connection.send(frame)
