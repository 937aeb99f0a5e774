"""The published case as phantoms of both simulators, read as its radiologist would read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

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
FEWEST_FOUND = 209
"""Of 221: what the detector finds is judged elsewhere (`make bench-detector`)."""


def rows() -> Sequence[Row]:
    """How many of the patients were read so, and what the least of them was."""
    model = app.load_model(Settings())
    read = [
        _read(simulator("case", seed=seed), model)
        for simulator in (presets.make, second.make)
        for seed in SEEDS
    ]
    checks = {
        "miliary pattern, level 3": [one.pattern is not None and one.pattern.level == 3 for one in read],
        "dominant mass, left lower lobe": [_mass_in(one) is Lobe.LEFT_LOWER for one in read],
        "left effusion": [[e.side for e in one.effusions] == [Side.LEFT] for one in read],
        "critical": [one.triage.level is TriageLevel.CRITICAL for one in read],
    }
    counts = [len(one.nodules) for one in read]
    found = Row(
        name="case phantoms: found of 221, the least",
        unit="nodules",
        value=min(counts),
        n=len(read),
        target=FEWEST_FOUND,
        higher_is_better=True,
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


def _mass_in(read: Analysis) -> Lobe | None:
    mass = dominant(read.nodules)
    return mass.character.lobe if mass and mass.character else None
