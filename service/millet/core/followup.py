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

from millet.core.change import Change, Fate, LeftOut, NoduleChange
from millet.core.comparable import Compared, limits
from millet.core.geometry import Floats, PointMm
from millet.core.lung_outline import Outline
from millet.core.matching import Spots, match
from millet.core.nodule import Nodule
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
FARTHEST_MM = 10_000.0
"""Of a place from its frame's origin; what lies farther is a damaged number."""

SLACK_MM = (1.0, 4.0)
"""Least and most of how far from its expected place a nodule is looked for once more."""

Shown = Callable[[Floats, Floats, Floats], NDArray[np.bool_]]
"""`core.second_look.shows`, of the current volume."""


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
    outline: Outline
    """`Outline.nothing` where nobody kept the lungs; then nodules alone must do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What an exam is to be compared with, or why with nothing."""

    study: Study | None = None
    why_not: str = ""
    """A code of `core.prior`; empty where there is one."""
    source: str = ""
    left_out: tuple[LeftOut, ...] = ()
    archive: str = ""
    """These three as in `core.change.Change`."""


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

    `shown` looks once more where a nodule seems to be gone: where something still shows, though it is not
    among what was found, it is uncertain and counts for nothing. Without it what was missed counts as gone.
    """
    limited = limits(current.how, prior.how)
    laid = _laid(current, prior)
    if laid is None:
        return _change(current, prior, (*limited, REGISTRATION), ())
    places = _places(prior.nodules)
    before, doubt = Spots(places_mm=laid.there(places), sizes=_sizes(prior.nodules)), laid.doubt(places)
    here = Spots(places_mm=_places(current.nodules), sizes=_sizes(current.nodules))
    pairs = dict(match(before, doubt, here))
    verdicts = _Verdicts(current, prior, limited, _days(current, prior))
    left = np.asarray([at for at in range(len(places)) if at not in pairs], int)
    still = np.zeros(len(left), bool)
    if shown and len(left) and not limited:
        slack = np.clip(1.5 * np.sqrt(np.trace(doubt[left], axis1=1, axis2=2) / 3), *SLACK_MM)
        wide = np.asarray([prior.nodules[at].diameter_mm for at in left])
        still = shown(before.places_mm[left], wide, slack)
    return _change(current, prior, limited, verdicts.all(pairs, dict(zip(left, still, strict=True))))


def tracked(nodules: Sequence[Nodule], change: Change) -> tuple[Nodule, ...]:
    """The current nodules under the tracking UIDs of those that they were in the prior."""
    names = {one.number: one.tracking_uid for one in change.nodules if one.number is not None}
    return tuple(replace(one, tracking_uid=names.get(one.number, one.tracking_uid)) for one in nodules)


def _laid(current: Study, prior: Study) -> Registration | None:
    """The prior laid over the current exam; None where it cannot be."""
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
    gone = sum(one.fate is Fate.GONE for one in nodules)
    both = sum(one.number is not None and one.prior_number is not None for one in nodules)
    changes = [one.volume_change for one in nodules if one.volume_change is not None]
    return Change(
        prior_series_uid=prior.series_uid,
        prior_date=prior.taken,
        interval_days=_days(current, prior),
        limited=limited,
        not_used="",
        nodules=nodules,
        gone_share=gone / (gone + both) if gone + both and not limited else None,
        median_volume_change=median(changes) if changes else None,
    )


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """On each nodule of two exams that were matched."""

    current: Study
    prior: Study
    limited: tuple[str, ...]
    days: int | None

    def all(self, pairs: dict[int, int], left: dict[int, bool]) -> tuple[NoduleChange, ...]:
        """The current ones in their order, then those left of the prior, which may still show."""
        before = {other: one for one, other in pairs.items()}
        here = [
            self._both(one, self.prior.nodules[before[at]]) if at in before else self._alone(one, Fate.NEW)
            for at, one in enumerate(self.current.nodules)
        ]
        fates = {at: Fate.UNCERTAIN if still else Fate.GONE for at, still in left.items()}
        return (*here, *(self._alone(self.prior.nodules[at], fate) for at, fate in fates.items()))

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


def foreign(series_uid: str, taken: date | None, lesions: Iterable[Followed]) -> Study:
    """An exam that somebody else read (an SR, a SEG): what is found in it is limited by "model".

    Lesions whose numbers cannot be (places beyond 10 m, no size) are passed over.
    """
    how = Compared(model_digest="", count_reliable=True, lungs=None, conditions=None)
    kept = tuple(one for one in lesions if _possible(one))
    return Study(series_uid=series_uid, taken=taken, nodules=kept, how=how, outline=Outline.nothing())


def _possible(one: Followed) -> bool:
    near = all(isfinite(value) and abs(value) < FARTHEST_MM for value in one.centre_mm)
    return near and 0 < one.diameter_mm < FARTHEST_MM
