"""`[[peer]]`: who may send to us, from where, and where it is called back."""

from __future__ import annotations

from dataclasses import dataclass

from millet.core.doors import ANY, Known
from millet.core.peer import Peer
from millet.core.turns import EMERGENCY, ROUTINE

URGENCIES = {"routine": ROUTINE, "emergency": EMERGENCY}


def urgency(word: str) -> int:
    """Read `routine` or `emergency` (`core.turns`). Raises ValueError."""
    if word not in URGENCIES:
        raise ValueError(f"urgency {word!r} is none of {', '.join(URGENCIES)}")
    return URGENCIES[word]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSection:
    """One peer. Raises ValueError."""

    ae_title: str
    """Its AE title; `*` for any, if addresses or certificate say who is meant."""
    addresses: tuple[str, ...] = ()
    """Networks it calls from (`10.1.0.0/16`) or single addresses; empty for any."""
    certificate: str = ""
    """Subject common name or SHA-256 fingerprint of the certificate that it must show; empty for none."""
    urgency: str = "routine"
    """`emergency`: its series go before all others."""
    host: str = ""
    """Where it is called back, for queries and retrieval; empty if it never is."""
    port: int = 0
    """DICOM port at that host."""

    def __post_init__(self) -> None:
        self.known()
        if self.host or self.port:
            self.listens()

    def known(self) -> Known:
        """As the rules know it. Raises ValueError."""
        return Known(
            ae_title=self.ae_title,
            addresses=self.addresses,
            certificate=self.certificate,
            urgency=urgency(self.urgency),
        )

    def listens(self) -> Peer:
        """As it is called back. Raises ValueError where nothing or half of it is said."""
        if self.ae_title == ANY:
            raise ValueError("a peer of any AE title cannot be called back")
        return Peer(ae_title=self.ae_title, host=self.host, port=self.port)
