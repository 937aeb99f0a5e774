"""Analyses for tests: small, valid, and different where a test needs a difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from millet.core.analysis import (
    Analysis,
    Lungs,
    Outcome,
    Pattern,
    Provenance,
    Reliability,
    Triage,
    TriageLevel,
    VolumeSummary,
)
from millet.core.character import Zone
from millet.core.criteria_sets import zone_of
from millet.core.geometry import PointMm
from millet.core.nodule import Nodule, Side
from millet.core.pattern import Known
from millet.core.reasons import Reason, Remark, Weight

PROVENANCE = Provenance(
    software_version="0.1.0",
    model_name="log",
    model_version="1",
    model_digest="ab" * 32,
    configuration_digest="cd" * 32,
    provider="CPU",
    precision="fp32",
)


def nodule(number: int, x_mm: float = 60.0, y_mm: float = 10.0, z_mm: float = -100.0) -> Nodule:
    """A 3 mm nodule at a place; the side follows x."""
    return Nodule(
        number=number,
        tracking_uid=f"2.25.{1000 + number}",
        centre_mm=PointMm(x_mm, y_mm, z_mm),
        diameter_mm=3.125,
        volume_mm3=15.98,
        mean_hu=-120.5,
        score=max(0.05, 0.99 - 0.001 * number),
        side=Side.LEFT if x_mm > 0 else Side.RIGHT,
        source_sop_instance_uid=f"1.2.3.{number}",
    )


def spread(count: int, diameter_mm: float = 3.0, left_share: float = 0.5, seed: int = 0) -> list[Nodule]:
    """Nodules evenly through both lungs, 260 mm high."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        x_mm = 60.0 if number < left_share * count else -60.0
        z_mm = float(rng.uniform(-260, 0))
        made.append(replace(nodule(number + 1, x_mm, 0.0, z_mm), diameter_mm=diameter_mm))
    return made


def even() -> Known:
    """Lungs for `spread`: both from -260 mm to 0, as wide at every height."""
    litres = {zone_of(zone, side): 0.75 for zone in Zone for side in Side}
    return Known(heights_mm=dict.fromkeys(Side, (-260.0, 0.0)), litres=litres)


def analysis(nodules: int = 2) -> Analysis:
    """An analysis with findings on both sides, or with none found."""
    found = tuple(nodule(n + 1, x_mm=60.0 if n % 2 else -60.0, z_mm=-100.0 + n) for n in range(nodules))
    return Analysis(
        site="default",
        study_uid="1.2.826.0.1",
        series_uid="1.2.826.0.1.1",
        frame_of_reference_uid="1.2.826.0.1.2",
        generation=1,
        created_utc=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        outcome=Outcome.FINDINGS if found else Outcome.NONE_FOUND,
        remarks=(Remark(reason=Reason.AGE_UNKNOWN, weight=Weight.OUTSIDE_USE),),
        volumes=(
            VolumeSummary(label="acquisition 1", slices=60, spacing_mm=1.0, chosen=True, why="only volume"),
        ),
        nodules=found,
        triage=Triage(level=TriageLevel.NOTABLE if found else TriageLevel.UNFLAGGED, reasons=("because",)),
        pattern=Pattern(
            level=0,
            criteria_version="1",
            nodules_right=(nodules + 1) // 2,
            nodules_left=nodules // 2,
            small_nodules=nodules,
            median_diameter_mm=3.125 if found else None,
            diameter_cv=0.0 if found else None,
            slabs_10mm_with_10=0,
        ),
        lungs=Lungs(right_l=2.4, left_l=2.1),
        effusions=(),
        not_assessed=("lymph nodes",),
        provenance=PROVENANCE,
    )


def checked(made: Analysis, *against: Reason) -> Analysis:
    """The same analysis with its count checked, and codes that speak against it."""
    said = tuple(Remark(reason=reason, weight=Weight.OUTSIDE_USE, detail="18 and 204") for reason in against)
    found = Reliability(
        second_reader="log/1",
        small_nodules=len(made.nodules),
        second_small_nodules=204,
        noise_hu=31.5,
        detectability=49.25,
        detectability_mm=3.0,
    )
    return replace(made, remarks=made.remarks + said, reliability=found)


def refused(reason: Reason = Reason.GANTRY_TILT) -> Analysis:
    """The analysis of a series that was not analysed."""
    return replace(
        analysis(0),
        outcome=Outcome.NOT_ANALYSED,
        remarks=(Remark(reason=reason, weight=Weight.REFUSES, detail="18.5 degrees"),),
        volumes=(),
        triage=Triage(level=TriageLevel.NOT_ASSESSED, reasons=("not analysed",)),
        pattern=None,
        lungs=None,
    )
