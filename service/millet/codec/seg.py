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

from millet.codec import codes
from millet.codec.codes import Code, encoded
from millet.codec.document import STATEMENT, head
from millet.codec.elements import Encoded, dataset, tag_of
from millet.codec.part10 import part10
from millet.codec.source import Source, SourceImage
from millet.core.analysis import Analysis
from millet.core.labels import Labels
from millet.core.nodule import Nodule, NoduleClass
from millet.core.uids import object_uid

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_COLOURS = {NoduleClass.NODULE: (45746, 44975, 46003), NoduleClass.MASS: (34885, 53485, 50171)}
"""Yellow and red, as CIELab (PS3.3 C.10.7.1.1)."""


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
    _check(labels, source)
    drawn, which = np.unique(labels.numbers, return_inverse=True)
    segments = _segments(analysis, drawn)
    if not segments:
        return None
    belongs = {nodule.number: segment.number for segment in segments for nodule in segment.nodules}
    frames = _frames(labels, np.asarray([belongs[number] for number in drawn.tolist()])[which])
    common = head(analysis, source, kind="seg", sop_class_uid=SEGMENTATION, modality="SEG")
    document = {
        **common,
        **_image(frames, labels.shape, source),
        **_description(analysis, segments),
        **_dimensions(analysis),
        **_groups(frames, source),
        **_references(source),
    }
    return part10(document, sop_class_uid=SEGMENTATION, sop_instance_uid=object_uid(analysis, "seg"))


def _check(labels: Labels, source: Source) -> None:
    first = source.images[0]
    rows, columns = (first.raw[word].number for word in ("Rows", "Columns"))
    if labels.shape != (len(source.images), rows, columns):
        raise ValueError(f"labels {labels.shape} do not fit {len(source.images)} images {rows} x {columns}")


def _segments(analysis: Analysis, numbers: NDArray[np.integer]) -> list[_Segment]:
    """The segments that have a voxel, numbered from 1."""
    drawn = set(numbers.tolist())
    nodules = [nodule for nodule in analysis.nodules if nodule.number in drawn]
    if unknown := drawn - {nodule.number for nodule in nodules}:
        raise ValueError(f"labels {sorted(unknown)} are no nodule's number")
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


def _image(frames: _Frames, shape: tuple[int, int, int], source: Source) -> Encoded:
    """Image pixel and general image modules."""
    lossy = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
    return {
        **dataset(
            ImageType=("DERIVED", "PRIMARY"),
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            NumberOfFrames=len(frames.planes),
            Rows=shape[1],
            Columns=shape[2],
            BitsAllocated=1,
            BitsStored=1,
            HighBit=0,
            PixelRepresentation=0,
            BurnedInAnnotation="NO",
            LossyImageCompression="00",
            PixelData=frames.bits,
        ),
        **source.images[0].copied(*lossy),
    }


def _description(analysis: Analysis, segments: Sequence[_Segment]) -> Encoded:
    """The segmentation image module (PS3.3 C.8.20.2)."""
    return dataset(
        SegmentationType="BINARY",
        ContentLabel="NODULES",
        ContentDescription=STATEMENT[:64],
        ContentCreatorName="",
        SegmentSequence=[_segment(segment, analysis) for segment in segments],
    )


def _segment(segment: _Segment, analysis: Analysis) -> Encoded:
    made_by = analysis.provenance
    several = {NoduleClass.NODULE: "nodules", NoduleClass.MASS: "mass"}
    return dataset(
        SegmentNumber=segment.number,
        SegmentLabel=several[segment.kind],
        SegmentDescription=f"{len(segment.nodules)} found, unverified",
        SegmentAlgorithmType="AUTOMATIC",
        SegmentAlgorithmName=f"Millet {made_by.model_name} {made_by.model_version}",
        SegmentedPropertyCategoryCodeSequence=[encoded(codes.ABNORMAL_STRUCTURE)],
        SegmentedPropertyTypeCodeSequence=[encoded(codes.CLASSES[segment.kind])],
        AnatomicRegionSequence=[_region(segment)],
        RecommendedDisplayCIELabValue=_COLOURS[segment.kind],
    )


