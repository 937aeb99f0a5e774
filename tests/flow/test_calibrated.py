"""Probabilities, end to end: from the manifest to every object that tells of a nodule."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pydicom
import pytest
from calibrations import FITTED

from millet import app
from millet.codec import codes, record, wire
from millet.codec.ct import read_header
from millet.codec.sr_values import PROBABILITY, from_words
from millet.core.rounding import percent
from millet.flow.analyse import Order
from millet.flow.offline import analyse
from millet.phantom import dicom, presets
from millet.settings import Settings


@pytest.fixture(scope="module")
def model():
    """The analytic model, as if it had been calibrated."""
    found = app.load_model(Settings(model="log/1"))._replace(second=None)
    fitted = replace(FITTED, fitted_with=found.manifest.finds_by, diameter_mm=(1.0, 80.0))
    return found._replace(manifest=replace(found.manifest, calibration=fitted))


@pytest.fixture(scope="module")
def chest():
    """A small chest with eight nodules."""
    scan = presets.Scan(pixel_mm=1.0, slice_mm=2.0)
    phantom = presets.make("sparse", nodules=8, seed=5, scale=0.35, scan=scan)
    return dicom.encoded(phantom)


def analysed(instances, model):
    """One series, as the service would."""
    header = read_header(instances[0])
    order = Order(
        site="default",
        study_uid=header.study_uid,
        series_uid=header.series_uid,
        generation=1,
        created_utc=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return analyse(order, instances, model, lambda *_: None)


@pytest.fixture(scope="module")
def made(chest, model):
    """What the calibrated model makes of it."""
    return analysed(chest, model)


def spoken(dataset):
    """All content items below a data set."""
    for item in dataset.get("ContentSequence", []):
        yield item
        yield from spoken(item)


def test_each_nodule_has_the_probability_of_its_score(made, model):
    """Among so many in so much lung; and the analysis says what that was calibrated on."""
    nodules, litres = made.analysis.nodules, made.analysis.lungs.total_l
    scores = np.asarray([nodule.score for nodule in nodules])
    wanted = model.manifest.calibration.of(scores, len(nodules) / litres)
    assert [nodule.character.probability for nodule in nodules] == wanted.tolist()
    assert made.analysis.provenance.calibration == model.manifest.calibration.told
    assert not any("probability" in words for words in made.analysis.not_assessed)


def test_every_object_tells_the_same(made):
    """Report, gRPC and the journal's record, by the rounding rule; and that it is not of cancer."""
    wanted = [percent(nodule.character.probability) for nodule in made.analysis.nodules]
    sent = wire.analysis_to_wire(made.analysis)
    assert [percent(nodule.character.probability) for nodule in sent.nodules] == wanted
    assert record.decode(record.encode(made.analysis)) == made.analysis
    items = list(spoken(pydicom.dcmread(io.BytesIO(made.objects["sr"]))))
    coded = [item for item in items if _named(item, codes.PROBABILITY)]
    told = [float(item.MeasuredValueSequence[0].NumericValue) for item in coded]
    for item in items:
        if _named(item, codes.CHARACTER):
            told += [value for field, value in from_words(item.TextValue)[0].items() if field == PROBABILITY]
    assert sorted(told) == sorted(wanted)
    meant = [item.TextValue for item in items if _named(item, codes.CALIBRATION)]
    assert meant == [made.analysis.provenance.calibration]
    assert "not of cancer" in meant[0]
    assert not [item for item in items if _named(item, codes.CERTAINTY)]


def _named(item, concept):
    return any(one.get("CodeValue") == concept.value for one in item.get("ConceptNameCodeSequence", []))


def test_another_calibration_is_another_object(chest, made, model):
    """Other probabilities never go under the UIDs of these; without one there are none, said so."""
    bare = analysed(chest, model._replace(manifest=replace(model.manifest, calibration=None)))
    one, other = (pydicom.dcmread(io.BytesIO(some.objects["sr"])) for some in (made, bare))
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert bare.analysis.provenance.model_digest == made.analysis.provenance.model_digest
    assert all(nodule.character.probability is None for nodule in bare.analysis.nodules)
    assert (
        "probability that a finding is a nodule (the model is not calibrated)" in bare.analysis.not_assessed
    )
    assert bare.analysis.provenance.calibration == ""
