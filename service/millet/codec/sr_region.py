"""Where a lesion of a report is: its coordinates in space, its contours on images, or its segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from millet.codec import sr_lesion as known
from millet.codec.outline import Plane
from millet.codec.sr_lesion import key
from millet.codec.sr_tree import Node, nodes
from millet.core.geometry import PointMm


class Flaw(StrEnum):
    """What cannot be told of a lesion, or is to be doubted."""

    NO_PLACE = "no-place"
    """Neither coordinates, nor a contour, nor a segment."""
    SEGMENT_ONLY = "segment-only"
    """Its place is in a segmentation that is named."""
    UNKNOWN_IMAGE = "unknown-image"
    """Its contour is on an image that is not at hand."""
    OTHER_FRAME = "other-frame"
    """Its coordinates are in another frame of reference."""
    OUTSIDE = "outside"
    """It lies outside the volume."""
    NO_SIZE = "no-size"
    """Neither diameter nor volume, or none above 0 in a unit that is known."""
    UNKNOWN_FINDING = "unknown-finding"
    """It has a region, but what it is called is no lesion that is known here."""
    UNKNOWN_SITE = "unknown-site"
    """Its finding site is no part of the lungs that is known here."""


class Segment(NamedTuple):
    """A segment of a segmentation."""

    sop_instance_uid: str
    number: int | None


class Region(NamedTuple):
    """What a group says of its place; None and empty for what it does not say."""

    centre_mm: PointMm | None = None
    size_mm: float | None = None
    frame_uid: str = ""
    image_uid: str = ""
    segment: Segment | None = None
    flaw: Flaw | None = None


def region_of(group: Node, on: Mapping[str, Plane]) -> Region:
    """Where the lesion is: its coordinates in space, else its contours on images, else its segment."""
    inside = [item for item in nodes(group) if item is not group]
    segment = next((s for item in inside if (s := _segment(item))), None)
    shown = next((_image(item) for item in inside if _image(item)), "")
    volumes = [item for item in inside if item.word("ValueType") == "SCOORD3D"]
    if (found := _in_space(volumes)) is not None:
        return found._replace(image_uid=shown, segment=segment)
    contours = [item for item in inside if item.word("ValueType") == "SCOORD"]
    if (found := _on_images(contours, on)) is not None:
        return found._replace(segment=segment)
    flaw = Flaw.SEGMENT_ONLY if segment else Flaw.NO_PLACE
    return Region(image_uid=shown, segment=segment, flaw=flaw)


def _image(item: Node) -> str:
    if item.word("ValueType") != "IMAGE" or item.reference.word("ReferencedSegmentNumber"):
        return ""
    return item.reference.word("ReferencedSOPInstanceUID")


def _segment(item: Node) -> Segment | None:
    wanted = {("121191", "DCM"), ("121214", "DCM")}  # Referenced Segment, Referenced Segmentation Frame
    if item.word("ValueType") != "IMAGE" or key(item.concept) not in wanted:
        return None
    number = np.frombuffer(item.reference.binary("ReferencedSegmentNumber")[:2].ljust(2, b"\0"), "<u2")[0]
    return Segment(item.reference.word("ReferencedSOPInstanceUID"), int(number) or None)


def _in_space(items: Sequence[Node]) -> Region | None:
    frame_uid = next((item.word("ReferencedFrameOfReferenceUID") for item in items), "")
    drawn = [
        (item.word("GraphicType"), points)
        for item in items
        if item.word("ReferencedFrameOfReferenceUID") == frame_uid
        and (points := known.shaped(item.points, 3)) is not None
    ]
    if not drawn:
        return None
    centre, size = known.middle(drawn[0][0], np.concatenate([points for _, points in drawn]))
    return Region(known.place(centre), size, frame_uid)


def _on_images(items: Sequence[Node], on: Mapping[str, Plane]) -> Region | None:
    """The mean over the contours' middles, each on its image; None without a contour."""
    drawn = [(item, points) for item in items if (points := known.shaped(item.points, 2)) is not None]
    if not drawn:
        return None
    images = [next((uid for child in item.children if (uid := _image(child))), "") for item, _ in drawn]
    placed = [
        (plane, known.middle(item.word("GraphicType"), points))
        for (item, points), uid in zip(drawn, images, strict=True)
        if (plane := on.get(uid)) is not None
    ]
    if not placed:
        return Region(image_uid=images[0], flaw=Flaw.UNKNOWN_IMAGE)
    centres = [plane.lift(tuple(centre)) for plane, (centre, _) in placed]
    sizes = [size * float(plane.pixel_mm.mean()) for plane, (_, size) in placed if size]
    frame_uid = placed[0][0].image.text("FrameOfReferenceUID")
    centre_mm = known.place(np.mean(centres, axis=0))
    return Region(centre_mm, max(sizes, default=None), frame_uid, images[0])
