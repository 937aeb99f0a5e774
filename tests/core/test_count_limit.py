import json
from dataclasses import replace

import pytest

from millet.core import count_limit
from millet.core.boxes import Boxes, Selected
from millet.core.geometry import PointMm
from millet.core.manifest import Manifest, parse, written
from millet.core.nodule import Candidate
from millet.core.reasons import Reason, Weight
from millet.edge import models
from millet.errors import ModelError

FREE = models.manifest(models.bundled() / "log/1")
RULES = Boxes(nms_iou=0.22, most_per_level=1000, most_per_scan=5, score_floor=0.02)
CAPPED = replace(FREE, count_limit=5, post=RULES)


def found(*scores: float, cut: float = 0.0) -> Selected:
    """Candidates of these scores, and what a count cut off."""
    centres = [PointMm(30.0 * n, 0, 0) for n in range(len(scores))]
    kept = [
        Candidate(centre_mm=centre, diameter_mm=4.0, score=score)
        for centre, score in zip(centres, scores, strict=True)
    ]
    return Selected(tuple(kept), cut)


def test_a_model_without_a_limit_says_nothing():
    """No words, no remark, however many it finds."""
    assert count_limit.told(FREE) == ""
    assert count_limit.stated(FREE) == ()
    assert count_limit.reached(FREE, found(*[0.9] * 2000)) == ()


def test_a_limit_is_stated_with_its_number():
    """One note with the model's name and its count."""
    (remark,) = count_limit.stated(CAPPED)
    assert (remark.reason, remark.weight) == (Reason.COUNT_LIMIT, Weight.NOTE)
    assert "log/1 returns at most 5 findings" in remark.detail


@pytest.mark.parametrize(
    ("seen", "may_be_more"),
    [
        (found(0.9, 0.9, 0.8, 0.7, 0.6), True),
        (found(0.9, 0.9, 0.8, 0.7), False),
        (found(0.9, 0.9, 0.8, 0.1, 0.05, cut=0.04), False),
        (found(0.9, 0.9, cut=0.6), True),
    ],
    ids=["as many as can be", "fewer", "only what is not reported was cut", "a level's count was used up"],
)
def test_a_reached_limit_says_that_there_may_be_more(seen, may_be_more):
    """It is due exactly when something that would be reported may have been cut."""
    remarks = count_limit.reached(CAPPED, seen)
    assert [r.reason for r in remarks] == [Reason.COUNT_LIMIT_REACHED] * may_be_more
    assert all("there may be more" in r.detail and r.weight is Weight.OUTSIDE_USE for r in remarks)


def document(**changes) -> str:
    """A manifest with counting rules, some of them changed."""
    made = json.loads(written(CAPPED))
    made["post"] |= changes
    return json.dumps(made)


def test_a_manifest_with_rules_is_read_back():
    """What is written is what is read; without rules there is null."""
    read = parse(written(CAPPED))
    assert isinstance(read, Manifest)
    assert (read.post, read.count_limit) == (RULES, 5)
    assert parse(written(FREE)).post is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"most_per_scan": 6}, "count_limit 5 must be post's most_per_scan"),
        ({"nms_iou": 2}, "post nms_iou"),
        ({"topk": 3}, "post topk is unknown"),
    ],
)
def test_rules_that_are_wrong_are_named(changes, named):
    """A limit that is not the rules' own, a share above one, a field that nobody knows."""
    with pytest.raises(ModelError, match=named):
        parse(document(**changes))
