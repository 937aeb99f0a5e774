"""Every nodule by itself: a LABELMAP Segmentation (PS3.3 A.51, C.8.20.2), whose voxels hold nodules' numbers.

It is for programs: the BINARY one (`codec.seg`) is what viewers that do not know this class show and what
reports refer to. There is one frame for each source image that holds something, so never more of them
than images; what several nodules share lies in one frame. Frames are JPEG-LS, which takes next to nothing
for the empty part of an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from millet.codec import codes, masks
from millet.codec.content import Pen
from millet.codec.document import head, pen_of
from millet.codec.elements import Encoded, Item, dataset, element, joined
from millet.codec.part10 import encapsulated, part10
from millet.codec.source import Source
from millet.core.analysis import Analysis
from millet.core.labels import Labels
from millet.core.nodule import Nodule, NoduleClass, Side
from millet.core.uids import object_uid

LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
JPEG_LS = "1.2.840.10008.1.2.4.80"
MOST_SEGMENTS = 65_535
"""Segment Number (0062,0004) and the voxels have sixteen bits."""
_COLOURS = (
    (45746, 44975, 46003),
    (51403, 20836, 47288),
    (41634, 21588, 24415),
    (37008, 46260, 43690),
    (53199, 30069, 51143),
    (36494, 45746, 22873),
)
"""Yellow, green, cyan, orange, lime and violet as CIELab (PS3.3 C.10.7.1.1), in turn: neighbours differ."""
_BLACK = (0, 32896, 32896)


def encode(analysis: Analysis, labels: Labels, source: Source) -> bytes | None:
    """Encode the labels as a DICOM file; segment n is nodule n.

    Args:
        analysis: whose nodules the labels number.
        labels: on the grid of the source images: plane z is the z-th image, rows and columns as stored.
        source: the images of the analysed stack, in that order.

    Returns:
        None where no voxel is labelled, and where a number is above `MOST_SEGMENTS`, which no LABELMAP can
        hold: the SR and the BINARY SEG hold every nodule even then.

    Raises:
        ValueError: The labels do not fit the images, or number a nodule that is not there.
    """
    masks.check(labels, source)
    nodules = masks.drawn(analysis, np.unique(labels.numbers).tolist())
    if not nodules or max(nodule.number for nodule in nodules) > MOST_SEGMENTS:
        return None
    wide = max(nodule.number for nodule in nodules) > 255
    _, rows, columns = labels.shape
    planes = np.unique(labels.voxels // (rows * columns)).tolist()
    pen, shape = pen_of(analysis, source), (len(planes), rows, columns)
    document = {
        **head(analysis, source, kind="labelmap", sop_class_uid=LABEL_MAP_SEGMENTATION, modality="SEG"),
        **masks.image(analysis, source, shape, bits=16 if wide else 8),
        **dataset(PixelPaddingValue=0),
        **_description(analysis, nodules, pen),
        **masks.dimensions(object_uid(analysis, "labelmap-dimensions"), masks.POSITION),
        **_groups(planes, source, pen),
        **masks.references(source),
        **encapsulated([*_frames(labels, np.uint16 if wide else np.uint8)]),
    }
    return part10(
        document,
        sop_class_uid=LABEL_MAP_SEGMENTATION,
        sop_instance_uid=object_uid(analysis, "labelmap"),
        transfer_syntax_uid=JPEG_LS,
    )


def _frames(labels: Labels, kind: type[np.uint8 | np.uint16]) -> Iterator[bytes]:
    """The planes that hold something, in stack order."""
    _, rows, columns = labels.shape
    plane, place = np.divmod(labels.voxels, rows * columns)
    _, starts = np.unique(plane, return_index=True)
    frame: NDArray[np.uint8 | np.uint16] = np.zeros(rows * columns, kind)
    for start, stop in zip(starts, [*starts[1:], len(plane)], strict=True):
        frame[place[start:stop]] = labels.numbers[start:stop]
        yield bytes(imagecodecs.jpegls_encode(frame.reshape(rows, columns)))
        frame[place[start:stop]] = 0


def _description(analysis: Analysis, nodules: Sequence[Nodule], pen: Pen) -> Encoded:
    """The segmentation image module (PS3.3 C.8.20.2); what no nodule has is a segment, too."""
    made_by = masks.made_by(analysis)
    return pen.dataset(
        SegmentationType="LABELMAP",
        SegmentsOverlap="NO",
        ContentLabel="EACH_NODULE",
        ContentDescription=pen.say("statement.short"),
        ContentCreatorName="",
        SegmentSequence=[joined(_background(made_by, pen)), *_segments(nodules, joined(made_by), pen)],
    )


def _background(made_by: Encoded, pen: Pen) -> Encoded:
    return {
        **made_by,
        **pen.dataset(
            SegmentNumber=0,
            SegmentLabel=pen.say("seg.background"),
            SegmentedPropertyCategoryCodeSequence=[pen.encoded(codes.BACKGROUND)],
            SegmentedPropertyTypeCodeSequence=[pen.encoded(codes.BACKGROUND)],
            RecommendedDisplayCIELabValue=_BLACK,
        ),
    }


def _segments(nodules: Sequence[Nodule], made_by: Item, pen: Pen) -> Iterator[Item]:
    """One item a nodule, its elements in the order of their tags; what many share is encoded once."""
    for nodule in nodules:
        number, kind = nodule.number, nodule.nodule_class
        name = f"{pen.say(f'name.{kind}')} {number}"
        yield b"".join(
            (
                _place(pen, nodule.side),
                _category(pen),
                element("SegmentNumber", number),
                pen.element("SegmentLabel", name),
                pen.element("SegmentDescription", pen.say("seg.size", mm=nodule.diameter_mm)),
                made_by,
                element("RecommendedDisplayCIELabValue", _COLOURS[number % len(_COLOURS)]),
                _type(pen, kind),
                pen.element("TrackingID", name),
                element("TrackingUID", nodule.tracking_uid),
            )
        )


@cache
def _place(pen: Pen, side: Side) -> bytes:
    where = {
        **pen.encoded(codes.LUNG),
        **dataset(AnatomicRegionModifierSequence=[pen.encoded(codes.SIDES[side])]),
    }
    return element("AnatomicRegionSequence", [where])


@cache
def _category(pen: Pen) -> bytes:
    return element("SegmentedPropertyCategoryCodeSequence", [pen.encoded(codes.ABNORMAL_STRUCTURE)])


@cache
def _type(pen: Pen, kind: NoduleClass) -> bytes:
    return element("SegmentedPropertyTypeCodeSequence", [pen.encoded(codes.CLASSES[kind])])


def _groups(planes: Sequence[int], source: Source, pen: Pen) -> Encoded:
    """The functional groups (PS3.3 C.7.6.16): frames of a LABELMAP belong to no one segment."""
    shown = masks.shown(source, planes, pen)
    return dataset(
        SharedFunctionalGroupsSequence=[masks.shared(source)],
        PerFrameFunctionalGroupsSequence=[
            {**shown[z], **dataset(FrameContentSequence=[dataset(DimensionIndexValues=(rank,))])}
            for rank, z in enumerate(planes, start=1)
        ],
    )
