import json

import pytest

from millet.core.geometry import PointMm
from millet.core.manifest import check_digest, parse, written
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
    document |= {"digest": "xyz", "hu_range": [100, -1000], "merge_distance": 0}
    document["levels"][0]["spacing_mm"] = [1.0, 2.0, 2.0]
    with pytest.raises(ModelError) as caught:
        parse(json.dumps(document))
    for word in ("digest", "hu_range", "merge_distance", "level fine: spacing_mm"):
        assert word in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '{"name": ', "null"])
def test_what_is_no_manifest_is_refused(text):
    """Text that is no JSON object is a ModelError."""
    with pytest.raises(ModelError):
        parse(text)


def test_another_graph_is_refused():
    """Bytes of another digest than the manifest's do not start."""
    with pytest.raises(ModelError, match="digest"):
        check_digest(GOOD, b"another graph")


@pytest.mark.parametrize(
    ("diameter", "score", "reported"), [(3, 0.5, True), (3, 0.49, False), (40, 0.6, True)]
)
def test_a_candidate_is_reported_from_its_levels_threshold_on(diameter, score, reported):
    """The operating threshold of the level that owns the size decides."""
    candidate = Candidate(centre_mm=PointMm(0, 0, 0), diameter_mm=diameter, score=score)
    assert GOOD.reports(candidate) is reported
