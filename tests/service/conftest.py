"""The service as its own process, with real programs around it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from peers import Millet, Orthanc, Prometheus

from millet.phantom import dicom, presets


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory):
    """A real PACS."""
    pacs = Orthanc(tmp_path_factory.mktemp("orthanc") / "pacs")
    yield pacs
    pacs.stop()


@pytest.fixture
def millet(tmp_path):
    """A way to start the service; whatever runs at the end of the test is killed."""
    started = []

    def start(**settings: object) -> Millet:
        service = Millet(folder=tmp_path / f"millet-{len(started)}", settings=settings)
        started.append(service)
        return service

    yield start
    for service in started:
        service.kill()


@pytest.fixture
def prometheus(tmp_path):
    """A way to have a process watched by a real Prometheus; alerts wait for nothing there."""
    started = []
    alerts = (Path(__file__).parents[2] / "deploy" / "alerts.yml").read_text("utf-8")
    at_once = re.sub(r"^ +for: \w+\n", "", alerts, flags=re.MULTILINE)

    def start(port: int) -> Prometheus:
        watcher = Prometheus(tmp_path / f"prometheus-{len(started)}", port, at_once)
        started.append(watcher)
        return watcher

    yield start
    for watcher in started:
        watcher.stop()


@pytest.fixture(scope="session")
def small_case(tmp_path_factory):
    """A half-size chest with a mass and 40 nodules: quick to analyse, with something to find."""
    folder = tmp_path_factory.mktemp("phantom") / "small"
    dicom.write(presets.make("case", nodules=40, seed=11, scale=0.5), folder)
    return folder


@pytest.fixture(scope="session")
def real_data():
    """The folder of real CT (marker real_data)."""
    default = Path(__file__).parents[2] / ".." / "shared" / "data"
    folder = Path(os.environ.get("MILLET_TEST_DATA", default)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} (MILLET_TEST_DATA)")
    return folder
