"""Every Prometheus metric of ours; Jupyter's ``/metrics`` shows them. No label names a room."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import inf

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class LoopHistogram(Collector):
    """A histogram that only the event loop's thread writes: a tenth of the cost, having no locks.

    ``buckets``: upper bounds in seconds, rising.
    """

    def __init__(self, name: str, documentation: str, buckets: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = tuple(buckets)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        REGISTRY.register(self)

    def observe(self, seconds: float) -> None:
        """Count one more."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """For Prometheus."""
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*self._bounds, inf), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == inf else str(bound), float(total)))
        yield HistogramMetricFamily(self._name, self._documentation, buckets, self._sum)


REFUSED = Counter(
    "codepad_rate_limited_total", "Requests refused because of a rate limit", ["limit"]
)
ACTIVITY = Counter("codepad_activity_total", "What happened at the doors of rooms", ["kind"])
SYNC_SECONDS = LoopHistogram(
    "codepad_sync_seconds",
    "From the first change of a turn coming in to the last client's frame being handed out",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
SYNC_ROUND_TRIP_SECONDS = Histogram(
    "codepad_sync_round_trip_seconds",
    "From a change to its acknowledgement (it is on disk), as browsers measure it",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
RUNS_WAITING = Gauge("codepad_runs_waiting_rooms", "Rooms that wait for their turn to run code")
KERNELS_WARM = Gauge("codepad_kernels_warm", "Kernels that wait for a room to take them")
SYNC_CLIENTS = Gauge("codepad_sync_clients", "Open sockets on shared documents")
SYNC_DOCUMENTS = Gauge("codepad_sync_documents", "Shared documents in memory")
SYNC_BEHIND = Counter(
    "codepad_sync_clients_behind_total", "Times that a client read slower than others wrote"
)
RUNS = Counter("codepad_runs_total", "Runs that are over, by how they ended", ["status"])
RUN_FIRST_OUTPUT_SECONDS = LoopHistogram(
    "codepad_run_first_output_seconds",
    "From a run being accepted to its first output being written",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
RUN_SECONDS = LoopHistogram(
    "codepad_run_seconds",
    "From a run being accepted to its end, with the time it waited",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
