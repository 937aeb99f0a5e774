"""Diseases that such a pattern is seen in, by stated rules: hints for the reader, never a diagnosis.

The rules put the differential of the miliary pattern into figures (sizes, distribution, slope, type). They
are textbook associations without a cohort behind the figures, and say nothing where the pattern level is 0,
or where the distribution is not determined. More than one usually holds; the better fit comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from millet.core.spread import Distribution, Hint

UNIFORM_CV = 0.35
SMALL_MM = 4.0
GLASS_MM = 6.0
UPPER_SLOPE = -0.7
"""Density halves from apex to base."""
LOWER_SLOPE = 0.7
CALCIFIED_SHARE = 0.2
GLASS_SHARE = 0.5
"""Shares of the nodules of a type, from which on it marks the pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What the rules ask of an exam; the dominant lesion is not among its nodules."""

    distribution: Distribution
    median_mm: float
    cv: float
    cranio_caudal_slope: float
    """0 where it is not known."""
    dominant: bool
    """Whether there is a dominant lesion."""
    calcified_share: float
    glass_share: float

    @property
    def uniform(self) -> bool:
        """Small and of one size."""
        return self.median_mm <= SMALL_MM and self.cv <= UNIFORM_CV

    @property
    def upper(self) -> bool:
        """Denser in the upper lungs."""
        return self.cranio_caudal_slope <= UPPER_SLOPE

    @property
    def lower(self) -> bool:
        """Denser in the lower lungs."""
        return self.cranio_caudal_slope >= LOWER_SLOPE


def hints(features: Features, level: int) -> tuple[Hint, ...]:
    """The hints of an exam of that pattern level, better fits first; none at level 0."""
    if level < 1:
        return ()
    fits = [(rule(features), hint) for hint, rule in _RULES.items()]
    return tuple(hint for fit, hint in sorted(fits, key=lambda one: -one[0]) if fit > 0)


def _tuberculosis(of: Features) -> int:
    """Random, small and uniform, not basal, and no lesion that stands out."""
    fits = of.distribution is Distribution.RANDOM and of.uniform and not of.dominant and not of.lower
    return 2 + of.upper if fits else 0


def _metastases(of: Features) -> int:
    """Random; the more so with a dominant lesion, with sizes that vary, and at the bases."""
    return 1 + 2 * of.dominant + (not of.uniform) + of.lower if of.distribution is Distribution.RANDOM else 0


def _sarcoidosis(of: Features) -> int:
    """Perilymphatic, or in part; the more so in the upper lungs."""
    match of.distribution:
        case Distribution.PERILYMPHATIC:
            return 2 + of.upper
        case Distribution.MIXED:
            return 1 + of.upper
        case _:
            return 0


def _silicosis(of: Features) -> int:
    """In the upper lungs, perilymphatic or centrilobular or both; the more so calcified."""
    lobular = {Distribution.PERILYMPHATIC, Distribution.CENTRILOBULAR, Distribution.MIXED}
    fits = of.upper and of.distribution in lobular
    return 1 + (of.distribution is Distribution.MIXED) + 2 * _calcified(of) if fits else 0


def _fungal(of: Features) -> int:
    """Random and small and uniform, as tuberculosis; later calcified."""
    fits = of.distribution is Distribution.RANDOM and not of.dominant and (of.uniform or _calcified(of))
    return 1 + 2 * _calcified(of) if fits else 0


def _hypersensitivity(of: Features) -> int:
    """Centrilobular ground-glass nodules of some millimetres."""
    glass = of.glass_share >= GLASS_SHARE and of.median_mm <= GLASS_MM
    return 2 if glass and of.distribution is Distribution.CENTRILOBULAR else 0


def _airways(of: Features) -> int:
    """Centrilobular; less so where they are ground glass."""
    return 1 + (of.glass_share < GLASS_SHARE) if of.distribution is Distribution.CENTRILOBULAR else 0


def _calcified(of: Features) -> bool:
    return of.calcified_share >= CALCIFIED_SHARE


_RULES: dict[Hint, Callable[[Features], int]] = {
    Hint.MILIARY_TUBERCULOSIS: _tuberculosis,
    Hint.HAEMATOGENOUS_METASTASES: _metastases,
    Hint.SARCOIDOSIS: _sarcoidosis,
    Hint.SILICOSIS: _silicosis,
    Hint.FUNGAL: _fungal,
    Hint.HYPERSENSITIVITY_PNEUMONITIS: _hypersensitivity,
    Hint.AIRWAYS_DISEASE: _airways,
}
