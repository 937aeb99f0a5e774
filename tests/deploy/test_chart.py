"""Facts about the chart that do not need helm; `make check-deploy` renders it."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from millet import __version__
from millet.settings import Settings

CHART = Path(__file__).parents[2] / "helm" / "millet"
OWNED_BY_THE_CHART = {
    "state_dir",
    "host",
    "dicom_host",
    "dicom_port",
    "grpc_port",
    "web_port",
    "metrics_port",
    "metrics_host",
    "models_dir",
    "roles",
    "slot",
}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    """Read the default values."""
    return yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Read the schema of the values."""
    return json.loads((CHART / "values.schema.json").read_text("utf-8"))


def test_the_defaults_fit_the_schema(values: dict[str, Any], schema: dict[str, Any]) -> None:
    """The chart's own values are valid, and the schema itself is."""
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(values, schema)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"colour": "red"}},
        {"settings": {"ae_title": "SEVENTEENLETTERSX"}},
        {"settings": {"destination": "PACS:104"}},
        {"settings": {"web_proxies": ["*"]}},
        {"service": {"dicomPort": 0}},
        {"persistence": {"size": "much"}},
        {"settings": {"spool_url": "s3://key:secret@bucket"}},
        {"bucket": {"secret": "x"}},
        {"replicas": 2},
        {"mode": "cluster"},
        {"receivers": {"replicas": 1, "settings": {"roles": ["api"]}}},
        {"receivers": {"replicas": 1, "settings": {"colour": "red"}}},
        {"analysers": {"A": {"replicas": 1}}},
        {"autoscaling": {"kind": "cron"}},
        {"secretMounts": [{"secret": "x", "path": "relative"}]},
    ],
)
def test_a_wrong_value_is_refused(
    values: dict[str, Any], schema: dict[str, Any], change: dict[str, Any]
) -> None:
    """A value that the service would refuse, or that the chart does not know, is refused by the schema."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**values, **change}, schema)


def test_every_setting_has_its_place(values: dict[str, Any], schema: dict[str, Any]) -> None:
    """The schema knows exactly the settings that the chart leaves open; defaults are the service's."""
    known = {one.name for one in fields(Settings)}
    assert set(schema["properties"]["settings"]["properties"]) == known - OWNED_BY_THE_CHART
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in values["settings"].items()}
    assert Settings(**given) == Settings()


def test_every_value_is_used(values: dict[str, Any]) -> None:
    """Templates refer only to values that exist, and to all of them."""
    text = "".join(path.read_text("utf-8") for path in (CHART / "templates").iterdir())
    used = {name.split(".")[0] for name in re.findall(r"\.Values\.([\w.]+)", text)}
    (picked,) = re.findall(r"pick \.Values (.+?) -}}", text)
    assert used | set(re.findall(r'"(\w+)"', picked)) == set(values)


def test_versions_agree() -> None:
    """The chart installs the version of the package that lies beside it."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == __version__
