"""A box detector with a cap, end to end: it never returns more, and its reports say so."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import bundles
import numpy as np
import pydicom
import pytest

from millet.codec import codes, record, wire
from millet.codec.ct import read_header
from millet.core.boxes import Boxes
from millet.core.lungs import lungs
from millet.core.manifest import Graph, Level, Manifest
from millet.core.nodule import NoduleClass
from millet.core.reasons import Reason, Weight
from millet.core.wording import words
from millet.edge.openvino import OpenVinoDetector
from millet.flow import detect
from millet.flow.analyse import Order
from millet.flow.model import Model
from millet.flow.offline import analyse
from millet.phantom import dicom, presets
from millet.train.box_graph import BoxGraph, Frame, export
from millet.train.retinanet import Shape

LIMIT = 300
THRESHOLD = 0.3
RULES = Boxes(nms_iou=0.22, most_per_level=1000, most_per_scan=LIMIT, score_floor=0.2)
SMALL = Shape(widen_factor=0.125, channels=16)
FRAME = Frame(
    orientation="RAS",
    spacing_mm=(1.5, 1.5, 2.0),
    hu_range=(-1024.0, 300.0),
    scaled_range=(0.0, 1.0),
    anchor_scales=(1.0, 2.0, 4.0),
    anchor_shapes=((6.0, 8.0, 4.0), (8.0, 6.0, 5.0), (10.0, 10.0, 6.0)),
    score_floor=0.2,
)
MANIFEST = Manifest(
    name="capped",
    version="1",
    licence="none",
    description="a RetinaNet of random weights",
    hu_range=FRAME.hu_range,
    levels=(
        Level(
            name="boxes",
            graph="retinanet",
            spacing_mm=(2.0, 1.5, 1.5),
            halo_voxels=(8, 16, 16),
            core_voxels=(32, 64, 64),
            multiple_voxels=(8, 16, 16),
            diameters_mm=(0.1, 500.0),
            threshold=THRESHOLD,
        ),
    ),
    graphs=(Graph(name="retinanet", precision="fp32", file="retinanet.onnx", digest="0" * 64),),
    candidate_floor=0.2,
    merge_distance=1.0,
    count_limit=LIMIT,
    classes=(NoduleClass.NODULE, NoduleClass.MASS),
    training=(),
    post=RULES,
)


@pytest.fixture(scope="module")
def model():
    """A RetinaNet that knows nothing and sees boxes everywhere, exported and run by the service's engine."""
    network = bundles.network(SMALL, bias=0.0, spread=0.1)
    encoded = export(BoxGraph(network, FRAME, SMALL.strides), (8, 16, 16))
    return Model(MANIFEST, {"retinanet": OpenVinoDetector(encoded, threads=1)})


@pytest.fixture(scope="module")
def chest():
    """A small chest."""
    scan = presets.Scan(pixel_mm=1.5, slice_mm=2.0)
    return presets.make("sparse", nodules=4, seed=5, scale=0.35, scan=scan)


def analysed(instances, model):
    """A series as it arrives, analysed."""
    told = read_header(instances[0])
    order = Order(
        site="default",
        study_uid=told.study_uid,
        series_uid=told.series_uid,
        generation=1,
        created_utc=datetime(2026, 1, 6, 8, 0, tzinfo=UTC),
    )
    return analyse(order, instances, model, lambda *_: None)


@pytest.fixture(scope="module")
def made(chest, model):
    """The analysis of the chest by the capped model."""
    return analysed(dicom.encoded(chest), model)


def test_no_more_than_the_limit_comes_out_of_hundreds_more(chest, model, made):
    """Without its cap on the scan the same boxes are over 300; with it the 300 best of those."""
    mask = lungs(chest.volume)
    uncapped = replace(MANIFEST, post=replace(RULES, most_per_scan=10**6), count_limit=10**6)
    everything = detect.find(chest.volume, mask, model.detectors, uncapped)
    capped = detect.find(chest.volume, mask, model.detectors, MANIFEST)
    assert len(everything) > LIMIT
    assert capped == everything[:LIMIT]
    assert len(made.candidates) == LIMIT


def test_what_is_found_lies_in_the_lungs(chest, made):
    """Boxes elsewhere were gone before any was counted."""
    mask = lungs(chest.volume)
    assert mask.at(np.asarray([c.centre_mm for c in made.candidates])).all()


def remarks(analysis):
    """Reasons and weights."""
    return [(remark.reason, remark.weight) for remark in analysis.remarks]


STATED = (Reason.COUNT_LIMIT, Weight.NOTE)
REACHED = (Reason.COUNT_LIMIT_REACHED, Weight.OUTSIDE_USE)


def test_a_reached_limit_is_told_everywhere(made):
    """In the analysis, its record, gRPC, the page's words, and in the report with its sentence."""
    assert len(made.analysis.nodules) == LIMIT
    assert {STATED, REACHED} <= set(remarks(made.analysis))
    kept = [remark["reason"] for remark in json.loads(record.encode(made.analysis))["remarks"]]
    sent = [remark.reason_code for remark in wire.analysis_to_wire(made.analysis).remarks]
    assert {"count-limit", "count-limit-reached"} <= set(kept) & set(sent)
    assert "there may be more" in words("count-limit-reached")
    report = pydicom.dcmread(io.BytesIO(made.objects["sr"]))
    said = " | ".join(spoken(report))
    assert codes.REASONS[Reason.COUNT_LIMIT].meaning in said
    assert codes.REASONS[Reason.COUNT_LIMIT_REACHED].meaning in said
    assert "The model's limit was reached: there may be more." in said
    assert "none is left out" not in said


def spoken(item):
    """Every text and every coded value of a report."""
    for child in item.get("ContentSequence", []):
        if child.ValueType == "TEXT":
            yield child.TextValue
        if child.ValueType == "CODE":
            yield child.ConceptCodeSequence[0].CodeMeaning
        yield from spoken(child)


def test_a_limit_that_is_not_reached_is_stated_all_the_same(chest, model):
    """With an operating threshold that nothing reaches: stated, and no talk of more."""
    level = replace(MANIFEST.levels[0], threshold=1.0)
    made = analysed(dicom.encoded(chest), Model(replace(MANIFEST, levels=(level,)), model.detectors))
    assert STATED in remarks(made.analysis)
    assert REACHED not in remarks(made.analysis)


def test_a_refused_series_states_it_too(chest, model):
    """Every report of such a model does, also one that says why nothing was analysed."""
    made = analysed(dicom.encoded(chest)[:5], model)
    assert made.analysis.outcome.value == "not-analysed"
    assert STATED in remarks(made.analysis)
