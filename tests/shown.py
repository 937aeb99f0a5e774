"""One series of every look, for tests of the page and for looking at it."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from analyses import analysis, refused
from PIL import Image
from sites import NOW, Site
from worklists import status, waiting

from millet.codec import lung_outline
from millet.core.advice import Advice, Guideline
from millet.core.analysis import Analysis, Effusion, Outcome, Triage, TriageLevel
from millet.core.change import Change, Fate, NoduleChange
from millet.core.character import Axes, Character, Lobe, NoduleType, Zone
from millet.core.comparable import Conditions
from millet.core.geometry import PointMm
from millet.core.judgement import Condition, Judgement, Standing
from millet.core.lung_outline import Outline
from millet.core.nodule import Nodule, Side
from millet.core.spread import Distribution, LobeCount, Sizes, Spread, ZoneCount
from millet.ports import SeriesStatus

MILIARY = "definite miliary pattern (LMP-3, a proposal): {} nodules, in both lungs, median 3.0 mm"
_HALF_MM = {Side.RIGHT: (-75.0, 62.0, 92.0, 130.0), Side.LEFT: (75.0, 58.0, 88.0, 130.0)}
"""Middle across, and half axes across, to the back and to the head, of an ellipsoid for each lung."""
_THIRDS = {Zone.UPPER: -1.0, Zone.MIDDLE: 0.0, Zone.LOWER: 1.0}


def filled(site: Site, nodules: int = 220) -> None:
    """One series of every kind; the first one critical, with all that an analysis may tell."""
    critical = exam(nodules)
    line = study(1, triage=TriageLevel.CRITICAL, nodules=len(critical.nodules), deliveries_pending=1)
    line = site.put(replace(line, triage_reason=critical.triage.reasons[0]), critical)
    for kind, size in (("mip-axial.png", (512, 380)), ("mip-coronal.png", (512, 420))):
        stream = io.BytesIO()
        Image.linear_gradient("L").resize(size).save(stream, "PNG")
        site.worklist.objects[line.key, kind] = stream.getvalue()
    site.worklist.objects[line.key, lung_outline.KIND] = outline()
    mass = "left mass of 41.0 mm"
    site.put(study(2, triage=TriageLevel.URGENT, nodules=1, sex="F", triage_reason=mass), analysis(1))
    site.put(
        status(3, triage_reason="2 nodules of 6 mm or more, the largest a right nodule of 7.2 mm"),
        analysis(2),
    )
    none = {"triage": TriageLevel.UNFLAGGED, "nodules": 0, "outcome": Outcome.NONE_FOUND}
    quiet = "nothing found that raises the priority; this rules nothing out"
    site.put(study(4, **none, triage_reason=quiet), analysis(0))
    turned_away = {
        "triage": TriageLevel.NOT_ASSESSED,
        "outcome": Outcome.NOT_ANALYSED,
        "state": "not-analysed",
        "reason_code": "gantry-tilt",
        "triage_reason": "not analysed: Tilted gantry (18.5 degrees)",
        "nodules": None,
    }
    site.put(study(5, **turned_away), refused())
    for number, state in enumerate(("receiving", "queued", "analysing", "parked"), start=6):
        site.put(replace(waiting(number, state), study_uid=study(number).study_uid))
    old = NOW - timedelta(hours=9)
    site.put(study(10, **none, triage_reason=quiet, first_received_utc=old), analysis(0))


def study(number: int, **facts: object) -> SeriesStatus:
    """A series of a study of its own."""
    return status(number, study_uid=f"1.2.826.0.2.{number}", **facts)


def exam(count: int, seed: int = 3) -> Analysis:
    """An exam with a mass and so many nodules in both lungs, judged, compared and spread over the lobes."""
    rng = np.random.default_rng(seed)
    mass = replace(_nodule(1, rng), diameter_mm=34.0, volume_mm3=20_500.0, score=0.99)
    found = (mass, *(_nodule(number + 2, rng) for number in range(count)))
    reasons = (MILIARY.format(len(found)), f"{mass.side.value} mass of 34.0 mm")
    return replace(
        analysis(2),
        nodules=found,
        effusions=(Effusion(side=Side.LEFT, volume_ml=180.0),),
        triage=Triage(level=TriageLevel.CRITICAL, reasons=reasons),
        not_assessed=("lymph nodes", "bones", "liver", "airways"),
        spread=_spread(found),
        judgements=(_judged(len(found)),),
        advice=_advice(),
        change=_change(found),
    )


def outline(points: int = 500) -> bytes:
    """Points on two ellipsoids, as they are kept of the lungs of an exam."""
    rng = np.random.default_rng(5)
    parts = []
    for number, (across, *half) in enumerate(_HALF_MM.values(), start=1):
        on = rng.normal(size=(points // 2, 3))
        on /= np.linalg.norm(on, axis=1, keepdims=True)
        out = on / np.asarray(half)
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        parts.append((on * half + (across, 0.0, 0.0), out, np.full(len(on), number, np.uint8)))
    places, outward, side = (np.concatenate([part[k] for part in parts]) for k in range(3))
    how = Conditions(slice_mm=1.0, kernel="B50", cut_at_top=False, cut_at_base=False, reading="ab")
    return lung_outline.encode(Outline(points_mm=places, outward=outward, side=side), how)


def _nodule(number: int, rng: np.random.Generator) -> Nodule:
    side = Side.RIGHT if rng.random() < 0.55 else Side.LEFT
    across, *half = _HALF_MM[side]
    place = rng.normal(size=3)
    place *= 0.95 * rng.random() ** (1 / 3) / np.linalg.norm(place)
    x, y, z = place * half + (across, 0.0, 0.0)
    zone = Zone.UPPER if z > 40 else Zone.LOWER if z < -40 else Zone.MIDDLE
    diameter_mm = float(np.clip(rng.lognormal(1.1, 0.3), 1.6, 12))
    return Nodule(
        number=number,
        tracking_uid=f"2.25.{1000 + number}",
        centre_mm=PointMm(float(x), float(y), float(z)),
        diameter_mm=diameter_mm,
        volume_mm3=float(np.pi / 6 * diameter_mm**3),
        mean_hu=float(rng.normal(-60, 60)),
        score=max(0.05, 0.99 - 0.0004 * number),
        side=side,
        source_sop_instance_uid=f"1.2.3.{number}",
        character=_character(side, zone, PointMm(float(x), float(y), float(z)), diameter_mm),
    )


def _character(side: Side, zone: Zone, at: PointMm, diameter_mm: float) -> Character:
    lobes = {
        (Side.RIGHT, Zone.UPPER): Lobe.RIGHT_UPPER,
        (Side.RIGHT, Zone.MIDDLE): Lobe.RIGHT_MIDDLE,
        (Side.RIGHT, Zone.LOWER): Lobe.RIGHT_LOWER,
        (Side.LEFT, Zone.UPPER): Lobe.LEFT_UPPER,
        (Side.LEFT, Zone.MIDDLE): Lobe.LEFT_UPPER,
        (Side.LEFT, Zone.LOWER): Lobe.LEFT_LOWER,
    }
    half = diameter_mm / 2
    ends = (PointMm(at.x - half, at.y, at.z), PointMm(at.x + half, at.y, at.z))
    across = (PointMm(at.x, at.y - half, at.z), PointMm(at.x, at.y + half, at.z))
    return Character(
        axes=Axes(long_mm=ends, short_mm=across),
        volume_low_mm3=0.8,
        volume_high_mm3=1.2,
        p95_hu=40.0,
        calcified_share=0.0,
        type=NoduleType.SOLID,
        core_mm=None,
        spiculation=0.1,
        lobe=lobes[side, zone],
        zone=zone,
        zone_estimated=False,
        pleura_mm=12.0,
        fissure_mm=9.0,
        juxtapleural=False,
        perifissural=False,
        probability=None,
        at_resolution_limit=False,
    )


def _spread(found: tuple[Nodule, ...]) -> Spread:
    counts = {lobe: sum(n.character.lobe is lobe for n in found) for lobe in Lobe}
    zones = [
        ZoneCount(side=side, zone=zone, nodules=30, per_100_ml=4.0 + _THIRDS[zone])
        for side in Side
        for zone in Zone
    ]
    return Spread(
        lobes=tuple(LobeCount(lobe=lobe, nodules=n, per_100_ml=n / 9) for lobe, n in counts.items()),
        zones=tuple(zones),
        per_100_ml=4.4,
        sizes=Sizes(p10_mm=2.1, median_mm=3.0, p90_mm=4.4, cv=0.29),
        randomness=None,
        subpleural_ratio=0.9,
        fissural_ratio=0.8,
        vessel_ratio=0.7,
        cranio_caudal_slope=0.2,
        central_peripheral_slope=0.1,
        distribution=Distribution.RANDOM,
        hints=(),
    )


def _judged(count: int) -> Judgement:
    proposal = Standing.PROPOSAL
    facts = (
        ("small-nodules", float(count), ">", 50.0, 1, True),
        ("share-up-to-5-mm", 0.91, ">=", 0.8, 2, True),
        ("median-diameter-mm", 3.0, "<=", 4.0, 2, True),
        ("diameter-cv", 0.29, "<=", 0.35, 3, True),
        ("slabs-with-10", 17.0, ">=", 2.0, 3, True),
    )
    return Judgement(
        criteria="lung-miliary",
        version="2",
        organ="lung",
        standing=proposal,
        source="A proposal; the first condition is that of a published cohort (Thorac Cancer 2023).",
        level=3,
        meaning="definitely miliary",
        conditions=tuple(
            Condition(
                name=name,
                observed=seen,
                relation=how,
                threshold=asked,
                holds=holds,
                standing=proposal,
                level=level,
            )
            for name, seen, how, asked, level, holds in facts
        ),
    )


def _advice() -> tuple[Advice, ...]:
    nothing = {"category": "", "management": "", "probability": None, "nodule": None}
    now = {**nothing, "category": "0", "management": "evaluate-now", "assumes": ("screening",)}
    silent = (Guideline.FLEISCHNER, Guideline.BTS, Guideline.BROCK)
    return (
        Advice(guideline=Guideline.LUNG_RADS, applies=True, why_not=(), **now),
        *(Advice(guideline=one, applies=False, why_not=("miliary-pattern",), **nothing) for one in silent),
    )


def _change(found: tuple[Nodule, ...]) -> Change:
    course = (Fate.STABLE, Fate.STABLE, Fate.GROWN, Fate.NEW)
    changes = [
        NoduleChange(
            tracking_uid=n.tracking_uid,
            number=n.number,
            prior_number=None if (fate := course[n.number % 4]) is Fate.NEW else n.number,
            fate=fate,
            volume_change=None if fate is Fate.NEW else 0.4 if fate is Fate.GROWN else 0.02,
            doubling_days=None,
        )
        for n in found
    ]
    return Change(
        prior_series_uid="1.2.826.0.1.9",
        prior_date=date(2025, 9, 30),
        interval_days=94,
        limited=(),
        not_used="",
        nodules=tuple(changes),
        gone_share=0.0,
        median_volume_change=0.03,
    )
