"""The server's own copy of a document, into which goes what clients have sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pycrdt import Doc, TransactionEvent, merge_updates

from .client import SyncClient

Part = tuple[bytes, SyncClient]
"""An update, and who has sent it."""

NOTHING = b"\x00\x00"
"""The Yjs update that changes nothing."""

SLOW_SECONDS = 0.01
"""Updates that take longer to apply count as many messages of who has sent them."""

PUT_OFF_LIMIT = 200


class Replica:
    """A Yjs document that clients' updates are applied to, and that the server changes itself.

    Applying costs several times as much as sending on, and most of that is the same for one update
    and for ten. So what surely fits and concerns nobody can be put off until something else comes,
    somebody reads the document, or ``PUT_OFF_LIMIT`` updates have gathered.

    ``changed``: called with the update of what the server has changed itself; ``refused``: called
    with who sent what could not be applied, and why.
    """

    def __init__(
        self,
        ydoc: Doc[Any],
        *,
        changed: Callable[[bytes], None],
        refused: Callable[[SyncClient, Exception], None],
    ) -> None:
        self.ydoc = ydoc
        self._changed = changed
        self._refused = refused
        self._subscription: Any = None
        self._put_off: list[bytes] = []
        self._heard: list[bytes] | None = None
        self._applying = False

    @property
    def watched(self) -> bool:
        """Whether changes are told."""
        return self._subscription is not None

    def watch(self) -> None:
        """Tell what the server changes, from now on."""
        self._subscription = self.ydoc.observe(self._observed)

    def unwatch(self) -> None:
        """Tell nothing any more."""
        if self._subscription is not None:
            self.ydoc.unobserve(self._subscription)
            self._subscription = None

    def _observed(self, event: TransactionEvent) -> None:
        if self._heard is not None:
            self._heard.append(event.update)
        elif not self._applying:
            self._changed(event.update)

    def put_off(self, update: bytes) -> None:
        """Apply some time an update that surely can be applied."""
        self._put_off.append(update)
        if len(self._put_off) >= PUT_OFF_LIMIT:
            self.catch_up()

    def catch_up(self) -> None:
        """Apply what was put off."""
        if self._put_off:
            put_off, self._put_off = self._put_off, []
            self._applying = True
            try:
                self.ydoc.apply_update(merged_update(put_off))
            finally:
                self._applying = False

    def apply(self, parts: list[Part]) -> tuple[list[Part], bytes | None]:
        """Apply what clients have sent; returns what could be applied, and all of it as one update.

        Who sent the rest is refused, and then there is no such update.
        """
        self.catch_up()
        self._applying = True
        try:
            started = time.perf_counter()
            try:
                together = merged_update([content for content, _ in parts])
                self.ydoc.apply_update(together)
            except Exception:
                return [part for part in parts if self._apply_one(*part)], None
            taken = time.perf_counter() - started
            if taken > SLOW_SECONDS:
                total = sum(len(content) for content, _ in parts)
                for content, client in parts:
                    client.took(taken * len(content) / total)
            return parts, together
        finally:
            self._applying = False

    def apply_whole(self, parts: list[Part], whole: set[int]) -> list[Part]:
        """Apply one by one, because some say all that somebody has: returns only what was new."""
        self.catch_up()
        applied: list[Part] = []
        for place, (content, client) in enumerate(parts):
            if place not in whole:
                applied.extend(self.apply([(content, client)])[0])
                continue
            started = time.perf_counter()
            self._heard = []
            try:
                self._apply_one(content, client)
                applied.extend((update, client) for update in self._heard)
            finally:
                self._heard = None
            client.took(time.perf_counter() - started)
        return applied

    def _apply_one(self, content: bytes, client: SyncClient) -> bool:
        try:
            self.ydoc.apply_update(content)
        except Exception as error:
            self._refused(client, error)
            return False
        return True


def merged_update(updates: list[bytes]) -> bytes:
    """Several updates as one."""
    if len(updates) == 1:
        return updates[0]
    return merge_updates(*updates) if updates else NOTHING
