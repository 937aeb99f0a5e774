"""What our masks share: the source images they lie on, which of them hold something, whose they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from millet.codec import codes
from millet.codec.codes import Code
from millet.codec.content import Pen
from millet.codec.disclosure import disclosure
from millet.codec.document import pen_of
from millet.codec.elements import Encoded, dataset, tag_of
from millet.codec.source import Source, SourceImage
from millet.core.analysis import Analysis
from millet.core.labels import Labels
from millet.core.nodule import Nodule

LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
"""What was once compressed with loss says so in what is derived from it."""


def check(labels: Labels, source: Source) -> None:
    """Raise ValueError where labels are not on the grid of the images."""
    first = source.images[0]
    rows, columns = (first.raw[word].number for word in ("Rows", "Columns"))
    if labels.shape != (len(source.images), rows, columns):
        raise ValueError(f"labels {labels.shape} do not fit {len(source.images)} images {rows} x {columns}")


def drawn(analysis: Analysis, numbers: Iterable[int]) -> list[Nodule]:
    """The nodules that have a voxel, in their order. Raises ValueError for a number that none has."""
    labelled = set(numbers)
    nodules = [nodule for nodule in analysis.nodules if nodule.number in labelled]
    if unknown := labelled - {nodule.number for nodule in nodules}:
        raise ValueError(f"labels {sorted(unknown)} are no nodule's number")
    return nodules


def made_by(analysis: Analysis) -> Encoded:
    """What segmented (PS3.3 C.8.20.2.3), in the item of a segment."""
    provenance = analysis.provenance
    return dataset(
        SegmentAlgorithmType="AUTOMATIC",
        SegmentAlgorithmName=f"Millet {provenance.model_name} {provenance.model_version}",
    )


def region(nodules: Sequence[Nodule], pen: Pen) -> Encoded:
    """The lung, with its side where all nodules lie in one."""
    sides: set[Code] = {codes.SIDES[nodule.side] for nodule in nodules}
    if len(sides) > 1:
        return pen.encoded(codes.LUNG)
    modifier = dataset(AnatomicRegionModifierSequence=[pen.encoded(side) for side in sides])
    return {**pen.encoded(codes.LUNG), **modifier}


def image(analysis: Analysis, source: Source, shape: tuple[int, int, int], bits: int) -> Encoded:
    """General image and image pixel modules, without the pixels; `shape` is of the frames."""
    frames, rows, columns = shape
    return {
        **pen_of(analysis, source).dataset(
            ImageType=("DERIVED", "PRIMARY"),
            ImageComments=" ".join(disclosure(analysis)),
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            NumberOfFrames=frames,
            Rows=rows,
            Columns=columns,
            BitsAllocated=bits,
            BitsStored=bits,
            HighBit=bits - 1,
            PixelRepresentation=0,
            BurnedInAnnotation="NO",
            LossyImageCompression="00",
        ),
        **source.images[0].copied(*LOSSY),
    }


def dimensions(organization_uid: str, *pointers: tuple[str, str, str]) -> Encoded:
    """What frames are indexed by (PS3.3 C.7.6.17): sequence, element and label of each dimension."""
    return dataset(
        DimensionOrganizationSequence=[dataset(DimensionOrganizationUID=organization_uid)],
        DimensionIndexSequence=[
            dataset(
                DimensionOrganizationUID=organization_uid,
                FunctionalGroupPointer=pointer(group),
                DimensionIndexPointer=pointer(element),
                DimensionDescriptionLabel=label,
            )
            for group, element, label in pointers
        ],
    )


POSITION = ("PlanePositionSequence", "ImagePositionPatient", "Position")
"""The dimension that every mask has."""


def pointer(keyword: str) -> bytes:
    """A tag as the value of an element."""
    tag = tag_of(keyword)
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")


def shared(source: Source) -> Encoded:
    """The functional groups of all frames (PS3.3 C.7.6.16.2.1, C.7.6.16.2.4)."""
    first = source.images[0]
    spacing = _spacing(source)
    measures = {
        **first.copied("PixelSpacing", "SliceThickness"),
        **(dataset(SpacingBetweenSlices=f"{spacing:.9g}") if spacing else {}),
    }
    return dataset(
        PixelMeasuresSequence=[measures],
        PlaneOrientationSequence=[first.copied("ImageOrientationPatient")],
    )


def shown(source: Source, planes: Iterable[int], pen: Pen) -> Mapping[int, Encoded]:
    """By plane, what frames have of their source image: where they lie and what they were made from."""
    return {z: _shown(source.images[z], pen) for z in planes}


def _shown(image: SourceImage, pen: Pen) -> Encoded:
    purpose, derivation = _derived(pen)
    origin = {**image.reference, **purpose}
    return dataset(
        PlanePositionSequence=[image.copied("ImagePositionPatient")],
        DerivationImageSequence=[{**dataset(SourceImageSequence=[origin]), **derivation}],
    )


@cache
def _derived(pen: Pen) -> tuple[Encoded, Encoded]:
    """What for and how it was derived from its source."""
    purpose = dataset(
        PurposeOfReferenceCodeSequence=[pen.encoded(codes.SOURCE_PURPOSE)], SpatialLocationsPreserved="YES"
    )
    return purpose, dataset(DerivationCodeSequence=[pen.encoded(codes.DERIVED_BY_SEGMENTATION)])


def _spacing(source: Source) -> float | None:
    """The mean distance of neighbouring images in mm, None for a single one."""
    places = np.asarray(
        [[float(v) for v in image.text("ImagePositionPatient").split("\\")] for image in source.images]
    )
    steps = np.sqrt((np.diff(places, axis=0) ** 2).sum(axis=1))
    return float(np.mean(steps)) if len(steps) else None


def references(source: Source) -> Encoded:
    """Frame of reference, and the images (PS3.3 C.12.2)."""
    series = [
        dataset(SeriesInstanceUID=uid, ReferencedInstanceSequence=images)
        for uid, images in source.by_series().items()
    ]
    return {
        **dataset(PositionReferenceIndicator=""),
        **source.images[0].copied("FrameOfReferenceUID", "PositionReferenceIndicator"),
        **dataset(ReferencedSeriesSequence=series),
    }
