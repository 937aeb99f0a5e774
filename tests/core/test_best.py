from __future__ import annotations

from dataclasses import replace

import analyses
import pytest
from characters import JUDGEMENT
from hypothesis import given
from hypothesis import strategies as st
from instances import header

from millet.core.analysis import Outcome
from millet.core.best import Candidate, Standing, candidate, examined, judge
from millet.core.best_wording import told
from millet.core.geometry import PointMm
from millet.core.language import Language
from millet.core.reasons import Reason, Remark, Weight

GOOD = Candidate(
    series_uid="1.5", extent_mm=300.0, original=True, slice_mm=1.0, kernel="STANDARD", slices=300
)
"""Better or equal in every rule but the UID."""


def series(spacing_mm=1.0, count=30, **facts):
    """Headers of a stack."""
    return tuple(
        replace(header(n), position_mm=PointMm(0, 0, n * spacing_mm), **facts) for n in range(1, count + 1)
    )


RULES = [
    ({"refusal": "gantry-tilt"}, "not fit: gantry-tilt"),
    ({"lungs_cut": True}, "lungs not cut off"),
    ({"extent_mm": 240.0}, "covers more of the chest"),
    ({"original": False}, "original, not derived"),
    ({"slice_mm": 2.5}, "thin slices"),
    ({"kernel": "BONE"}, "kernel nearer to what the detector was trained on"),
    ({"slice_mm": 1.25}, "thinner slices"),
    ({"slices": 299}, "more slices"),
    ({}, "alike; the smaller UID"),
]


@pytest.mark.parametrize(("worse", "why"), RULES, ids=[why for _, why in RULES])
def test_each_rule_decides_alone(worse, why):
    """Two series that differ in one thing: the better one is chosen, and the other says by what it lost."""
    other = replace(GOOD, series_uid="1.9", **worse)
    for order in ([GOOD, other], [other, GOOD]):
        standings = judge(order)
        assert {standing.best_series_uid for standing in standings.values()} == {"1.5"}
        assert standings["1.9"].reason.removeprefix("the best one: ") == why
    won = "the only one that is fit" if "refusal" in worse else f"best of 2: {why}"
    assert standings["1.5"].reason == won


MIDDLING = Candidate(
    series_uid="1.5", extent_mm=260.0, original=True, slice_mm=2.0, kernel="BONE", slices=300
)
LADDER = [
    ({"refusal": "no-lung"}, {}),
    ({"lungs_cut": True}, {}),
    ({"extent_mm": 200.0}, {"extent_mm": 300.0}),
    ({"original": False}, {}),
    ({"slice_mm": 4.0}, {"slice_mm": 1.0}),
    ({"kernel": "SOFT"}, {"kernel": "STANDARD"}),
    ({"slice_mm": 2.5}, {"slice_mm": 1.75}),
    ({"slices": 299}, {"slices": 900}),
    ({"series_uid": "1.9"}, {"series_uid": "1.1"}),
]
"""What is worse and what is better than middling, rule by rule."""


@pytest.mark.parametrize("at", range(len(LADDER)))
def test_an_earlier_rule_outweighs_all_later_ones(at):
    """A series that is worse by one rule loses, however much better it is by every rule after it."""
    facts = {}
    for _, better in reversed(LADDER[at + 1 :]):
        facts |= better
    rival = replace(MIDDLING, **(facts | LADDER[at][0]))
    assert judge([rival, MIDDLING])[rival.series_uid].best_series_uid == MIDDLING.series_uid


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"slice_mm": 1.5, "kernel": "STANDARD"}, {"slice_mm": 0.6, "kernel": "BONE"}),
        ({"slice_mm": 1.0, "kernel": "BONE"}, {"slice_mm": 5.0, "kernel": "STANDARD"}),
        ({"kernel": "BONE"}, {"kernel": "SOFT"}),
        ({"extent_mm": 310.0}, {"extent_mm": 700.0, "slice_mm": 2.0}),
        ({"slice_mm": 3.0}, {"slice_mm": 3.5, "slices": 900}),
    ],
    ids=["usual before sharp", "thin before kernel", "sharp before soft", "a chest is enough", "validated"],
)
def test_what_a_reader_would_choose(better, worse):
    """Pairs of one study, as scanners make them."""
    one, other = replace(GOOD, **better), replace(GOOD, series_uid="1.2", **worse)
    assert judge([one, other])["1.2"].best_series_uid == "1.5"


CANDIDATES = st.builds(
    Candidate,
    series_uid=st.integers(1, 10**6).map("1.{}".format),
    refusal=st.sampled_from(["", "no-lung"]),
    lungs_cut=st.booleans(),
    extent_mm=st.floats(0, 900),
    original=st.booleans(),
    slice_mm=st.floats(0.3, 12),
    kernel=st.sampled_from(["", "BONE", "B20s", "STANDARD"]),
    slices=st.integers(1, 4000),
)


