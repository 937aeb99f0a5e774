"""Whether two exams can be compared: what differs between them besides the patient."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256

from millet.core.analysis import Lungs
from millet.core.kernel import blur_mm
from millet.core.manifest import Manifest

MEASURING = 1
"""Version of how nodules are measured; grows when `core.measure` gives the same nodule another volume."""
SLICE_MM = 0.5
"""Slices whose thickness differs by no more are comparably thick."""
INSPIRATION = (0.8, 1.25)
"""Of both lungs' litres over the prior's: what the follow-up is tested within."""
INSPIRATION_OF_ONE = (0.7, 1.43)
"""Likewise of each lung alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How an exam was taken and read, as far as its analysis does not say it."""

    slice_mm: float
    """As thick as stated, at least as the distance of the slices."""
    kernel: str
    """Its vendor's name for it (0018,1210)."""
    cut_at_top: bool
    """Whether lung reaches the first or last slice, see `core.lungs`."""
    cut_at_base: bool
    reading: str
    """`reading` of the model; equal where the same nodules are reported and measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Of one exam."""

    model_digest: str
    count_reliable: bool
    lungs: Lungs | None
    conditions: Conditions | None
    """None of an exam that somebody else read."""


def reading(manifest: Manifest) -> str:
    """SHA-256 in hex over what decides, besides the network, which nodules are reported and how large."""
    facts = {"manifest": asdict(manifest), "measuring": MEASURING}
    return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def limits(current: Compared, prior: Compared) -> tuple[str, ...]:
    """Stable codes of what limits a comparison, in a fixed order; empty where nothing does.

    "model": another network, other weights or an unknown reader. "threshold": the same with another
    manifest or way of measuring. "kernel", "thickness", "inspiration", "coverage" as in `Change.limited`.
    "count": the number of nodules of one of the two is not to be relied on.
    """
    one, other = current.conditions, prior.conditions
    if one is None or other is None or current.model_digest != prior.model_digest:
        found = {"model": True}
    else:
        found = {"model": False, "threshold": one.reading != other.reading}
    found["count"] = not (current.count_reliable and prior.count_reliable)
    if one and other:
        found["kernel"] = one.kernel != other.kernel and blur_mm(one.kernel) != blur_mm(other.kernel)
        found["thickness"] = abs(one.slice_mm - other.slice_mm) > SLICE_MM + 1e-6
        found["coverage"] = any((one.cut_at_top, one.cut_at_base, other.cut_at_top, other.cut_at_base))
        found["inspiration"] = not _alike(current.lungs, prior.lungs)
    return tuple(code for code, holds in found.items() if holds)


def _alike(one: Lungs | None, other: Lungs | None) -> bool:
    """Whether lungs are about equally full."""
    if one is None or other is None:
        return False
    sides = (one.right_l, other.right_l), (one.left_l, other.left_l)
    each = all(_within(INSPIRATION_OF_ONE, *side) for side in sides)
    return each and _within(INSPIRATION, one.total_l, other.total_l)


def _within(ratios: tuple[float, float], litres: float, before: float) -> bool:
    return ratios[0] * before <= litres <= ratios[1] * before
