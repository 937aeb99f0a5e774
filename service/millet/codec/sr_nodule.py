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
from millet.codec.content import (
    CONTAINS,
    CONTEXT,
    MODIFIES,
    SELECTED,
    code,
    container,
    image,
    number,
    region,
    sphere,
    text,
    uid,
)
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

    frame_of_reference_uid: str
    series_uid: str
    images: Mapping[str, SourceImage]
    algorithm: Sequence[Item]
    changes: Mapping[int, NoduleChange]
    """By the nodule's number."""

    @classmethod
    def of(cls, analysis: Analysis, source: Source) -> Told:
        """As an analysis and its series have it."""
        changed = analysis.change.nodules if analysis.change else ()
        return cls(
            frame_of_reference_uid=analysis.frame_of_reference_uid or source.frame_of_reference_uid,
            series_uid=analysis.series_uid,
            images=source.by_uid,
            algorithm=algorithm(analysis.provenance),
            changes={change.number: change for change in changed if change.number is not None},
        )


def volumetric(nodule: Nodule, told: Told) -> Item:
    """One nodule or mass (TID 1411)."""
    change = told.changes.get(nodule.number)
    every = nodule.diameter_mm >= CODED_FROM_MM
    place = sphere(codes.SURFACE, nodule.centre_mm, nodule.diameter_mm, told.frame_of_reference_uid)
    return container(
        codes.GROUP,
        [
            *_named(nodule, change),
            *(told.algorithm if every else ()),
            *_what_and_where(nodule),
            place,
            _seen_in(nodule, told),
            *_measured(nodule),
            *(sr_values.coded(nodule.character, change) if every else _worded(nodule, change)),
        ],
        template="1411",
    )


def planar(nodule: Nodule, outline: Outline, told: Told) -> Item:
    """One nodule or mass with its outline on a slice (TID 1410).

    Its measurements are those to be read beside the outline: viewers write every one of them there.
    """
    change = told.changes.get(nodule.number)
    shown = outline.image
    source = image(codes.REGION_SOURCE, shown.sop_class_uid, shown.sop_instance_uid, SELECTED)
    return container(
        codes.GROUP,
        [
            *_named(nodule, change),
            *told.algorithm,
            *_what_and_where(nodule),
            region(codes.IMAGE_REGION, "POLYLINE", outline.points, source),
            *_drawn(nodule),
            *_worded(nodule, change, _AXES),
        ],
        template="1410",
    )


def gone(change: NoduleChange, told: Told) -> Item:
    """One nodule of the prior study that this one does not show (TID 1501)."""
    return container(
        codes.GROUP,
        [
            text(CONTEXT, codes.TRACKING_ID, f"Nodule {change.prior_number} of the prior study"),
            uid(CONTEXT, codes.TRACKING_UID, change.tracking_uid),
            *told.algorithm,
            code(CONTAINS, codes.FINDING, codes.NODULE),
            *sr_values.coded(None, change),
        ],
        template="1501",
    )


def algorithm(made_by: Provenance) -> list[Item]:
    """TID 4019 for a group."""
    return [
        text(MODIFIES, codes.ALGORITHM, made_by.model_name),
        text(MODIFIES, codes.ALGORITHM_VERSION, made_by.model_version),
    ]


@cache
def site(place: Code, side: Side) -> Item:
    """A finding site with its laterality."""
    return code(MODIFIES, codes.SITE, place, [code(MODIFIES, codes.LATERALITY, codes.SIDES[side])])


def _named(nodule: Nodule, change: NoduleChange | None) -> list[Item]:
    """TID 1411 rows 2 and 3; a nodule that was matched keeps the UID that it had."""
    name = f"{nodule.nodule_class.value.capitalize()} {nodule.number}"
    tracking_uid = change.tracking_uid if change else nodule.tracking_uid
    return [text(CONTEXT, codes.TRACKING_ID, name), uid(CONTEXT, codes.TRACKING_UID, tracking_uid)]


def _what_and_where(nodule: Nodule) -> list[Item]:
    lobe = nodule.character.lobe if nodule.character else None
    return [
        site(codes.LOBES[lobe] if lobe else codes.LUNG, nodule.side),
        code(CONTAINS, codes.FINDING, codes.CLASSES[nodule.nodule_class]),
    ]


def _seen_in(nodule: Nodule, told: Told) -> Item:
    """The slice nearest to the centre, or the series."""
    shown = told.images.get(nodule.source_sop_instance_uid)
    if shown is None:
        return uid(CONTAINS, codes.SOURCE_SERIES, told.series_uid)
    return image(codes.SOURCE_IMAGE, shown.sop_class_uid, shown.sop_instance_uid)


def _measured(nodule: Nodule) -> Iterator[Item]:
    """What is coded of every nodule."""
    yield number(codes.DIAMETER, length_mm(nodule.diameter_mm), codes.MM)
    yield number(codes.VOLUME, volume_mm3(nodule.volume_mm3), codes.MM3)
    yield number(codes.ATTENUATION, attenuation_hu(nodule.mean_hu), codes.HU)
    yield number(codes.SCORE, score(nodule.score), codes.NO_UNITS)
    yield from _type(nodule)


def _drawn(nodule: Nodule) -> Iterator[Item]:
    """What viewers write beside an outline."""
    known = nodule.character
    yield number(codes.DIAMETER, length_mm(nodule.diameter_mm), codes.MM)
    if known:
        yield number(codes.LONG_AXIS, length_mm(known.axes.long_axis_mm), codes.MM)
        yield number(codes.SHORT_AXIS, length_mm(known.axes.short_axis_mm), codes.MM)
    yield number(codes.VOLUME, volume_mm3(nodule.volume_mm3), codes.MM3)
    yield from _type(nodule)


def _type(nodule: Nodule) -> Iterator[Item]:
    if nodule.character:
        yield code(CONTAINS, codes.TYPE, codes.TYPES[nodule.character.type])


def _worded(
    nodule: Nodule, change: NoduleChange | None, besides: Sequence[sr_values.Field] = ()
) -> Iterator[Item]:
    words = sr_values.in_words(nodule.character, change, besides)
    if words:
        yield text(CONTAINS, codes.CHARACTER, words)
