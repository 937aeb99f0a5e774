"""Everything that an evaluation says, in one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from millet.evaluate import measures
from millet.evaluate.bins import EDGES_MM, Bin, by_kind, by_size
from millet.evaluate.case import Judged
from millet.evaluate.estimate import Estimate
from millet.evaluate.froc import Froc, froc
from millet.evaluate.measures import Line
from millet.evaluate.sweep import Sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCounts:
    """One case at the operating point, as counts."""

    name: str
    true: int
    found: int
    """Reported, those that only ignored regions explain left out: `hits` + `false`."""
    hits: int
    false: int
    ignored: int
    """Reported in ignored regions alone."""
    candidates: int
    """Down to the floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All figures of an evaluation. Those of the operating point stand before those of the curve."""

    sensitivity: Estimate
    by_size: tuple[Bin, ...]
    by_kind: tuple[Bin, ...]
    false_per_scan: Estimate
    false_per_empty_scan: Estimate
    """Of the scans without a nodule."""
    false_discovery_rate: Estimate
    count_error: Estimate
    """Median of |found - true| / true."""
    found_against_true: Line
    diameter_bias_mm: Estimate
    diameter_rmse_mm: Estimate
    centre_error_mm: Estimate
    froc: Froc
    cases: tuple[CaseCounts, ...]


def summarise(
    judged: Sequence[Judged], sweeps: Sequence[Sweep], edges_mm: Sequence[float] = EDGES_MM
) -> Summary:
    """The figures of some cases, judged at the operating point and swept over all thresholds."""
    return Summary(
        sensitivity=measures.sensitivity(judged),
        by_size=by_size(judged, edges_mm),
        by_kind=by_kind(judged),
        false_per_scan=measures.false_per_scan(judged),
        false_per_empty_scan=measures.false_per_scan(judged, empty_only=True),
        false_discovery_rate=measures.false_discovery_rate(judged),
        count_error=measures.count_error(judged),
        found_against_true=measures.found_against_true(judged),
        diameter_bias_mm=measures.diameter_bias_mm(judged),
        diameter_rmse_mm=measures.diameter_rmse_mm(judged),
        centre_error_mm=measures.centre_error_mm(judged),
        froc=froc(sweeps),
        cases=tuple(counts(one) for one in judged),
    )


def counts(one: Judged) -> CaseCounts:
    """The counts of one case."""
    return CaseCounts(
        name=one.case.name,
        true=len(one.case.truth),
        found=one.counted,
        hits=len(one.matching.pairs),
        false=len(one.matching.false),
        ignored=len(one.matching.spared),
        candidates=len(one.case.found),
    )
