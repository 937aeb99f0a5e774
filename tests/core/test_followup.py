from __future__ import annotations

from dataclasses import replace
from math import log

import analyses
import exams
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millet.codec import record
from millet.core.analysis import Lungs
from millet.core.change import Fate
from millet.core.followup import Followed, compare, foreign, not_used, tracked
from millet.core.geometry import PointMm
from millet.core.lung_outline import Outline
from millet.phantom.after import After
from millet.phantom.pairs import Reader

STILL = After(gone=0, volume=1.0, change=0, bend_mm=0)
EXACT = Reader(missed=0.0, false=0.0, place_mm=0.1, volume=0.0)
PROGRESS = {Fate.NEW, Fate.GROWN}
CERTAIN = PROGRESS | {Fate.GONE, Fate.SHRUNK, Fate.STABLE}


def fates(change):
    """How many nodules had each fate."""
    return {
        fate: sum(one.fate is fate for one in change.nodules) for fate in {n.fate for n in change.nodules}
    }


@pytest.mark.parametrize("count", [5, 20, 200, 1000])
def test_a_response_is_told_as_it_was(count):
    """Three fifths gone and the rest halved: share gone and median change, by what was in the lists."""
    made = exams.made(count)
    change = compare(*exams.studies(made))
    gone = 1 - len(made.both) / len(made.prior.who)
    assert (change.limited, change.not_used, change.interval_days) == ((), "", 90)
    assert change.gone_share == pytest.approx(gone, abs=0.02)
    truth = dict(zip(made.prior.who, made.prior.volumes_mm3, strict=True))
    ratios = [
        volume / truth[who] - 1
        for who, volume in zip(made.current.who, made.current.volumes_mm3, strict=True)
        if who in made.both
    ]
    assert change.median_volume_change == pytest.approx(np.median(ratios), abs=0.02)


def test_every_nodule_of_both_exams_is_told_of_once():
    """Those of the current exam in order, then those that only the prior has."""
    current, prior = exams.studies(exams.made(200))
    change = compare(current, prior)
    assert [one.number for one in change.nodules if one.number] == [n.number for n in current.nodules]
    before = [one.prior_number for one in change.nodules if one.prior_number]
    assert sorted(before) == [n.number for n in prior.nodules]
    names = [one.tracking_uid for one in change.nodules]
    assert len(set(names)) == len(names)


def test_a_matched_nodule_keeps_its_tracking_uid():
    """The prior's; a new one has its own."""
    current, prior = exams.studies(exams.made(20))
    change = compare(current, prior)
    old = {one.number: one.tracking_uid for one in prior.nodules}
    own = {one.number: one.tracking_uid for one in current.nodules}
    for one in change.nodules:
        if one.number:
            kept = own[one.number] if one.prior_number is None else old[one.prior_number]
            assert one.tracking_uid == kept
    nodules = tuple(analyses.nodule(one.number) for one in current.nodules)
    names = {one.number: one.tracking_uid for one in change.nodules if one.number}
    assert {one.number: one.tracking_uid for one in tracked(nodules, change)} == names
    assert tracked(nodules, not_used("no-prior")) == nodules


def one_each(before, after, spread=1.01, **facts):
    """What became of one nodule that had the one volume and then the other, known to a factor of `spread`."""
    current, prior = exams.studies(exams.made(12, STILL, EXACT))

    def first(study, volume):
        known = {"volume_mm3": volume, "low_mm3": volume / spread, "high_mm3": volume * spread}
        return replace(study, nodules=(replace(study.nodules[0], **known | facts), *study.nodules[1:]))

    change = compare(first(current, after), first(prior, before))
    return next(one for one in change.nodules if one.number == 1)


