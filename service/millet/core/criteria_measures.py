"""The vocabulary of criteria: named measures of an exam. Nothing else can be asked for.

Two images, or slabs, are *non-contiguous* when at least one other lies between them: the word of
Bashour et al. (Br J Cancer 123:1417, 2020), who do not define it further. As many as possible that are so
pairwise are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats, Vector
from millet.core.language import phrase
from millet.core.lesion import UPWARDS, Counts, Exam, Lesion, on_each, slabs_mm, spans_mm
from millet.core.nodule import Side
from millet.core.spread import Randomness

Flags = NDArray[np.bool_]


class Missing(Exception):  # noqa: N818 - no fault: what a measure needs is not known
    """A measure lacks something that the exam does not tell; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a measure is taken of, and how."""

    under_mm: float = 0.0
    """Only lesions smaller than this; 0 for all."""
    without_dominant: bool = False
    """Without the dominant lesion."""
    limit_mm: float = 0.0
    """For share-at-most-mm: the diameter up to which a lesion counts."""
    slab_mm: float = 10.0
    """Thickness of a slab."""
    lesions: int = 0
    """A slab or an image with at least so many is full."""
    each_side: int = 0
    """A full one also holds at least so many on either side."""
    per_side: bool = False
    """Each side is looked at by itself; the lower figure of the two."""
    regions: tuple[str, ...] = ()
    known_share: float = 0.0
    """At least this share of the lesions must lie in one of the regions, else those are not known."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The lesions that one measure is taken of, in their exam."""

    exam: Exam
    lesions: tuple[Lesion, ...]
    asked: Asked

    @cached_property
    def sizes_mm(self) -> Floats:
        """Their diameters."""
        return np.asarray([lesion.diameter_mm for lesion in self.lesions], float)

    def on(self, side: Side) -> tuple[Lesion, ...]:
        """Those of one side."""
        return tuple(lesion for lesion in self.lesions if lesion.side is side)

    def of(self, region: str) -> tuple[Lesion, ...]:
        """Those of one region."""
        return tuple(lesion for lesion in self.lesions if region in lesion.regions)


class _Layers(NamedTuple):
    """Slabs or images, and the direction that they follow each other in."""

    edges: tuple[Floats, Floats]
    normal: Vector

    def counts(self, lesions: tuple[Lesion, ...]) -> Counts:
        return on_each(spans_mm(lesions, self.normal), self.edges)

    def full(self, taken: Taken) -> Flags:
        enough: Flags = self.counts(taken.lesions) >= taken.asked.lesions
        if taken.asked.each_side:
            _sides(taken)
            for side in Side:
                enough = enough & (self.counts(taken.on(side)) >= taken.asked.each_side)
        return enough

    def full_by_side(self, taken: Taken) -> Iterator[Flags]:
        """Of both sides together, or of each by itself."""
        if not taken.asked.per_side:
            yield self.full(taken)
            return
        _sides(taken)
        for side in Side:
            yield self.counts(taken.on(side)) >= taken.asked.lesions


def _slabs(taken: Taken) -> _Layers:
    return _Layers(slabs_mm(spans_mm(taken.lesions, UPWARDS), taken.asked.slab_mm), UPWARDS)


def _images(taken: Taken) -> _Layers:
    images = taken.exam.images
    if images is None:
        raise Missing(phrase("missing.images"))
    return _Layers(images.edges_mm, images.normal)


def _count(taken: Taken) -> float:
    return len(taken.lesions)


def _sides(taken: Taken) -> tuple[int, int]:
    right, left = len(taken.on(Side.RIGHT)), len(taken.on(Side.LEFT))
    if taken.lesions and not right + left:
        raise Missing(phrase("missing.sides"))
    return right, left


def _sides_with(taken: Taken) -> float:
    return sum(count > 0 for count in _sides(taken))


def _bilateral_share(taken: Taken) -> float | None:
    return min(_sides(taken)) / len(taken.lesions) if taken.lesions else None


def _share_at_most(taken: Taken) -> float | None:
    return float(np.mean(taken.sizes_mm <= taken.asked.limit_mm)) if taken.lesions else None


def _median(taken: Taken) -> float | None:
    return float(np.median(taken.sizes_mm)) if taken.lesions else None


def _cv(taken: Taken) -> float | None:
    """Less what measuring adds, as variances subtract."""
    if not taken.lesions:
        return None
    own = float(np.var(taken.sizes_mm)) - taken.exam.measuring_sd_mm**2
    return float(np.sqrt(max(own, 0.0)) / np.mean(taken.sizes_mm))


def _by_region(taken: Taken) -> list[int]:
    """Lesions of each region that is asked about."""
    asked = taken.asked
    known = sum(not set(lesion.regions).isdisjoint(asked.regions) for lesion in taken.lesions)
    if taken.lesions and (not known or known < asked.known_share * len(taken.lesions)):
        raise Missing(phrase("missing.regions"))
    return [len(taken.of(region)) for region in asked.regions]


