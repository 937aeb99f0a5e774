"""The mask: a BINARY Segmentation (PS3.3 A.51) of all nodules and, apart from them, of the masses.

One segment for all nodules keeps a scan with two thousand of them as small as one with two. Only
frames that hold something are written. Positions, orientation and spacing are the very bytes of the
source images, so that the mask lies on them exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet.codec import codes, masks
from millet.codec.content import Pen
from millet.codec.document import head, pen_of
from millet.codec.elements import Encoded, dataset
from millet.codec.part10 import part10
from millet.codec.source import Source
from millet.core.analysis import Analysis
from millet.core.labels import Labels
from millet.core.nodule import Nodule, NoduleClass
from millet.core.uids import object_uid

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_COLOURS = {NoduleClass.NODULE: (45746, 44975, 46003), NoduleClass.MASS: (34885, 53485, 50171)}
"""Yellow and red, as CIELab (PS3.3 C.10.7.1.1)."""

_SEGMENT = ("SegmentIdentificationSequence", "ReferencedSegmentNumber", "Segment")
"""The dimension before that of positions."""


class _Segment(NamedTuple):
    number: int
    kind: NoduleClass
    nodules: tuple[Nodule, ...]


class _Frames(NamedTuple):
    """What is written: the segment and the z index of each frame, and all their bits, packed."""

    segments: list[int]
    planes: list[int]
    bits: bytes


def encode(analysis: Analysis, labels: Labels, source: Source) -> bytes | None:
    """Encode the mask as a DICOM file, or None where no voxel is labelled.

    Args:
        analysis: whose nodules the labels number.
        labels: on the grid of the source images: plane z is the z-th image, rows and columns as stored.
        source: the images of the analysed stack, in that order.

    Raises:
        ValueError: The labels do not fit the images, or number a nodule that is not there.
    """
    masks.check(labels, source)
    drawn, which = np.unique(labels.numbers, return_inverse=True)
    segments = _segments(analysis, drawn)
    if not segments:
        return None
    belongs = {nodule.number: segment.number for segment in segments for nodule in segment.nodules}
    frames = _frames(labels, np.asarray([belongs[number] for number in drawn.tolist()])[which])
    pen = pen_of(analysis, source)
    common = head(analysis, source, kind="seg", sop_class_uid=SEGMENTATION, modality="SEG")
    document = {
        **common,
        **masks.image(analysis, source, (len(frames.planes), *labels.shape[1:]), bits=1),
        **dataset(PixelData=frames.bits),
        **_description(analysis, segments, pen),
        **masks.dimensions(object_uid(analysis, "seg-dimensions"), _SEGMENT, masks.POSITION),
        **_groups(frames, source, pen),
        **masks.references(source),
    }
    return part10(document, sop_class_uid=SEGMENTATION, sop_instance_uid=object_uid(analysis, "seg"))


def _segments(analysis: Analysis, numbers: NDArray[np.integer]) -> list[_Segment]:
    """The segments that have a voxel, numbered from 1."""
    nodules = masks.drawn(analysis, numbers.tolist())
    kinds = [(kind, tuple(n for n in nodules if n.nodule_class is kind)) for kind in NoduleClass]
    filled = [(kind, members) for kind, members in kinds if members]
    return [_Segment(number, kind, members) for number, (kind, members) in enumerate(filled, start=1)]


def _frames(labels: Labels, segments: NDArray[np.integer]) -> _Frames:
    """Non-empty frames, segment by segment, in stack order; bits run on between them (PS3.5 8.1.1).

    `segments` are of the labelled voxels.
    """
    depth, rows, columns = labels.shape
    plane, place = np.divmod(labels.voxels, rows * columns)
    frames, frame = np.unique(segments * depth + plane, return_inverse=True)
    bits = frame * (rows * columns) + place
    packed = np.zeros((len(frames) * rows * columns + 7) // 8, np.uint8)
    np.bitwise_or.at(packed, bits >> 3, (1 << (bits & 7)).astype(np.uint8))
    return _Frames((frames // depth).tolist(), (frames % depth).tolist(), packed.tobytes())


def _description(analysis: Analysis, segments: Sequence[_Segment], pen: Pen) -> Encoded:
    """The segmentation image module (PS3.3 C.8.20.2)."""
    return pen.dataset(
        SegmentationType="BINARY",
        ContentLabel="NODULES",
        ContentDescription=pen.say("statement.short"),
        ContentCreatorName="",
        SegmentSequence=[_segment(segment, analysis, pen) for segment in segments],
    )


def _segment(segment: _Segment, analysis: Analysis, pen: Pen) -> Encoded:
    several = {NoduleClass.NODULE: "seg.nodules", NoduleClass.MASS: "seg.mass"}
    return {
        **masks.made_by(analysis),
        **pen.dataset(
            SegmentNumber=segment.number,
            SegmentLabel=pen.say(several[segment.kind]),
            SegmentDescription=pen.say("seg.found", count=len(segment.nodules)),
            SegmentedPropertyCategoryCodeSequence=[pen.encoded(codes.ABNORMAL_STRUCTURE)],
            SegmentedPropertyTypeCodeSequence=[pen.encoded(codes.CLASSES[segment.kind])],
            AnatomicRegionSequence=[masks.region(segment.nodules, pen)],
            RecommendedDisplayCIELabValue=_COLOURS[segment.kind],
        ),
    }


def _groups(frames: _Frames, source: Source, pen: Pen) -> Encoded:
    """The functional groups (PS3.3 C.7.6.16)."""
    rank = {z: place for place, z in enumerate(sorted(set(frames.planes)), start=1)}
    shown = masks.shown(source, rank, pen)
    return dataset(
        SharedFunctionalGroupsSequence=[masks.shared(source)],
        PerFrameFunctionalGroupsSequence=[
            {
                **shown[z],
                **dataset(
                    FrameContentSequence=[dataset(DimensionIndexValues=(segment, rank[z]))],
                    SegmentIdentificationSequence=[dataset(ReferencedSegmentNumber=segment)],
                ),
            }
            for segment, z in zip(frames.segments, frames.planes, strict=True)
        ],
    )
