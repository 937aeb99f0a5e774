"""All that is told of a nodule from its own volume of interest: type, axes, edge, HU and an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from millet.core import axes as axis
from millet.core import interval
from millet.core.character import Axes, NoduleType
from millet.core.geometry import Floats
from millet.core.levels import Blur, Levels, levels
from millet.core.outline import Outlines, edge_hu, outlines
from millet.core.sizing import LEAST_CONTRAST_HU, NOISY, Sizes, bright_mm, diameter_mm, sizes
from millet.core.spiculation import spiculation
from millet.core.tissue import (
    CALCIFIED,
    GROUND_GLASS,
    PART_SOLID,
    TYPES,
    Tissue,
    tissue,
)
from millet.core.voi import Field, Masks, Vois, means, ranked, softened, sums

LEAST_CORE_MM = 1.0
"""No core is told smaller."""
LONG, LONG_OF_GLASS = 1.6, 1.3
"""An outline reaches no further than so many radii of the ball of the same volume: glass is no denser than
the vessels that lead into it."""
CALCIUM_HU = 130.0
"""Of a voxel with calcium in it (Agatston, J Am Coll Cardiol 15:827, 1990)."""
WHOLE_BLURS = 2.0
"""So many standard deviations of blur below the surface tissue shows its own HU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What one nodule is like; what the fields mean says `Character`."""

    axes: Axes
    volume_low_mm3: float
    volume_high_mm3: float
    p95_hu: float
    calcified_share: float
    type: NoduleType
    core_mm: float | None
    spiculation: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examined:
    """N nodules, in the order of their batch."""

    volume_mm3: Floats
    centre_mm: Floats
    """(N, 3) of the mass of their tissue, LPS; NaN where there is none."""
    mean_hu: Floats
    traits: list[Traits]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Read:
    """A batch and what was read from it step by step."""

    some: Vois
    soft: Field
    blurred: Blur
    level: Levels
    made_of: Tissue
    sized: Sizes

    @property
    def edges_hu(self) -> Floats:
        """HU at the surface."""
        across = diameter_mm(self.sized.volume_mm3)
        return edge_hu(self.level, self.made_of.hu, across, self.blurred.sd_mm)


def examined(some: Vois, blurred: Blur) -> Examined:
    """Size and describe a batch of nodules."""
    soft = softened(some.hu)
    level = levels(some, soft, blurred)
    made_of = tissue(level, 2 * some.radius_mm, bright_mm(some, soft, level), blurred)
    sized = sizes(some, soft, level, made_of)
    read = _Read(some=some, soft=soft, blurred=blurred, level=level, made_of=made_of, sized=sized)
    drawn, inside = _drawn(read)
    return Examined(
        volume_mm3=sized.volume_mm3,
        centre_mm=_centroids(some, sized.share),
        mean_hu=means(some.hu, inside, level.background),
        traits=_traits(read, drawn, inside),
    )


def _drawn(read: _Read) -> tuple[Outlines, Masks]:
    """Outlines, and the voxels within the surface; the one in the middle always is."""
    some, level = read.some, read.level
    contrast = np.maximum(read.made_of.hu - level.background, LEAST_CONTRAST_HU)
    noisy = contrast < NOISY * level.noise
    seen = np.where(noisy[:, None, None, None], read.soft, some.hu)
    radius = diameter_mm(read.sized.volume_mm3) / 2
    inside = (read.sized.share > 0) & (seen > some.over(read.edges_hu))
    inside &= some.within(np.maximum(radius * LONG, some.radius_mm))
    inside[np.arange(len(inside)), *some.middle.T] = True
    glass = np.isin(read.made_of.kinds, (GROUND_GLASS, PART_SOLID))
    most = radius * np.where(glass, LONG_OF_GLASS, LONG)
    return outlines(some, seen, inside, read.edges_hu, most), inside


def _centroids(some: Vois, share: Field) -> Floats:
    """(N, 3) the centres of mass of the tissue, LPS; NaN where there is none."""
    whole = np.maximum(share, 0)
    total = sums(whole)
    rows = (whole.sum(axis=tuple({1, 2, 3} - {axis})) for axis in (1, 2, 3))
    lines = [(row * np.arange(row.shape[1])).sum(axis=1) / np.maximum(total, 1e-6) for row in rows]
    places = some.grid.to_patient_array(np.stack(lines, axis=1) + some.first)
    return np.where(total[:, None] > 0, places, np.nan)


def _traits(read: _Read, drawn: Outlines, inside: Masks) -> list[Traits]:
    volume_mm3, kinds = read.sized.volume_mm3, read.made_of.kinds
    sd = interval.volume_sd(read.some, read.level, read.made_of, volume_mm3)
    low, high = interval.limits_mm3(volume_mm3, sd)
    (p95,) = ranked(read.some.hu, inside, (0.95,), 0.0)
    core = np.maximum(diameter_mm(read.sized.core_mm3), LEAST_CORE_MM)
    edges = spiculation(drawn, read.level.background, diameter_mm(volume_mm3))
    each = zip(
        axis.axes(read.some, drawn),
        *(values.tolist() for values in (low, high, p95, _calcified(read), kinds, core, edges)),
        strict=True,
    )
    return [
        Traits(
            axes=lines,
            volume_low_mm3=least,
            volume_high_mm3=most,
            p95_hu=bright,
            calcified_share=share,
            type=TYPES[kind],
            core_mm=inner if kind == PART_SOLID else None,
            spiculation=rough,
        )
        for lines, least, most, bright, share, kind, inner, rough in each
    ]


def _calcified(read: _Read) -> Floats:
    """(N,) the share of calcium in what blur leaves alone; where it leaves nothing, by the type."""
    some = read.some
    depth = diameter_mm(read.sized.volume_mm3) / 2 - WHOLE_BLURS * read.blurred.soft_sd_mm
    whole = some.within(np.maximum(depth, 0.0))
    share = means((read.soft > np.float32(CALCIUM_HU)).astype(np.float32), whole, 0.0)
    return np.where(depth > 0, share, read.made_of.kinds == CALCIFIED)
