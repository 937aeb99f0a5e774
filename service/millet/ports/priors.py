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

    def paths(self, key: SeriesKey) -> Sequence[str]:
        """Where the instances lay that its newest analysis was made of; retention may have removed them."""


class UnderWay(NamedTuple):
    """A series that arrives or is analysed."""

    series_id: int
    generation: int
    key: SeriesKey
    model_title: str
    """See `core.doors`."""


class PriorLog(Protocol):
    """What was found for a generation, and read for comparison only. Blocking; raises StoreError."""

    def under_way(self, analyser: str) -> Sequence[UnderWay]:
        """The series that this analyser follows and that are not analysed yet."""

    def prior(self, series_id: int, generation: int) -> str | None:
        """What a generation is compared with, as a document of `codec.prior`; None before that is settled."""

    def keep_prior(self, series_id: int, generation: int, document: str) -> str:
        """Settle it: the first document wins, and is what every caller gets."""

    def reading(self, key: SeriesKey, by: str) -> str | None:
        """What was read of a series for comparison only, under a name of how; None where nothing was."""

    def keep_reading(self, key: SeriesKey, by: str, document: str) -> None:
        """Keep what was read of it; the first counts."""
