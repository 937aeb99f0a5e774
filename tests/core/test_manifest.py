import json
from dataclasses import replace

import numpy as np
import pytest
from calibrations import FITTED

from millet.core.geometry import PointMm
from millet.core.manifest import Graph, altered, parse, written
from millet.core.nodule import Candidate
from millet.errors import ModelError
from millet.train.log_card import manifest

GOOD = manifest("0" * 64, 13)


def test_what_is_written_is_read_back():
    """A manifest survives its own text."""
    assert parse(written(GOOD)) == GOOD


def test_every_missing_and_unknown_field_is_named():
    """A manifest of another shape is refused with all of its mistakes."""
    document = json.loads(written(GOOD))
    del document["licence"], document["levels"]
    document["colour"] = "red"
    with pytest.raises(ModelError, match=r"licence is missing; .*colour is unknown") as caught:
        parse(json.dumps(document))
    assert "levels is missing" in str(caught.value)


def test_every_wrong_value_is_named():
    """Values out of range are all told at once."""
    document = json.loads(written(GOOD))
    document |= {"hu_range": [100, -1000], "merge_distance": 0, "count_limit": 0}
    document["levels"][0] |= {"spacing_mm": [1.0, 2.0, 0.0], "graph": "blob", "multiple_voxels": [2, 0, 2]}
    document["graphs"][0] |= {"precision": "fp8", "digest": "xyz", "file": "../model.onnx"}
    document["training"][0]["licence"] = " "
    with pytest.raises(ModelError) as caught:
        parse(json.dumps(document))
    for words in (
        "hu_range",
        "merge_distance",
        "count_limit",
        "level fine: spacing_mm",
        "level fine: multiple_voxels",
        "level fine: there is no graph blob",
        "graph log has no fp32",
        "precision 'fp8'",
        "digest must be",
        "plain file name",
        "data and licence",
    ):
        assert words in str(caught.value)


def test_the_fields_of_the_parts_are_checked_too():
    """What a level or a graph lacks, and what it should not have, is named with its place."""
    document = json.loads(written(GOOD))
    del document["levels"][1]["graph"]
    document["graphs"][0]["colour"] = "red"
    document["training"] = {}
    with pytest.raises(ModelError) as caught:
        parse(json.dumps(document))
    for words in ("levels[1] graph is missing", "graphs[0] colour is unknown", "training must be a list"):
        assert words in str(caught.value)


def test_a_level_need_not_choose_its_windows():
    """Core and multiple have defaults; an anisotropic grid is a grid."""
    document = json.loads(written(GOOD))
    document["levels"][0]["spacing_mm"] = [1.25, 0.7, 0.7]
    del document["levels"][0]["core_voxels"], document["levels"][0]["multiple_voxels"]
    level = parse(json.dumps(document)).levels[0]
    assert (level.core_voxels, level.multiple_voxels) == (None, (1, 1, 1))
    assert level.spacing_mm == (1.25, 0.7, 0.7)


@pytest.mark.parametrize("text", ["", "[]", '{"name": ', "null"])
def test_what_is_no_manifest_is_refused(text):
    """Text that is no JSON object is a ModelError."""
    with pytest.raises(ModelError):
        parse(text)


def test_another_graph_is_noticed():
    """Bytes of another digest than the manifest's are named; files that are not held are not judged."""
    (told,) = altered(GOOD, {"model.onnx": b"another graph", "README": b""})
    assert told.startswith("model.onnx has digest")
    assert altered(GOOD, {}) == ()


def test_a_precision_is_whole_or_not_there():
    """A model runs in a precision only if every graph that a level names has it."""
    fp16 = Graph(name="log", precision="fp16", file="half.onnx", digest="1" * 64)
    other = Graph(name="other", precision="fp32", file="other.onnx", digest="2" * 64)
    two = (replace(GOOD.levels[0], graph="other"), *GOOD.levels[1:])
    assert replace(GOOD, graphs=(*GOOD.graphs, fp16)).precisions == ("fp32", "fp16")
    mixed = replace(GOOD, graphs=(*GOOD.graphs, fp16, other), levels=two)
    assert [graph.name for graph in mixed.in_use("fp32")] == ["log", "other"]
    with pytest.raises(ModelError, match="has no fp16, only fp32"):
        mixed.in_use("fp16")


