"""Golden cases of the guidelines: tables of exams in short words, with what a document says of each.

A nodule: `[7x] [new|stable|grown=MM|vc=SHARE] [vdt=DAYS] TYPE SIZE[/CORE] [words]`, sizes in mm, LONGxSHORT
where they differ; words: v=MM3 spiculated rough juxtapleural perifissural upper zone-upper limit eccentric.
An exam: `age=60 sex=F level=0 cancer=no ...`, `?` for not known; what is not said is as in `_USUAL`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose, pi
from pathlib import Path

from analyses import nodule as plain_nodule

from millet.core.advice import Advice, Guideline
from millet.core.change import Change, Fate, NoduleChange
from millet.core.character import Axes, Character, Lobe, NoduleType, Zone
from millet.core.geometry import PointMm
from millet.core.guidelines import advise
from millet.core.nodule import Nodule
from millet.core.subject import Basis, Subject

FOLDER = Path(__file__).parent / "core" / "golden"
_USUAL = (
    "age=60 sex=F level=0 cancer=no immuno=no family=no emphysema=no screening=no days=365 "
    "outside=no unreliable=no partial=no volume=no slice=1 limited=no"
)
_FLAG = {"yes": True, "no": False, "?": None}


@dataclass(frozen=True)
class Case:
    """One row: an exam, and what its guideline says of it."""

    guideline: Guideline
    name: str
    exam: Subject
    category: str
    management: str
    why_not: tuple[str, ...]
    probability: float | None
    decides: int | None
    source: str

    def fault(self) -> str:
        """What is said otherwise; empty where it is right."""
        said = next(one for one in advise(self.exam) if one.guideline is self.guideline)
        wrong = [
            f"{what}: {found!r}, not {wanted!r}"
            for what, found, wanted in (
                ("category", said.category, self.category),
                ("management", said.management, self.management),
                ("why not", said.why_not, self.why_not),
                ("nodule", said.nodule, said.nodule if self.decides is None else self.decides),
            )
            if found != wanted
        ]
        return "; ".join([*wrong, *self._probability_fault(said)])

    def _probability_fault(self, said: Advice) -> list[str]:
        if self.probability is None or said.probability is None:
            return [] if said.probability is None and self.probability is None else ["probability"]
        near = isclose(said.probability, self.probability, rel_tol=0.005)
        return [] if near else [f"probability: {said.probability:.4g}, not {self.probability:.4g}"]


def cases(guideline: Guideline | None = None) -> Iterator[Case]:
    """All golden cases, or those of one guideline."""
    for wanted in Guideline:
        if guideline in {None, wanted}:
            path = FOLDER / f"{wanted.name.lower()}.csv"
            with path.open(encoding="utf-8", newline="") as table:
                yield from (_case(wanted, row) for row in csv.DictReader(table))


def _case(guideline: Guideline, row: dict[str, str]) -> Case:
    return Case(
        guideline=guideline,
        name=f"{row['nodules'] or 'none'} | {row['exam']}",
        exam=exam_of(row["nodules"], row["exam"]),
        category=row["category"],
        management=row["management"],
        why_not=tuple(row["why_not"].split()),
        probability=float(row["probability"]) if row.get("probability") else None,
        decides=int(row["decides"]) if row.get("decides") else None,
        source=row["source"],
    )


def exam_of(nodules: str, exam: str) -> Subject:
    """An exam from its short words."""
    told = dict(word.split("=") for word in f"{_USUAL} {exam}".split())
    flags = {name: _FLAG[value] for name, value in told.items() if value in _FLAG}
    made: list[tuple[Nodule, NoduleChange | None]] = []
    for words in filter(None, nodules.split(";")):
        first, *rest = words.split()
        times, rest = (
            (int(first[:-1]), rest) if first[:-1].isdigit() and first[-1] == "x" else (1, [first, *rest])
        )
        made += [_nodule(len(made) + n + 1, rest) for n in range(times)]
    followed = [since for _, since in made if since]
    limits = () if told["limited"] == "no" else (told["limited"],)
    return Subject(
        nodules=tuple(one for one, _ in made),
        pattern_level=int(told["level"]),
        age_years=None if told["age"] == "?" else float(told["age"]),
        sex=None if told["sex"] == "?" else told["sex"],
        known_cancer=flags["cancer"],
        immunosuppressed=flags["immuno"],
        family_history=flags["family"],
        emphysema=flags["emphysema"],
        screening=flags["screening"],
        outside_validated_use=flags["outside"] is True,
        count_reliable=flags["unreliable"] is not True,
        whole_lungs=flags["partial"] is not True,
        slice_mm=None if told["slice"] == "?" else float(told["slice"]),
        basis=Basis.VOLUME if flags["volume"] else Basis.DIAMETER,
        change=change_of(followed, int(told["days"]), limits) if followed else None,
    )


def change_of(nodules: list[NoduleChange], days: int, limited: tuple[str, ...] = ()) -> Change:
    """A comparison with a prior."""
    grown = sorted(one.volume_change for one in nodules if one.volume_change is not None)
    return Change(
        prior_series_uid="1.2.3",
        prior_date=None,
        interval_days=days,
        limited=limited,
        not_used="",
        nodules=tuple(nodules),
        gone_share=None,
        median_volume_change=grown[len(grown) // 2] if grown else None,
    )


def _nodule(number: int, words: list[str]) -> tuple[Nodule, NoduleChange | None]:
    kinds = {kind.value: kind for kind in NoduleType}
    kind = next(kinds[word] for word in words if word in kinds)
    size, _, core = words[words.index(kind.value) + 1].partition("/")
    long_mm, _, short_mm = size.partition("x")
    told = dict(word.split("=") for word in words if "=" in word)
    made = sized(
        number,
        (float(long_mm), float(short_mm or long_mm)),
        kind=kind,
        core_mm=float(core) if core else None,
        volume_mm3=float(told["v"]) if "v" in told else None,
        words=frozenset(words),
    )
    mean_mm = (float(long_mm) + float(short_mm or long_mm)) / 2
    return made, _since(number, frozenset(words), told, mean_mm)


def _since(number: int, words: frozenset[str], told: dict[str, str], mean_mm: float) -> NoduleChange | None:
    share = float(told["vc"]) if "vc" in told else 0.0 if "stable" in words else None
    if "grown" in told:
        share = (mean_mm / (mean_mm - float(told["grown"]))) ** 3 - 1
    if share is None and "new" not in words:
        return None
    fate = Fate.NEW if share is None else Fate.GROWN if share >= 0.25 else Fate.STABLE
    return NoduleChange(
        tracking_uid=f"2.25.{number}",
        number=number,
        prior_number=None if fate is Fate.NEW else number,
        fate=fate,
        volume_change=share,
        doubling_days=float(told["vdt"]) if "vdt" in told else None,
    )


def sized(
    number: int,
    axes_mm: tuple[float, float],
    kind: NoduleType = NoduleType.SOLID,
    core_mm: float | None = None,
    volume_mm3: float | None = None,
    words: frozenset[str] = frozenset(),
) -> Nodule:
    """A measured nodule; the volume is an ellipsoid's unless it is told."""
    long_mm, short_mm = axes_mm
    blank = plain_nodule(number)
    volume = pi / 6 * long_mm * short_mm**2 if volume_mm3 is None else volume_mm3
    at = blank.centre_mm
    axes = Axes(
        long_mm=(at, PointMm(at.x + long_mm, at.y, at.z)),
        short_mm=(at, PointMm(at.x, at.y + short_mm, at.z)),
    )
    character = Character(
        axes=axes,
        volume_low_mm3=0.8 * volume,
        volume_high_mm3=1.2 * volume,
        p95_hu=40.0,
        calcified_share=0.2 if "eccentric" in words else 0.9 if kind is NoduleType.CALCIFIED else 0.0,
        type=kind,
        core_mm=core_mm,
        spiculation=0.8 if "spiculated" in words else 0.3 if "rough" in words else 0.05,
        lobe=None if "zone-upper" in words else Lobe.LEFT_UPPER if "upper" in words else Lobe.LEFT_LOWER,
        zone=Zone.UPPER if words & {"upper", "zone-upper"} else Zone.LOWER,
        zone_estimated="zone-upper" in words,
        pleura_mm=0.0 if "juxtapleural" in words else 20.0,
        fissure_mm=0.0 if "perifissural" in words else 20.0,
        juxtapleural="juxtapleural" in words,
        perifissural="perifissural" in words,
        probability=None,
        at_resolution_limit="limit" in words,
    )
    return Nodule(
        number=number,
        tracking_uid=blank.tracking_uid,
        centre_mm=at,
        diameter_mm=(long_mm + short_mm) / 2,
        volume_mm3=volume,
        mean_hu=blank.mean_hu,
        score=blank.score,
        side=blank.side,
        source_sop_instance_uid=blank.source_sop_instance_uid,
        character=character,
    )
