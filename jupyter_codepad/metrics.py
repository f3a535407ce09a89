"""Every Prometheus metric of ours; Jupyter's ``/metrics`` shows them. No label names a room."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REFUSED = Counter(
    "codepad_rate_limited_total", "Requests refused because of a rate limit", ["limit"]
)
ACTIVITY = Counter("codepad_activity_total", "What happened at the doors of rooms", ["kind"])
SYNC_SECONDS = Histogram(
    "codepad_sync_seconds",
    "From the first change of a turn coming in to the last client's frame being handed out",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
SYNC_ROUND_TRIP_SECONDS = Histogram(
    "codepad_sync_round_trip_seconds",
    "From a change to its acknowledgement (it is on disk), as browsers measure it",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
SYNC_CLIENTS = Gauge("codepad_sync_clients", "Open sockets on shared documents")
SYNC_DOCUMENTS = Gauge("codepad_sync_documents", "Shared documents in memory")
SYNC_BEHIND = Counter(
    "codepad_sync_clients_behind_total", "Times that a client read slower than others wrote"
)
