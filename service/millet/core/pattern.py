"""The lungs as a whole: is this a miliary pattern?

A thin use of `core.criteria`: nodules become lesions with their lobe and zone, `criteria_sets.LUNG_MILIARY`
says what the levels ask for.

The answer to "miliary?" is yes from level 2 (probable) on, unless nodules are shown to be neither random in
place nor uniform in size, or clustered: every definition names one or the other. Level 1 is the cohort's line
of more than fifty, which leaves sizes, lobes and spread unasked: vessels taken for nodules cross it. Level 3
asks for more than the definitions do: a grid that is more even than chance is still miliary. Level 2 alone
lets vessels around the hila and foci of tree-in-bud through, one in ten of the former.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from millet.core.analysis import Pattern
from millet.core.character import Zone
from millet.core.criteria import CriteriaSet, Rule, evaluate
from millet.core.criteria_measures import MEASURES, Asked, Taken
from millet.core.criteria_sets import LUNG, LUNG_MILIARY, NOT_CLUSTERED, UNIFORM_OR_RANDOM, zone_of
from millet.core.judgement import Condition, Judgement
from millet.core.lesion import Exam, Images, Lesion
from millet.core.lungs import LungMask
from millet.core.nodule import Nodule, Side
from millet.core.spread import Randomness

PROPOSAL = LUNG_MILIARY
PROBABLE = 2
SMALL_MM = 10.0
_ZONES = (Zone.LOWER, Zone.MIDDLE, Zone.UPPER)
_LABELS = {Side.RIGHT: 1, Side.LEFT: 2}

Heights = Mapping[Side, tuple[float, float]]
"""Base and apex of each lung, patient z in mm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the exam beside its nodules; what is not given is not known."""

    heights_mm: Heights = field(default_factory=dict)
    """For nodules without a character; thirds of the nodules' own extent where this is missing too."""
    litres: Mapping[str, float] = field(default_factory=dict)
    """Volumes of lobes (by the values of `Lobe`), zones (`criteria_sets.zone_of`), or both."""
    randomness: Randomness | None = None
    images: Images | None = None
    measuring_sd_mm: float = 0.0
    """What measuring adds to the standard deviation of diameters."""


NOTHING = Known()


