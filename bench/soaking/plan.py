"""The day of a department, study by study: what the modality sends, and what is odd about it.

Pure: a study is a function of the seed and its number, so that a soak which was cut off goes on with the
same day. Nominal is the peak hour of a site with 200 chest CTs a day: 12 % of them, 24 studies. All hours are
such an hour here, nights included, which is harder than any day.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

NOMINAL_PER_HOUR = 24.0
"""Studies: 200 a day, 12 % of them in the busiest hour."""
FACTOR = 1.5
LONGEST_GAP = 3.0
"""Of the mean: the next study comes after a random time, as they do, but not after hours."""
FIRST_DAY = date(2026, 1, 1)
THIN, THICK, SCOUT = "thin", "thick", "scout"
LATE, AGAIN, GAP, FALSE, RETURNS, PLAIN = "late", "again", "gap", "false", "returns", "plain"
ODDITIES = (PLAIN, LATE, AGAIN, GAP, FALSE, RETURNS)
"""In turn: nothing; slices that come a minute late; a series sent twice; slices that never come; an instance
that is not the one that was named; a patient who was here some studies ago."""
BEFORE = 5
"""How many studies ago."""
CHESTS = ("sparse", "case", "sparse", "case", "sparse", "case", "sparse", "miliary")
"""In turn: 3 nodules, 220, and once in eight 2,000."""
ENCODINGS = ("raw", "jpegls", "raw", "raw")
"""Of a thin series of `case`, in turn."""
GAP_SLICES = range(20, 24)
LATE_SLICES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Slices of a series of each kind: a real day's, or few of them for a trial."""

    thin: int = 400
    thick: int = 60
    scout: int = 2

    def of(self, kind: str) -> int:
        """Slices of a kind."""
        return {THIN: self.thin, THICK: self.thick, SCOUT: self.scout}[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of a study, as the modality has it."""

    study: int
    kind: str
    chest: str
    encoding: str
    uid: str
    slices: Sequence[int]
    """Which slices of the chest are sent, in their order."""
    late: Sequence[int] = ()
    """Which come when all others have long been there."""
    again: bool = False
    """Whether all are sent a second time."""
    false: bool = False
    """Whether one more instance is offered whose UID is not the one that was named."""

    def sop_instance_uid(self, index: int) -> str:
        """Of one of its slices."""
        return uid_of(self.uid, index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study: who it is of, and its series in the order in which they are sent."""

    number: int
    uid: str
    patient: str
    accession: str
    day: str
    oddity: str
    series: Sequence[Series]


def study(seed: int, number: int, size: Size) -> Study:
    """The study of that number, from 0 on."""
    oddity = ODDITIES[number % len(ODDITIES)]
    returns = oddity == RETURNS and number >= BEFORE
    patient = number - BEFORE if returns else number
    return Study(
        number=number,
        uid=uid_of("study", seed, number),
        patient=f"SOAK-{seed}-{patient:06d}",
        accession=f"S{seed % 100:02d}{number:07d}",
        day=(FIRST_DAY + timedelta(days=number // 12)).strftime("%Y%m%d"),
        oddity=oddity,
        series=[_series(seed, number, kind, size) for kind in (SCOUT, THICK, THIN)],
    )


def gap_s(seed: int, number: int, per_hour: float) -> float:
    """How long after a study the next one begins."""
    mean_s = 3600 / per_hour
    drawn_s = random.Random(f"{seed}/{number}").expovariate(1 / mean_s)
    return min(drawn_s, LONGEST_GAP * mean_s)


def uid_of(*parts: object) -> str:
    """A UID below 2.25 that is a function of what it is of (PS3.5 B.2)."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _series(seed: int, number: int, kind: str, size: Size) -> Series:
    chest = CHESTS[number % len(CHESTS)]
    every = range(size.of(kind))
    odd = ODDITIES[number % len(ODDITIES)] if kind == THICK else PLAIN
    late = every[-LATE_SLICES:] if odd == LATE else ()
    left_out = {*late, *(GAP_SLICES if odd == GAP else ())}
    packed = kind == THIN and chest == "case"
    return Series(
        study=number,
        kind=kind,
        chest=chest,
        encoding=ENCODINGS[number // 2 % len(ENCODINGS)] if packed else "raw",
        uid=uid_of("series", seed, number, kind),
        slices=[index for index in every if index not in left_out],
        late=late,
        again=odd == AGAIN,
        false=odd == FALSE,
    )