def test_the_digest_tells_what_runs():
    """It differs by precision and by any graph in use, and by no other graph nor their order."""
    fp16 = Graph(name="log", precision="fp16", file="half.onnx", digest="1" * 64)
    both = replace(GOOD, graphs=(*GOOD.graphs, fp16))
    idle = Graph(name="idle", precision="fp32", file="idle.onnx", digest="2" * 64)
    assert (
        both.digest("fp32") == GOOD.digest("fp32") == replace(both, graphs=both.graphs[::-1]).digest("fp32")
    )
    assert replace(GOOD, graphs=(*GOOD.graphs, idle)).digest("fp32") == GOOD.digest("fp32")
    changed = replace(GOOD, graphs=(replace(GOOD.graphs[0], digest="3" * 64),))
    assert len({GOOD.digest("fp32"), both.digest("fp16"), changed.digest("fp32")}) == 3


@pytest.mark.parametrize(
    ("diameter", "score", "reported"), [(3, 0.5, True), (3, 0.49, False), (40, 0.6, True)]
)
def test_a_candidate_is_reported_from_its_levels_threshold_on(diameter, score, reported):
    """The operating threshold of the level that owns the size decides."""
    candidate = Candidate(centre_mm=PointMm(0, 0, 0), diameter_mm=diameter, score=score)
    assert GOOD.reports(candidate) is reported


def test_thresholds_are_those_of_the_levels_that_own_a_size():
    """Of several the lowest; a level owns its lower end and not its upper one; what nobody owns has 1."""
    levels = [
        replace(GOOD.levels[0], name=str(n), diameters_mm=owned, threshold=threshold)
        for n, (owned, threshold) in enumerate((((2.0, 6.0), 0.5), ((5.0, 9.0), 0.3), ((9.0, 30.0), 0.7)))
    ]
    sizes = np.asarray([1.9, 2.0, 4.9, 5.0, 5.9, 6.0, 8.9, 9.0, 29.9, 30.0])
    wanted = [1.0, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3, 0.7, 0.7, 1.0]
    for order in (levels, levels[::-1]):
        assert replace(GOOD, levels=tuple(order)).thresholds(sizes).tolist() == wanted
    assert GOOD.thresholds(np.zeros(0)).shape == (0,)


def test_all_at_once_is_each_alone():
    """What is reported of many is what is reported of each."""
    random = np.random.default_rng(5)
    sizes, scores = random.uniform(0.5, 60, 300), random.uniform(0, 1, 300)
    many = scores >= GOOD.thresholds(sizes)
    for size, score, reported in zip(sizes, scores, many, strict=True):
        one = Candidate(centre_mm=PointMm(0, 0, 0), diameter_mm=float(size), score=float(score))
        assert GOOD.reports(one) is bool(reported)
    assert 0 < np.count_nonzero(many) < len(many)


CALIBRATED = replace(GOOD, calibration=replace(FITTED, fitted_with=GOOD.finds_by))


def test_a_calibration_is_written_and_read_back():
    """With all of its fields; one that is missing or unknown is named with its place."""
    assert parse(written(CALIBRATED)) == CALIBRATED
    assert parse(written(GOOD)).calibration is None
    document = json.loads(written(CALIBRATED))
    del document["calibration"]["by_score"]
    document["calibration"]["slope"] = 1.0
    with pytest.raises(ModelError, match=r"calibration by_score is missing; calibration slope is unknown"):
        parse(json.dumps(document))


def test_a_broken_calibration_is_refused_with_its_reason():
    """A slope that falls, and ranges that are none."""
    document = json.loads(written(CALIBRATED))
    document["calibration"] |= {"by_score": -2.0, "slice_mm": [3.0, 1.0]}
    with pytest.raises(ModelError, match=r"calibration 1: by_score -2.0 must not be negative") as caught:
        parse(json.dumps(document))
    assert "slice_mm (3.0, 1.0) is no range" in str(caught.value)


@pytest.mark.parametrize("part", ["threshold", "digest", "merge_distance"])
def test_a_calibration_of_another_model_is_refused(part):
    """Another threshold, graph or rule gives other findings: it must be fitted again."""
    document = json.loads(written(CALIBRATED))
    if part == "threshold":
        document["levels"][0]["threshold"] = 0.4
    elif part == "digest":
        document["graphs"][0]["digest"] = "9" * 64
    else:
        document["merge_distance"] = 0.7
    with pytest.raises(ModelError, match="fitted with other graphs, levels or thresholds: fit it again"):
        parse(json.dumps(document))


def test_a_calibration_outlives_what_changes_no_finding():
    """A name, a description, a further precision; and it changes no digest of what runs."""
    half = Graph(name="log", precision="fp16", file="half.onnx", digest="1" * 64)
    renamed = replace(CALIBRATED, name="own", description="other words", graphs=(*GOOD.graphs, half))
    assert parse(written(renamed)) == renamed
    assert CALIBRATED.digest("fp32") == GOOD.digest("fp32")
