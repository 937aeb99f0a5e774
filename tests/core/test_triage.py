from __future__ import annotations

from dataclasses import replace

import pytest
from analyses import even, nodule, spread
from hypothesis import given, settings
from hypothesis import strategies as st

from millet.core import pattern, triage
from millet.core.analysis import Effusion, Pattern, TriageLevel
from millet.core.judgement import Condition, Judgement, Standing
from millet.core.nodule import Side
from millet.core.reasons import Reason, Remark, Weight
from millet.core.spread import Randomness


def judged(nodules, effusions=()):
    """The triage of an exam."""
    seen = pattern.judge(nodules, even())
    return triage.judge(triage.Exam(nodules=nodules, pattern=seen, effusions=effusions))


@pytest.mark.parametrize(
    ("nodules", "level", "says"),
    [
        ([], TriageLevel.UNFLAGGED, "this rules nothing out"),
        (spread(3), TriageLevel.UNFLAGGED, "3 small nodules"),
        (spread(7), TriageLevel.NOTABLE, "7 nodules"),
        ([replace(nodule(1), diameter_mm=6.0)], TriageLevel.NOTABLE, "left nodule of 6.0 mm"),
        ([replace(nodule(1), diameter_mm=41.5)], TriageLevel.URGENT, "left mass of 41.5 mm"),
        (spread(60), TriageLevel.URGENT, "possible miliary pattern (LMP-1"),
        (
            [*spread(60), replace(nodule(99), diameter_mm=41.5)],
            TriageLevel.CRITICAL,
            "left mass of 41.5 mm beside 60",
        ),
        (spread(220), TriageLevel.CRITICAL, "probable miliary pattern (LMP-2"),
    ],
    ids=["none", "three", "seven", "6mm", "mass", "sixty", "sixty-and-mass", "case"],
)
def test_the_first_rule_that_holds_decides(nodules, level, says):
    """Each rule gives its level and says why in the words a reader uses."""
    found = judged(nodules)
    assert found.level is level
    assert says in found.reasons[0]


def test_nothing_is_told_twice():
    """A mass beside a miliary pattern is one sentence of the reasons, not three."""
    exam = [*spread(220), replace(nodule(99), diameter_mm=41.5), replace(nodule(98), diameter_mm=7.0)]
    told = judged(exam).reasons
    assert [reason.count("41.5") for reason in told] == [0, 1, 0]
    assert told[2] == "left nodule of 7.0 mm"


def test_more_nodules_never_lower_the_level():
    """Adding nodules to an exam keeps or raises its level."""
    order = list(TriageLevel)
    crowd = spread(300)
    levels = [order.index(judged(crowd[::step]).level) for step in (300, 60, 30, 6, 4, 3, 2, 1)]
    assert levels == sorted(levels)


@pytest.mark.parametrize(
    "reason",
    [
        Reason.READERS_DISAGREE,
        Reason.LOW_DETECTABILITY,
        Reason.COUNT_LIMIT_REACHED,
        Reason.ONE_LUNG,
        Reason.OPAQUE_LUNG,
    ],
)
def test_a_doubt_is_never_unflagged_and_never_lowers_a_level(reason):
    """What speaks against the count makes silence notable; whatever else holds stays and stays first."""
    doubt = Remark(reason=reason, weight=Weight.OUTSIDE_USE, detail="18 and 204")
    order = list(TriageLevel)
    for count in (0, 3, 7, 60, 220):
        exam = spread(count)
        plain = triage.Exam(nodules=exam, pattern=pattern.judge(exam, even()), effusions=())
        doubted = triage.judge(replace(plain, remarks=(doubt,)))
        assert order.index(doubted.level) >= order.index(triage.judge(plain).level)
        assert doubted.level is not TriageLevel.UNFLAGGED
        assert "18 and 204" in doubted.reasons[-1]


nodules = st.builds(
    replace,
    st.sampled_from([nodule(1), nodule(2, x_mm=-60.0)]),
    diameter_mm=st.floats(1.0, 60.0),
)
seen = st.builds(
    Pattern,
    level=st.integers(1, 3),
    criteria_version=st.just("any"),
    nodules_right=st.integers(0, 3000),
    nodules_left=st.integers(0, 3000),
    small_nodules=st.integers(0, 3000),
    median_diameter_mm=st.none() | st.floats(1.0, 40.0),
    diameter_cv=st.none() | st.floats(0.0, 3.0),
    slabs_10mm_with_10=st.integers(0, 40),
)
fluids = st.builds(Effusion, side=st.sampled_from(Side), volume_ml=st.floats(1.0, 3000.0))
remarks = st.builds(Remark, reason=st.sampled_from(Reason), weight=st.just(Weight.OUTSIDE_USE))


