"""The measurement group of one nodule, in the two forms in which reports tell of it.

By TID 1411, a volume in patient space, for the report that lists all; by TID 1410, a contour on its slice,
for the summary, since that is what viewers draw. From `CODED_FROM_MM` on, where guidelines begin to act on
a nodule, each of its values is an item of its own. Below it, where there may be thousands, those that no
guideline asks for are one text (`codec.sr_values`), which keeps a report of 2,000 under 6 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from millet.codec import codes, sr_values
from millet.codec.codes import Code
from millet.codec.content import CONTAINS, CONTEXT, MODIFIES, SELECTED, Pen
from millet.codec.elements import Item
from millet.codec.outline import Outline
from millet.codec.source import Source, SourceImage
from millet.core.analysis import Analysis, Provenance
from millet.core.change import NoduleChange
from millet.core.nodule import Nodule, Side
from millet.core.rounding import attenuation_hu, length_mm, score, volume_mm3

CODED_FROM_MM = 6.0
"""Diameter from which Lung-RADS v2022 and Fleischner 2017 ask for more than routine."""

_AXES = (sr_values.LONG_AXIS, sr_values.SHORT_AXIS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What all groups of one report share."""

    pen: Pen
    frame_of_reference_uid: str
    series_uid: str
    images: Mapping[str, SourceImage]
    algorithm: Sequence[Item]
    changes: Mapping[int, NoduleChange]
    """By the nodule's number."""

    @classmethod
    def of(cls, analysis: Analysis, source: Source, pen: Pen) -> Told:
        """As an analysis and its series have it."""
        changed = analysis.change.nodules if analysis.change else ()
        return cls(
            pen=pen,
            frame_of_reference_uid=analysis.frame_of_reference_uid or source.frame_of_reference_uid,
            series_uid=analysis.series_uid,
            images=source.by_uid,
            algorithm=algorithm(analysis.provenance, pen),
            changes={change.number: change for change in changed if change.number is not None},
        )


def volumetric(nodule: Nodule, told: Told) -> Item:
    """One nodule or mass (TID 1411)."""
    pen, change = told.pen, told.changes.get(nodule.number)
    every = nodule.diameter_mm >= CODED_FROM_MM
    place = pen.sphere(codes.SURFACE, nodule.centre_mm, nodule.diameter_mm, told.frame_of_reference_uid)
    return pen.container(
        codes.GROUP,
        [
            *_named(nodule, change, pen),
            *(told.algorithm if every else ()),
            *_what_and_where(nodule, pen),
            place,
            _seen_in(nodule, told),
            *_measured(nodule, pen),
            *(sr_values.coded(nodule.character, change, pen) if every else _worded(nodule, change, pen)),
        ],
        template="1411",
    )


def planar(nodule: Nodule, outline: Outline, told: Told) -> Item:
    """One nodule or mass with its outline on a slice (TID 1410).

    Its measurements are those to be read beside the outline: viewers write every one of them there.
    """
    pen, change = told.pen, told.changes.get(nodule.number)
    shown = outline.image
    source = pen.image(codes.REGION_SOURCE, shown.sop_class_uid, shown.sop_instance_uid, SELECTED)
    return pen.container(
        codes.GROUP,
        [
            *_named(nodule, change, pen),
            *told.algorithm,
            *_what_and_where(nodule, pen),
            pen.region(codes.IMAGE_REGION, "POLYLINE", outline.points, source),
            *_drawn(nodule, pen),
            *_worded(nodule, change, pen, _AXES),
        ],
        template="1410",
    )


def gone(change: NoduleChange, told: Told) -> Item:
    """One nodule of the prior study that this one does not show (TID 1501)."""
    pen = told.pen
    return pen.container(
        codes.GROUP,
        [
            pen.text(CONTEXT, codes.TRACKING_ID, pen.say("gone.name", number=change.prior_number)),
            pen.uid(CONTEXT, codes.TRACKING_UID, change.tracking_uid),
            *told.algorithm,
            pen.code(CONTAINS, codes.FINDING, codes.NODULE),
            *sr_values.coded(None, change, pen),
        ],
        template="1501",
    )


