"""Analyses with everything that is measured, judged, advised and compared, for the tests of reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from math import cos, pi, sin

import numpy as np
from reports import LEFT_EFFUSION, NOTE, analysis, nodules

from millet.core.advice import Advice, Guideline
from millet.core.change import Change, Fate, NoduleChange
from millet.core.character import Axes, Character, Lobe, NoduleType, Zone
from millet.core.geometry import PointMm
from millet.core.judgement import Condition, Judgement, Standing
from millet.core.nodule import Side
from millet.core.spread import (
    Distribution,
    Envelope,
    Hint,
    LobeCount,
    Randomness,
    Sizes,
    Spread,
    ZoneCount,
)
from millet.core.uids import derived_uid

_LOBES = {
    Side.LEFT: (Lobe.LEFT_UPPER, Lobe.LEFT_LOWER),
    Side.RIGHT: (Lobe.RIGHT_UPPER, Lobe.RIGHT_MIDDLE, Lobe.RIGHT_LOWER),
}
_TYPES = tuple(NoduleType)
_ZONES = tuple(Zone)


def character(nodule, seed=0):
    """A character that differs from nodule to nodule, its axes in the slice of the centre."""
    rng = np.random.default_rng([seed, nodule.number])
    turn, radius = rng.uniform(0, pi), nodule.diameter_mm / 2
    x, y, z = nodule.centre_mm
    along, across = (cos(turn), sin(turn)), (-sin(turn), cos(turn))
    long, short = (
        tuple(PointMm(x + end * r * u, y + end * r * v, z) for end in (-1, 1))
        for r, (u, v) in ((1.1 * radius, along), (0.9 * radius, across))
    )
    kind = _TYPES[nodule.number % len(_TYPES)]
    lobes = _LOBES[nodule.side]
    known = nodule.number % 7 != 0
    return Character(
        axes=Axes(long_mm=long, short_mm=short),
        volume_low_mm3=0.8 * nodule.volume_mm3,
        volume_high_mm3=1.2 * nodule.volume_mm3,
        p95_hu=nodule.mean_hu + 100,
        calcified_share=float(rng.uniform(0, 0.3)) if kind is NoduleType.CALCIFIED else 0.0,
        type=kind,
        core_mm=nodule.diameter_mm / 3 if kind is NoduleType.PART_SOLID else None,
        spiculation=float(rng.uniform()),
        lobe=lobes[nodule.number % len(lobes)] if known else None,
        zone=_ZONES[nodule.number % 3],
        zone_estimated=not known,
        pleura_mm=float(rng.uniform(0, 40)),
        fissure_mm=float(rng.uniform(0, 60)) if known else None,
        juxtapleural=nodule.number % 5 == 0,
        perifissural=nodule.number % 9 == 0,
        probability=float(rng.uniform(0.5, 1)),
        at_resolution_limit=nodule.diameter_mm < 2.5,
    )


def characterised(count, *, mass=False, seed=1):
    """Nodules as in `reports.nodules`, each with its character."""
    return tuple(replace(one, character=character(one)) for one in nodules(count, mass=mass, seed=seed))


def spread(found):
    """Figures of a set; no claim that they fit the nodules."""
    return Spread(
        lobes=tuple(LobeCount(lobe=lobe, nodules=len(found) // 5, per_100_ml=4.25) for lobe in Lobe),
        zones=tuple(
            ZoneCount(side=side, zone=zone, nodules=len(found) // 6, per_100_ml=4.5)
            for side in Side
            for zone in Zone
        ),
        per_100_ml=4.63,
        sizes=Sizes(p10_mm=2.5, median_mm=3.0, p90_mm=3.5, cv=0.1),
        randomness=Randomness(
            simulations=199,
            clark_evans=1.02,
            clark_evans_p=0.41,
            ripley=tuple(
                Envelope(radius_mm=5.0 * n, observed_mm=0.1, low_mm=-0.4, high_mm=0.5) for n in (1, 2)
            ),
            ripley_p=0.38,
        ),
        subpleural_ratio=1.1,
        fissural_ratio=None,
        vessel_ratio=0.98,
        cranio_caudal_slope=-0.2,
        central_peripheral_slope=0.05,
        distribution=Distribution.RANDOM,
        hints=(Hint.MILIARY_TUBERCULOSIS, Hint.HAEMATOGENOUS_METASTASES),
    )


JUDGEMENT = Judgement(
    criteria="lung-miliary",
    version="1",
    organ="lung",
    standing=Standing.PROPOSAL,
    source="a proposal of ours",
    level=3,
    meaning="definitely miliary",
    conditions=(
        Condition(
            name="small-nodules",
            observed=220.0,
            relation=">",
            threshold=30.0,
            holds=True,
            standing=Standing.PROPOSAL,
        ),
        Condition(
            name="median-mm",
            observed=None,
            relation="between",
            threshold=1.0,
            upper=4.0,
            holds=False,
            standing=Standing.PROPOSAL,
        ),
    ),
)
ADVICE = (
    Advice(
        guideline=Guideline.BROCK,
        applies=False,
        why_not=("miliary-pattern",),
        category="",
        management="",
        probability=None,
        nodule=None,
    ),
    Advice(
        guideline=Guideline.LUNG_RADS,
        applies=True,
        why_not=(),
        category="0",
        management="ct-1-to-3-months",
        probability=None,
        nodule=1,
    ),
)


def change(found, *, gone=2):
    """Each nodule matched and grown by a quarter, and some of the prior's that are gone."""
    kept = tuple(
        NoduleChange(
            tracking_uid=derived_uid("test", "prior", str(one.number)),
            number=one.number,
            prior_number=one.number + 10,
            fate=Fate.GROWN,
            volume_change=0.25,
            doubling_days=280.4,
        )
        for one in found
    )
    lost = tuple(
        NoduleChange(
            tracking_uid=derived_uid("test", "gone", str(number)),
            number=None,
            prior_number=number,
            fate=Fate.GONE,
            volume_change=None,
            doubling_days=None,
        )
        for number in range(1, gone + 1)
    )
    return Change(
        prior_series_uid="1.2.3.4",
        prior_date=date(2025, 9, 1),
        interval_days=122,
        limited=(),
        not_used="",
        nodules=kept + lost,
        gone_share=0.1,
        median_volume_change=0.25,
    )


def whole(count, *, mass=True, compared=True):
    """An analysis in which nothing is missing."""
    found = characterised(count, mass=mass)
    return analysis(
        found,
        effusions=[LEFT_EFFUSION],
        remarks=[NOTE],
        spread=spread(found),
        judgements=(JUDGEMENT,),
        advice=ADVICE,
        change=change(found) if compared else None,
    )
