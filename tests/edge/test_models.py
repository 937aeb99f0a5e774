import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from calibrations import FITTED

from millet import app
from millet.app import loading
from millet.edge import cpu, models
from millet.errors import ModelError
from millet.settings import Settings


@pytest.fixture
def root(tmp_path):
    """A copy of the bundled models."""
    shutil.copytree(models.bundled() / "log", tmp_path / "log")
    return tmp_path


def test_the_bundled_model_is_what_its_manifest_says():
    """Name, version and digest of the model that comes with Millet agree."""
    manifest, graphs = models.load(models.find(models.bundled(), "log/1"))
    assert (manifest.name, manifest.version, manifest.count_limit) == ("log", "1", None)
    assert graphs["log"]
    assert {level.graph for level in manifest.levels} == set(graphs)


def test_an_altered_graph_is_refused(root):
    """One changed byte and nothing starts."""
    path = root / "log/1/model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="digest"):
        models.manifest(models.find(root, "log/1"))


def add_graphs(root, **files):
    """List more graphs in the manifest: name and precision by file, all of digest nought."""
    path = root / "log/1/manifest.json"
    document = json.loads(path.read_text())
    for file, (name, precision) in files.items():
        document["graphs"].append({"name": name, "precision": precision, "file": file, "digest": "0" * 64})
    path.write_text(json.dumps(document))


def test_every_file_that_is_missing_or_altered_is_named(root):
    """One error tells of all."""
    add_graphs(root, absent=("log", "fp16"), other=("log", "int8"))
    (root / "log/1/other").write_bytes(b"")
    with pytest.raises(ModelError, match=r"absent cannot be read.*other has digest"):
        models.manifest(root / "log/1")


def test_a_precision_is_never_replaced_by_another(root):
    """What the model does not have in a precision does not run in it."""
    with pytest.raises(ModelError, match="has no int8, only fp32"):
        models.load(root / "log/1", "int8")
    with pytest.raises(ModelError, match="has no int8"):
        app.load_model(Settings(model="log/1", models_dir=root, model_precision="int8"))


@pytest.mark.parametrize(
    ("model", "flags", "computes"),
    [
        ("millet/1", {"amx_bf16", "avx512_vnni"}, "bf16"),
        ("millet/1", {"avx512_vnni"}, "int8"),
        ("millet/1", set(), "fp32"),
        ("log/1", {"amx_bf16", "avx512_vnni"}, "fp32"),
    ],
)
def test_the_precision_is_the_quickest_that_the_model_was_judged_in(monkeypatch, model, flags, computes):
    """By the processor's flags and the manifest's graphs."""
    monkeypatch.setattr(cpu, "flags", lambda: frozenset(flags))
    asked = []

    def made(_graph, *, precision="fp32", compute="fp32", **_):
        asked.append(compute if compute != "fp32" else precision)
        return SimpleNamespace(device="cpu", provider="", precision=precision)

    monkeypatch.setattr(loading, "OpenVinoDetector", made)
    app.load_model(Settings(model=model))
    assert asked[0] == computes


def test_a_precision_brings_its_own_graphs(root):
    """The bytes are those of the precision that was asked for."""
    add_graphs(root, half=("log", "fp16"))
    with pytest.raises(ModelError, match="half cannot be read"):
        models.load(root / "log/1", "fp16")
    assert models.load(root / "log/1", "fp32")[1]["log"] == (root / "log/1/model.onnx").read_bytes()


def test_a_model_under_another_name_is_refused(root):
    """A folder must hold the model that it is named for."""
    (root / "log/1").rename(root / "log/2")
    with pytest.raises(ModelError, match="log/1"):
        models.manifest(models.find(root, "log/2"))


@pytest.mark.parametrize("name", ["log", "log/9", "../log/1", "log/1/x"])
def test_what_is_not_there_is_refused(root, name):
    """A model that cannot be found is a ModelError."""
    with pytest.raises(ModelError):
        models.find(root, name)


def test_all_models_are_listed(root):
    """One folder a model."""
    assert models.folders(root) == (root / "log/1",)


_RUN_BOTH = """
import sys
from millet.edge.onnx_runtime import OnnxRuntimeDetector
from millet.edge.openvino import OpenVinoDetector
model = open(sys.argv[1], "rb").read()
OnnxRuntimeDetector(model), OpenVinoDetector(model)
"""


def test_no_engine_keeps_notes_to_report_to_its_maker(tmp_path):
    """Nothing is left in a home folder that was empty: no identifier, no queue of events."""
    model = models.bundled() / "log/1/model.onnx"
    clean = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", _RUN_BOTH, str(model)]
    subprocess.run(command, env={**clean, "HOME": str(tmp_path), "XDG_CACHE_HOME": ""}, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_manifest_is_written_anew_whole_or_not_at_all(root):
    """A calibration goes into it; one of other graphs, or of another model, changes nothing."""
    folder = root / "log/1"
    before = models.manifest(folder)
    fitted = replace(FITTED, fitted_with=before.finds_by)
    models.rewrite(folder, replace(before, calibration=fitted))
    assert models.manifest(folder) == replace(before, calibration=fitted)
    assert sorted(path.name for path in folder.iterdir()) == ["MODEL_CARD.md", "manifest.json", "model.onnx"]
    text = (folder / "manifest.json").read_text()
    with pytest.raises(ModelError, match="fitted with other graphs"):
        models.rewrite(folder, replace(before, calibration=FITTED))
    with pytest.raises(ModelError, match="is not the folder of other/1"):
        models.rewrite(folder, replace(before, name="other"))
    assert (folder / "manifest.json").read_text() == text


def test_the_bundled_network_is_calibrated():
    """And the analytic detector is not; what was fitted fits the graphs beside it."""
    assert models.manifest(models.find(models.bundled(), "millet/1")).calibration is not None
    assert models.manifest(models.find(models.bundled(), "log/1")).calibration is None