@given(st.lists(CANDIDATES, max_size=6, unique_by=lambda each: each.series_uid), st.randoms())
def test_the_order_of_arrival_decides_nothing(candidates, random):
    """Any order gives the same standings; all are linked to one series, which is fit if any is."""
    shuffled = list(candidates)
    random.shuffle(shuffled)
    standings = judge(shuffled)
    assert standings == judge(candidates)
    assert set(standings) == {each.series_uid for each in candidates}
    assert len({standing.best_series_uid for standing in standings.values()}) <= 1
    fit = {each.series_uid for each in candidates if not each.refusal}
    assert {standing.best_series_uid for standing in standings.values()} <= (fit or {""})


def test_leaving_out_another_series_leaves_the_best_one():
    """The choice does not depend on series that lose."""
    known = [replace(GOOD, series_uid=f"1.{n}", slice_mm=n, slices=1000 - n) for n in range(1, 6)]
    for lost in known[1:]:
        assert judge([each for each in known if each is not lost])["1.1"].best_series_uid == "1.1"


def test_no_series_that_is_refused_is_the_best_one():
    """A study of which nothing is fit has none."""
    refused = Candidate(series_uid="1.2", refusal="localizer-only")
    assert judge([refused]) == {"1.2": Standing("", "not fit: localizer-only")}
    assert judge([]) == {}


def test_a_candidate_is_what_the_headers_say():
    """Extent, thickness (at least the spacing), kernel, origin and number of slices."""
    found = candidate("1.2", series(spacing_mm=2.0, slice_thickness_mm=1.25))
    assert found == Candidate(
        series_uid="1.2", extent_mm=58.0, original=True, slice_mm=2.0, kernel="B60f", slices=30
    )
    derived = series(image_type=("DERIVED", "SECONDARY", "AXIAL"))
    assert not candidate("1.2", derived).original


def test_a_localizer_in_the_series_is_left_out():
    """It is neither counted nor measured; a series of localizers alone is refused."""
    scout = replace(
        header(99), position_mm=PointMm(0, 0, 900), image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")
    )
    assert candidate("1.2", (*series(), scout)) == candidate("1.2", series())
    assert candidate("1.2", (scout,)).refusal == "localizer-only"


def test_contrast_medium_does_not_count():
    """Before and after it a series is as good."""
    assert candidate("1.2", series(contrast=True)) == candidate("1.2", series())


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((), "not-ct"),
        (series(count=3), "too-few-slices"),
        (series(image_type=("DERIVED", "SECONDARY", "MPR")), "derived-image"),
        (tuple(h for h in series() if h.instance_number != 9), "missing-slices"),
    ],
    ids=["nothing", "a fragment", "a reformat", "a hole"],
)
def test_what_is_not_analysed_is_not_fit(headers, reason):
    """With the code of its reason."""
    assert candidate("1.2", headers).refusal == reason


def test_an_analysis_knows_better_than_headers():
    """No lung in it after all, or the lungs cut off; or neither, where headers could not tell."""
    assert examined(GOOD, analyses.refused(Reason.NO_LUNG)).refusal == "no-lung"
    assert examined(replace(GOOD, lungs_cut=True), analyses.analysis()) == GOOD
    report = replace(analyses.analysis(0), outcome=Outcome.JUDGED, judgements=(JUDGEMENT,))
    assert examined(replace(GOOD, refusal="not-ct"), report).refusal == "not-ct"
    cut = Remark(reason=Reason.PARTIAL_LUNG, weight=Weight.OUTSIDE_USE)
    assert examined(GOOD, replace(analyses.analysis(), remarks=(cut,))).lungs_cut


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize(("worse", "_why"), RULES, ids=[why for _, why in RULES])
def test_what_is_kept_is_told_in_each_language(worse, _why, language):
    """In English as it is kept, with a refusal in words; in another language nothing of it is left."""
    standings = judge([GOOD, replace(GOOD, series_uid="1.9", **worse), replace(GOOD, series_uid="1.99")])
    kept = [standing.reason for standing in standings.values()]
    said = [told(reason, language) for reason in kept]
    if language is Language.ENGLISH:
        assert said == [reason.replace("gantry-tilt", "Tilted gantry") for reason in kept]
    else:
        assert not [one for reason, one in zip(kept, said, strict=True) if one == reason]
        assert len(set(said)) == len(set(kept))


@pytest.mark.parametrize(
    "kept", ["", "best of all: luck", "von Hand gewählt", "best of ²: thin slices", "3: thin slices"]
)
def test_what_nobody_here_kept_stays_as_it_is(kept):
    """No sentence is made of what is none of ours."""
    assert told(kept, Language.GERMAN) == kept


def test_one_that_is_alone_is_told_in_german():
    """Without a rule, for it was compared with none."""
    assert told(judge([GOOD])["1.5"].reason, Language.GERMAN) == "die einzige geeignete"
