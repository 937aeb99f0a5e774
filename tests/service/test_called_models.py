"""Called titles with models of their own: each series is analysed by that of its title, and by no other."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import onnx
import pydicom
import pytest
from peers import Millet, storescu, until

from millet import app
from millet.edge import models
from millet.flow.analyse import Made, Order
from millet.flow.offline import analyse
from millet.phantom import dicom, presets
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.settings import Settings

USUAL, STRICT = "log/1", "strict/2"
CALLED = [{"ae_title": "MILLET"}, {"ae_title": "STRICT", "model": STRICT}]
LATE = 3


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two models: the analytic one, and one of other bytes and thresholds under a name of its own."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(models.bundled() / "log", folder / "log")
    manifest, graphs = models.load(folder / USUAL)
    graph = onnx.load_from_string(graphs["log"])
    graph.metadata_props.add(key="for", value="another title")
    encoded = graph.SerializeToString()
    strict = replace(
        manifest,
        name="strict",
        version="2",
        levels=tuple(replace(level, threshold=0.9) for level in manifest.levels),
        graphs=(replace(manifest.graphs[0], digest=hashlib.sha256(encoded).hexdigest()),),
    )
    models.add(folder, strict, {manifest.graphs[0].file: encoded})
    return folder


@pytest.fixture(scope="module")
def chests(tmp_path_factory):
    """Two small chests as a scanner would send them, the second in two parts: its last slices come late."""
    folder = tmp_path_factory.mktemp("chests")
    scan = presets.Scan(pixel_mm=1.4, slice_mm=2.0)
    for name, seed in (("usual", 11), ("strict", 12)):
        dicom.write(presets.make("case", nodules=6, seed=seed, scale=0.3, scan=scan), folder / name)
    (folder / "late").mkdir()
    for path in sorted((folder / "strict").glob("*.dcm"))[-LATE:]:
        shutil.move(path, folder / "late")
    return folder


def series_of(folder: Path) -> str:
    """The series of a folder."""
    return str(pydicom.dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).SeriesInstanceUID)


def made_by(root: Path, model: str, *folders: Path) -> Made:
    """What a model makes of a series without a service."""
    chosen = Settings(model=model, models_dir=root)
    instances = [path.read_bytes() for folder in folders for path in sorted(folder.glob("*.dcm"))]
    order = Order(
        site="default", study_uid="1.2", series_uid="1.2.3", generation=1, created_utc=datetime.now(UTC)
    )
    return analyse(order, instances, app.load_model(chosen), lambda *_: None)


def assert_is_by(service: Millet, status: pb.SeriesStatus, wanted: Made) -> None:
    """The analysis and every report in the destination are what that model makes, and name it."""
    model, told = wanted.analysis.provenance, service.analysis(status)
    assert status.state == "analysed"
    assert (told.provenance.model_name, told.provenance.model_digest) == (
        model.model_name,
        model.model_digest,
    )
    assert len(told.nodules) == len(wanted.analysis.nodules)
    reports = [pydicom.dcmread(path) for path in service.folder.rglob("reports/**/sr-*.dcm")]
    texts = [text for one in reports if status.series_uid in (text := one.to_json())]
    assert len(texts) == status.generation
    assert all(model.model_digest in text for text in texts)


def second_generation(service: Millet, series_uid: str) -> pb.SeriesStatus:
    """The line of a series in the worklist once its second generation ended."""

    def newer() -> bool | None:
        return any((one.series_uid, one.generation) == (series_uid, 2) for one in service.series()) or None

    until("generation 2", newer, 60, service.process)
    return service.ended(series_uid)


def test_each_title_has_its_own_model(millet, root, chests):
    """Two titles, two models, two digests; a slice that comes late under the other title changes no model."""
    service = millet(models_dir=str(root), model=USUAL, called=CALLED)
    storescu(chests / "usual", service.dicom_port, "-aec", "MILLET")
    storescu(chests / "strict", service.dicom_port, "-aec", "STRICT")
    usual, strict = (service.ended(series_of(chests / name)) for name in ("usual", "strict"))
    by_usual = made_by(root, USUAL, chests / "usual")
    by_strict = made_by(root, STRICT, chests / "strict")
    assert_is_by(service, usual, by_usual)
    assert_is_by(service, strict, by_strict)
    digests = {made.analysis.provenance.model_digest for made in (by_usual, by_strict)}
    assert len(digests) == 2
    told = [line for line in service.page("metrics").splitlines() if line.startswith("millet_model_info")]
    assert {digest for digest in digests for line in told if digest in line} == digests

    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    ends = [line["model"] for line in lines if line.get("message") == "analysis committed"]
    assert sorted(ends) == sorted([USUAL, STRICT])

    storescu(chests / "late", service.dicom_port, "-aec", "MILLET")
    again = second_generation(service, strict.series_uid)
    assert again.instances == strict.instances + LATE
    assert_is_by(service, again, made_by(root, STRICT, chests / "strict", chests / "late"))


def test_a_series_waits_for_an_analyser_that_has_its_model(millet, root, chests, tmp_path):
    """One that has not that model leaves it, and does the rest; one that comes later and has it, does it."""
    shared = {"state_dir": str(tmp_path / "state"), "models_dir": str(root), "model": USUAL}
    receiver = millet(**shared, called=CALLED, roles=["receive", "deliver", "api"])
    without = millet(**shared, roles=["analyse", "api"], slot=1)
    storescu(chests / "strict", receiver.dicom_port, "-aec", "STRICT")
    storescu(chests / "usual", receiver.dicom_port, "-aec", "MILLET")
    receiver.ended(series_of(chests / "usual"))
    (left,) = [one for one in receiver.series() if one.series_uid == series_of(chests / "strict")]
    assert left.state == "queued"
    with_it = millet(**shared, called=CALLED, roles=["analyse", "api"], slot=2)
    ended = with_it.ended(left.series_uid)
    told = with_it.analysis(ended).provenance
    assert (told.model_name, ended.state) == ("strict", "analysed")
    assert without.process.poll() is None


def test_a_model_that_cannot_be_loaded_stops_the_start(root, tmp_path):
    """In words that name the title and the model."""
    config = tmp_path / "millet.toml"
    config.write_text(
        f'state_dir = "{tmp_path / "state"}"\nmodels_dir = "{root}"\nmodel = "{USUAL}"\n'
        '[[called]]\nae_title = "CHILD"\nmodel = "child/7"\n'
    )
    command = [sys.executable, "-m", "millet", "serve", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode != 0
    assert "called 'CHILD': model child/7" in done.stdout + done.stderr
