"""What readers say, in memory, and said for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from instances import START_UTC

from millet.core.analysis import TriageLevel
from millet.core.geometry import PointMm
from millet.core.readers import Acknowledgement, Feedback, Opinion, Person, Stand, standing, with_it
from millet.ports import About, Acknowledged, SeriesKey, Taken

ANNA = Person(name="Dr Anna Weiß", recognised=True)
BEN = Person(name="Ben", recognised=False)


def seen(level: TriageLevel | None, generation: int = 1, by: Person = ANNA) -> Acknowledgement:
    """An acknowledgement."""
    return Acknowledgement(by=by, at_utc=START_UTC, generation=generation, level=level)


def taken_back(of: Acknowledgement, by: Person = ANNA) -> Acknowledgement:
    """An acknowledgement that is withdrawn."""
    return replace(of, by=by, withdrawn=True)


def rejected(nodule_id: str = "2.25.1001", generation: int = 1) -> Feedback:
    """A nodule that is none."""
    told = {"nodule_id": nodule_id, "comment": "a vessel"}
    return Feedback(by=ANNA, at_utc=START_UTC, generation=generation, opinion=Opinion.REJECTED, **told)


def missed(x_mm: float = -40.5) -> Feedback:
    """A nodule that was not reported."""
    place = PointMm(x_mm, 10.25, -100.0)
    return Feedback(by=BEN, at_utc=START_UTC, generation=1, opinion=Opinion.MISSED, place_mm=place)


@dataclass
class MemoryReaders:
    """A `ReaderLog`; `levels` holds generation and level of the newest analysis, by series.

    All series of a site are of one study.
    """

    levels: dict[SeriesKey, tuple[int, TriageLevel | None]] = field(default_factory=dict)
    said: list[tuple[About, Acknowledgement | Feedback]] = field(default_factory=list)

    def acknowledge(self, about: About, said: Acknowledgement) -> Acknowledged:
        """See the port."""
        if before := self._before(about, said):
            return Acknowledged(before)
        stand = self._stand(about.key)
        if said.withdrawn and stand.seen is None:
            return Acknowledged(Taken.NOTHING)
        now = stand.seen if said.withdrawn else stand
        taken = self._keep(about, said, (now.generation, now.level) == (said.generation, said.level))
        return Acknowledged(taken, self._with_it(about, said, stand) if taken is Taken.NEW else ())

    def give_feedback(self, about: About, said: Feedback) -> Taken:
        """See the port."""
        if before := self._before(about, said):
            return before
        return self._keep(about, said, self._stand(about.key).generation == said.generation)

    def acknowledgements(self, key: SeriesKey) -> Sequence[Acknowledgement]:
        """See the port."""
        return [one for about, one in self.said if about.key == key and isinstance(one, Acknowledgement)]

    def feedback(self, key: SeriesKey) -> Sequence[Feedback]:
        """See the port."""
        return [one for about, one in self.said if about.key == key and isinstance(one, Feedback)]

    def _stand(self, key: SeriesKey) -> Stand:
        return Stand(*self.levels[key], standing(self.acknowledgements(key)))

    def _with_it(
        self, about: About, said: Acknowledgement, stand: Stand
    ) -> Sequence[tuple[SeriesKey, Acknowledgement]]:
        others = [key for key in self.levels if key.site == about.key.site and key != about.key]
        told = [(key, with_it(said, stand, self._stand(key))) for key in others]
        kept = [(key, one) for key, one in told if one]
        self.said += [(About(key, f"{about.request}\t{key.series_uid}"), one) for key, one in kept]
        return kept

    def _before(self, about: About, said: Acknowledgement | Feedback) -> Taken | None:
        for known, one in self.said:
            if (known.key.site, known.request, type(one)) == (about.key.site, about.request, type(said)):
                same = known == about and replace(one, at_utc=said.at_utc) == said
                return Taken.AGAIN if same else Taken.OTHER_REQUEST
        return None if about.key in self.levels else Taken.NO_SERIES

    def _keep(self, about: About, said: Acknowledgement | Feedback, is_as_seen: bool) -> Taken:
        if not is_as_seen:
            return Taken.CHANGED
        self.said.append((about, said))
        return Taken.NEW
