"""How long to go on, with which seeds, and where cases are kept that went wrong."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

CASES = Path(__file__).parent / "cases"
SEED = 20_000
"""In a plain run of the tests always the same; ``FUZZ_MINUTES`` and ``FUZZ_SEED`` change it."""

MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))


def first_seed() -> int:
    """The seed of the first case; the others count up from it."""
    asked = os.environ.get("FUZZ_SEED")
    if asked is not None:
        return int(asked)
    return secrets.randbelow(2**40) if MINUTES else SEED


def seeds(share: float, seconds: float) -> Iterator[int]:
    """Seeds for ``seconds``, or for a ``share`` of the minutes that were asked for."""
    seconds = MINUTES * 60 * share or seconds
    end = time.monotonic() + seconds
    seed = first_seed()
    print(f"\nseeds from {seed} for {seconds:.0f} s")
    while time.monotonic() < end:
        yield seed
        seed += 1


def keep(wire: bytes) -> Path:
    """Write down what went wrong, to be replayed for ever."""
    path = CASES / f"found-{hashlib.sha256(wire).hexdigest()[:12]}.bin"
    path.write_bytes(wire)
    return path


def memory_bytes(pid: int | str = "self") -> int:
    """Memory that a process has for itself."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
