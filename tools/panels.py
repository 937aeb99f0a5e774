"""Panels and dashboards as values, and as the JSON that Grafana reads.

A panel is a question to Prometheus with a unit; where it lies is reckoned.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = 24
HIGH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    unit: str
    """As Grafana names it: s, short, bytes, percentunit, reqps."""
    asks: Mapping[str, str]
    """Expressions by the legend of their series, `{{label}}` in it."""
    kind: str = "timeseries"
    width: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    rows: Mapping[str, Sequence[Panel]]
    """Panels under their headings."""


def quantiles(metric: str, by: str = "", window: str = "$__rate_interval") -> Mapping[str, str]:
    """Median and 95th percentile of a histogram, for each value of a label."""
    labels, name = (f"le, {by}", f" {{{{{by}}}}}") if by else ("le", "")
    return {
        f"{word}{name}": f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket[{window}])))"
        for word, share in (("median", 0.5), ("95 %", 0.95))
    }


def rates(metric: str, by: str) -> Mapping[str, str]:
    """How many a second, for each value of some labels."""
    legend = " ".join(f"{{{{{one}}}}}" for one in by.split(", "))
    return {legend: f"sum by ({by}) (rate({metric}[$__rate_interval]))"}


def counts(metric: str, by: str, window: str = "1h", legend: str = "") -> Mapping[str, str]:
    """How many in a while, for each value of some labels."""
    legend = legend or " ".join(f"{{{{{one}}}}}" for one in by.split(", "))
    return {legend: f"sum by ({by}) (increase({metric}[{window}]))"}


def shares(metric: str, by: str, window: str = "1d") -> Mapping[str, str]:
    """What part each value of a label has."""
    each = f"sum by ({by}) (increase({metric}[{window}]))"
    return {f"{{{{{by}}}}}": f"{each} / ignoring ({by}) group_left sum(increase({metric}[{window}]))"}


def rendered(dashboard: Dashboard) -> str:
    """The dashboard as Grafana reads it."""
    page = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["millet"],
        "timezone": "browser",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "panels": list(_panels(dashboard)),
    }
    return json.dumps(page, indent=1, ensure_ascii=False) + "\n"


def _panels(dashboard: Dashboard) -> Iterator[Mapping[str, Any]]:
    """Rows from top to bottom, each panel beside the one before it where there is room."""
    number, y = 0, 0
    for heading, panels in dashboard.rows.items():
        number, x = number + 1, 0
        yield _placed(number, (0, y, COLUMNS, 1), type="row", title=heading, collapsed=False, panels=[])
        y += 1
        for panel in panels:
            if x + panel.width > COLUMNS:
                x, y = 0, y + HIGH
            number += 1
            yield _placed(number, (x, y, panel.width, HIGH), **_facts(panel))
            x += panel.width
        y += HIGH


def _placed(number: int, place: tuple[int, int, int, int], **facts: Any) -> Mapping[str, Any]:
    x, y, wide, high = place
    return {"id": number, "gridPos": {"x": x, "y": y, "w": wide, "h": high}, **facts}


def _facts(panel: Panel) -> Mapping[str, Any]:
    source = {"type": "prometheus", "uid": "prometheus"}
    targets = [
        {"refId": chr(ord("A") + n), "datasource": source, "expr": expression, "legendFormat": legend}
        for n, (legend, expression) in enumerate(panel.asks.items())
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }
