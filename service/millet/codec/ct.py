"""A CT instance as received, read into our values: first its header, later its slice in HU.

The header reader takes only the elements it needs, as bytes, and makes the best of each alone: an odd
VR, an unknown character set or a malformed number costs that one value, never the instance.
"""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from millet.codec import bounds, decoders, pixels, text
from millet.codec.decoders import MALFORMED, Decode
from millet.codec.elements import read_elements, read_file, tag_of
from millet.codec.tags import Tags, without_nul
from millet.core.geometry import PointMm, Vector
from millet.core.language import phrase
from millet.core.reasons import Reason
from millet.core.series import Patient, SliceHeader
from millet.errors import UnfitSeries

PADDING_HU = -1024.0
"""What padding becomes, and the floor of all HU: outside the scanner's circle there is air."""

_INT16 = np.iinfo(np.int16)
Hu = NDArray[np.int16] | NDArray[np.float32]

T = TypeVar("T")

_KEYWORDS = """
SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate SeriesDate AcquisitionDate
AcquisitionTime ContentTime AccessionNumber Modality Manufacturer StudyDescription SeriesDescription
ManufacturerModelName PatientName PatientID IssuerOfPatientID PatientBirthDate PatientSex PatientAge
ContrastBolusAgent BodyPartExamined ScanOptions KVP ProtocolName GantryDetectorTilt ConvolutionKernel
SliceThickness TriggerTime NominalCardiacTriggerDelayTime StudyInstanceUID SeriesInstanceUID
AcquisitionNumber InstanceNumber ImagePositionPatient ImageOrientationPatient FrameOfReferenceUID
TemporalPositionIdentifier SamplesPerPixel PhotometricInterpretation NumberOfFrames Rows Columns
PixelSpacing BitsAllocated BitsStored HighBit PixelRepresentation PixelPaddingValue BurnedInAnnotation
RescaleIntercept RescaleSlope LossyImageCompression NumberOfSeriesRelatedInstances NumberOfSlices
ImagesInAcquisition ConcatenationUID InConcatenationTotalNumber
"""
_IDENTITY = {tag_of(word): word for word in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")}
_IDENTIFIED = max(_IDENTITY) + 1
"""What identifies an instance stands before this tag."""
_TAGS = {keyword: tag_of(keyword) for keyword in _KEYWORDS.split()}
_WANTED = frozenset(_TAGS.values())
_PIXELS_BEGIN = b"\xe0\x7f\x10\x00O"
"""Tag and VR (OW or OB) of Pixel Data in explicit VR little endian, compressed or not."""
_LOSSY_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 81))
_EITHER_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (91, 93, 203))
"""Lossy or lossless; lossy unless (0028,2110) denies it."""
_AGE = re.compile(r"(\d{1,3})\s*([DWMY])")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_DESCRIPTIONS = (
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "ManufacturerModelName",
    "ScanOptions",
    "BodyPartExamined",
)


class Identity(NamedTuple):
    """Which instance of which series; a UID that is not there is empty."""

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str


def read_identity(head: bytes) -> Identity:
    """Read which instance this is from as much of it as has come.

    Raises:
        UnfitSeries: UNREADABLE_OBJECT, the bytes are no DICOM object, or no honest one.
    """
    try:
        found = read_elements(head, _IDENTITY, _IDENTIFIED)
    except MALFORMED as error:
        raise UnfitSeries(Reason.UNREADABLE_OBJECT, type(error).__name__) from error
    return _identity(Tags(found, _TAGS))


def _identity(tags: Tags) -> Identity:
    uids = [tags.word(keyword) for keyword in _IDENTITY.values()]
    if max(map(len, uids)) > bounds.LONGEST_UID:
        raise UnfitSeries(Reason.UNREADABLE_OBJECT, phrase("pixels.long-uid", most=bounds.LONGEST_UID))
    return Identity(*uids)


def head_of(encoded: bytes) -> bytes:
    """What stands before the pixels, all that `read_header` needs; nothing where they cannot be seen."""
    at = encoded.find(_PIXELS_BEGIN)
    return encoded[: at + len(_PIXELS_BEGIN)] if at >= 0 else b""