@settings(deadline=None)
@given(st.lists(nodules, max_size=6), seen, st.lists(fluids, max_size=2), st.lists(remarks, max_size=3))
def test_a_pattern_of_any_level_is_at_least_urgent(found, seen, fluids, remarks):
    """Whatever else an exam holds: from level 1 on urgent, from level 2 on critical, and said so first."""
    exam = triage.Exam(nodules=found, pattern=seen, effusions=fluids, remarks=remarks)
    told = triage.judge(exam)
    order = list(TriageLevel)
    least = TriageLevel.URGENT if seen.level == 1 else TriageLevel.CRITICAL
    assert order.index(told.level) >= order.index(least)
    word = ("possible", "probable", "definite")[seen.level - 1]
    assert any(f"{word} miliary pattern (LMP-{seen.level}" in reason for reason in told.reasons)
    assert not any(word in " ".join(told.reasons) for word in ("low risk", "normal", "negative"))


def test_a_definite_pattern_is_called_so():
    """Three hundred nodules that are tested to be random."""
    tested = Randomness(simulations=199, clark_evans=1.0, clark_evans_p=0.5, ripley=(), ripley_p=0.5)
    crowd = spread(300)
    found = pattern.judge(crowd, replace(even(), randomness=tested))
    told = triage.judge(triage.Exam(nodules=crowd, pattern=found, effusions=()))
    assert told.level is TriageLevel.CRITICAL
    assert told.reasons[0].startswith(
        "definite miliary pattern (LMP-3, a proposal): 300 nodules, 150 right and 150 left"
    )


def test_an_effusion_alone_is_notable_and_names_its_side():
    """A pleural effusion is told with its side."""
    found = judged([], (Effusion(side=Side.LEFT, volume_ml=180.0),))
    assert found.level is TriageLevel.NOTABLE
    assert found.reasons == ("left pleural effusion, at least 180 mL",)


def test_a_series_not_analysed_is_not_assessed():
    """Its reason, in words, is the reason for the level."""
    remark = Remark(reason=Reason.GANTRY_TILT, weight=Weight.REFUSES, detail="18.5 degrees")
    found = triage.not_assessed(remark)
    assert found.level is TriageLevel.NOT_ASSESSED
    assert found.reasons == ("not analysed: Tilted gantry (18.5 degrees)",)


def test_nodules_that_no_guideline_may_be_asked_about_are_never_unflagged():
    """A known cancer, or an analysis outside the validated use: silence would be read as rest."""
    few = triage.Exam(nodules=spread(3), pattern=pattern.judge(spread(3)), effusions=())
    outside = Remark(reason=Reason.LOSSY_COMPRESSION, weight=Weight.OUTSIDE_USE, detail="once")
    assert triage.judge(few).level is TriageLevel.UNFLAGGED
    known = triage.judge(replace(few, known_cancer=True))
    assert (known.level, known.reasons) == (
        TriageLevel.NOTABLE,
        ("3 nodules in a patient with a known cancer",),
    )
    assert triage.judge(replace(few, remarks=(outside,))).reasons == (
        "3 nodules, analysed outside the validated use",
    )
    many = triage.Exam(nodules=spread(9), pattern=pattern.judge([]), effusions=(), remarks=(outside,))
    assert triage.judge(many).reasons == ("9 nodules, analysed outside the validated use",)  # and once only
    none = triage.Exam(nodules=(), pattern=pattern.judge([]), effusions=(), remarks=(outside,))
    assert triage.judge(none).level is TriageLevel.UNFLAGGED


ASKED = Condition(
    name="any", observed=None, relation=">", threshold=1, holds=False, standing=Standing.PROPOSAL
)


def lung(level, unknown=""):
    """What the lung's criteria say of lesions of others."""
    return Judgement(
        criteria="lung-miliary",
        version="1",
        organ="lung",
        standing=Standing.PROPOSAL,
        source="a proposal",
        level=level,
        meaning="this or that",
        conditions=(ASKED,),
        not_evaluated=unknown,
    )


@pytest.mark.parametrize(
    ("judgements", "level"),
    [
        ([lung(3)], TriageLevel.CRITICAL),
        ([lung(2, "volumes")], TriageLevel.CRITICAL),
        ([lung(1)], TriageLevel.URGENT),
        ([replace(lung(2), criteria="brain-miliary-mr")], TriageLevel.NOTABLE),
        ([lung(0, "sides")], TriageLevel.NOTABLE),
        ([replace(lung(0, "criteria for CT, an exam by MR"), conditions=())], TriageLevel.UNFLAGGED),
        ([lung(0)], TriageLevel.UNFLAGGED),
        ([replace(lung(1), criteria="own"), lung(3), lung(0)], TriageLevel.CRITICAL),
    ],
)
def test_lesions_of_others_are_as_urgent_as_ours(judgements, level):
    """The lung's pattern by its level, another set's worth a look, and so is what is not known."""
    told = triage.judged(judgements, 40)
    assert told.level is level
    assert told.reasons[0].startswith("40 lesions of somebody else's report")
    assert "normal" not in " ".join(told.reasons)
