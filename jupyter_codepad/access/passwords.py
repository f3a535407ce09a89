"""Passwords of links: argon2id, off the event loop, a few at a time."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

CONCURRENT = 2
"""Hashes computed at a time: each takes 19 MiB and some 30 ms of a core."""


class Passwords:
    """Hashes and checks passwords with argon2id (OWASP's parameters: 19 MiB, 2 passes, 1 lane)."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self.turn = asyncio.Semaphore(CONCURRENT)

    async def hash(self, password: str) -> str:
        """The encoded hash to store, with its own salt."""
        async with self.turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, stored: str, password: str) -> bool:
        """Whether a password is the one that was stored. Takes the caller's turn for granted."""
        return await asyncio.to_thread(self._matches, stored, password)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return bool(self._hasher.verify(stored, password))
        except (Argon2Error, InvalidHashError):
            return False
