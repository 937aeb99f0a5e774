"""What became of each nodule since a prior exam, and of all of them together.

Nothing is new, gone, grown or shrunk unless both exams were taken and read alike: another model finds
other nodules and measures them otherwise, and that is no progression. Where anything differs, what is
found is `Fate.UNCERTAIN`, and what differs is said (`core.comparable`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import hypot, isfinite, log
from statistics import median

import numpy as np
from numpy.typing import NDArray

from millet.core.change import Change, Fate, NoduleChange
from millet.core.comparable import Compared, limits
from millet.core.geometry import Floats, PointMm
from millet.core.matching import Spots, match
from millet.core.nodule import Nodule
from millet.core.outline import Outline
from millet.core.registration import Exam, Registration, register

CHANGED = 0.25
"""A volume changed when it is more than this share larger or smaller (BTS 2015)."""
REPEATED = log(1.27)
"""Logarithm of by how much two measurements of one nodule differ, 95 % (MILD: 27 %), where no interval of
its own is known; `SMALL_MM` adds to it."""
SMALL_MM = 0.15
"""Standard deviation of a diameter, which is what limits small nodules."""
COUNTING = frozenset({"coverage"})
"""Limits that say nothing against the volumes of what both exams show."""
REGISTRATION = "registration"

Shown = Callable[[Floats, Floats], NDArray[np.bool_]]
"""Whether the current images show something at (N, 3) places in mm of nodules (N,) mm wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A nodule of one of two exams, ours or somebody else's."""

    number: int
    tracking_uid: str
    centre_mm: PointMm
    diameter_mm: float
    volume_mm3: float | None
    """None where nobody measured it: then nothing is said of its growth."""
    low_mm3: float | None = None
    """Limits of the volume's 95 % interval; None where no interval is known."""
    high_mm3: float | None = None

    @classmethod
    def of(cls, nodule: Nodule) -> Followed:
        """One of ours."""
        known = nodule.character
        return cls(
            number=nodule.number,
            tracking_uid=nodule.tracking_uid,
            centre_mm=nodule.centre_mm,
            diameter_mm=nodule.diameter_mm,
            volume_mm3=nodule.volume_mm3,
            low_mm3=known.volume_low_mm3 if known else None,
            high_mm3=known.volume_high_mm3 if known else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """One exam as following up sees it."""

    series_uid: str
    taken: date | None
    nodules: tuple[Followed, ...]
    how: Compared
    outline: Outline | None
    """None where nobody kept the lungs."""


def not_used(code: str) -> Change:
    """No prior was used, for that reason."""
    return Change(
        prior_series_uid="",
        prior_date=None,
        interval_days=None,
        limited=(),
        not_used=code,
        nodules=(),
        gone_share=None,
        median_volume_change=None,
    )


def compare(current: Study, prior: Study, shown: Shown | None = None) -> Change:
    """What changed since the prior.

    `shown` looks once more where a nodule seems to be gone: one that still shows, though it is not among
    those found, is uncertain. Without it what the detector missed counts as gone.
    """
    limited = limits(current.how, prior.how)
    laid = _laid(current, prior)
    if laid is None:
        return _change(current, prior, (*limited, REGISTRATION), ())
    places = _places(prior.nodules)
    expected = laid.there(places)
    pairs = match(
        Spots(places_mm=expected, sizes=_sizes(prior.nodules)), laid.doubt(places), _spots(current.nodules)
    )
    verdicts = _Verdicts(current, prior, limited, _days(current, prior))
    return _change(current, prior, limited, verdicts.all(dict(pairs), expected, shown))


def tracked(nodules: Sequence[Nodule], change: Change) -> tuple[Nodule, ...]:
    """The current nodules under the tracking UIDs of those that they were in the prior."""
    names = {one.number: one.tracking_uid for one in change.nodules if one.number is not None}
    return tuple(replace(one, tracking_uid=names.get(one.number, one.tracking_uid)) for one in nodules)


def _laid(current: Study, prior: Study) -> Registration | None:
    """The prior laid over the current exam; None where it cannot be."""
    if current.outline is None or prior.outline is None:
        return None
    try:
        laid = register(
            Exam(prior.outline, _places(prior.nodules)), Exam(current.outline, _places(current.nodules))
        )
    except ValueError:
        return None
    return None if laid.failed else laid


def _days(current: Study, prior: Study) -> int | None:
    return (current.taken - prior.taken).days if current.taken and prior.taken else None


def _change(
    current: Study, prior: Study, limited: tuple[str, ...], nodules: tuple[NoduleChange, ...]
) -> Change:
    before = sum(one.prior_number is not None for one in nodules)
    gone = sum(one.fate is Fate.GONE for one in nodules)
    changes = [one.volume_change for one in nodules if one.volume_change is not None]
    return Change(
        prior_series_uid=prior.series_uid,
        prior_date=prior.taken,
        interval_days=_days(current, prior),
        limited=limited,
        not_used="",
        nodules=nodules,
        gone_share=gone / before if before and not limited else None,
        median_volume_change=median(changes) if changes else None,
    )


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """On each nodule of two exams that were matched."""

    current: Study
    prior: Study
    limited: tuple[str, ...]
    days: int | None

    def all(self, pairs: dict[int, int], expected: Floats, shown: Shown | None) -> tuple[NoduleChange, ...]:
        """The current ones in their order, then those that only the prior has."""
        before = {other: one for one, other in pairs.items()}
        here = [
            self._both(one, self.prior.nodules[before[at]]) if at in before else self._alone(one, Fate.NEW)
            for at, one in enumerate(self.current.nodules)
        ]
        left = [at for at in range(len(self.prior.nodules)) if at not in pairs]
        gone = self._gone(left, expected, shown)
        there = [self._alone(self.prior.nodules[at], fate) for at, fate in zip(left, gone, strict=True)]
        return tuple(here + there)

    def _gone(self, left: list[int], expected: Floats, shown: Shown | None) -> Iterable[Fate]:
        if shown is None or self.limited or not left:
            return [Fate.GONE] * len(left)
        wide = np.asarray([self.prior.nodules[at].diameter_mm for at in left])
        return [Fate.UNCERTAIN if still else Fate.GONE for still in shown(expected[left], wide)]

    def _alone(self, one: Followed, fate: Fate) -> NoduleChange:
        return NoduleChange(
            tracking_uid=one.tracking_uid,
            number=one.number if fate is Fate.NEW else None,
            prior_number=None if fate is Fate.NEW else one.number,
            fate=Fate.UNCERTAIN if self.limited else fate,
            volume_change=None,
            doubling_days=None,
        )

    def _both(self, one: Followed, before: Followed) -> NoduleChange:
        ratio = one.volume_mm3 / before.volume_mm3 if one.volume_mm3 and before.volume_mm3 else None
        fate = Fate.UNCERTAIN if ratio is None or set(self.limited) - COUNTING else _fate(one, before, ratio)
        doubling = None
        if ratio and self.days and self.days > 0 and not self.limited and fate in {Fate.GROWN, Fate.SHRUNK}:
            doubling = log(2) * self.days / log(ratio)
        return NoduleChange(
            tracking_uid=before.tracking_uid,
            number=one.number,
            prior_number=before.number,
            fate=fate,
            volume_change=None if ratio is None else ratio - 1,
            doubling_days=doubling,
        )


def _fate(one: Followed, before: Followed, ratio: float) -> Fate:
    """Grown or shrunk: by more than `CHANGED`, and by more than measuring it twice may differ."""
    grown = ratio > 1
    margin = hypot(_margin(one, up=not grown), _margin(before, up=grown))
    if abs(ratio - 1) <= CHANGED or abs(log(ratio)) <= margin:
        return Fate.STABLE
    return Fate.GROWN if grown else Fate.SHRUNK


def _margin(one: Followed, *, up: bool) -> float:
    """How far the logarithm of a volume may be off, 95 %, upwards or downwards."""
    limit = one.high_mm3 if up else one.low_mm3
    if one.volume_mm3 and limit and limit > 0:
        return abs(log(limit / one.volume_mm3))
    return max(REPEATED / 2**0.5, 1.96 * 3 * SMALL_MM / max(one.diameter_mm, SMALL_MM))


def _places(nodules: Sequence[Followed]) -> Floats:
    return np.asarray([one.centre_mm for one in nodules], float).reshape(-1, 3)


def _sizes(nodules: Sequence[Followed]) -> Floats:
    return np.asarray([3 * log(max(one.diameter_mm, 0.1)) for one in nodules])


def _spots(nodules: Sequence[Followed]) -> Spots:
    return Spots(places_mm=_places(nodules), sizes=_sizes(nodules))


def usable(nodules: Iterable[Followed]) -> tuple[Followed, ...]:
    """Those of somebody else's lesions whose numbers can be: places within 10 m, sizes above nought."""
    return tuple(
        one
        for one in nodules
        if all(isfinite(value) and abs(value) < 10_000 for value in one.centre_mm) and one.diameter_mm > 0
    )