def read_header(encoded: bytes) -> SliceHeader:
    """Read what one instance says of itself; for an object of another kind most fields stay empty.

    What `read_identity` takes this takes too, so that everything acknowledged ends as something: an instance
    that would cost too much to read is read as far as is affordable.

    Raises:
        UnfitSeries: UNREADABLE_OBJECT, the bytes are no DICOM object, or no honest one.
    """
    try:
        syntax, found = read_file(encoded, _WANTED, strict=False)
        tags = Tags(found, _TAGS)
    except MALFORMED as error:
        raise UnfitSeries(Reason.UNREADABLE_OBJECT, type(error).__name__) from error
    identity = _identity(tags)
    if not (identity.sop_class_uid and identity.sop_instance_uid):
        raise UnfitSeries(Reason.UNREADABLE_OBJECT, phrase("pixels.no-uid"))
    return _header(tags, syntax)


def read_slice(encoded: bytes, header: SliceHeader, decode: Decode = decoders.decode) -> Hu:
    """Decode one slice to HU (rows, columns); padding and anything below is `PADDING_HU`.

    HU that are whole numbers, as nearly always, are int16, which holds them exactly; others are float32.

    Raises:
        UnfitSeries: RESCALE_MISSING or any reason of `pixels.stored`.
        StoreError: As `decode` does.
    """
    slope, intercept = header.rescale_slope, header.rescale_intercept
    if slope is None or intercept is None or slope == 0:
        raise UnfitSeries(Reason.RESCALE_MISSING)
    values = _numbers(pixels.stored(encoded, header, decode), header)
    padding = None if header.padding_value is None else values == header.padding_value
    whole = _whole(values, slope, intercept)
    hu: Hu = _fractional(values, slope, intercept) if whole is None else whole
    if padding is not None:
        hu[padding] = PADDING_HU
    return np.maximum(hu, hu.dtype.type(PADDING_HU), out=hu)


def _fractional(values: NDArray[np.integer], slope: float, intercept: float) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        hu: NDArray[np.float32] = values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    if not np.isfinite(hu).all():
        raise UnfitSeries(Reason.RESCALE_MISSING, phrase("pixels.no-rescale"))
    return hu


def _whole(values: NDArray[np.integer], slope: float, intercept: float) -> NDArray[np.int16] | None:
    """HU as int16, None where they are no whole numbers or too large for it."""
    if slope != int(slope) or intercept != int(intercept) or not values.size:
        return None
    ends = [int(end) * int(slope) + int(intercept) for end in (values.min(), values.max())]
    if min(ends) < _INT16.min or max(ends) > _INT16.max:
        return None
    # modulo 2^16 throughout, so that only the end has to fit
    factor, added = (np.uint16(int(v) % 2**16).astype(np.int16) for v in (slope, intercept))
    small = values.astype(np.int16)
    hu: NDArray[np.int16] = (small if slope == 1 else small * factor) + added
    return hu


def _numbers(bits: decoders.Bits, header: SliceHeader) -> NDArray[np.integer]:
    """Stored bits as numbers: what lies outside bits stored is cut off, the sign is spread."""
    spare = header.bits_allocated - header.bits_stored
    above = (
        header.bits_allocated - 1 - (header.bits_stored - 1 if header.high_bit is None else header.high_bit)
    )
    if not 0 <= above <= spare:
        raise UnfitSeries(Reason.UNSUPPORTED_PIXELS, phrase("pixels.high-bit", bit=header.high_bit))
    kind = f"{'i' if header.signed else 'u'}{header.bits_allocated // 8}"
    if spare == 0:
        return bits.view(kind)
    return (bits << above).view(kind) >> spare


