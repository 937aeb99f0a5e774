from __future__ import annotations

import pytest

from millet.core.criteria import evaluate
from millet.core.criteria_sets import BRAIN_MILIARY_CT, BRAIN_MILIARY_MR, BUNDLED, LUNG_MILIARY
from millet.core.geometry import PointMm
from millet.core.judgement import Standing
from millet.core.lesion import Exam, Images, Lesion
from millet.core.nodule import Side

IMAGES = Images(thickness_mm=5.0, step_mm=5.0, first_mm=2.5, count=30)
BOTH = (Side.LEFT, Side.RIGHT)
EVERYWHERE = ("supratentorial", "infratentorial")


def brain(counts, sides=BOTH, compartments=EVERYWHERE, images=IMAGES, diameter_mm=2.0):
    """So many lesions in the middle of each numbered image, taking sides and compartments in turn."""
    lesions = [
        Lesion(
            centre_mm=PointMm(0.0, 0.0, 5.0 * image + 2.5),
            diameter_mm=diameter_mm,
            side=sides[number % len(sides)],
            regions=tuple(filter(None, [compartments[number // 2 % len(compartments)]])),
        )
        for image, count in counts.items()
        for number in range(count)
    ]
    return Exam(organ="brain", lesions=tuple(lesions), images=images)


MIDLINE = (None,)
TABLE = [
    # what, exam, met on MR, met on CT
    ("twenty on two images apart", brain({3: 20, 9: 20}), True, True),
    ("one image lies between", brain({3: 20, 5: 20}), True, True),
    ("neighbours", brain({3: 20, 4: 20}), False, False),
    ("three in a row", brain({3: 20, 4: 20, 5: 20}), True, True),
    ("nineteen on the second", brain({3: 20, 9: 19}), False, True),
    ("ten on two images apart", brain({3: 10, 9: 10}), False, True),
    ("nine on the second", brain({3: 10, 9: 9}), False, False),
    ("a hundred on one image", brain({3: 100}), False, False),
    ("many, never ten on an image", brain(dict.fromkeys(range(0, 30, 2), 9)), False, False),
    ("one side", brain({3: 20, 9: 20}, sides=(Side.LEFT,)), False, False),
    ("one lesion on the other side", brain({3: 20, 9: 20, 1: 1}, sides=(Side.LEFT,)), False, False),
    ("midline only", brain({3: 20, 9: 20}, sides=MIDLINE), False, False),
    ("supratentorial only", brain({3: 20, 9: 20}, compartments=EVERYWHERE[:1]), False, False),
    ("infratentorial only", brain({3: 20, 9: 20}, compartments=EVERYWHERE[1:]), False, False),
    ("compartments not told", brain({3: 20, 9: 20}, compartments=(None,)), False, False),
    ("images not told", brain({3: 20, 9: 20}, images=None), False, False),
    ("one wide enough for three images", brain({4: 20}, diameter_mm=8.0), True, True),
    ("none", brain({}), False, False),
]


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
