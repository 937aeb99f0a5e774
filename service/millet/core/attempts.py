"""How often somebody may be wrong: whoever fails too often from one place has to wait."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque

MOST = 10
WITHIN_S = 300.0
MOST_REMEMBERED = 10_000
"""Places; of more the one that failed least recently is forgotten."""
_NETWORK = 64
"""Bits of an IPv6 address that tell one site from another; the others are its own to choose."""


class Attempts:
    """Failures by address. Not thread-safe.

    Args:
        most: failures that one place may have.
        within_s: for how long each of them counts.
    """

    def __init__(self, most: int = MOST, within_s: float = WITHIN_S) -> None:
        self._most = most
        self._within_s = within_s
        self._failed_s: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str, now_s: float) -> float:
        """How long this address has to wait before it may try again; 0 for not at all."""
        failed = self._failed_s.get(place(address), deque())
        if len(failed) < self._most:
            return 0.0
        return max(failed[0] + self._within_s - now_s, 0.0)

    def failed(self, address: str, now_s: float) -> None:
        """It was wrong once more."""
        where = place(address)
        self._failed_s.setdefault(where, deque(maxlen=self._most)).append(now_s)
        self._failed_s.move_to_end(where)
        if len(self._failed_s) > MOST_REMEMBERED:
            self._failed_s.popitem(last=False)


def place(address: str) -> str:
    """Where an IP address is: itself, or the network of one of IPv6; what is none stays as it is.

    One of IPv4 that came over an IPv6 socket is the former (RFC 4291 2.5.5.2).
    """
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    known = getattr(known, "ipv4_mapped", None) or known
    if known.version == 6:
        return str(ipaddress.ip_network((int(known), _NETWORK), strict=False))
    return str(known)
