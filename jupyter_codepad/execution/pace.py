"""How often output is shown, and how much of the server's time it takes."""

from __future__ import annotations

import time

BATCH_SECONDS = 0.03
"""So long what comes is gathered at least, once something has been shown."""
FLOOD_BATCH_SECONDS = 0.25
"""So long it is gathered at most. Everybody's browser draws each time, while somebody types."""
FLOOD_BYTES_PER_SECOND = 64 * 1024
"""With more than this it is gathered longer each time, with less it is shorter again."""
MESSAGE_BYTES = 256
"""What a message of the kernel counts for, besides what is in it."""
SILENCE_SECONDS = 1.0
REWRITTEN_PER_SECOND = 256 * 1024
"""How many bytes that take the place of others are sent to everybody, for each second."""
REPLACED_PER_SECOND = 10_000
"""After so many outputs that took the place of others, one a second: each leaves a few bytes in the
shared document for good, which grows by half a megabyte on the first day of an endless display."""
LOOP_SHARE = 0.3
"""How much of the event loop's time reading one kernel's messages may take for long."""
LOOP_CREDIT_SECONDS = 0.05


class Pace:
    """Says when the next output is to be shown; times are in seconds, on the loop's clock.

    ``next_at``: not before; it lies in the past after silence.
    """

    def __init__(self) -> None:
        self.next_at = 0.0
        self._pause = BATCH_SECONDS
        self._came = 0
        self._shown_at = -SILENCE_SECONDS

    def count(self, size: int) -> None:
        """A message with so many bytes has come."""
        self._came += size + MESSAGE_BYTES

    def shown(self, now: float, rewritten: int, replaced: int = 0) -> None:
        """What has come until now is shown; ``rewritten``: bytes that took the place of others.

        ``replaced``: how many outputs did so, since the run began.
        """
        passed = now - self._shown_at
        if passed >= SILENCE_SECONDS:
            self._pause = BATCH_SECONDS
        elif self._came > FLOOD_BYTES_PER_SECOND * passed:
            self._pause = min(FLOOD_BATCH_SECONDS, 2 * self._pause)
        else:
            self._pause = max(BATCH_SECONDS, self._pause / 2)
        self._came, self._shown_at = 0, now
        least = max(rewritten / REWRITTEN_PER_SECOND, replaced / REPLACED_PER_SECOND)
        self.next_at = now + max(self._pause, least)

    def hurry(self) -> None:
        """Show what there is as soon as possible."""
        self.next_at = 0.0


class LoopShare:
    """Keeps what one kernel says from taking the event loop's time from everybody else."""

    def __init__(self) -> None:
        self._credit = LOOP_CREDIT_SECONDS
        self._at = time.perf_counter()

    def spent(self, seconds: float) -> float:
        """Count some work; returns how long to rest, in seconds."""
        now = time.perf_counter()
        earned = (now - self._at) * LOOP_SHARE
        self._credit = min(LOOP_CREDIT_SECONDS, self._credit + earned) - seconds
        self._at = now
        return max(0.0, -self._credit / LOOP_SHARE)
