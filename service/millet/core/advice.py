"""What the guidelines say of an exam's nodules, and where they do not apply."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Guideline(StrEnum):
    """The rule sets that are evaluated."""

    LUNG_RADS = "lung-rads-2022"
    FLEISCHNER = "fleischner-2017"
    BTS = "bts-2015"
    BROCK = "brock-2013"
    RECIST = "recist-1.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One guideline applied to one exam."""

    guideline: Guideline
    applies: bool
    why_not: tuple[str, ...]
    """Stable codes of what forbids it ("miliary-pattern", "known-cancer", ...); empty where it applies."""
    category: str
    """Its own category ("4B", "0", "non-target"); empty where it does not apply."""
    management: str
    """A stable code of what it recommends ("ct-3-months", ...); empty where it does not apply."""
    probability: float | None
    """Brock: probability of cancer of the nodule, 0 to 1; None for the others and where it does not apply."""
    nodule: int | None
    """Number of the nodule that decided; None where no single one did."""
    assumes: tuple[str, ...] = ()
    """Stable codes of what was not known and is taken for granted ("no-known-cancer", "screening", ...)."""

    def __post_init__(self) -> None:
        if self.applies == bool(self.why_not):
            raise ValueError(f"{self.guideline} applies exactly where nothing forbids it: {self.why_not}")
        if not self.applies and (self.category or self.management or self.probability is not None):
            raise ValueError(f"{self.guideline} does not apply and says {self.category or self.management!r}")