@pytest.mark.parametrize(
    ("after", "spread", "fate"),
    [
        (120.0, 1.01, Fate.STABLE),
        (130.0, 1.01, Fate.GROWN),
        (200.0, 1.01, Fate.GROWN),
        (80.0, 1.01, Fate.STABLE),
        (70.0, 1.01, Fate.SHRUNK),
        (150.0, 1.2, Fate.GROWN),
        (150.0, 1.6, Fate.STABLE),
        (60.0, 1.2, Fate.SHRUNK),
        (60.0, 1.6, Fate.STABLE),
    ],
)
def test_a_change_is_more_than_a_quarter_and_more_than_measuring_twice_may_differ(after, spread, fate):
    """Of 100 mm3 known to 1, 20 and 60 per cent."""
    found = one_each(100.0, after, spread)
    assert (found.fate, found.volume_change) == (fate, pytest.approx(after / 100 - 1))


@pytest.mark.parametrize(("diameter_mm", "fate"), [(3.0, Fate.STABLE), (12.0, Fate.GROWN)])
def test_without_an_interval_small_nodules_must_change_more(diameter_mm, fate):
    """A fifth of a millimetre is a third of the volume of 2 mm, and nothing of that of 12."""
    unknown = {"low_mm3": None, "high_mm3": None, "diameter_mm": diameter_mm}
    assert one_each(100.0, 140.0, **unknown).fate is fate


@pytest.mark.parametrize(("after", "days"), [(200.0, 90.0), (400.0, 45.0), (50.0, -90.0)])
def test_the_doubling_time_follows_from_two_volumes(after, days):
    """Twice the volume in 90 days, four times, and half."""
    found = one_each(100.0, after)
    assert found.doubling_days == pytest.approx(days)
    assert found.doubling_days == pytest.approx(log(2) * 90 / log(after / 100))


def test_a_stable_nodule_has_no_doubling_time():
    """Noise over 90 days would give years."""
    assert one_each(100.0, 105.0).doubling_days is None


CHANGES = {
    "model": lambda study: replace(study, how=replace(study.how, model_digest="ef" * 32)),
    "threshold": lambda study: conditions(study, reading="2" * 64),
    "kernel": lambda study: conditions(study, kernel="B70f"),
    "thickness": lambda study: conditions(study, slice_mm=5.0),
    "inspiration": lambda study: replace(study, how=replace(study.how, lungs=Lungs(right_l=1.0, left_l=1.0))),
    "coverage": lambda study: conditions(study, cut_at_base=True),
    "count": lambda study: replace(study, how=replace(study.how, count_reliable=False)),
}


def conditions(study, **facts):
    """Taken or read otherwise."""
    return replace(study, how=replace(study.how, conditions=replace(study.how.conditions, **facts)))


@pytest.mark.parametrize("code", CHANGES)
def test_a_limited_comparison_says_neither_new_nor_gone(code):
    """Nor a doubling time nor a share, on whichever side the difference lies; pairs are told."""
    current, prior = exams.studies(exams.made(200, After(gone=0.3, change=1.0)))
    for one, other in ((current, CHANGES[code](prior)), (CHANGES[code](current), prior)):
        change = compare(one, other)
        assert code in change.limited
        assert change.gone_share is None
        assert {each.fate for each in change.nodules} <= (
            {Fate.UNCERTAIN, Fate.GROWN, Fate.STABLE} if code == "coverage" else {Fate.UNCERTAIN}
        )
        assert {each.doubling_days for each in change.nodules} == {None}
        assert sum(bool(each.number and each.prior_number) for each in change.nodules) > 100


@settings(max_examples=15, deadline=None)
@given(
    gone=st.sampled_from([0.0, 0.5, 1.0]),
    growth=st.sampled_from([-0.8, 0.0, 3.0]),
    found_more=st.integers(0, 40),
    unknown=st.booleans(),
)
def test_a_model_upgrade_never_creates_progression(gone, growth, found_more, unknown):
    """Whatever another model finds more, fewer, larger or smaller: nothing is new or grown."""
    current, prior = exams.studies(exams.made(40, After(gone=gone, change=growth)))
    more = tuple(
        replace(
            one,
            number=1000 + n,
            tracking_uid=f"2.25.7{n}",
            centre_mm=PointMm(*(v + 9 for v in one.centre_mm)),
        )
        for n, one in enumerate((current.nodules + prior.nodules)[:found_more])
    )
    upgraded = replace(current, nodules=current.nodules + more)
    before = replace(prior.how, model_digest="" if unknown else "ef" * 32)
    change = compare(upgraded, replace(prior, how=before))
    assert "model" in change.limited
    assert not {one.fate for one in change.nodules} & CERTAIN
    assert change.gone_share is None
    assert all(one.doubling_days is None for one in change.nodules)


