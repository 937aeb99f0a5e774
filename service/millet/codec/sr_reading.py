"""Reads the lesions of a TID 1500 report, ours or anybody's.

A group whose codes are unknown, that has a contour on an image, or only a segment, or that lies outside the
volume, is a lesion as any other: what can be told of it is, and `flaws` says what cannot, each by a stable
code. One group never spoils another; groups that are no lesions are counted with their reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from millet.codec import codes, sr_values
from millet.codec import sr_lesion as known
from millet.codec.codes import Code
from millet.codec.outline import Plane
from millet.codec.sr_lesion import key
from millet.codec.sr_observer import Observer, observer
from millet.codec.sr_region import Flaw, Segment, region_of
from millet.codec.sr_tree import Node
from millet.codec.sr_tree import read as read_tree
from millet.core.change import Fate
from millet.core.character import Lobe, Zone
from millet.core.geometry import Grid, PointMm
from millet.core.nodule import Side

OUTSIDE_MM = 10.0
"""How far beyond the outermost voxels a centre may lie: half a thick slice, half a lesion."""


class Number(NamedTuple):
    """A measurement as the report has it."""

    concept: Code
    unit: Code | None
    value: float
    derived: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLesion:
    """One lesion of a report; None and empty for what it does not say."""

    tracking_id: str
    tracking_uid: str
    finding: Code | None
    sites: tuple[Code, ...]
    side: Side | None
    lobe: Lobe | None
    zone: Zone | None
    frame_of_reference_uid: str
    centre_mm: PointMm | None
    diameter_mm: float | None
    size_from: str
    """What the diameter is: "diameter", "long-axis", "volume" (of the ball) or "region"; empty without."""
    volume_mm3: float | None
    image_uid: str
    """SOP Instance UID of the image that shows it."""
    segment: Segment | None
    numbers: tuple[Number, ...]
    evaluations: tuple[tuple[Code, Code], ...]
    """Concept and value of what is said of it."""
    flaws: tuple[Flaw, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReport:
    """A report: whose it is, what made it, its lesions."""

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    title: Code | None
    lesions: tuple[ReadLesion, ...]
    passed_over: tuple[str, ...]
    """Why other groups are no lesions, in words that hold no patient data, one for each."""
    whole: bool
    """Whether the report could be read to its end."""
    parameters: Mapping[str, str]
    """Of the algorithm, where the report lists them as `name=value`, as ours does ("model-sha256")."""
    observer: Observer
    """Who found them."""


def read(
    encoded: bytes,
    *,
    planes: Sequence[Plane] = (),
    frame_of_reference_uid: str = "",
    grid: Grid | None = None,
) -> ReadReport:
    """Read a report (DICOM file).

    `planes` are the slices that contours may lie on. Where they are given, a lesion in another frame of
    reference than `frame_of_reference_uid`, or outside `grid`, says so.

    Raises:
        ValueError: The bytes are no structured report, or larger than any.
    """
    tree = read_tree(encoded)
    root = tree.root
    if root.word("ValueType") != "CONTAINER":
        raise ValueError("the bytes are no structured report")
    on = {plane.image.sop_instance_uid: plane for plane in planes}
    lesions, passed = [], []
    for number, group in enumerate(_groups(root), start=1):
        lesion = _lesion(group, on)
        if why := _no_lesion(lesion):
            passed.append(f"group {number}: {why}")
        else:
            lesions.append(_checked(lesion, frame_of_reference_uid, grid))
    return ReadReport(
        sop_class_uid=root.word("SOPClassUID"),
        sop_instance_uid=root.word("SOPInstanceUID"),
        study_uid=root.word("StudyInstanceUID"),
        title=root.concept,
        lesions=tuple(lesions),
        passed_over=tuple(passed),
        whole=tree.whole and bool(root.children),
        parameters=_parameters(root),
        observer=observer(root),
    )


def _groups(root: Node) -> Iterator[Node]:
    """The measurement groups, wherever they are: some reports nest them deeper than TID 1500 does."""
    for child in root.children:
        if child.word("ValueType") != "CONTAINER":
            continue
        if key(child.concept) == key(codes.GROUP):
            yield child
        else:
            yield from _groups(child)


def _parameters(root: Node) -> Mapping[str, str]:
    """Of the report as a whole."""
    said = [item for child in root.children for item in (child, *child.children)]
    named = [item.text for item in said if key(item.concept) == key(codes.ALGORITHM_PARAMETERS)]
    return dict(text.split("=", 1) for text in named if "=" in text)


def _no_lesion(group: ReadLesion) -> str:
    """Why a group is no lesion; empty where it is one."""
    gone = key(codes.FATE), key(codes.FATES[Fate.GONE])
    if gone in ((key(concept), key(value)) for concept, value in group.evaluations):
        return "gone since the prior study"
    placed = Flaw.NO_PLACE not in group.flaws
    if placed or key(group.finding) in known.LESIONS:
        return ""
    return "no region, and no finding that is a lesion"


def _lesion(group: Node, on: Mapping[str, Plane]) -> ReadLesion:
    """What one group says."""
    items = list(group.children)
    words = [sr_values.from_words(item.text) for item in items if key(item.concept) == key(codes.CHARACTER)]
    numbers = [number for item in items if (number := _number(item))]
    numbers += [Number(f.concept, f.unit, v, f.derived) for found, _ in words for f, v in found.items()]
    evaluations = [(item.concept, item.value) for item in items if item.word("ValueType") == "CODE"]
    evaluations += [(mark.concept, mark.value) for _, marks in words for mark in marks]
    said = [(concept, value) for concept, value in evaluations if concept and value]
    region = region_of(group, on)
    volume = _measure(numbers, known.VOLUME, known.VOLUMES)
    size, size_from = _size(numbers, volume, region.size_mm)
    site = _site([item for item in items if key(item.concept) in known.SITE])
    finding = next((value for concept, value in said if key(concept) in known.FINDING), None)
    flaws = [region.flaw, None if size else Flaw.NO_SIZE, site.flaw]
    flaws.append(None if key(finding) in known.LESIONS else Flaw.UNKNOWN_FINDING)
    zones = [known.ZONES[key(value)] for _, value in said if key(value) in known.ZONES]
    return ReadLesion(
        tracking_id=_text(items, codes.TRACKING_ID),
        tracking_uid=next((i.word("UID") for i in items if key(i.concept) == key(codes.TRACKING_UID)), ""),
        finding=finding,
        sites=site.codes,
        side=site.side,
        lobe=site.lobe,
        zone=zones[0] if zones else None,
        frame_of_reference_uid=region.frame_uid,
        centre_mm=region.centre_mm,
        diameter_mm=size,
        size_from=size_from,
        volume_mm3=volume,
        image_uid=region.image_uid,
        segment=region.segment,
        numbers=tuple(numbers),
        evaluations=tuple((c, v) for c, v in said if key(c) not in known.SITE | known.FINDING),
        flaws=tuple(flaw for flaw in flaws if flaw),
    )


def _text(items: Sequence[Node], concept: Code) -> str:
    return next((item.text for item in items if key(item.concept) == key(concept)), "")


# --- measurements ------------------------------------------------------------------------------------


def _number(item: Node) -> Number | None:
    concept = item.concept
    if item.word("ValueType") != "NUM" or concept is None or (measured := item.measured) is None:
        return None
    derived = next((c.value for c in item.children if key(c.concept) == key(codes.DERIVATION)), None)
    return Number(concept, measured[1], measured[0], derived)


def _measure(
    numbers: Sequence[Number], named: frozenset[known.Key], units: Mapping[str, float]
) -> float | None:
    """The first measurement of a name in a unit that is known, in mm or mm3; None unless it is above 0."""
    for number in numbers:
        factor = units.get(number.unit.value) if number.unit else None
        if key(number.concept) in named and factor and number.value > 0:
            return number.value * factor
    return None


def _size(numbers: Sequence[Number], volume: float | None, drawn: float | None) -> tuple[float | None, str]:
    if (diameter := _measure(numbers, known.DIAMETER, known.LENGTHS)) is not None:
        return diameter, "diameter"
    if (long := _measure(numbers, known.LONG_AXIS, known.LENGTHS)) is not None:
        return long, "long-axis"
    if volume is not None:
        return known.of_volume_mm(volume), "volume"
    return (drawn, "region") if drawn else (None, "")


class _Site(NamedTuple):
    codes: tuple[Code, ...]
    side: Side | None
    lobe: Lobe | None
    flaw: Flaw | None


def _site(items: Sequence[Node]) -> _Site:
    found = [item.value for item in items]
    within = [inner for item in items for inner in item.children if key(inner.concept) in known.LATERALITY]
    named = [*(inner.value for inner in within), *found]
    side = next((known.SIDES[key(code)] for code in named if key(code) in known.SIDES), None)
    lobes = [known.LOBES.get((key(code), at)) for code in found for at in (side, None)]
    lobe = next((lobe for lobe in lobes if lobe), None)
    unknown = bool(found) and not any(key(code) in known.IN_LUNGS for code in found)
    return _Site(tuple(c for c in found if c), side, lobe, Flaw.UNKNOWN_SITE if unknown else None)


def _checked(lesion: ReadLesion, frame_uid: str, grid: Grid | None) -> ReadLesion:
    """With what is to be doubted of its place."""
    flaws = list(lesion.flaws)
    if lesion.centre_mm is not None:
        if frame_uid and lesion.frame_of_reference_uid != frame_uid:
            flaws.append(Flaw.OTHER_FRAME)
        elif grid is not None and not _within(lesion.centre_mm, grid):
            flaws.append(Flaw.OUTSIDE)
    return replace(lesion, flaws=tuple(flaws))


def _within(point: PointMm, grid: Grid) -> bool:
    index = np.asarray(grid.to_index(point))
    spare = OUTSIDE_MM / np.asarray(grid.spacing_mm)
    return bool((index >= -spare).all() and (index <= np.asarray(grid.shape) - 1 + spare).all())
