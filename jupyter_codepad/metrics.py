"""Every Prometheus metric of ours; Jupyter's ``/metrics`` shows them. No label names a room."""

from __future__ import annotations

from prometheus_client import Counter

REFUSED = Counter(
    "codepad_rate_limited_total", "Requests refused because of a rate limit", ["limit"]
)
ACTIVITY = Counter("codepad_activity_total", "What happened at the doors of rooms", ["kind"])
