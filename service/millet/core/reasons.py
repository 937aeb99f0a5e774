"""Why a series was not analysed, or was analysed outside its validated use.

One code, one cause: the code goes into the journal, gRPC, the report, a metric label and the log, so
it is never renamed. The text is for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """A coded cause. The value is the stable code."""

    # what the series is
    NOT_CT = "not-ct"
    LOCALIZER_ONLY = "localizer-only"
    DERIVED_IMAGE = "derived-image"
    MAXIMUM_PROJECTION = "maximum-projection"
    ATTENUATION_CORRECTION = "attenuation-correction"
    CONE_BEAM = "cone-beam"
    BIOPSY = "biopsy"
    QA_PHANTOM = "qa-phantom"
    UNDER_AGE = "under-age"
    AGE_UNKNOWN = "age-unknown"
    LOSSY_COMPRESSION = "lossy-compression"
    BURNED_IN_ANNOTATION = "burned-in-annotation"
    NO_LUNG = "no-lung"
    PARTIAL_LUNG = "partial-lung"
    ONE_LUNG = "one-lung"
    OPAQUE_LUNG = "opaque-lung"
    METAL = "metal"
    # whose it is
    IDENTITY_CONFLICT = "identity-conflict"
    # how it lies in space
    TOO_FEW_SLICES = "too-few-slices"
    MISSING_SLICES = "missing-slices"
    DUPLICATE_SLICES = "duplicate-slices"
    UNEVEN_SPACING = "uneven-spacing"
    MIXED_ORIENTATION = "mixed-orientation"
    NOT_AXIAL = "not-axial"
    GANTRY_TILT = "gantry-tilt"
    MIXED_GEOMETRY = "mixed-geometry"
    GEOMETRY_MISSING = "geometry-missing"
    THICK_SLICES = "thick-slices"
    SEVERAL_VOLUMES = "several-volumes"
    # what its pixels are
    PIXELS_TRUNCATED = "pixels-truncated"
    PIXELS_UNREADABLE = "pixels-unreadable"
    RESCALE_MISSING = "rescale-missing"
    UNSUPPORTED_PIXELS = "unsupported-pixels"
    UNSUPPORTED_TRANSFER_SYNTAX = "unsupported-transfer-syntax"
    UNREADABLE_OBJECT = "unreadable-object"
    FOREIGN_OBJECT = "foreign-object"
    # what a report is that was sent to be judged
    OWN_REPORT = "own-report"
    REPORT_UNFIT = "report-unfit"
    # what the model cannot do
    COUNT_LIMIT = "count-limit"
    COUNT_LIMIT_REACHED = "count-limit-reached"
    # what speaks against the number of nodules
    READERS_DISAGREE = "readers-disagree"
    LOW_DETECTABILITY = "low-detectability"
    # what happened here
    DETECTOR_FAILED = "detector-failed"
    INTERNAL_ERROR = "internal-error"


UNRELIABLE_COUNT = frozenset({Reason.READERS_DISAGREE, Reason.LOW_DETECTABILITY, Reason.COUNT_LIMIT_REACHED})
"""With any of these said of a series its number of nodules is not to be relied on."""


class Weight(StrEnum):
    """What a remark means for the reader."""

    REFUSES = "refuses"
    """The series is not analysed."""
    OUTSIDE_USE = "outside-use"
    """Analysed, outside the validated use."""
    NOTE = "note"
    """Handled, and said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing said about a series: its code, its weight, and a detail without patient data."""

    reason: Reason
    weight: Weight
    detail: str = ""