def _region(segment: _Segment) -> Encoded:
    """The lung, with its side where all nodules of the segment lie in one."""
    sides: set[Code] = {codes.SIDES[nodule.side] for nodule in segment.nodules}
    if len(sides) > 1:
        return encoded(codes.LUNG)
    modifier = dataset(AnatomicRegionModifierSequence=[encoded(side) for side in sides])
    return {**encoded(codes.LUNG), **modifier}


def _dimensions(analysis: Analysis) -> Encoded:
    """Frames are indexed by segment, then by position (PS3.3 C.7.6.17)."""
    organization = object_uid(analysis, "seg-dimensions")
    pointers = (
        ("SegmentIdentificationSequence", "ReferencedSegmentNumber", "Segment"),
        ("PlanePositionSequence", "ImagePositionPatient", "Position"),
    )
    return dataset(
        DimensionOrganizationSequence=[dataset(DimensionOrganizationUID=organization)],
        DimensionIndexSequence=[
            dataset(
                DimensionOrganizationUID=organization,
                FunctionalGroupPointer=_pointer(group),
                DimensionIndexPointer=_pointer(element),
                DimensionDescriptionLabel=label,
            )
            for group, element, label in pointers
        ],
    )


def _pointer(keyword: str) -> bytes:
    tag = tag_of(keyword)
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")


def _groups(frames: _Frames, source: Source) -> Encoded:
    """The functional groups (PS3.3 C.7.6.16)."""
    first = source.images[0]
    spacing = _spacing(source)
    measures = {
        **first.copied("PixelSpacing", "SliceThickness"),
        **(dataset(SpacingBetweenSlices=f"{spacing:.9g}") if spacing else {}),
    }
    shared = dataset(
        PixelMeasuresSequence=[measures],
        PlaneOrientationSequence=[first.copied("ImageOrientationPatient")],
    )
    rank = {z: place for place, z in enumerate(sorted(set(frames.planes)), start=1)}
    shown = {z: _shown(source.images[z]) for z in rank}
    return dataset(
        SharedFunctionalGroupsSequence=[shared],
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


def _shown(image: SourceImage) -> Encoded:
    """What all frames of one source image share: where they lie and what they were made from."""
    origin = {**image.reference, **_PURPOSE}
    return dataset(
        PlanePositionSequence=[image.copied("ImagePositionPatient")],
        DerivationImageSequence=[{**dataset(SourceImageSequence=[origin]), **_DERIVATION}],
    )


_PURPOSE = dataset(
    PurposeOfReferenceCodeSequence=[encoded(codes.SOURCE_PURPOSE)], SpatialLocationsPreserved="YES"
)
_DERIVATION = dataset(DerivationCodeSequence=[encoded(codes.DERIVED_BY_SEGMENTATION)])


def _spacing(source: Source) -> float | None:
    """The mean distance of neighbouring images in mm, None for a single one."""
    places = np.asarray(
        [[float(v) for v in image.text("ImagePositionPatient").split("\\")] for image in source.images]
    )
    steps = np.sqrt((np.diff(places, axis=0) ** 2).sum(axis=1))
    return float(np.mean(steps)) if len(steps) else None


def _references(source: Source) -> Encoded:
    """Frame of reference, and the images (PS3.3 C.12.2)."""
    series = [
        dataset(SeriesInstanceUID=uid, ReferencedInstanceSequence=references)
        for uid, references in source.by_series().items()
    ]
    return {
        **dataset(PositionReferenceIndicator=""),
        **source.images[0].copied("FrameOfReferenceUID", "PositionReferenceIndicator"),
        **dataset(ReferencedSeriesSequence=series),
    }
