"""A `PriorLog` in memory."""

from __future__ import annotations

from collections.abc import Sequence

from millet.ports import SeriesKey, UnderWay


class MemoryPriorLog:
    """Satisfies `ports.PriorLog`."""

    def __init__(self, *under_way: UnderWay) -> None:
        self.series = under_way
        self.priors: dict[tuple[int, int], str] = {}
        self.readings: dict[tuple[SeriesKey, str], str] = {}

    def under_way(self, analyser: str) -> Sequence[UnderWay]:
        """Whatever a test put there, for one analyser."""
        return self.series if analyser == "one" else ()

    def prior(self, series_id: int, generation: int) -> str | None:
        """What was settled."""
        return self.priors.get((series_id, generation))

    def keep_prior(self, series_id: int, generation: int, document: str) -> str:
        """The first counts."""
        return self.priors.setdefault((series_id, generation), document)

    def reading(self, key: SeriesKey, by: str) -> str | None:
        """What was kept."""
        return self.readings.get((key, by))

    def keep_reading(self, key: SeriesKey, by: str, document: str) -> None:
        """The first counts."""
        self.readings.setdefault((key, by), document)
