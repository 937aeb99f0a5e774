"""Measurement groups of what is no nodule: effusions, and the exam with its lungs (TID 1501)."""

from __future__ import annotations

from collections.abc import Iterator

from millet.codec import codes
from millet.codec.content import CONTAINS, CONTEXT, MODIFIES, Pen
from millet.codec.elements import Item
from millet.codec.sr_nodule import algorithm, site
from millet.core.analysis import Analysis, Effusion, Lungs
from millet.core.change import Change
from millet.core.character import Lobe
from millet.core.nodule import Side
from millet.core.rounding import length_mm, percent, ratio, volume_l
from millet.core.spread import Sizes, Spread
from millet.core.uids import object_uid

_SIDES = {lobe: Side.RIGHT if lobe.value.startswith("right") else Side.LEFT for lobe in Lobe}


def effusion(found: Effusion, analysis: Analysis, pen: Pen) -> Item:
    """One pleural effusion (TID 1501)."""
    return pen.container(
        codes.GROUP,
        [
            pen.text(
                CONTEXT, codes.TRACKING_ID, pen.say("effusion.name", side=pen.say(f"side.{found.side}"))
            ),
            pen.uid(CONTEXT, codes.TRACKING_UID, object_uid(analysis, f"effusion-{found.side.value}")),
            *algorithm(analysis.provenance, pen),
            site(pen, codes.PLEURA, found.side),
            pen.code(CONTAINS, codes.FINDING, codes.EFFUSION),
            pen.number(codes.VOLUME, round(found.volume_ml, 1), codes.ML),
        ],
        template="1501",
    )


def exam(analysis: Analysis, pen: Pen) -> Item:
    """Counts, lungs and what the nodules are as a set (TID 1501)."""
    return pen.container(
        codes.GROUP,
        [
            pen.text(CONTEXT, codes.TRACKING_ID, pen.say("exam")),
            pen.uid(CONTEXT, codes.TRACKING_UID, object_uid(analysis, "exam")),
            *algorithm(analysis.provenance, pen),
            pen.code(MODIFIES, codes.SITE, codes.LUNG),
            pen.number(codes.LESIONS, len(analysis.nodules), codes.NO_UNITS),
            *_lungs(analysis.lungs, pen),
            *(_spread(analysis.spread, pen) if analysis.spread else ()),
            *(_change(analysis.change, pen) if analysis.change else ()),
        ],
        template="1501",
    )


def _lungs(lungs: Lungs | None, pen: Pen) -> list[Item]:
    if lungs is None:
        return []
    volumes = ((lungs.right_l, Side.RIGHT), (lungs.left_l, Side.LEFT))
    return [
        pen.number(codes.VOLUME, volume_l(litres), codes.LITRE, [site(pen, codes.LUNG, side)])
        for litres, side in volumes
    ]


def _spread(spread: Spread, pen: Pen) -> Iterator[Item]:
    for lobe in spread.lobes:
        place = site(pen, codes.LOBES[lobe.lobe], _SIDES[lobe.lobe])
        yield from _counted(lobe.nodules, lobe.per_100_ml, place, pen)
    for zone in spread.zones:
        place = site(pen, codes.ZONES[zone.zone], zone.side)
        yield from _counted(zone.nodules, zone.per_100_ml, place, pen)
    yield pen.number(codes.PER_100_ML, ratio(spread.per_100_ml), codes.NO_UNITS)
    if spread.sizes:
        yield from _sizes(spread.sizes, pen)
    found = spread.randomness
    figures = (
        (codes.SIMULATIONS, found.simulations if found else None),
        (codes.CLARK_EVANS, found.clark_evans if found else None),
        (codes.CLARK_EVANS_P, found.clark_evans_p if found else None),
        (codes.RIPLEY_P, found.ripley_p if found else None),
        (codes.SUBPLEURAL, spread.subpleural_ratio),
        (codes.FISSURAL, spread.fissural_ratio),
        (codes.TO_VESSELS, spread.vessel_ratio),
        (codes.CRANIO_CAUDAL, spread.cranio_caudal_slope),
        (codes.CENTRAL, spread.central_peripheral_slope),
    )
    for concept, value in figures:
        if value is not None:
            yield pen.number(concept, round(value, 3), codes.NO_UNITS)


def _counted(nodules: int, per_100_ml: float | None, place: Item, pen: Pen) -> Iterator[Item]:
    yield pen.number(codes.LESIONS, nodules, codes.NO_UNITS, [place])
    if per_100_ml is not None:
        yield pen.number(codes.PER_100_ML, ratio(per_100_ml), codes.NO_UNITS, [place])


def _sizes(sizes: Sizes, pen: Pen) -> Iterator[Item]:
    yield pen.number(codes.SIZE_P10, length_mm(sizes.p10_mm), codes.MM)
    yield pen.number(codes.SIZE_MEDIAN, length_mm(sizes.median_mm), codes.MM)
    yield pen.number(codes.SIZE_P90, length_mm(sizes.p90_mm), codes.MM)
    yield pen.number(codes.SIZE_CV, ratio(sizes.cv), codes.NO_UNITS)


def _change(change: Change, pen: Pen) -> Iterator[Item]:
    shares = ((codes.GONE_SHARE, change.gone_share), (codes.MEDIAN_CHANGE, change.median_volume_change))
    for concept, share in shares:
        if share is not None:
            yield pen.number(concept, percent(share), codes.PERCENT)
