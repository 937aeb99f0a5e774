"""The rounding rule: to how many decimals a number is told, the same in every object that tells it.

Fine enough that nothing is lost that was measured, coarse enough that equal numbers read equal. A number
that is rounded twice is the number that was rounded once.
"""

from __future__ import annotations


def length_mm(value: float) -> float:
    """Diameters, axes and distances, to 0.01 mm (the guidelines ask for 0.1)."""
    return round(value, 2)


def volume_mm3(value: float) -> float:
    """Volumes of nodules, to 0.1 mm3 (the guidelines ask for 1)."""
    return round(value, 1)


def attenuation_hu(value: float) -> float:
    """Attenuation, to 0.1 HU."""
    return round(value, 1)


def percent(share: float) -> float:
    """A share or probability between 0 and 1 as percent, to 0.1; changes may exceed either end."""
    return round(100 * share, 1)


def score(value: float) -> float:
    """A detector's score between 0 and 1, to 0.001; it is no probability and never told as percent."""
    return round(value, 3)


def ratio(value: float) -> float:
    """Ratios, indices and slopes without a unit, to 0.01."""
    return round(value, 2)


def volume_l(value: float) -> float:
    """Volumes of lungs, to a millilitre."""
    return round(value, 3)


def days(value: float) -> int:
    """Doubling times and intervals, to a day."""
    return round(value)


def written(value: float) -> str:
    """A rounded number in decimals, as short as it can be: no exponent, no minus nought, no point alone."""
    text = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return "0" if text == "-0" else text
