"""What changed since a prior study, nodule by nodule and as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Fate(StrEnum):
    """What became of a nodule between two studies."""

    NEW = "new"
    GONE = "gone"
    GROWN = "grown"
    SHRUNK = "shrunk"
    STABLE = "stable"
    UNCERTAIN = "uncertain"
    """The comparison is too limited to say what became of it; or it was not found, but its place is not
    empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoduleChange:
    """One nodule of the current or the prior study, or of both."""

    tracking_uid: str
    """The prior's, kept for a matched nodule; a new one's own."""
    number: int | None
    """In the current study; None for one that is gone."""
    prior_number: int | None
    """In the prior; None for one that is new."""
    fate: Fate
    volume_change: float | None
    """Relative: 0.25 is a quarter more; None unless matched."""
    doubling_days: float | None
    """Volume doubling time, negative where it shrinks; None unless matched, changed and comparable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Lesions of the prior that nothing is said of."""

    reason: str
    """Stable code ("no-place", "no-size", "other-frame", "unknown-site", "no-lesion", ...)."""
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An exam compared with one prior."""

    prior_series_uid: str
    prior_date: date | None
    interval_days: int | None
    limited: tuple[str, ...]
    """Stable codes of what limits the comparison ("model", "kernel", "thickness", "inspiration",
    "coverage", "registration", "threshold", "count"); where there is any, nothing is called new or gone."""
    not_used: str
    """Why the prior was not used, as a stable code ("other-patient", "no-prior", ...); empty where it was."""
    nodules: tuple[NoduleChange, ...]
    gone_share: float | None
    """Share of the prior's nodules that are gone, of those that are gone or matched; None in a limited
    comparison."""
    median_volume_change: float | None
    """Of the matched nodules, relative."""
    source: str = ""
    """From what the prior is known: "ours", "images" (read again by the model of this exam), "report",
    "segmentation"; empty where it is not told or there is none."""
    left_out: tuple[LeftOut, ...] = ()
    """Of the prior's lesions."""
    archive: str = ""
    """Why it is not known whether archives hold another prior ("archive-late", "archive-silent"); empty where
    it is, or where none is asked."""
