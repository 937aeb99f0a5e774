"""What the Label Map Segmentation IOD demands of an object (PS3.3 A.51, C.8.20.2); dciodvfy knows it not.

Written from the Standard, module by module; the elements that are always required are besides compared
with the tables that highdicom ships.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import highdicom
from pydicom import Dataset

LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
_TYPE_1 = """
SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality SeriesNumber Manufacturer
ManufacturerModelName DeviceSerialNumber SoftwareVersions FrameOfReferenceUID InstanceNumber ContentDate
ContentTime ImageType SamplesPerPixel PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit
PixelRepresentation LossyImageCompression SegmentationType ContentLabel SegmentSequence NumberOfFrames
SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence DimensionOrganizationSequence
DimensionIndexSequence ReferencedSeriesSequence PixelData PixelPaddingValue SegmentsOverlap
"""
_TYPE_2 = """
PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime AccessionNumber ReferringPhysicianName
StudyID PositionReferenceIndicator ContentDescription ContentCreatorName
"""
_SEGMENT = """
SegmentNumber SegmentLabel SegmentAlgorithmType SegmentAlgorithmName SegmentedPropertyCategoryCodeSequence
SegmentedPropertyTypeCodeSequence
"""
_STANDARD = Path(highdicom.__file__).parent / "_standard"


def faults(ds: Dataset) -> list[str]:
    """Every breach, in words; none for an object that keeps to the IOD."""
    return [*_missing(ds), *_values(ds), *_segments(ds), *_frames(ds)]


def always_required() -> set[str]:
    """The elements of type 1 at the top of the IOD's mandatory modules, as highdicom's tables have them."""
    iods, modules, classes = (
        json.loads((_STANDARD / f"{name}.json").read_text("utf-8"))
        for name in ("iod_module_map", "module_attribute_map", "sop_class_iod_map")
    )
    mandatory = [one["key"] for one in iods[classes[LABEL_MAP]] if one["usage"] == "M"]
    found = {a["keyword"] for key in mandatory for a in modules[key] if a["type"] == "1" and not a["path"]}
    return found - {"SOPInstanceUIDOfConcatenationSource"}


def _missing(ds: Dataset) -> Iterator[str]:
    yield from (f"{word} is empty or missing" for word in _TYPE_1.split() if not _filled(ds, word))
    yield from (f"{word} is missing" for word in _TYPE_2.split() if word not in ds)


def _filled(ds: Dataset, word: str) -> bool:
    return word in ds and ds[word].value is not None and ds[word].value not in ("", [])


def _values(ds: Dataset) -> Iterator[str]:
    """Enumerated values (C.8.20.2.1), and PS3.3 A.51.5 on padding."""
    told = {
        "SOPClassUID": LABEL_MAP,
        "Modality": "SEG",
        "SegmentationType": "LABELMAP",
        "SegmentsOverlap": "NO",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelRepresentation": 0,
        "PixelPaddingValue": 0,
    }
    yield from (
        f"{word} is {ds.get(word)}, not {value}" for word, value in told.items() if ds.get(word) != value
    )
    if list(ds.ImageType)[:2] != ["DERIVED", "PRIMARY"]:
        yield f"ImageType is {ds.ImageType}"
    if (
        ds.BitsAllocated not in {8, 16}
        or ds.BitsStored != ds.BitsAllocated
        or ds.HighBit != ds.BitsStored - 1
    ):
        yield f"bits are {ds.BitsAllocated}, {ds.BitsStored}, {ds.HighBit}"


def _segments(ds: Dataset) -> Iterator[str]:
    """Each segment once, rising, each described, every voxel's value among them."""
    numbers = [item.SegmentNumber for item in ds.SegmentSequence]
    if numbers != sorted(set(numbers)):
        yield "segment numbers do not rise"
    for item in ds.SegmentSequence:
        yield from (
            f"segment {item.SegmentNumber} lacks {word}" for word in _SEGMENT.split() if word not in item
        )
        if ("TrackingID" in item) != ("TrackingUID" in item):
            yield f"segment {item.SegmentNumber} has one of TrackingID and TrackingUID"
    if unknown := {int(v) for v in set(ds.pixel_array.reshape(-1).tolist())} - set(numbers):
        yield f"voxels hold {sorted(unknown)}, which is no segment"


def _frames(ds: Dataset) -> Iterator[str]:
    """One item a frame, indexed by what the dimensions say, without a segment of its own."""
    frames = ds.PerFrameFunctionalGroupsSequence
    if len(frames) != ds.NumberOfFrames:
        yield f"{len(frames)} functional groups for {ds.NumberOfFrames} frames"
    shared = ds.SharedFunctionalGroupsSequence[0]
    for word in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        if word not in shared:
            yield f"{word} is missing"
    indices = [tuple(_several(f.FrameContentSequence[0].DimensionIndexValues)) for f in frames]
    if any(len(index) != len(ds.DimensionIndexSequence) for index in indices) or len(set(indices)) < len(
        frames
    ):
        yield "dimension indices do not tell frames apart"
    for number, frame in enumerate(frames, start=1):
        if "PlanePositionSequence" not in frame or "DerivationImageSequence" not in frame:
            yield f"frame {number} has no position or no source"
        if "SegmentIdentificationSequence" in frame:
            yield f"frame {number} names a segment"


def _several(value: object) -> list[object]:
    return list(value) if hasattr(value, "__iter__") else [value]
