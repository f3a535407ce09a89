"""Where a request really comes from, when proxies stand in between."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

UNIX = "unix"
"""In the list of trusted proxies: whoever connects by a unix socket."""

IPV6_PREFIX = 64
"""One subscriber has at least this network; counting single addresses would count nothing."""


class ClientAddresses:
    """Finds the client's address by walking ``X-Forwarded-For`` from the right.

    Each proxy appends the address it was called from, so only what trusted proxies appended counts;
    what a client wrote into the header itself stands further left and is never reached.
    ``X-Real-Ip`` is not read: a client can send it.

    ``trusted_proxies``: addresses, networks in CIDR notation, or ``unix``. Raises ``ValueError``
    for anything else.
    """

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        proxies = list(trusted_proxies)
        self._unix = UNIX in proxies
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(proxy, strict=False) for proxy in proxies if proxy != UNIX
        ]

    def client(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """The client's address; ``peer`` is the other end of the socket (empty: a unix socket)."""
        chain = [part.strip() for header in forwarded_for for part in header.split(",")]
        address = peer
        while chain and self._trusted(address):
            candidate = chain.pop()
            if _parsed(candidate) is None:
                break
            address = candidate
        return address

    def _trusted(self, address: str) -> bool:
        parsed = _parsed(address)
        if parsed is None:
            return self._unix
        return any(parsed in network for network in self._networks)


def limit_key(address: str) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 network of 64 bits."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed), IPV6_PREFIX), strict=False))
    return str(parsed or "local")


def _parsed(text: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - either kind of address
    try:
        parsed = ip_address(text.strip("[]"))
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return mapped or parsed
