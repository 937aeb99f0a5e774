"""The canary: a phantom with known nodules that goes through the whole service as a patient would.

Theory of operation. It is a site of its own, so that nothing it leaves can be taken for a patient's:
worklists, priors, a study's best series and all metrics of patients pass over that site. Its AE title is
taken from this machine alone, and its reports go to one destination, which compares them with the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from millet.core.geometry import PointMm

NAME = "millet-canary"
"""Its site, and the destination of its reports; nobody else may have either."""
TITLE = "MILLET-CANARY"
"""As which it calls, and which it calls."""
PATIENT = "MILLET-CANARY"
"""What its patient IDs begin with."""
LEAST_MM = 3.0
"""As near to a nodule's centre a mark is always that nodule's, however small that is."""
ENOUGH = 0.8
"""Share of the known nodules from which on a canary is a success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A nodule that is known to be there."""

    centre_mm: PointMm
    diameter_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a report has of the nodules that are known."""

    sensitivity: float
    """Share of them that it marks, 0 to 1."""
    others: int
    """Marks that are none of them."""

    @property
    def is_success(self) -> bool:
        """Whether the service sees what it must."""
        return self.sensitivity >= ENOUGH


def compare(known: Sequence[Planted], marks_mm: Sequence[PointMm]) -> Seen:
    """A report's marks against the known nodules, of which there is at least one.

    A mark within the radius of a nodule's centre, or within `LEAST_MM`, marks it.
    """
    if not marks_mm:
        return Seen(sensitivity=0.0, others=0)
    centres = np.asarray([one.centre_mm for one in known], float)
    reach_mm = np.maximum([one.diameter_mm / 2 for one in known], LEAST_MM)
    apart_mm = np.linalg.norm(centres[:, None] - np.asarray(marks_mm, float)[None], axis=-1)
    near = apart_mm <= reach_mm[:, None]
    return Seen(sensitivity=float(near.any(axis=1).mean()), others=int((~near.any(axis=0)).sum()))
