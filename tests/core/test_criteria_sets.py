from __future__ import annotations

import pytest
from brains import TABLE, brain

from millet.core.criteria import evaluate
from millet.core.criteria_sets import BRAIN_MILIARY_CT, BRAIN_MILIARY_MR, BUNDLED, LUNG_MILIARY
from millet.core.geometry import PointMm
from millet.core.judgement import Standing
from millet.core.lesion import Exam, Lesion


@pytest.mark.parametrize(("exam", "mr", "ct"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_brain_criteria_on_a_table_made_by_hand(exam, mr, ct):
    """Twenty an image on MR, ten on CT, on two that are not neighbours; both sides, both compartments."""
    assert evaluate(BRAIN_MILIARY_MR, exam).level == mr
    assert evaluate(BRAIN_MILIARY_CT, exam).level == ct


def test_brain_conditions_are_told_with_what_was_found():
    """Name, figure and threshold of each condition, as published."""
    judged = evaluate(BRAIN_MILIARY_MR, brain({3: 25, 9: 21, 15: 19}))
    assert [(one.name, one.observed, one.threshold, one.holds) for one in judged.conditions] == [
        ("most-lesions-on-an-image", 25, 20, True),
        ("images-with-20", 2, 2, True),
        ("bilateral", 2, 2, True),
        ("compartments-with-lesions", 2, 2, True),
    ]
    assert {one.standing for one in judged.conditions} == {judged.standing} == {Standing.PUBLISHED}
    assert "10.1038/s41416-020-1008-2" in judged.source


def test_what_a_lesion_list_from_elsewhere_lacks_is_said():
    """A list without images, sides and compartments is judged as far as it goes."""
    bare = Exam(
        organ="brain", lesions=tuple(Lesion(centre_mm=PointMm(0, 0, z), diameter_mm=2.0) for z in range(90))
    )
    judged = evaluate(BRAIN_MILIARY_CT, bare)
    assert judged.level == 0
    for lacked in ("images' positions", "lesions' sides", "lesions' regions"):
        assert lacked in judged.not_evaluated


def test_only_the_cohorts_line_of_the_lung_set_is_published():
    """Every other threshold is marked a proposal, and so is the set."""
    published = [
        rule.name
        for level in LUNG_MILIARY.levels
        for rule in level.rules
        if rule.standing is Standing.PUBLISHED
    ]
    assert published == ["small-nodules"]
    assert LUNG_MILIARY.standing is Standing.PROPOSAL


def test_no_level_is_called_reassuring():
    """No text of a set says that anything is normal, negative or of low risk."""
    for criteria in BUNDLED:
        said = " ".join([criteria.below, *(level.meaning for level in criteria.levels)]).lower()
        assert not any(word in said for word in ("normal", "negative", "low risk", "benign"))
