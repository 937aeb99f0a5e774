"""`[[called]]`: our AE titles, each with a policy of its own."""

from __future__ import annotations

from dataclasses import dataclass

from millet.core.doors import Called
from millet.settings.peers import urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledSection:
    """One AE title that senders may call. Raises ValueError."""

    ae_title: str
    """As senders call it."""
    urgency: str = "routine"
    """`emergency`: what is sent here goes before everything else."""
    destinations: tuple[str, ...] = ()
    """Names of the destinations that reports of it go to; empty for all."""
    peers: tuple[str, ...] = ()
    """AE titles of the peers that may call it; empty for every known one."""
    model: str = ""
    """Empty or the setting `model`: one process runs one model. Another one needs a process of its own."""

    def __post_init__(self) -> None:
        self.policy()

    def policy(self) -> Called:
        """As the rules know it. Raises ValueError."""
        return Called(
            ae_title=self.ae_title,
            urgency=urgency(self.urgency),
            destinations=self.destinations,
            peers=self.peers,
        )
