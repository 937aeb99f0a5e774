from __future__ import annotations

from dataclasses import replace

import pytest

from millet.core.criteria import CriteriaSet, Dominant, Level, Rule, evaluate
from millet.core.geometry import PointMm
from millet.core.judgement import Standing
from millet.core.lesion import Exam, Lesion
from millet.core.nodule import Side
from millet.core.spread import Randomness

BASE = {"name": "many", "measure": "count", "relation": ">", "threshold": 2.0, "standing": Standing.PROPOSAL}
RANDOM = Randomness(simulations=199, clark_evans=0.7, clark_evans_p=0.3, ripley=(), ripley_p=0.2)


def rule(**given):
    """A rule that asks for more than two lesions, or what is given instead."""
    return Rule(**(BASE | given))


def criteria(*levels, **given):
    """A set whose levels hold the rules given for each."""
    base = {
        "identifier": "lung-test",
        "version": "1",
        "organ": "lung",
        "standing": Standing.PROPOSAL,
        "source": "a test",
        "below": "few",
        "levels": tuple(
            Level(meaning=f"level {n}", rules=tuple(rules)) for n, rules in enumerate(levels, start=1)
        ),
    }
    return CriteriaSet(**(base | given))


def exam(*sizes_mm, **given):
    """Lesions of these sizes, ten millimetres apart."""
    lesions = tuple(
        Lesion(
            centre_mm=PointMm(0.0, 0.0, 10.0 * at + 5.0),
            diameter_mm=size,
            side=Side.LEFT,
            regions=("left-upper",),
        )
        for at, size in enumerate(sizes_mm)
    )
    return Exam(organ="lung", lesions=lesions, **given)


def conditions(judged):
    """What was observed, by name."""
    return {one.name: (one.observed, one.holds) for one in judged.conditions}


def test_a_level_holds_with_all_levels_below_it():
    """The third level's own rule does not help where the second one fails; all are told all the same."""
    asked = criteria([rule()], [rule(name="more", threshold=9.0)], [rule(name="least", threshold=1.0)])
    judged = evaluate(asked, exam(3.0, 3.0, 3.0))
    assert (judged.level, judged.meaning) == (1, "level 1")
    assert conditions(judged) == {"many": (3, True), "more": (3, False), "least": (3, True)}
    assert [one.level for one in judged.conditions] == [1, 2, 3]
    assert (evaluate(asked, exam()).level, evaluate(asked, exam()).meaning) == (0, "few")
    assert evaluate(asked, exam(*[3.0] * 10)).level == 3


@pytest.mark.parametrize(
    ("relation", "holds"),
    [
        (">", [False, False, True]),
        (">=", [False, True, True]),
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
    ],
)
def test_a_relation_is_what_it_says(relation, holds):
    """Below, at and above its threshold."""
    asked = criteria([rule(relation=relation, threshold=3.0)])
    found = [evaluate(asked, exam(*[3.0] * count)).conditions[0].holds for count in (2, 3, 4)]
    assert found == holds


def test_between_includes_both_ends():
    """From two to three lesions."""
    asked = criteria([rule(relation="between", threshold=2.0, upper=3.0)])
    assert [evaluate(asked, exam(*[3.0] * n)).level for n in (1, 2, 3, 4)] == [0, 1, 1, 0]


def test_what_is_not_known_does_not_hold_and_is_named():
    """A condition without its input has nothing observed; the judgement says what it lacked."""
    asked = criteria([rule(measure="clark-evans", relation="<", threshold=9.0)])
    judged = evaluate(asked, exam(3.0))
    assert conditions(judged) == {"many": (None, False)}
    assert judged.level == 0
    assert judged.not_evaluated == "not known: many (a test of spatial randomness)"
    assert evaluate(asked, exam(3.0, randomness=RANDOM)).not_evaluated == ""


def test_what_is_not_known_is_named_only_where_it_could_matter():
    """Nothing is missed for a level that was reached, nor for what is only reported."""
    reported = rule(name="told", measure="most-on-image")
    judged = evaluate(criteria([rule()], reported=(reported,)), exam(*[3.0] * 9))
    assert conditions(judged) == {"told": (None, False), "many": (9, True)}
    assert judged.conditions[0].level == 0
    assert judged.not_evaluated == ""


def test_another_rule_stands_in_where_something_is_not_known():
    """Under its own name; and never where the first could be judged and failed."""
    other = rule(name="zones", measure="regions-with-lesions", regions=("left-upper",), threshold=0.0)
    first = rule(
        name="lobes",
        measure="density-ratio",
        regions=("left-upper", "left-lower"),
        relation="<=",
        where_unknown=other,
    )
    judged = evaluate(criteria([first]), exam(3.0))
    assert conditions(judged) == {"zones": (1, True)}
    assert judged.level == 1
    known = evaluate(criteria([first]), exam(3.0, litres={"left-upper": 1.0, "left-lower": 1.0}))
    assert conditions(known) == {"lobes": (None, False)}
    assert (known.level, known.not_evaluated) == (0, "")


