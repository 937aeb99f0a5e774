"""How the nodules of an exam are spread over the lungs, in figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from millet.core.character import Lobe, Zone
from millet.core.nodule import Side


class Distribution(StrEnum):
    """Where nodules lie in the secondary lobule (Hansell 2008)."""

    RANDOM = "random"
    CENTRILOBULAR = "centrilobular"
    PERILYMPHATIC = "perilymphatic"
    MIXED = "mixed"
    UNDETERMINED = "undetermined"
    """Too few nodules, or too little lung, to say."""


class Hint(StrEnum):
    """Diseases that a pattern like this one is seen in. A hint for the reader, never a diagnosis."""

    MILIARY_TUBERCULOSIS = "miliary-tuberculosis"
    HAEMATOGENOUS_METASTASES = "haematogenous-metastases"
    SARCOIDOSIS = "sarcoidosis"
    SILICOSIS = "silicosis"
    FUNGAL = "fungal"
    HYPERSENSITIVITY_PNEUMONITIS = "hypersensitivity-pneumonitis"
    AIRWAYS_DISEASE = "airways-disease"


@dataclass(frozen=True, slots=True, kw_only=True)
class LobeCount:
    """Nodules of one lobe."""

    lobe: Lobe
    nodules: int
    per_100_ml: float | None
    """None where the lobe's volume is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneCount:
    """Nodules of one of the six zones."""

    side: Side
    zone: Zone
    nodules: int
    per_100_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The distribution of diameters, the dominant lesion left out."""

    p10_mm: float
    median_mm: float
    p90_mm: float
    cv: float
    """Coefficient of variation, less what measuring adds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Ripley's L(r) - r at one distance, and between what simulated random patterns lie, in mm."""

    radius_mm: float
    observed_mm: float
    low_mm: float
    high_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomness:
    """Tests of complete spatial randomness inside this exam's own lungs (Monte Carlo)."""

    simulations: int
    clark_evans: float
    """Mean distance to the nearest neighbour over that of random patterns in the same lungs."""
    clark_evans_p: float
    """Two-sided."""
    ripley: tuple[Envelope, ...]
    ripley_p: float
    """Of the global envelope test over all radii."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """All that is said of an exam's nodules as a set."""

    lobes: tuple[LobeCount, ...]
    """All five, or none where fissures were not found."""
    zones: tuple[ZoneCount, ...]
    """All six."""
    per_100_ml: float
    sizes: Sizes | None
    """None without nodules."""
    randomness: Randomness | None
    """None with too few nodules."""
    subpleural_ratio: float | None
    """Share of nodules within 3 mm of the pleura over the share of lung there; None with too few."""
    fissural_ratio: float | None
    """The same for fissures; None where none was found."""
    vessel_ratio: float | None
    """Median distance to the nearest vessel over that of random places."""
    cranio_caudal_slope: float | None
    """Change of the logarithm of the density from apex (0) to base (1)."""
    central_peripheral_slope: float | None
    """The same from pleura (0) to the depth of the lung (1)."""
    distribution: Distribution
    hints: tuple[Hint, ...]