def algorithm(made_by: Provenance, pen: Pen) -> list[Item]:
    """TID 4019 for a group."""
    return [
        pen.text(MODIFIES, codes.ALGORITHM, made_by.model_name),
        pen.text(MODIFIES, codes.ALGORITHM_VERSION, made_by.model_version),
    ]


@cache
def site(pen: Pen, place: Code, side: Side) -> Item:
    """A finding site with its laterality."""
    return pen.code(MODIFIES, codes.SITE, place, [pen.code(MODIFIES, codes.LATERALITY, codes.SIDES[side])])


def _named(nodule: Nodule, change: NoduleChange | None, pen: Pen) -> list[Item]:
    """TID 1411 rows 2 and 3; a nodule that was matched keeps the UID that it had."""
    name = f"{pen.say(f'name.{nodule.nodule_class}')} {nodule.number}"
    tracking_uid = change.tracking_uid if change else nodule.tracking_uid
    return [pen.text(CONTEXT, codes.TRACKING_ID, name), pen.uid(CONTEXT, codes.TRACKING_UID, tracking_uid)]


def _what_and_where(nodule: Nodule, pen: Pen) -> list[Item]:
    lobe = nodule.character.lobe if nodule.character else None
    return [
        site(pen, codes.LOBES[lobe] if lobe else codes.LUNG, nodule.side),
        pen.code(CONTAINS, codes.FINDING, codes.CLASSES[nodule.nodule_class]),
    ]


def _seen_in(nodule: Nodule, told: Told) -> Item:
    """The slice nearest to the centre, or the series."""
    pen, shown = told.pen, told.images.get(nodule.source_sop_instance_uid)
    if shown is None:
        return pen.uid(CONTAINS, codes.SOURCE_SERIES, told.series_uid)
    return pen.image(codes.SOURCE_IMAGE, shown.sop_class_uid, shown.sop_instance_uid)


def _measured(nodule: Nodule, pen: Pen) -> Iterator[Item]:
    """What is coded of every nodule."""
    yield pen.number(codes.DIAMETER, length_mm(nodule.diameter_mm), codes.MM)
    yield pen.number(codes.VOLUME, volume_mm3(nodule.volume_mm3), codes.MM3)
    yield pen.number(codes.ATTENUATION, attenuation_hu(nodule.mean_hu), codes.HU)
    yield pen.number(codes.SCORE, score(nodule.score), codes.NO_UNITS)
    yield from _type(nodule, pen)


def _drawn(nodule: Nodule, pen: Pen) -> Iterator[Item]:
    """What viewers write beside an outline."""
    known = nodule.character
    yield pen.number(codes.DIAMETER, length_mm(nodule.diameter_mm), codes.MM)
    if known:
        yield pen.number(codes.LONG_AXIS, length_mm(known.axes.long_axis_mm), codes.MM)
        yield pen.number(codes.SHORT_AXIS, length_mm(known.axes.short_axis_mm), codes.MM)
    yield pen.number(codes.VOLUME, volume_mm3(nodule.volume_mm3), codes.MM3)
    yield from _type(nodule, pen)


def _type(nodule: Nodule, pen: Pen) -> Iterator[Item]:
    if nodule.character:
        yield pen.code(CONTAINS, codes.TYPE, codes.TYPES[nodule.character.type])


def _worded(
    nodule: Nodule, change: NoduleChange | None, pen: Pen, besides: Sequence[sr_values.Field] = ()
) -> Iterator[Item]:
    words = sr_values.in_words(nodule.character, change, besides, pen.language)
    if words:
        yield pen.text(CONTAINS, codes.CHARACTER, words)
