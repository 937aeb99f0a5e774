"""No metric without its line in the manual, no line without its metric."""

import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from millet.edge.telemetry import Devices, Nvml, Telemetry

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"^\| `(millet_\w+)` \| (\w+) \| ([^|]*)\|", re.MULTILINE)


def declared() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Name, type and labels of every metric."""
    registry = CollectorRegistry()
    telemetry = Telemetry(registry, "0")
    telemetry.model("", "", "", "", "")
    telemetry.clock_skews({"": 0.0})
    telemetry.doors.certificate_left("server", 0)
    telemetry.notices.planned(["ward"])
    telemetry.working.ready("", answers=True)
    Devices(registry, (0,), Nvml()).measure()
    for metric in registry.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        yield name, metric.type, frozenset(label for s in metric.samples for label in s.labels) - {"le"}


def documented() -> set[tuple[str, str, frozenset[str]]]:
    """What the tables of the manual say."""
    text = (ROOT / "docs/reference/metrics.md").read_text("utf-8")
    rows = NAME.findall(text)
    return {(name, kind, frozenset(_labels(labels))) for name, kind, labels in rows}


def _labels(cell: str) -> list[str]:
    """The labels of a cell; values stand in brackets."""
    return re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", cell))


def test_every_metric_is_documented_with_its_type_and_labels():
    """The manual and the code name the same metrics."""
    assert documented() == set(declared())


def test_every_metric_has_our_prefix():
    """One word tells which service a metric belongs to."""
    assert all(name.startswith("millet_") for name, _, _ in declared())


def test_the_readme_leads_to_the_table():
    """A reader of the README finds the metrics."""
    assert "docs/reference/metrics.md" in (ROOT / "README.md").read_text("utf-8")
