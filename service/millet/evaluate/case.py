"""One scan to be judged: what is there, what was found, and what is not to be judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from millet.codec.tables import Mark
from millet.core.geometry import Floats
from millet.core.nodule import Candidate
from millet.core.volume import Volume
from millet.evaluate.match import Matching, match, within

Reports = Callable[[Candidate], bool]
"""Whether a candidate is reported at the operating point (`Manifest.reports`, or a threshold)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A scan with its truth and every candidate down to the model's floor, in LPS mm.

    `ignored` marks neither count nor cost: they need not be found, and a candidate that stays alone
    within max(d/2, 1 mm) of one is not false. `volume` is for pictures.
    """

    name: str
    truth: tuple[Mark, ...]
    found: tuple[Candidate, ...]
    ignored: tuple[Mark, ...] = ()
    volume: Volume | None = None

    def __post_init__(self) -> None:
        if any(math.isnan(c.score) for c in self.found):
            raise ValueError(f"case {self.name}: a candidate's score is no number")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """A case at the operating point: the candidates reported there, matched one to one."""

    case: Case
    reported: tuple[Candidate, ...]
    matching: Matching

    @property
    def counted(self) -> int:
        """How many nodules are reported, those that only ignored regions explain left out."""
        return len(self.reported) - len(self.matching.spared)

    @property
    def missed(self) -> tuple[Mark, ...]:
        """The marks that nothing stands for."""
        return tuple(self.case.truth[number] for number in self.matching.missed)

    @property
    def pairs(self) -> tuple[tuple[Candidate, Mark], ...]:
        """Who stands for what."""
        return tuple((self.reported[f], self.case.truth[t]) for f, t in self.matching.pairs)


def judge(case: Case, reports: Reports) -> Judged:
    """Match what is reported; see `match.match` for the rule."""
    reported = tuple(c for c in case.found if reports(c))
    points = centres(reported)
    spare = within(points, centres(case.ignored), diameters(case.ignored))
    matching = match(points, centres(case.truth), diameters(case.truth), spare)
    return Judged(case=case, reported=reported, matching=matching)


def best_at(case: Case, mark: Mark) -> Candidate | None:
    """The candidate of the best score within reach of a mark, reported or not; None where there is none."""
    reached = within(centres(case.found), centres([mark]), diameters([mark]))
    some = [candidate for candidate, near in zip(case.found, reached, strict=True) if near]
    return max(some, key=lambda candidate: candidate.score, default=None)


def at_least(threshold: float) -> Reports:
    """One threshold for all."""
    return lambda candidate: candidate.score >= threshold


def centres(some: Sequence[Mark | Candidate]) -> Floats:
    """(N, 3) LPS mm."""
    return np.asarray([one.centre_mm for one in some], float).reshape(-1, 3)


def diameters(some: Sequence[Mark | Candidate]) -> Floats:
    """(N,) mm."""
    return np.asarray([one.diameter_mm for one in some], float)