def test_an_alternative_suffices_and_both_are_told():
    """A ratio out of bounds does not matter where randomness is not rejected."""
    other = rule(name="or-p", measure="clark-evans-p", relation=">=", threshold=0.05)
    asked = criteria(
        [rule(measure="clark-evans", relation="between", threshold=0.85, upper=1.15, alternative=other)]
    )
    judged = evaluate(asked, exam(3.0, randomness=RANDOM))
    assert conditions(judged) == {"many": (0.7, False), "or-p": (0.3, True)}
    assert judged.level == 1
    rejected = evaluate(asked, exam(3.0, randomness=replace(RANDOM, clark_evans_p=0.01)))
    assert rejected.level == 0
    mild = replace(RANDOM, clark_evans=1.1, clark_evans_p=0.01)
    assert evaluate(asked, exam(3.0, randomness=mild)).level == 1


def test_the_dominant_lesion_is_left_out_only_where_a_rule_says_so():
    """The mass counts, but it is not in the median."""
    asked = criteria(
        [rule(relation="<=", measure="median-mm", threshold=3.0, without_dominant=True)],
        [rule(name="all", threshold=2.0)],
        dominant=Dominant(least_mm=10.0, ratio=3.0),
    )
    judged = evaluate(asked, exam(3.0, 3.0, 40.0))
    assert conditions(judged) == {"many": (3.0, True), "all": (3, True)}
    assert conditions(evaluate(asked, exam(3.0, 8.0, 9.5)))["many"] == (8.0, False)


@pytest.mark.parametrize(
    ("sizes_mm", "place"),
    [([], None), ([9.0], None), ([10.0], 0), ([3.0, 10.0, 3.0], 1), ([4.0, 4.0, 11.0], None)],
)
def test_the_dominant_lesion_is_large_and_stands_out(sizes_mm, place):
    """At least ten millimetres and three times the median of the others."""
    assert Dominant(least_mm=10.0, ratio=3.0).of(sizes_mm) == place


def test_an_exam_of_another_organ_is_not_evaluated():
    """Said so, with no condition told as if it had been looked at."""
    judged = evaluate(criteria([rule()]), replace(exam(*[3.0] * 9), organ="brain"))
    assert (judged.level, judged.conditions) == (0, ())
    assert judged.not_evaluated == "criteria for the lung, an exam of the brain"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"measure": "profusion"}, "measure: 'profusion' is none of count, "),
        ({"relation": "="}, "relation: '=' is none of >=, "),
        ({"threshold": float("nan")}, "threshold: must be a finite number"),
        ({"relation": "between"}, "upper: belongs to"),
        ({"upper": 3.0}, "upper: belongs to"),
        ({"relation": "between", "upper": 1.0}, "upper: must be a finite number, not below threshold"),
        ({"name": "Many!"}, "name: 'Many!' is no name"),
        ({"lesions": 5}, "lesions: the measure count does not take it"),
        ({"measure": "slabs-with"}, "lesions: the measure slabs-with needs it"),
        ({"measure": "most-in-slab", "slab_mm": 0.0}, "slab_mm: 0.0 is out of range"),
        ({"under_mm": float("inf")}, "under_mm: inf is out of range"),
        ({"measure": "regions-with-lesions", "regions": ("a", "a")}, "regions: must be up to 100 different"),
        ({"measure": "slabs-with", "lesions": 5, "each_side": 1, "per_side": True}, "each_side: has no"),
        ({"alternative": rule(alternative=rule())}, "alternative: cannot have one of its own"),
        ({"where_unknown": rule(where_unknown=rule())}, "where_unknown: cannot have one of its own"),
    ],
)
def test_a_rule_with_a_mistake_is_never_made(wrong, says):
    """Its field is named; an unknown measure is refused by its name."""
    with pytest.raises(ValueError, match="^" + says.replace("(", r"\(").replace("=", "[=]")):
        rule(**wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"identifier": "Lung set"}, "identifier: "),
        ({"source": "two\nlines"}, "source: must be one line of text"),
        ({"below": " "}, "below: must be one line of text"),
        ({"levels": ()}, "levels: 0 is not within 1 to 9"),
        ({"reported": (rule(),)}, "rules: many: each needs a name of its own"),
        ({"reported": (rule(name="b", without_dominant=True),)}, "dominant: "),
    ],
)
def test_a_set_with_a_mistake_is_never_made(wrong, says):
    """Texts, levels, names and the dominant lesion are checked together."""
    with pytest.raises(ValueError, match=says):
        criteria([rule()], **wrong)


def test_a_set_of_another_modality_is_not_evaluated():
    """It says so; where the modality of either is not known, it is judged."""
    asked = criteria([rule()], modality="MR")
    judged = evaluate(asked, exam(3, 3, 3, modality="CT"))
    assert (judged.level, judged.conditions) == (0, ())
    assert judged.not_evaluated == "criteria for MR, an exam by CT"
    assert [evaluate(asked, exam(3, 3, 3, modality=one)).level for one in ("MR", "")] == [1, 1]
    assert evaluate(criteria([rule()]), exam(3, 3, 3, modality="CT")).level == 1
    with pytest.raises(ValueError, match="modality: 'mr' is none"):
        criteria([rule()], modality="mr")
