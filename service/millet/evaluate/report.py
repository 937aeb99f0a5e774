"""An evaluation as text for other programs: summary.json and froc.csv. Keys are added, never renamed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from millet.evaluate.bins import Bin
from millet.evaluate.estimate import CONFIDENCE
from millet.evaluate.froc import Curve
from millet.evaluate.match import LEAST_REACH_MM
from millet.evaluate.summary import Summary

FORMAT = 1
RULE = f"one to one, the most pairs, within half the diameter or {LEAST_REACH_MM:g} mm if that is more"


def summary_json(summary: Summary, about: Mapping[str, Any], failed: Mapping[str, str]) -> str:
    """The text of summary.json.

    Args:
        summary: the figures.
        about: what was judged: model and operating point; JSON values.
        failed: cases that are in no figure, with the reason.
    """
    nodules = sum(case.true for case in summary.cases)
    document = {
        "format": FORMAT,
        "about": dict(about),
        "matching": RULE,
        "confidence": CONFIDENCE,
        "scans": len(summary.cases),
        "nodules": nodules,
        "failed": [{"name": name, "reason": reason} for name, reason in failed.items()],
        **_operating(summary),
        "froc": [{"false_per_scan": rate, **asdict(value)} for rate, value in summary.froc.at],
        "cpm": asdict(summary.froc.cpm),
        "cases": [asdict(case) for case in summary.cases],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def froc_csv(curve: Curve) -> str:
    """The points of the curve at which the sensitivity rises, and the last."""
    rows = ["threshold,false_per_scan,sensitivity"]
    if curve.nodules:
        rows += [
            f"{float(curve.threshold[at])!r},{curve.false_per_scan[at]:.6g},{curve.sensitivity[at]:.6g}"
            for at in curve.corners().tolist()
        ]
    return "\n".join(rows) + "\n"


def _operating(summary: Summary) -> dict[str, Any]:
    """The figures at the operating point."""
    plain = {
        "sensitivity": summary.sensitivity,
        "false_per_scan": summary.false_per_scan,
        "false_per_empty_scan": summary.false_per_empty_scan,
        "false_discovery_rate": summary.false_discovery_rate,
        "count_error": summary.count_error,
        "diameter_bias_mm": summary.diameter_bias_mm,
        "diameter_rmse_mm": summary.diameter_rmse_mm,
        "centre_error_mm": summary.centre_error_mm,
    }
    figures: dict[str, Any] = {name: asdict(value) for name, value in plain.items()}
    line = summary.found_against_true
    figures["found_against_true"] = {
        "slope": asdict(line.slope),
        "intercept": line.intercept,
        "r_squared": line.r_squared,
    }
    figures["by_size"], figures["by_kind"] = _bins(summary.by_size), _bins(summary.by_kind)
    return figures


def _bins(bins: Sequence[Bin]) -> list[dict[str, Any]]:
    return [{"name": one.name, "hits": one.hits, **asdict(one.sensitivity)} for one in bins]
