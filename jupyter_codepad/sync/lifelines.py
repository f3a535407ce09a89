"""Lifelines: the sockets of all documents are looked after, a few at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .. import metrics
from .client import SyncClient

if TYPE_CHECKING:
    from .shared_document import SharedDocument

ROUND_SECONDS = 10.0
"""From the end of a round to the next; in every other one lines are kept alive."""

STEP_SECONDS = 0.01
CLIENTS_AT_ONCE = 50
"""So that nobody's typing waits for thousands to be looked after."""


class Lifelines:
    """Keeps lines alive, and cuts those that are not.

    ``timeout_seconds``: after which a client that is not heard, or does not read, is cut.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._documents: set[SharedDocument] = set()
        self._rest: list[SharedDocument] = []
        self._silent: dict[SyncClient, float] = {}
        self._silent_now: dict[SyncClient, float] = {}
        self._clients = 0
        self._rounds = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, document: SharedDocument) -> None:
        """Look after a document's clients from now on."""
        self._documents.add(document)
        metrics.SYNC_DOCUMENTS.set(len(self._documents))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ROUND_SECONDS, self._begin)

    def remove(self, document: SharedDocument) -> None:
        """Look after a document's clients no longer."""
        self._documents.discard(document)
        metrics.SYNC_DOCUMENTS.set(len(self._documents))
        if not self._documents and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._silent = {}
            metrics.SYNC_CLIENTS.set(0)

    def _begin(self) -> None:
        self._rounds += 1
        self._rest = list(self._documents)
        self._clients = 0
        self._silent_now = {}
        self._go_on()

    def _go_on(self) -> None:
        before = self._clients
        while self._rest and self._clients - before < CLIENTS_AT_ONCE:
            document = self._rest.pop()
            if document in self._documents:
                self._look_after(document)
        loop = asyncio.get_running_loop()
        if self._rest:
            self._timer = loop.call_later(STEP_SECONDS, self._go_on)
            return
        self._silent = self._silent_now
        metrics.SYNC_CLIENTS.set(self._clients)
        self._timer = loop.call_later(ROUND_SECONDS, self._begin)

    def _look_after(self, document: SharedDocument) -> None:
        now = asyncio.get_running_loop().time()
        for client in list(document.clients):
            self._clients += 1
            if not client.connection.check():
                self._silent_now[client] = self._silent.get(client, now)
            unheard = now - self._silent_now.get(client, now)
            if max(unheard, client.stalled_for()) > self._timeout:
                client.connection.abort()
        if self._rounds % 2:
            document.keep_alive()
