"""`[[called]]`: our AE titles, each with a policy of its own."""

from __future__ import annotations

import re
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
    """Which model analyses what is sent here, name/version; empty for that of the setting `model`."""
    judges: bool = False
    """Whether structured reports that are sent here, too, are taken, and their lesions judged by criteria."""

    def __post_init__(self) -> None:
        if self.model and (mistake := model_mistake(self.model)):
            raise ValueError(f"model: {mistake}")
        self.policy()

    def policy(self) -> Called:
        """As the rules know it. Raises ValueError."""
        return Called(
            ae_title=self.ae_title,
            urgency=urgency(self.urgency),
            destinations=self.destinations,
            peers=self.peers,
            model=self.model,
            judges=self.judges,
        )


def model_mistake(name: str) -> str:
    """Say what is wrong with the name of a model, or return the empty string."""
    good = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name)
    return "" if good else f"{name!r} is not of the form name/version"
