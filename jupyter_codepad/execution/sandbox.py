"""The sandbox of rooms' kernels: the first rung of the ladder that works on this machine.

From the best to the weakest: bubblewrap; bubblewrap without ``/proc``; Landlock and seccomp; and
kernels on other machines, where a gateway is configured. Without any, code is not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from logging import Logger
from pathlib import Path

from .bubblewrap import BubblewrapRung, BubblewrapWithoutProcRung
from .gateway import RemoteRung
from .landlock import LandlockRung
from .processes import KernelProcess
from .rungs import MIB, LocalRung, Options, Rung

LOCAL_RUNGS: tuple[type[Rung], ...] = (BubblewrapRung, BubblewrapWithoutProcRung, LandlockRung)
RUNGS: tuple[type[Rung], ...] = (*LOCAL_RUNGS, RemoteRung)
DEFAULT_RUNGS = tuple(rung.name for rung in LOCAL_RUNGS)
NO_PROMISES = "Code of rooms is not run."
NOT_RUN = "Code cannot be run on this server: no sandbox works here. Its host is told why."


@dataclass(frozen=True)
class Tried:
    """A rung that does not work here, and why, in words."""

    name: str
    reason: str


@dataclass(frozen=True)
class SandboxStatus:
    """What code of rooms runs in here.

    ``name``: of the rung, ``none`` when there is none, with the ``reason`` in the user's words;
    ``weaker``: the rungs before it that do not work, so that what there is is weaker than it could
    be; ``promises`` and ``gaps``: what holds, and what does not, in words.
    """

    available: bool
    name: str
    reason: str | None = None
    weaker: tuple[Tried, ...] = ()
    promises: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()


class Sandbox:
    """Finds the rung to use, and makes sandboxes with it.

    ``names``: the rungs that may be used, in this order; for the limits see ``Options``.
    """

    def __init__(
        self,
        *,
        log: Logger,
        memory_limit_bytes: int = 512 * MIB,
        process_limit: int = 64,
        kernels_limit: int = 50,
        disk_limit_bytes: int = 64 * MIB,
        hidden: tuple[Path, ...] = (),
        visible: tuple[Path, ...] = (),
        names: Sequence[str] = DEFAULT_RUNGS,
        rungs: Sequence[type[Rung]] = RUNGS,
    ) -> None:
        self._log = log
        self.options = Options(
            log=log,
            memory_limit_bytes=memory_limit_bytes,
            process_limit=process_limit,
            kernels_limit=kernels_limit,
            disk_limit_bytes=disk_limit_bytes,
            hidden=hidden,
            visible=visible,
        )
        known = {rung.name: rung for rung in rungs}
        self._ladder = [known[name](self.options) for name in names]
        self._rung: Rung | None = None
        self.status = SandboxStatus(False, "none", "The sandbox has not been tested yet.")

    @property
    def rung(self) -> Rung:
        """The rung in use. Raises ``LookupError`` when there is none."""
        if self._rung is None:
            raise LookupError(self.status.reason or "no sandbox")
        return self._rung

    @property
    def local_rung(self) -> LocalRung:
        """The rung in use, on this machine. Raises ``LookupError`` when it is not."""
        if not isinstance(self.rung, LocalRung):
            raise LookupError("The sandbox is on another machine.")
        return self.rung

    def process(self) -> KernelProcess:
        """The processes of a kernel to come. Raises ``LookupError`` without a sandbox."""
        return self.rung.process()

    async def probe(self) -> SandboxStatus:
        """Try one rung after the other: what must not be possible inside is tried and fails."""
        weaker: list[Tried] = []
        self._rung = None
        for rung in self._ladder:
            wrong = await rung.test()
            if not wrong:
                self._rung = rung
                self.status = SandboxStatus(
                    True, rung.name, None, tuple(weaker), rung.promises, rung.gaps
                )
                return self.status
            weaker.append(Tried(rung.name, wrong))
        reasons = "; ".join(f"{tried.name}: {tried.reason}" for tried in weaker)
        reason = f"Code cannot be run here: {reasons or 'no kind of sandbox is allowed'}."
        self.status = SandboxStatus(False, "none", reason, tuple(weaker), (NO_PROMISES,))
        return self.status


def log_status(status: SandboxStatus, log: Logger, *, unsandboxed: bool) -> None:
    """Write down at the start what code runs in, why in nothing better, and what is not held."""
    for tried in status.weaker:
        log.warning("Codepad cannot use the sandbox %s: %s.", tried.name, tried.reason)
    if status.available:
        log.info("Codepad runs code of rooms in a sandbox (%s).", status.name)
        for gap in status.gaps:
            log.warning("The sandbox %s has a gap: %s", status.name, gap)
    elif unsandboxed:
        log.warning(
            "Codepad runs code of rooms WITHOUT a sandbox (%s): allow_unsandboxed is set.",
            status.reason,
        )
    else:
        log.warning("Codepad does not run code of rooms: %s", status.reason)
