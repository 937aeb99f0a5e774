"""The second reader beside a model: silent where the model works, heard where it loses or invents nodules."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pydicom
import pytest
import torch

from millet import app
from millet.codec import codes, record
from millet.codec.ct import read_header
from millet.core.analysis import Analysis, TriageLevel
from millet.core.reasons import Reason, Weight
from millet.edge import models
from millet.flow.analyse import Made, Order
from millet.flow.model import Model
from millet.flow.offline import analyse
from millet.flow.second_reader import SecondReader
from millet.phantom import dicom, presets
from millet.ports import Detector, Peaks
from millet.settings import Settings

SCAN = presets.Scan(pixel_mm=0.9, slice_mm=1.25, noise_hu=30.0)
NODULES = 60


@pytest.fixture(scope="module")
def analytic() -> Model:
    """The analytic model, which has no second reader."""
    return app.load_model(Settings(model="log/1"))


@pytest.fixture(scope="module")
def miliary() -> presets.Phantom:
    """A chest of a third of a litre with 60 nodules of 3 mm."""
    return presets.make("case", nodules=NODULES, seed=7, scale=0.4, scan=SCAN)


@pytest.fixture(scope="module")
def empty() -> presets.Phantom:
    """The same size without a nodule."""
    return presets.make("negative", seed=7, scale=0.4, scan=SCAN)


@dataclass(frozen=True)
class Changed:
    """A detector whose peaks are changed on their way."""

    inner: Detector
    change: Callable[[Peaks], Peaks]
    provider: str = "CPU"
    precision: str = "fp32"
    device: str = "cpu"

    def detect(self, windows: torch.Tensor) -> list[Peaks]:
        """See `ports.Detector`."""
        return [self.change(peaks) for peaks in self.inner.detect(windows)]


def thinned(share: float) -> Callable[[Peaks], Peaks]:
    """Keep a share of the peaks, by chance."""

    def change(peaks: Peaks) -> Peaks:
        keep = np.random.default_rng(len(peaks.score)).random(len(peaks.score)) < share
        return Peaks(peaks.position_voxels[keep], peaks.diameter_voxels[keep], peaks.score[keep])

    return change


def flooded(peaks: Peaks) -> Peaks:
    """Add three hundred sure findings anywhere."""
    rng = np.random.default_rng(1)
    places = rng.uniform(13, 60, (300, 3)).astype(np.float32)
    return Peaks(
        np.concatenate([peaks.position_voxels, places]),
        np.concatenate([peaks.diameter_voxels, np.full(300, 4.0, np.float32)]),
        np.concatenate([peaks.score, np.full(300, 0.9, np.float32)]),
    )


def model_with(analytic: Model, change: Callable[[Peaks], Peaks]) -> Model:
    """A model that finds what the analytic one finds, changed; the analytic one counts beside it."""
    detectors = {name: Changed(one, change) for name, one in analytic.detectors.items()}
    second = SecondReader(manifest=analytic.manifest, detectors=analytic.detectors)
    return Model(analytic.manifest, detectors, second)


def run(phantom: presets.Phantom, model: Model) -> Made:
    """Analyse a phantom under the identifiers that it carries."""
    instances = dicom.encoded(phantom)
    told = read_header(instances[0])
    order = Order(
        site="default",
        study_uid=told.study_uid,
        series_uid=told.series_uid,
        generation=1,
        created_utc=datetime(2026, 1, 6, 8, 0, tzinfo=UTC),
    )
    return analyse(order, instances, model, lambda *_: None)


def doubts(analysis: Analysis) -> list[Reason]:
    """The codes that speak against the count."""
    return [remark.reason for remark in analysis.doubts]


def verdicts(structured: bytes) -> list[str]:
    """The coded verdict on the count in a report."""
    report = pydicom.dcmread(io.BytesIO(structured))
    (evaluations,) = [c for c in report.ContentSequence if _name(c) == codes.EVALUATIONS.value]
    count = [c for c in evaluations.ContentSequence if _name(c) == codes.COUNT.value]
    return [c.ConceptCodeSequence[0].CodeValue for c in count]


def _name(item: pydicom.Dataset) -> str:
    concept = item.ConceptNameCodeSequence[0]
    return str(concept.get("CodeValue", concept.get("LongCodeValue")))


def test_a_model_that_works_is_not_doubted(miliary, analytic):
    """Everything that is there is reported: count reliable, and both counts are told."""
    made = run(miliary, model_with(analytic, lambda peaks: peaks))
    figures = made.analysis.reliability
    assert made.analysis.count_reliable
    assert figures.second_reader == "log/1"
    assert figures.second_small_nodules > NODULES / 2
    assert verdicts(made.objects["sr"]) == [codes.COUNT_RELIABLE.value]


def test_an_empty_chest_is_not_doubted(empty, analytic):
    """The second reader's own false findings are no doubt, and silence stays unflagged."""
    made = run(empty, model_with(analytic, thinned(0.0)))
    assert made.analysis.count_reliable
    assert made.analysis.triage.level is TriageLevel.UNFLAGGED


