"""Earlier exams of a patient, as following up asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from millet.core.prior import Facts
from millet.ports.worklist import SeriesKey

if TYPE_CHECKING:
    from millet.core.analysis import Analysis


class PatientExams(NamedTuple):
    """One series, and what else is analysed of whoever has its patient ID."""

    own: Facts
    others: Sequence[Facts]
    """Of the same site, patient ID and issuer; of each series its newest analysis, newest study first."""


class Priors(Protocol):
    """The journal as following up sees it. Blocking; raises StoreError."""

    def exams(self, key: SeriesKey) -> PatientExams | None:
        """What a series may be compared with; None for an unknown one. Identity and time are not judged."""

    def analysis(self, key: SeriesKey) -> Analysis | None:
        """The newest committed analysis of a series."""

    def object_bytes(self, key: SeriesKey, kind: str) -> bytes | None:
        """A stored object of that analysis."""