def known_of(mask: LungMask) -> Known:
    """Heights of the lungs and volumes of their six zones, as far as there is lung."""
    heights: dict[Side, tuple[float, float]] = {}
    litres: dict[str, float] = {}
    step_mm, start_mm = mask.grid.spacing_mm[0], mask.grid.origin_mm.z
    for side, label in _LABELS.items():
        planes = np.count_nonzero(mask.label == label, axis=(1, 2))
        held = np.flatnonzero(planes)
        if not len(held):
            continue
        middles_mm = start_mm + step_mm * np.arange(len(planes))
        heights[side] = low, high = middles_mm[held[0]] - step_mm / 2, middles_mm[held[-1]] + step_mm / 2
        third = np.clip(3 * (middles_mm - low) // (high - low), 0, 2)
        for number, zone in enumerate(_ZONES):
            voxels = int(planes[third == number].sum())
            litres[zone_of(zone, side)] = voxels * mask.grid.voxel_mm3 / 1e6
    return Known(heights_mm=heights, litres=litres)


def judge(nodules: Sequence[Nodule], known: Known = NOTHING, criteria: CriteriaSet = PROPOSAL) -> Pattern:
    """Count and judge all nodules of an exam; the dominant lesion is left out of median and CV."""
    exam = _exam(nodules, known)
    left_out = dominant(nodules, criteria)
    rest = tuple(one for one, n in zip(exam.lesions, nodules, strict=True) if n is not left_out)
    median, cv = (_figure(name, exam, rest) for name in ("median-mm", "cv"))
    small = tuple(lesion for lesion in exam.lesions if lesion.diameter_mm < SMALL_MM)
    full_slabs = _figure("slabs-with", exam, small, Asked(slab_mm=10.0, lesions=10, each_side=3))
    return Pattern(
        level=evaluate(criteria, exam).level,
        criteria_version=criteria.version,
        nodules_right=sum(n.side is Side.RIGHT for n in nodules),
        nodules_left=sum(n.side is Side.LEFT for n in nodules),
        small_nodules=len(small),
        median_diameter_mm=None if median is None else round(median, 2),
        diameter_cv=None if cv is None else round(cv, 3),
        slabs_10mm_with_10=int(full_slabs or 0),
    )


def judgement(
    nodules: Sequence[Nodule], known: Known = NOTHING, criteria: CriteriaSet = PROPOSAL
) -> Judgement:
    """The same, condition by condition, for the report."""
    return evaluate(criteria, _exam(nodules, known))


def judgements(
    nodules: Sequence[Nodule], known: Known = NOTHING, further: Sequence[CriteriaSet] = ()
) -> tuple[Judgement, ...]:
    """By our set first, then by those of the further ones that are for the lung."""
    exam = _exam(nodules, known)
    return tuple(evaluate(one, exam) for one in (PROPOSAL, *further) if one.organ == LUNG)


def miliary(judged: Judgement) -> bool:
    """The answer: at least probable, and nothing shown against it. No triage level is lowered by it."""
    told = {one.name: one for one in judged.conditions}
    return judged.level >= PROBABLE and not any(
        _fails(rule, told) for rule in (NOT_CLUSTERED, UNIFORM_OR_RANDOM)
    )


def _fails(rule: Rule, told: Mapping[str, Condition]) -> bool:
    """Whether a rule and its alternative were both looked at, and neither holds."""
    asked = [told.get(one.name) for one in (rule, rule.alternative) if one]
    return all(one and one.observed is not None and not one.holds for one in asked)


def dominant(nodules: Sequence[Nodule], criteria: CriteriaSet = PROPOSAL) -> Nodule | None:
    """The largest nodule where it stands out from the others, else None."""
    diameters_mm = [nodule.diameter_mm for nodule in nodules]
    place = criteria.dominant.of(diameters_mm) if criteria.dominant else None
    return None if place is None else nodules[place]


def lesions(nodules: Sequence[Nodule], heights_mm: Heights) -> tuple[Lesion, ...]:
    """Nodules as criteria look at them, in their order."""
    reach = {side: heights_mm.get(side) or _extent(nodules, side) for side in Side}
    return tuple(_lesion(nodule, *reach[nodule.side]) for nodule in nodules)


def _lesion(nodule: Nodule, low_mm: float, high_mm: float) -> Lesion:
    character = nodule.character
    zone = character.zone if character else _zone(nodule.centre_mm.z, low_mm, high_mm)
    lobes = (character.lobe.value,) if character and character.lobe else ()
    return Lesion(
        centre_mm=nodule.centre_mm,
        diameter_mm=nodule.diameter_mm,
        side=nodule.side,
        regions=(*lobes, zone_of(zone, nodule.side), zone_of(zone)),
    )


def _zone(z_mm: float, low_mm: float, high_mm: float) -> Zone:
    if high_mm <= low_mm:
        return Zone.MIDDLE
    return _ZONES[int(np.clip(3 * (z_mm - low_mm) // (high_mm - low_mm), 0, 2))]


def _extent(nodules: Sequence[Nodule], side: Side) -> tuple[float, float]:
    places_mm = [nodule.centre_mm.z for nodule in nodules if nodule.side is side]
    return min(places_mm, default=0.0), max(places_mm, default=0.0)


def _exam(nodules: Sequence[Nodule], known: Known) -> Exam:
    return Exam(
        organ=LUNG,
        lesions=lesions(nodules, known.heights_mm),
        images=known.images,
        litres=known.litres,
        randomness=known.randomness,
        measuring_sd_mm=known.measuring_sd_mm,
    )


def _figure(name: str, exam: Exam, of: tuple[Lesion, ...], asked: Asked | None = None) -> float | None:
    return MEASURES[name].of(Taken(exam=exam, lesions=of, asked=asked or Asked()))