@pytest.mark.parametrize(
    ("change", "most"), [(thinned(0.08), 12), (thinned(0.0), 0)], ids=["18of220", "none"]
)
def test_a_model_that_loses_nodules_is_doubted_everywhere(change, most, miliary, analytic):
    """A count that lost nine of ten: said in analysis, document and report, and never unflagged."""
    made = run(miliary, model_with(analytic, change))
    analysis = made.analysis
    assert len(analysis.nodules) <= most
    assert doubts(analysis) == [Reason.READERS_DISAGREE]
    assert analysis.doubts[0].weight is Weight.OUTSIDE_USE
    assert not analysis.count_reliable
    assert analysis.triage.level is not TriageLevel.UNFLAGGED
    assert any("second reader" in reason for reason in analysis.triage.reasons)
    assert verdicts(made.objects["sr"]) == [codes.COUNT_NOT_RELIABLE.value]
    assert record.decode(record.encode(analysis)) == analysis


def test_a_flood_is_doubted(empty, analytic):
    """Hundreds of findings where there is nothing."""
    analysis = run(empty, model_with(analytic, flooded)).analysis
    assert doubts(analysis) == [Reason.READERS_DISAGREE]
    assert "confirmed by nothing" in analysis.doubts[0].detail


def test_without_a_second_reader_that_is_said(empty, analytic):
    """The analytic model alone: nobody counts beside it, and the analysis says so."""
    figures = run(empty, analytic).analysis.reliability
    assert figures.second_reader == "no second reader"
    assert figures.second_small_nodules is None


def test_noise_that_hides_nodules_is_a_doubt(analytic):
    """Noise of 150 HU in 3 mm slices: a 3 mm nodule cannot be seen, so no count is to be relied on."""
    scan = presets.Scan(pixel_mm=1.4, slice_mm=3.0, noise_hu=150.0)
    analysis = run(presets.make("negative", seed=4, scale=0.3, scan=scan), analytic).analysis
    assert doubts(analysis) == [Reason.LOW_DETECTABILITY]
    assert analysis.reliability.noise_hu == pytest.approx(150, rel=0.2)
    assert analysis.reliability.detectability < 6
    assert analysis.triage.level is not TriageLevel.UNFLAGGED


def test_any_other_model_is_given_the_second_reader(tmp_path):
    """A model of another name is loaded with the analytic one beside it; another configuration digest."""
    source = models.bundled() / "log/1"
    folder = tmp_path / "copy" / "1"
    folder.mkdir(parents=True)
    for file in source.iterdir():
        content = file.read_bytes()
        if file.name == "manifest.json":
            content = content.replace(b'"name": "log",\n  "version"', b'"name": "copy",\n  "version"')
        (folder / file.name).write_bytes(content)
    model = app.load_model(Settings(model="copy/1", models_dir=tmp_path))
    assert model.second is not None
    assert model.second.name == "log/1"
    assert [level.spacing_mm for level in model.second.looks_with.levels] == [(1.0, 1.0, 1.0)]
    app.prove(model)
