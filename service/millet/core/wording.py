"""Coded reasons in words, for people: gRPC, the page and the report say them the same way."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from millet.core.reasons import Reason, Weight

REASON_TEXT: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.NOT_CT: "Not a CT series",
        Reason.LOCALIZER_ONLY: "Localizer images only",
        Reason.DERIVED_IMAGE: "Derived images, not the scanner's own slices",
        Reason.MAXIMUM_PROJECTION: "Maximum intensity projections, not slices",
        Reason.ATTENUATION_CORRECTION: "Attenuation correction CT of a PET or SPECT exam",
        Reason.CONE_BEAM: "Cone beam CT",
        Reason.BIOPSY: "Taken during a biopsy or another intervention",
        Reason.QA_PHANTOM: "A quality assurance phantom, not a patient",
        Reason.UNDER_AGE: "Patient under 18 years",
        Reason.AGE_UNKNOWN: "Age of the patient unknown",
        Reason.LOSSY_COMPRESSION: "Lossy compressed pixel data",
        Reason.BURNED_IN_ANNOTATION: "Annotation burned into the pixel data",
        Reason.NO_LUNG: "No lung found",
        Reason.PARTIAL_LUNG: "Lungs only partly covered",
        Reason.ONE_LUNG: "Only one air-filled lung",
        Reason.OPAQUE_LUNG: "A lung without air in most of its place",
        Reason.METAL: "Metal in the chest",
        Reason.IDENTITY_CONFLICT: "Instances disagree about patient, study or frame of reference",
        Reason.TOO_FEW_SLICES: "Too few slices",
        Reason.MISSING_SLICES: "Slices are missing",
        Reason.DUPLICATE_SLICES: "Slices at the same position",
        Reason.UNEVEN_SPACING: "Uneven distances between slices",
        Reason.MIXED_ORIENTATION: "Slices of several orientations",
        Reason.NOT_AXIAL: "Not an axial series",
        Reason.GANTRY_TILT: "Tilted gantry",
        Reason.MIXED_GEOMETRY: "Slices of several sizes or pixel spacings",
        Reason.GEOMETRY_MISSING: "Position, orientation or pixel spacing missing",
        Reason.THICK_SLICES: "Slices too thick for small nodules",
        Reason.SEVERAL_VOLUMES: "Several volumes in one series",
        Reason.PIXELS_TRUNCATED: "Truncated pixel data",
        Reason.PIXELS_UNREADABLE: "Pixel data cannot be decoded",
        Reason.RESCALE_MISSING: "Rescale slope or intercept missing",
        Reason.UNSUPPORTED_PIXELS: "Unsupported kind of pixel data",
        Reason.UNSUPPORTED_TRANSFER_SYNTAX: "Unsupported transfer syntax",
        Reason.UNREADABLE_OBJECT: "A DICOM object cannot be read",
        Reason.FOREIGN_OBJECT: "An object that is no CT image lies in the series",
        Reason.COUNT_LIMIT: "The model can return only so many findings",
        Reason.COUNT_LIMIT_REACHED: "The model's limit was reached, there may be more findings",
        Reason.READERS_DISAGREE: "Count not reliable: a second reader counts otherwise",
        Reason.LOW_DETECTABILITY: "Count not reliable: too much noise or too thick slices for small nodules",
        Reason.DETECTOR_FAILED: "The detector failed",
        Reason.INTERNAL_ERROR: "An internal error",
    }
)
"""Every reason; a test holds the table to the enum."""

WEIGHT_TEXT: Mapping[Weight, str] = MappingProxyType(
    {
        Weight.REFUSES: "not analysed",
        Weight.OUTSIDE_USE: "analysed, outside validated use",
        Weight.NOTE: "handled",
    }
)


def words(reason_code: str) -> str:
    """A reason's code in words; a code that this version does not know stands for itself."""
    try:
        return REASON_TEXT[Reason(reason_code)]
    except ValueError:
        return reason_code