def test_what_still_shows_is_not_gone():
    """The images are asked about those that seem gone, and only about them."""
    made = exams.made(200)
    current, prior = exams.studies(made)
    asked = []

    def shown(places, wide, slack):
        asked.append((len(places), len(wide), slack.min() >= 1, slack.max() <= 4))
        return np.arange(len(places)) < 10

    plain, looked = compare(current, prior), compare(current, prior, shown)
    gone = fates(plain)[Fate.GONE]
    assert asked == [(gone, gone, True, True)]
    assert fates(looked)[Fate.GONE] == gone - 10
    assert fates(looked)[Fate.UNCERTAIN] == 10
    matched = len(prior.nodules) - gone
    assert looked.gone_share == pytest.approx((gone - 10) / (gone - 10 + matched))


def test_a_prior_that_cannot_be_laid_over_says_so():
    """And nothing of any nodule."""
    current, prior = exams.studies(exams.made(20))
    strange = replace(prior, outline=replace(prior.outline, points_mm=prior.outline.points_mm * 0.4))
    change = compare(current, strange)
    assert (change.limited, change.nodules) == (("registration",), ())
    assert (change.gone_share, change.median_volume_change, change.interval_days) == (None, None, 90)


def test_somebody_elses_lesions_are_followed_as_far_as_they_can_be():
    """Matched, with their tracking UIDs; what no patient has is passed over; nothing is new or gone."""
    current, prior = exams.studies(exams.made(20, After(gone=0.2)))
    bare = [replace(one, volume_mm3=None, low_mm3=None, high_mm3=None) for one in prior.nodules]
    wrong = [
        replace(bare[0], centre_mm=PointMm(float("nan"), 0, 0)),
        replace(bare[0], centre_mm=PointMm(1e9, 0, 0)),
        replace(bare[0], diameter_mm=0.0),
    ]
    change = compare(current, foreign("1.7", exams.FIRST, [*bare, *wrong]))
    assert (change.prior_series_uid, change.limited) == ("1.7", ("model",))
    both = [one for one in change.nodules if one.number and one.prior_number]
    assert len(both) > 10
    assert {one.fate for one in change.nodules} == {Fate.UNCERTAIN}
    assert {one.volume_change for one in change.nodules} == {None}


@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 12), (12, 0)])
def test_exams_without_nodules_are_compared_too(before, after):
    """All are new, or all are gone."""
    current, prior = exams.studies(exams.made(12, STILL, EXACT))
    change = compare(
        replace(current, nodules=current.nodules[:after]), replace(prior, nodules=prior.nodules[:before])
    )
    assert fates(change) == {fate: count for fate, count in ((Fate.NEW, after), (Fate.GONE, before)) if count}
    assert change.gone_share == (1.0 if before else None)


def test_nodules_alone_of_another_frame_that_agree_in_nothing_are_not_compared():
    """A report with two lesions and no lungs."""
    current, prior = exams.studies(exams.made(20))
    two = replace(prior, nodules=prior.nodules[:2], outline=Outline.nothing())
    assert "registration" in compare(current, two).limited


def test_a_change_reads_back_from_the_journal():
    """With its analysis."""
    change = compare(*exams.studies(exams.made(5)))
    for each in (change, not_used("identity-disagrees")):
        made = replace(analyses.analysis(), change=each)
        assert record.decode(record.encode(made)) == made


def test_our_nodules_bring_their_intervals():
    """Of their character, where it was measured."""
    known = Followed.of(analyses.nodule(3))
    assert (known.number, known.volume_mm3, known.low_mm3) == (3, 15.98, None)
