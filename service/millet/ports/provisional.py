"""What is found while a series arrives: told to whoever watches it, and void when it has ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from millet.core.geometry import PointMm
from millet.core.nodule import Candidate

Found = Mapping[str, Candidate]
"""Candidates by names that are the same for the same candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisional:
    """A candidate that was found in a part of a series, or that is retracted."""

    number: int
    """Grows from one to the next."""
    name: str
    centre_mm: PointMm
    diameter_mm: float
    score: float
    retracted: bool = False


class ProvisionalLog(Protocol):
    """Where an analyser says what it has found so far. Blocks, raises StoreError."""

    def provisional_found(self, series_id: int, found: Found, retracted: Collection[str]) -> None:
        """Candidates were found in a series, others are retracted; nothing is kept of one that has ended."""