def _header(tags: Tags, syntax: str) -> SliceHeader:
    orientation = tags.numbers("ImageOrientationPatient", 6)
    position = tags.numbers("ImagePositionPatient", 3)
    signed = tags.whole("PixelRepresentation") == 1
    birth = _date(tags.word("PatientBirthDate"))
    return SliceHeader(
        sop_instance_uid=tags.word("SOPInstanceUID"),
        sop_class_uid=tags.word("SOPClassUID"),
        series_uid=tags.word("SeriesInstanceUID"),
        study_uid=tags.uid("StudyInstanceUID"),
        frame_of_reference_uid=tags.uid("FrameOfReferenceUID"),
        transfer_syntax_uid=syntax,
        modality=tags.word("Modality"),
        patient=_patient(tags),
        accession=tags.text("AccessionNumber"),
        study_date=tags.word("StudyDate"),
        age_years=_age(tags, birth),
        birth=birth,
        image_type=tuple(word.strip().upper() for word in tags.words("ImageType")),
        acquisition_number=tags.integer("AcquisitionNumber"),
        instance_number=tags.integer("InstanceNumber"),
        acquisition_date=tags.word("AcquisitionDate"),
        acquisition_time=tags.word("AcquisitionTime"),
        content_time=tags.word("ContentTime"),
        temporal_position=tags.integer("TemporalPositionIdentifier"),
        trigger_ms=_first(tags.number("TriggerTime"), tags.number("NominalCardiacTriggerDelayTime")),
        kernel="\\".join(tags.words("ConvolutionKernel")),
        kvp=tags.number("KVP"),
        series_description=tags.text("SeriesDescription"),
        body_part=tags.word("BodyPartExamined").upper(),
        manufacturer=tags.text("Manufacturer"),
        descriptions=tuple(tags.text(keyword).upper() for keyword in _DESCRIPTIONS if tags.text(keyword)),
        contrast=bool(tags.text("ContrastBolusAgent")),
        burned_in=tags.word("BurnedInAnnotation").upper() == "YES",
        lossy=_lossy(tags.word("LossyImageCompression"), syntax),
        rows=tags.whole("Rows") or 0,
        columns=tags.whole("Columns") or 0,
        pixel_spacing_mm=_spacing(tags),
        position_mm=PointMm(*position)
        if position and max(map(abs, position)) <= bounds.FARTHEST_MM
        else None,
        row_direction=_direction(orientation[:3]),
        column_direction=_direction(orientation[3:]),
        slice_thickness_mm=tags.number("SliceThickness"),
        gantry_tilt_deg=tags.number("GantryDetectorTilt"),
        rescale_slope=tags.number("RescaleSlope"),
        rescale_intercept=tags.number("RescaleIntercept"),
        bits_allocated=tags.whole("BitsAllocated") or 0,
        bits_stored=tags.whole("BitsStored") or tags.whole("BitsAllocated") or 0,
        high_bit=tags.whole("HighBit"),
        photometric=tags.word("PhotometricInterpretation"),
        signed=signed,
        samples_per_pixel=tags.whole("SamplesPerPixel") or 1,
        padding_value=tags.whole("PixelPaddingValue", signed=signed),
        frames=tags.integer("NumberOfFrames") or 1,
        stated_instances=tags.integer("NumberOfSeriesRelatedInstances"),
        stated_slices=tags.whole("NumberOfSlices"),
        stated_in_acquisition=tags.integer("ImagesInAcquisition"),
        concatenation_uid=tags.word("ConcatenationUID"),
        concatenation_parts=tags.whole("InConcatenationTotalNumber"),
    )


def _patient(tags: Tags) -> Patient:
    name = text.decode(tags.raw("PatientName"), tags.word("SpecificCharacterSet"))
    return Patient(
        patient_id=tags.text("PatientID"),
        issuer=tags.text("IssuerOfPatientID"),
        name=without_nul(name.value),
        birth_date=tags.word("PatientBirthDate"),
        sex=tags.word("PatientSex"),
        name_undecodable=name.undecodable,
    )


def _age(tags: Tags, birth: date | None) -> float | None:
    """Years, from (0010,1010), else from the dates of birth and of the examination."""
    stated = _AGE.fullmatch(tags.word("PatientAge").upper())
    if stated:
        return int(stated[1]) * _YEARS[stated[2]]
    examined = _first(*(_date(tags.word(f"{event}Date")) for event in ("Study", "Series", "Acquisition")))
    if birth is None or examined is None or birth > examined:
        return None
    return (examined - birth).days / 365.25


def _spacing(tags: Tags) -> tuple[float, float] | None:
    """Between rows and between columns, of a slice that a scanner can have made."""
    spacing = tags.numbers("PixelSpacing", 2)
    if not spacing or min(spacing) < bounds.SMALLEST_PIXEL_MM:
        return None
    sides = (spacing[0] * (tags.whole("Rows") or 0), spacing[1] * (tags.whole("Columns") or 0))
    return (spacing[0], spacing[1]) if max(sides) <= bounds.LARGEST_SIDE_MM else None


def _lossy(flag: str, syntax: str) -> bool:
    """(0028,2110) or the transfer syntax: compression once lossy stays so."""
    return flag == "01" or syntax in _LOSSY_SYNTAXES or (syntax in _EITHER_SYNTAXES and flag != "00")


def _direction(values: list[float]) -> Vector | None:
    length = sum(value * value for value in values) ** 0.5
    if not 0.99 < length < 1.01:  # written with few digits, a direction is still a direction
        return None
    return Vector(*(value / length for value in values))


def _date(written: str) -> date | None:
    """A DA value, also the old form with dots."""
    digits = written.replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)
