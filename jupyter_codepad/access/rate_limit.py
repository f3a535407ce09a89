"""How often anything may be done: moving windows in memory or in Redis."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from logging import Logger

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from ..errors import TooMany
from ..metrics import REFUSED

DEFAULT_LIMITS: dict[str, str] = {
    "rooms_per_user": "10 per 15 minutes",
    "joins_per_address": "300 per 15 minutes",
    "joins_per_room": "600 per 15 minutes",
    "joins": "3000 per 15 minutes",
    "password_failures_per_address": "20 per 15 minutes",
    "password_failures_per_room": "100 per 15 minutes",
    "password_failures": "1000 per 15 minutes",
    "dead_links_per_address": "60 per 15 minutes",
    "requests_per_person": "100 per minute",
    "requests_per_address": "1200 per minute",
    "runs_per_person": "300 per minute",
    "submissions_per_person": "20 per minute",
    "messages_per_connection": "3000 per 10 seconds",
}
"""Everything that is limited, and how often it may be done, in the notation of ``limits``."""

WORDS = {
    "rooms_per_user": "You have made many rooms in a short time.",
    "requests_per_person": "That was too much at once.",
    "requests_per_address": "That was too much at once.",
    "runs_per_person": "You have started many runs in a short time.",
    "submissions_per_person": "You have submitted often in a short time.",
    "joins_per_address": "Many people have joined from your network in a short time.",
    "joins_per_room": "Many people have joined this room in a short time.",
    "joins": "Many people are joining rooms on this server.",
}
TOO_MANY_TRIES = "There were too many tries."


class SocketLimit:
    """Counts the messages of one connection, in fixed windows.

    They are too many to ask a store about each, and all of them come to this process.
    """

    def __init__(self, item: RateLimitItem | None) -> None:
        self._most = item.amount if item is not None else math.inf
        self._seconds = item.get_expiry() if item is not None else math.inf
        self._until = 0.0
        self._count = 0

    def hit(self, weight: int = 1) -> bool:
        """Count a message as so many; False when it is one too many."""
        now = time.monotonic()
        if now >= self._until:
            self._until, self._count = now + self._seconds, 0
        self._count += weight
        if self._count <= self._most:
            return True
        REFUSED.labels(limit="messages_per_connection").inc()
        return False


class RateLimiter:
    """Counts what people do and refuses what is too much, in words and with a time to wait.

    ``limits``: changes to ``DEFAULT_LIMITS``; an empty text switches one off. ``storage_url``:
    ``memory://`` for one process, ``async+redis://…`` for several that should count together.
    Where Redis cannot be reached this process counts alone until it is back.
    Raises ``ValueError`` for a limit that is not known or not readable.
    """

    def __init__(self, limits: Mapping[str, str], *, storage_url: str, log: Logger) -> None:
        unknown = set(limits) - set(DEFAULT_LIMITS)
        if unknown:
            raise ValueError(f"there is no rate limit {sorted(unknown)[0]!r}")
        texts = {**DEFAULT_LIMITS, **limits}
        self._items: dict[str, RateLimitItem] = {
            name: parse(text) for name, text in texts.items() if text
        }
        self._log = log
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = self._own
        if storage_url != "memory://":
            storage = storage_from_string(storage_url, implementation="redispy")
            if not isinstance(storage, Storage):
                raise ValueError("rate limits need an async storage, such as async+redis://host")
            self._shared = MovingWindowRateLimiter(storage)

    async def hit(self, name: str, key: str = "") -> None:
        """Count one of ``name`` for ``key``; raises ``TooMany`` when it is one too many."""
        item = self._items.get(name)
        if item is not None and not await self._ask("hit", item, name, key):
            await self._refuse(item, name, key)

    async def check(self, name: str, key: str = "") -> None:
        """Raise ``TooMany`` when the limit is reached already; counts nothing."""
        item = self._items.get(name)
        if item is not None and not await self._ask("test", item, name, key):
            await self._refuse(item, name, key)

    def for_socket(self) -> SocketLimit:
        """What counts the messages of one connection."""
        return SocketLimit(self._items.get("messages_per_connection"))

    async def _ask(self, question: str, item: RateLimitItem, name: str, key: str) -> bool:
        try:
            return bool(await getattr(self._shared, question)(item, name, key))
        except Exception as error:  # whatever the client of a store raises when it is away
            if self._shared is self._own:
                raise
            self._log.warning("The store of rate limits does not answer: %s", error)
            return bool(await getattr(self._own, question)(item, name, key))

    async def _refuse(self, item: RateLimitItem, name: str, key: str) -> None:
        REFUSED.labels(limit=name).inc()
        seconds = float(item.get_expiry())
        if self._shared is self._own:
            window = await self._own.get_window_stats(item, name, key)
            seconds = window.reset_time - time.time()
        wait = max(1, math.ceil(seconds))
        words = WORDS.get(name, TOO_MANY_TRIES)
        raise TooMany("too_many_requests", f"{words} Try again in {waiting_words(wait)}.", wait)


def waiting_words(seconds: int) -> str:
    """A time to wait, as people say it."""
    if seconds < 90:
        return f"{seconds} s"
    return f"{math.ceil(seconds / 60)} minutes"