def _regions_with(taken: Taken) -> float:
    return sum(count > 0 for count in _by_region(taken))


def _density_ratio(taken: Taken) -> float | None:
    """Of the densest to the sparsest region; none where a region holds no lesion."""
    litres = [taken.exam.litres.get(region, 0.0) for region in taken.asked.regions]
    if min(litres) <= 0:
        raise Missing(phrase("missing.volumes"))
    densities = np.asarray(_by_region(taken)) / np.asarray(litres)
    return float(densities.max() / densities.min()) if densities.min() > 0 else None


def _with(layers: Callable[[Taken], _Layers]) -> Callable[[Taken], float]:
    return lambda taken: min(int(full.sum()) for full in layers(taken).full_by_side(taken))


def _separate_with(layers: Callable[[Taken], _Layers]) -> Callable[[Taken], float]:
    return lambda taken: min(_separate(full) for full in layers(taken).full_by_side(taken))


def _separate(full: Flags) -> int:
    """How many at most no two of which are neighbours."""
    count, last = 0, -2
    for at in np.flatnonzero(full).tolist():
        if at - last >= 2:
            count, last = count + 1, at
    return count


def _most_on(layers: Callable[[Taken], _Layers]) -> Callable[[Taken], float]:
    return lambda taken: int(layers(taken).counts(taken.lesions).max(initial=0))


def _slab_distance(taken: Taken) -> float:
    """From the middle of the lowest full slab to that of the highest, in mm."""
    full = np.flatnonzero(_slabs(taken).full(taken))
    return float(full[-1] - full[0]) * taken.asked.slab_mm if len(full) else 0.0


def _regions_with_slab(taken: Taken) -> float:
    """Regions with a full slab; a slab lies in a region that holds at least half of its lesions."""
    _by_region(taken)
    slabs = _slabs(taken)
    full, counts = slabs.full(taken), slabs.counts(taken.lesions)
    return sum(
        bool((full & (2 * slabs.counts(taken.of(region)) >= counts)).any()) for region in taken.asked.regions
    )


def _tested(of: Callable[[Randomness], float]) -> Callable[[Taken], float]:
    def value(taken: Taken) -> float:
        if taken.exam.randomness is None:
            raise Missing(phrase("missing.randomness"))
        return of(taken.exam.randomness)

    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One word of the vocabulary."""

    says: str
    of: Callable[[Taken], float | None]
    """Raises Missing; None where there is no lesion, or no finite figure."""
    needs: tuple[str, ...] = ()
    """Fields of `Asked` that must be given."""
    takes: tuple[str, ...] = ()
    """Further ones that may be; `under_mm` and `without_dominant` always may."""


def _measure(says: str, of: Callable[[Taken], float | None], needs: str = "", takes: str = "") -> Measure:
    return Measure(says=says, of=of, needs=tuple(needs.split()), takes=tuple(takes.split()))


_FULL = "each_side per_side"
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "count": _measure("lesions", _count),
        "sides-with-lesions": _measure("sides that hold any", _sides_with),
        "bilateral-share": _measure("share of the side with fewer", _bilateral_share),
        "share-at-most-mm": _measure("share no larger than limit_mm", _share_at_most, "limit_mm"),
        "median-mm": _measure("median diameter", _median),
        "cv": _measure("coefficient of variation of the diameters", _cv),
        "regions-with-lesions": _measure(
            "how many of the regions hold any", _regions_with, "regions", "known_share"
        ),
        "density-ratio": _measure(
            "lesions per litre, densest region to sparsest", _density_ratio, "regions", "known_share"
        ),
        "slabs-with": _measure("full slabs", _with(_slabs), "lesions", f"slab_mm {_FULL}"),
        "separate-slabs-with": _measure(
            "full slabs, non-contiguous", _separate_with(_slabs), "lesions", f"slab_mm {_FULL}"
        ),
        "slab-distance-mm": _measure(
            "from the lowest to the highest full slab", _slab_distance, "lesions", "slab_mm each_side"
        ),
        "regions-with-slab": _measure(
            "how many of the regions hold a full slab",
            _regions_with_slab,
            "lesions regions",
            "slab_mm each_side known_share",
        ),
        "most-in-slab": _measure("lesions of the slab with most", _most_on(_slabs), "", "slab_mm"),
        "images-with": _measure("full images", _with(_images), "lesions", _FULL),
        "separate-images-with": _measure(
            "full images, non-contiguous", _separate_with(_images), "lesions", _FULL
        ),
        "most-on-image": _measure("lesions of the image with most", _most_on(_images)),
        "clark-evans": _measure("Clark-Evans R", _tested(lambda tests: tests.clark_evans)),
        "clark-evans-p": _measure("p of Clark-Evans", _tested(lambda tests: tests.clark_evans_p)),
        "ripley-p": _measure("p of Ripley's envelope test", _tested(lambda tests: tests.ripley_p)),
    }
)
