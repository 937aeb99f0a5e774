"""The published case as phantoms of both simulators, read as its radiologist would read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import dist

from table import Row

from millet import app
from millet.codec.ct import read_header
from millet.core.analysis import Analysis, TriageLevel
from millet.core.character import Lobe
from millet.core.nodule import Side
from millet.core.pattern import dominant
from millet.flow.analyse import Order
from millet.flow.model import Model
from millet.flow.offline import analyse
from millet.phantom import dicom, presets
from millet.phantom.second import presets as second
from millet.settings import Settings

SEEDS = (301, 302, 303)
"""Of patients that nothing was tuned on."""
NEAR_MM = 5.0


def rows() -> Sequence[Row]:
    """How many of the patients were read so; the second simulator puts mass and effusion anywhere."""
    model = app.load_model(Settings())
    ours, others = (
        [(phantom, _read(phantom, model)) for phantom in (make("case", seed=seed) for seed in SEEDS)]
        for make in (presets.make, second.make)
    )
    both = [*ours, *others]
    checks = {
        "miliary pattern, level 3": [one.pattern is not None and one.pattern.level == 3 for _, one in both],
        "critical": [one.triage.level is TriageLevel.CRITICAL for _, one in both],
        "the mass is the dominant lesion": [_is_the_mass(phantom, one) for phantom, one in both],
        "one effusion": [len(one.effusions) == 1 for _, one in both],
        "first simulator: mass in the left lower lobe": [_lobe(one) is Lobe.LEFT_LOWER for _, one in ours],
        "first simulator: effusion left": [one.effusions[0].side is Side.LEFT for _, one in ours],
    }
    counts = [len(one.nodules) for _, one in both]
    found = Row(
        name="case phantoms: found of 221, the least",
        unit="nodules",
        value=min(counts),
        low=min(counts),
        high=max(counts),
        n=len(both),
    )
    told = [
        Row(
            name=f"case phantoms: {what}",
            unit="share",
            value=sum(held) / len(held),
            n=len(held),
            target=1.0,
            higher_is_better=True,
        )
        for what, held in checks.items()
    ]
    return [found, *told]


def _read(phantom: presets.Phantom, model: Model) -> Analysis:
    instances = dicom.encoded(phantom)
    head = read_header(instances[0])
    order = Order(
        site="bench",
        study_uid=head.study_uid,
        series_uid=head.series_uid,
        generation=1,
        created_utc=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return analyse(order, instances, model, lambda *_: None).analysis


def _is_the_mass(phantom: presets.Phantom, read: Analysis) -> bool:
    true = max(phantom.truth, key=lambda mark: mark.diameter_mm)
    mass = dominant(read.nodules)
    return mass is not None and dist(mass.centre_mm, true.centre_mm) <= NEAR_MM


def _lobe(read: Analysis) -> Lobe | None:
    mass = dominant(read.nodules)
    return mass.character.lobe if mass and mass.character else None
