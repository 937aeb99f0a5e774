"""What one CT instance says of itself, without its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from millet.core.geometry import PointMm, Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Whose image it is. Never logged, never a metric; compared, stored and shown by role only.

    Names are decoded with the instance's own character set; what cannot be decoded is replaced and
    flagged, never refused.
    """

    patient_id: str
    issuer: str
    name: str
    birth_date: str
    """As written (DICOM DA), possibly empty."""
    sex: str
    name_undecodable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceHeader:
    """One CT instance as its tags tell it; None where the tag is absent or empty.

    Sources: CT Image Module PS3.3 C.8.2.1, Image Plane C.7.6.2, Image Pixel C.7.6.3.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_uid: str
    study_uid: str
    frame_of_reference_uid: str
    transfer_syntax_uid: str
    modality: str
    patient: Patient
    accession: str
    study_date: str
    age_years: float | None
    """From Patient's Age (0010,1010), else from birth and study date."""
    image_type: tuple[str, ...]
    acquisition_number: int | None
    instance_number: int | None
    acquisition_time: str
    content_time: str
    temporal_position: int | None
    kernel: str
    kvp: float | None
    series_description: str
    body_part: str
    manufacturer: str
    contrast: bool
    burned_in: bool
    lossy: bool
    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, float] | None
    """(between rows, between columns)."""
    position_mm: PointMm | None
    """Centre of the first pixel (0020,0032)."""
    row_direction: Vector | None
    """Direction in which the column index grows (0020,0037), first triplet."""
    column_direction: Vector | None
    """Direction in which the row index grows, second triplet."""
    slice_thickness_mm: float | None
    gantry_tilt_deg: float | None
    rescale_slope: float | None
    rescale_intercept: float | None
    bits_allocated: int
    bits_stored: int
    signed: bool
    samples_per_pixel: int
    padding_value: int | None
    frames: int = 1
    birth: date | None = None
    trigger_ms: float | None = None
    """Nominal cardiac trigger delay or trigger time, which sets the phases of a gated scan apart."""
    acquisition_date: str = ""
    high_bit: int | None = None
    photometric: str = ""
    descriptions: tuple[str, ...] = ()
    """What people and protocols wrote about the scan (study, series, protocol, model, scan options);
    upper case, read by the gate only."""
    stated_instances: int | None = None
    """Number of Series Related Instances (0020,1209); see `core.stated` for all that states a count."""
    stated_slices: int | None = None
    """Number of Slices (0054,0081)."""
    stated_in_acquisition: int | None = None
    """Images in Acquisition (0020,1002)."""
    concatenation_uid: str = ""
    """Of the multi-frame object that this instance is a part of (PS3.3 C.7.6.16.2.2.4)."""
    concatenation_parts: int | None = None
    """In-concatenation Total Number (0020,9163)."""
