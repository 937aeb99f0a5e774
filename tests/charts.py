"""The chart as Helm renders it, read back: what tests of deployment look at, and start."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "millet"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
KUBERNETES = "1.33.0"
HELMS = (3, 4)

Manifest = Mapping[str, Any]


def helm(version: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Helm 3 or Helm 4, where `tools/helm.sh` left them."""
    program = ROOT / ".tools" / f"helm{version}" / "helm" / "helm"
    return subprocess.run(
        [str(program), *words], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def rendered(values: Path, version: int = 4) -> str:
    """The manifests of a release `r` with these values, as text."""
    done = helm(version, "template", "r", str(CHART), "-f", str(values), "--kube-version", KUBERNETES)
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifests(text: str) -> Sequence[Manifest]:
    """Each object of a rendered chart."""
    return [one for one in yaml.safe_load_all(text) if one]


def of_kind(kind: str, found: Sequence[Manifest]) -> Sequence[Manifest]:
    """Those of one kind."""
    return [one for one in found if one["kind"] == kind]


def configuration(stateful_set: Manifest, found: Sequence[Manifest]) -> str:
    """The millet.toml that the pods of a StatefulSet read."""
    volumes = stateful_set["spec"]["template"]["spec"]["volumes"]
    (name,) = [volume["configMap"]["name"] for volume in volumes if "configMap" in volume]
    (text,) = [
        one["data"]["millet.toml"] for one in of_kind("ConfigMap", found) if one["metadata"]["name"] == name
    ]
    return str(text)
