"""The dashboards are those of tools/dashboards.py, whole and found by Grafana."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "deploy" / "grafana"


@pytest.fixture(scope="module")
def rendered():
    """Each dashboard as the tool makes it, by its file's name."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        made = runpy.run_path(str(ROOT / "tools" / "dashboards.py"))
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return {f"{one.uid}.json": made["rendered"](one) for one in made["DASHBOARDS"]}


def test_what_lies_there_is_what_the_tool_makes(rendered):
    """Nobody edits the JSON, and nobody forgets to write it."""
    assert {path.name: path.read_text("utf-8") for path in GRAFANA.glob("*.json")} == rendered


def test_no_panel_lies_on_another(rendered):
    """Panels are numbered once, fill their rows and do not overlap."""
    for text in rendered.values():
        panels = json.loads(text)["panels"]
        assert len({one["id"] for one in panels}) == len(panels)
        places = [one["gridPos"] for one in panels]
        fields = [
            (x, y)
            for p in places
            for x in range(p["x"], p["x"] + p["w"])
            for y in range(p["y"], p["y"] + p["h"])
        ]
        assert len(set(fields)) == len(fields)
        assert max(x for x, _ in fields) == 23


def test_compose_gives_grafana_every_dashboard_and_its_source(rendered):
    """The folder of the provider holds them all, and their source is the one that is provisioned."""
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
    provider = yaml.safe_load((GRAFANA / "dashboards.yml").read_text("utf-8"))["providers"][0]
    source = yaml.safe_load((GRAFANA / "datasource.yml").read_text("utf-8"))["datasources"][0]
    mounted = {
        one["target"]: compose["configs"][one["source"]]["file"]
        for one in compose["services"]["grafana"]["configs"]
    }
    for name, text in rendered.items():
        assert mounted[f"{provider['options']['path']}/{name}"] == f"grafana/{name}"
        assert f'"uid": "{source["uid"]}"' in text
