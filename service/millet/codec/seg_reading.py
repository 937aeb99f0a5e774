"""Reads the nodules of a segmentation (PS3.3 A.51), ours or anybody's: where each lies and how large it is.

A segment counts where its type is a lesion and its region, if one is told, is of the lungs. Each piece of it
that hangs together is one nodule: our own BINARY segment holds all of them, other people's one each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from millet.codec import sr_lesion as known
from millet.codec.codes import Code
from millet.codec.decoders import DECODERS, RLE, Coded, decode
from millet.codec.elements import transfer_syntax
from millet.codec.sr_reading import ReadLesion, ReadReport
from millet.codec.sr_region import Flaw, Segment
from millet.core.bits import Mask
from millet.core.components import Components
from millet.core.geometry import Floats, PointMm

CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
"""Segmentation Storage and Label Map Segmentation Storage."""
NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"})
MOST_FRAMES = 20_000
MOST_PIXELS = 1 << 22
"""Of a frame."""
MOST_VOXELS = 1 << 28
"""Of the box around a segment."""
_TAGS = """
SOPClassUID SOPInstanceUID Rows Columns NumberOfFrames BitsAllocated SegmentationType MaximumFractionalValue
FrameOfReferenceUID SegmentSequence SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence PixelData
"""


class Drawn(NamedTuple):
    """One nodule as it was drawn."""

    segment: int
    """Number of its segment."""
    tracking_uid: str
    """Of its segment, if that has one and this is its largest piece; else empty."""
    centre_mm: PointMm
    volume_mm3: float

    @property
    def diameter_mm(self) -> float:
        """Of the ball of its volume."""
        return known.of_volume_mm(self.volume_mm3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSegmentation:
    """A segmentation and its nodules."""

    sop_instance_uid: str
    frame_of_reference_uid: str
    lesions: tuple[Drawn, ...]
    elsewhere: int
    """Segments that are lesions, and not of the lungs."""
    names_lungs: bool
    """Whether the region of any lesion is told, and of the lungs."""


def read(encoded: bytes) -> ReadSegmentation:
    """Read a segmentation (DICOM file).

    Raises:
        ValueError: The bytes are no segmentation that can be read; nothing of them is quoted.
    """
    syntax = transfer_syntax(encoded)
    if syntax not in NATIVE and syntax not in DECODERS and syntax != RLE:
        raise ValueError("the segmentation is compressed in a way that is not read")
    try:
        found = dcmread(BytesIO(encoded), force=True, specific_tags=_TAGS.split())
        return _read(found, syntax)
    except Exception as damage:  # noqa: BLE001 - pydicom raises what it likes, and may quote what it read
        raise ValueError(f"the segmentation cannot be read: {type(damage).__name__}") from None


def _read(found: Dataset, syntax: str) -> ReadSegmentation:
    if str(found.SOPClassUID) not in CLASSES:
        raise ValueError("the bytes are no segmentation")
    kinds = {int(one.SegmentNumber): one for one in found.SegmentSequence}
    drawn = {number: one for number, one in kinds.items() if _is_lesion(one)}
    wanted = frozenset(number for number, one in drawn.items() if _is_of_lungs(one))
    lattice = _Lattice.of(found)
    voxels: dict[int, list[NDArray[np.int64]]] = {number: [] for number in wanted}
    for number, place, held in _frames(found, syntax, wanted):
        rows, columns = np.nonzero(held)
        z = np.full(len(rows), lattice.plane(place))
        voxels[number].append(np.stack([z, rows, columns], axis=1).astype(np.int64))
    lesions = [
        nodule
        for number, parts in sorted(voxels.items())
        if parts
        for nodule in _nodules(number, np.concatenate(parts), lattice, _name(kinds[number]))
    ]
    return ReadSegmentation(
        sop_instance_uid=str(found.SOPInstanceUID),
        frame_of_reference_uid=str(found.get("FrameOfReferenceUID") or ""),
        lesions=tuple(lesions),
        elsewhere=len(drawn) - len(wanted),
        names_lungs=any(_region(drawn[number]) is not None for number in wanted),
    )


def _name(segment: Dataset) -> str:
    return str(segment.get("TrackingUID") or "")


def _is_lesion(segment: Dataset) -> bool:
    return known.key(_code(segment, "SegmentedPropertyTypeCodeSequence")) in known.LESIONS


def _is_of_lungs(segment: Dataset) -> bool:
    region = _region(segment)
    return region is None or known.key(region) in known.IN_LUNGS


def _region(segment: Dataset) -> Code | None:
    return _code(segment, "AnatomicRegionSequence")


def _code(holder: Dataset, keyword: str) -> Code | None:
    items = holder.get(keyword)
    if not items:
        return None
    return Code(str(items[0].CodeValue), str(items[0].CodingSchemeDesignator), "")


class _Lattice(NamedTuple):
    """Where voxels (plane, row, column) lie in the patient."""

    origin_mm: Floats
    steps_mm: Floats
    """(3, 3): from plane to plane, row to row, column to column."""
    levels_mm: tuple[float, float]
    """The lowest plane along the normal, and the distance of planes."""

    @classmethod
    def of(cls, found: Dataset) -> _Lattice:
        """Of all frames together; ValueError where they do not lie side by side."""
        frames = _per_frame(found)
        places = np.asarray([_position(frame, found) for frame in frames], float)
        turns = {
            tuple(map(float, _group(frame, found, "PlaneOrientation").ImageOrientationPatient))
            for frame in frames
        }
        if len(turns) != 1:
            raise ValueError("the frames lie at angles")
        along = np.asarray(turns.pop())
        normal = np.cross(along[:3], along[3:])
        measures = _group(frames[0], found, "PixelMeasures")
        row_mm, column_mm = map(float, measures.PixelSpacing)
        levels = np.unique((places @ normal).round(3))
        step = float(measures.get("SpacingBetweenSlices") or 0) or _step(levels, measures)
        if not (step > 0 and row_mm > 0 and column_mm > 0):
            raise ValueError("the frames have no extent")
        lowest = places[int(np.argmin(places @ normal))]
        steps = np.stack([normal * step, along[3:] * row_mm, along[:3] * column_mm])
        return cls(lowest, steps, (float(levels[0]), step))

    def plane(self, place: Floats) -> int:
        """The index of the plane of a frame, by its position."""
        lowest, step = self.levels_mm
        return round((float(place @ self.steps_mm[0]) / step - lowest) / step)

    @property
    def voxel_mm3(self) -> float:
        """Of one voxel."""
        return float(np.prod(np.linalg.norm(self.steps_mm, axis=1)))


def _step(levels: Floats, measures: Dataset) -> float:
    return float(np.diff(levels).min()) if len(levels) > 1 else float(measures.get("SliceThickness") or 0)


def _per_frame(found: Dataset) -> Sequence[Dataset]:
    frames = found.PerFrameFunctionalGroupsSequence
    if not 0 < len(frames) <= MOST_FRAMES or found.Rows * found.Columns > MOST_PIXELS:
        raise ValueError("there are more frames or pixels than are read")
    return list(frames)


def _group(frame: Dataset, found: Dataset, name: str) -> Any:
    """A functional group of one frame, or the one that all share (PS3.3 C.7.6.16)."""
    keyword = f"{name}Sequence"
    own = frame.get(keyword) or found.SharedFunctionalGroupsSequence[0].get(keyword)
    if not own:
        raise ValueError(f"no {name}")
    return own[0]


def _position(frame: Dataset, found: Dataset) -> Floats:
    return np.asarray([float(value) for value in _group(frame, found, "PlanePosition").ImagePositionPatient])


def _frames(found: Dataset, syntax: str, wanted: frozenset[int]) -> Iterator[tuple[int, Floats, Mask]]:
    """Each wanted segment in each frame: its number, where the frame is, and its voxels (rows, columns)."""
    stored = _stored(found, syntax)
    for frame, values in zip(_per_frame(found), stored, strict=True):
        place = _position(frame, found)
        if found.SegmentationType == "LABELMAP":
            held = sorted(wanted.intersection(np.unique(values).tolist()))
            yield from ((number, place, values == number) for number in held)
            continue
        number = int(_group(frame, found, "SegmentIdentification").ReferencedSegmentNumber)
        if number in wanted:
            half = float(found.get("MaximumFractionalValue") or 1) / 2
            yield number, place, values >= half


def _stored(found: Dataset, syntax: str) -> Iterator[NDArray[Any]]:
    """The stored values of each frame (rows, columns)."""
    rows, columns, bits = int(found.Rows), int(found.Columns), int(found.BitsAllocated)
    size, data = rows * columns, found.PixelData
    count = len(found.PerFrameFunctionalGroupsSequence)
    if syntax not in NATIVE:
        for code in generate_frames(data, number_of_frames=count):
            yield decode(Coded(syntax, rows, columns, bits, code))
        return
    for frame in range(count):
        if bits == 1:
            first, last = frame * size, (frame + 1) * size
            packed = np.frombuffer(data[first // 8 : -(-last // 8)], np.uint8)
            flat = np.unpackbits(packed, bitorder="little")[first % 8 :][:size]
        else:
            wide = bits // 8
            flat = np.frombuffer(data[frame * size * wide : (frame + 1) * size * wide], f"<u{wide}")
        yield flat.reshape(rows, columns)


def _nodules(
    segment: int, voxels: NDArray[np.int64], lattice: _Lattice, tracking_uid: str
) -> Iterator[Drawn]:
    """The pieces of one segment, the largest first: that one has the segment's name."""
    low = voxels.min(axis=0)
    shape = voxels.max(axis=0) - low + 1
    if np.prod(shape) > MOST_VOXELS:
        raise ValueError("a segment is larger than any lung")
    box = np.zeros(shape, bool)
    box[tuple((voxels - low).T)] = True
    piece = Components.of(box, 26).labels[tuple((voxels - low).T)]
    sizes = np.bincount(piece)
    for rank, one in enumerate(np.argsort(-sizes[1:], kind="stable") + 1):
        middle = voxels[piece == one].mean(axis=0) @ lattice.steps_mm + lattice.origin_mm
        volume_mm3 = float(sizes[one] * lattice.voxel_mm3)
        yield Drawn(segment, "" if rank else tracking_uid, known.place(middle), volume_mm3)


def placed(report: ReadReport, drawn: Iterable[ReadSegmentation]) -> ReadReport:
    """A report whose lesions are segments, with their places and, where it says none, their sizes."""
    at = {
        Segment(one.sop_instance_uid, nodule.segment): (one.frame_of_reference_uid, nodule)
        for one in drawn
        for nodule in reversed(one.lesions)  # of a segment in pieces the largest stays
    }
    lesions = [
        _placed(lesion, *at[lesion.segment]) if lesion.centre_mm is None and lesion.segment in at else lesion
        for lesion in report.lesions
    ]
    return replace(report, lesions=tuple(lesions))


def _placed(lesion: ReadLesion, frame_uid: str, drawn: Drawn) -> ReadLesion:
    return replace(
        lesion,
        frame_of_reference_uid=frame_uid,
        centre_mm=drawn.centre_mm,
        diameter_mm=lesion.diameter_mm or drawn.diameter_mm,
        size_from=lesion.size_from or "region",
        volume_mm3=lesion.volume_mm3 or drawn.volume_mm3,
        flaws=tuple(flaw for flaw in lesion.flaws if flaw not in {Flaw.SEGMENT_ONLY, Flaw.NO_SIZE}),
    )
