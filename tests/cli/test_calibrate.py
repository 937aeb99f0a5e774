"""`millet models calibrate` as a shell sees it: a manifest with a calibration, or a reason."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest

from millet import cli
from millet.edge import models
from millet.phantom import dicom, presets


@pytest.fixture
def root(tmp_path):
    """The analytic model, set to report much that is nothing."""
    shutil.copytree(models.bundled() / "log", tmp_path / "models" / "log")
    path = tmp_path / "models/log/1/manifest.json"
    document = json.loads(path.read_text())
    for level in document["levels"]:
        level["threshold"] = 0.005
    path.write_text(json.dumps(document))
    return tmp_path / "models"


@pytest.fixture
def calibrate(monkeypatch, capsys, root, tmp_path):
    """`millet models calibrate CASES` with that model: exit code and words."""

    def run(cases):
        for name in [name for name in os.environ if name.startswith("MILLET_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("MILLET_MODEL", "log/1")
        monkeypatch.setenv("MILLET_MODELS_DIR", str(root))
        out = ("--out", str(tmp_path / "out"), "--prevalence", "25 in each")
        monkeypatch.setattr(sys, "argv", ["millet", "models", "calibrate", str(cases), *out])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def test_a_model_is_calibrated_by_cases_whose_truth_is_known(tmp_path, root, calibrate):
    """It is in the manifest, fitted with this model, and says what it was fitted on and how it held."""
    scan = presets.Scan(pixel_mm=1.0, slice_mm=2.0)
    for seed in (1, 2, 3):
        phantom = presets.make("miliary", nodules=25, seed=seed, scale=0.35, scan=scan)
        dicom.write(phantom, tmp_path / "cases" / str(seed))
    code, said = calibrate(tmp_path / "cases")
    assert code == 0, said
    found = models.manifest(root / "log/1")
    assert found.calibration.fitted_with == found.finds_by
    assert found.calibration.fitted_on.startswith("3 exams of cases: ")
    assert found.calibration.prevalence == "25 in each"
    assert found.calibration.slice_mm == (2.0, 2.0)
    assert "expected calibration error, on cases that a fit left out" in said


def test_too_few_cases_change_nothing(tmp_path, root, calibrate):
    """One small chest with a nodule or two is a reason, and the manifest stays as it was."""
    before = (root / "log/1/manifest.json").read_text()
    scan = presets.Scan(pixel_mm=1.0, slice_mm=2.0)
    dicom.write(presets.make("sparse", nodules=2, seed=3, scale=0.35, scan=scan), tmp_path / "cases" / "one")
    code, said = calibrate(tmp_path / "cases")
    assert code == 1
    assert "are too few to calibrate: 10 of each" in said
    assert (root / "log/1/manifest.json").read_text() == before
