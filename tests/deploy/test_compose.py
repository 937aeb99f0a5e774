"""The compose file, by the essentials of the Compose Specification that we use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from millet.settings import load

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "build": {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"type": "string"} for name in ("context", "dockerfile", "target")},
        },
        "image": {"type": "string", "pattern": r"^[a-z0-9./-]+:v?\d+\.\d+\.\d+$"},
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[a-z-]+:/[a-z/-]+$"}},
        "configs": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["source", "target"],
                "properties": {"source": {"type": "string"}, "target": {"type": "string", "pattern": "^/"}},
            },
        },
        "depends_on": {"type": "array", "items": {"type": "string"}},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "stop_grace_period": {"type": "string", "pattern": r"^\d+s$"},
        "read_only": {"type": "boolean"},
        "tmpfs": {"type": "array", "items": {"type": "string"}},
        "cap_drop": {"type": "array", "items": {"type": "string"}},
        "security_opt": {"type": "array", "items": {"type": "string"}},
    },
}
COMPOSE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["services"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9_-]+$"},
        "services": {"type": "object", "additionalProperties": SERVICE},
        "configs": {
            "type": "object",
            "additionalProperties": {"type": "object", "required": ["file"], "additionalProperties": False}
            | {"properties": {"file": {"type": "string"}}},
        },
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Read the compose file."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))


def test_the_compose_file_is_well_formed(compose: dict[str, Any]) -> None:
    """Only keys and forms of the Compose Specification, images pinned, ports on loopback."""
    jsonschema.validate(compose, COMPOSE)


def test_what_is_referred_to_exists(compose: dict[str, Any]) -> None:
    """Every config, volume, file and service that is named is there, and none is idle."""
    services = compose["services"].values()
    assert {c["source"] for s in services for c in s.get("configs", ())} == set(compose["configs"])
    assert {v.split(":")[0] for s in services for v in s.get("volumes", ())} == set(compose["volumes"])
    assert {d for s in services for d in s.get("depends_on", ())} <= set(compose["services"])
    assert all((DEPLOY / config["file"]).is_file() for config in compose["configs"].values())


def test_the_services_find_each_other(compose: dict[str, Any]) -> None:
    """Millet's destination is Orthanc's AE title and port, Orthanc knows Millet, Prometheus its page."""
    settings = load(compose["services"]["millet"]["environment"], None)
    orthanc = json.loads((DEPLOY / "orthanc.json").read_text("utf-8"))
    assert settings.destination == f"{orthanc['DicomAet']}@orthanc:{orthanc['DicomPort']}"
    assert orthanc["DicomModalities"]["millet"] == [settings.ae_title, "millet", settings.dicom_port]
    prometheus = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))
    (job,) = prometheus["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"millet:{settings.metrics_port}"]}]
    assert settings.metrics_host == "0.0.0.0"
    (manager,) = prometheus["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "datasource.yml").read_text("utf-8"))["datasources"]
    assert source["url"] == "http://prometheus:9090"


def test_the_image_is_a_stage_of_the_dockerfile(compose: dict[str, Any]) -> None:
    """What is built is the image for CPU."""
    build = compose["services"]["millet"]["build"]
    assert f" AS {build['target']}\n" in (DEPLOY.parent / build["dockerfile"]).read_text("utf-8")


def test_the_viewer_is_served_beside_the_pacs(compose: dict[str, Any]) -> None:
    """Orthanc serves OHIF over its own DICOMweb, from one origin."""
    orthanc = json.loads((DEPLOY / "orthanc.json").read_text("utf-8"))
    assert orthanc["OHIF"]["DataSource"] == "dicom-web"
    assert orthanc["DicomWeb"]["Enable"] is True
    plugins = compose["services"]["orthanc"]["environment"]
    assert plugins["OHIF_PLUGIN_ENABLED"] == plugins["DICOM_WEB_PLUGIN_ENABLED"] == "true"


def test_the_grace_of_a_stop_is_longer_than_the_drain(compose: dict[str, Any]) -> None:
    """The engine waits longer for a stop than the service needs for one."""
    millet = compose["services"]["millet"]
    assert int(millet["stop_grace_period"].removesuffix("s")) > load(millet["environment"], None).drain_s
