"""What is found: candidates with a score, nodules with a size, in patient millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from millet.core.character import Character
from millet.core.geometry import PointMm

MASS_DIAMETER_MM = 30.0
"""Above this mean diameter a nodule is a mass (Hansell, Radiology 246:697, 2008)."""


class NoduleClass(StrEnum):
    """The columns `class` of our tables."""

    NODULE = "nodule"
    MASS = "mass"


class Side(StrEnum):
    """The patient's side."""

    LEFT = "left"
    RIGHT = "right"


def class_of(diameter_mm: float) -> NoduleClass:
    """A mass from `MASS_DIAMETER_MM` on, else a nodule."""
    return NoduleClass.MASS if diameter_mm > MASS_DIAMETER_MM else NoduleClass.NODULE


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A detector output: centre in LPS mm, diameter in mm, score in 0..1."""

    centre_mm: PointMm
    diameter_mm: float
    score: float

    @property
    def nodule_class(self) -> NoduleClass:
        """Nodule or mass, by size."""
        return class_of(self.diameter_mm)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePixel:
    """Where a nodule's centre lies in the pixels of its source instance."""

    frame: int
    """From 1, as DICOM counts them (PS3.3 C.7.6.6)."""
    column: float
    row: float
    """From 0; whole numbers are the centres of pixels, as in PS3.3 equation C.7.6.2.1-1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodule:
    """A candidate kept and measured.

    `number` counts from 1 in order of falling score. `nodule_id` is the same in every generation of the
    series, `tracking_uid` in every study of the patient where the nodule was found again; where it was not,
    they are the same. Both are functions of what was read, so that an analysis made twice has the same.
    """

    number: int
    tracking_uid: str
    centre_mm: PointMm
    diameter_mm: float
    volume_mm3: float
    mean_hu: float
    score: float
    side: Side
    source_sop_instance_uid: str
    """The slice nearest to the centre."""
    character: Character | None = None
    """None in analyses that were made before it was measured."""
    nodule_id: str = ""
    """A UID; of analyses that were made before it was kept, and of a new nodule, its tracking UID."""
    source_pixel: SourcePixel | None = None
    """In the slice nearest to the centre; None in analyses that were made before it was kept."""

    def __post_init__(self) -> None:
        if not self.nodule_id:
            object.__setattr__(self, "nodule_id", self.tracking_uid)

    @property
    def nodule_class(self) -> NoduleClass:
        """Nodule or mass, by size."""
        return class_of(self.diameter_mm)
