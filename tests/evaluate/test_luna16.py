import os
from pathlib import Path

import numpy as np
import pytest

from millet.evaluate import luna16, luna16_tables
from millet.evaluate.luna16 import Points

DATA = Path(os.environ.get("MILLET_TEST_DATA", Path(__file__).parents[2] / "../shared/data"))


def points(*rows):
    """(scan, x, value), on the x axis."""
    scan, x, value = np.asarray(rows, float).reshape(-1, 3).T
    centre = np.column_stack([x, np.zeros_like(x), np.zeros_like(x)])
    return Points(scan=scan.astype(np.intp), centre_mm=centre, value=value)


def scores(judged):
    """The scores of nodules and the false ones, each in order."""
    return sorted(judged.score[judged.true].tolist()), sorted(judged.score[~judged.true].tolist())


NOTHING = points()
ONE = points((0, 0.0, 6.0))


def test_a_hit_is_nearer_than_half_the_diameter():
    """At exactly the radius it is false."""
    assert scores(luna16.judge(1, ONE, NOTHING, points((0, 2.999, 0.7)))) == ([0.7], [])
    assert scores(luna16.judge(1, ONE, NOTHING, points((0, 3.0, 0.7)))) == ([], [0.7])


def test_a_nodule_hit_twice_takes_the_better_score_and_forgets_the_other():
    """The second hit is neither false nor another nodule."""
    judged = luna16.judge(1, ONE, NOTHING, points((0, 1.0, 0.4), (0, -1.0, 0.9)))
    assert scores(judged) == ([0.9], [])
    assert judged.hits == 2


def test_a_candidate_may_hit_two_nodules():
    """Nothing is matched one to one."""
    two = points((0, 0.0, 6.0), (0, 2.0, 6.0))
    assert scores(luna16.judge(1, two, NOTHING, points((0, 1.0, 0.8)))) == ([0.8, 0.8], [])


def test_a_candidate_in_an_excluded_finding_does_not_count():
    """Neither for nor against; outside it is false."""
    judged = luna16.judge(1, NOTHING, points((0, 50.0, 4.0)), points((0, 51.0, 0.8), (0, 52.0, 0.7)))
    assert scores(judged) == ([], [0.7])
    assert judged.irrelevant == 1


def test_a_candidate_in_a_nodule_and_an_excluded_finding_is_the_nodules():
    """The nodule is found."""
    judged = luna16.judge(1, ONE, points((0, 0.0, 6.0)), points((0, 1.0, 0.8)))
    assert scores(judged) == ([0.8], [])
    assert judged.irrelevant == 0


def test_a_negative_diameter_counts_as_10_mm():
    """A finding of which nobody knows the size reaches 5 mm far."""
    unknown = points((0, 50.0, -1.0))
    judged = luna16.judge(1, NOTHING, unknown, points((0, 54.9, 0.8), (0, 55.1, 0.7)))
    assert scores(judged) == ([], [0.7])


def test_a_candidate_of_another_scan_hits_nothing():
    """The same place in another patient is false."""
    assert scores(luna16.judge(2, ONE, NOTHING, points((1, 0.0, 0.8)))) == ([], [0.8])


def test_scans_without_a_nodule_count_in_the_mean():
    """One false positive in four scans, three of which have nothing at all, is a quarter a scan."""
    judged = luna16.judge(4, ONE, NOTHING, points((3, 9.0, 0.8), (0, 0.0, 0.5)))
    assert luna16.curve(judged).false_per_scan.tolist() == [0, 0.25, 0.25]


def test_a_missed_nodule_counts_in_the_sensitivity():
    """One of two."""
    two = points((0, 0.0, 6.0), (0, 50.0, 6.0))
    judged = luna16.judge(1, two, NOTHING, points((0, 0.0, 0.5)))
    assert luna16.curve(judged).at().tolist() == [0.5] * 7


def test_equal_scores_are_one_point():
    """A true and a false one of the same score come together: there is no threshold between them."""
    judged = luna16.judge(1, ONE, NOTHING, points((0, 0.0, 0.5), (0, 20.0, 0.5)))
    curve = luna16.curve(judged)
    assert curve.false_per_scan.tolist() == [0, 1]
    assert curve.sensitivity.tolist() == [0, 1]


def test_the_curve_is_linear_between_points_and_level_after_the_last():
    """From (0, 0) to (1, 1): an eighth at an eighth, and all at 1 to 8."""
    judged = luna16.judge(1, ONE, NOTHING, points((0, 0.0, 0.5), (0, 20.0, 0.5)))
    done = luna16.result(judged)
    assert done.sensitivity.tolist() == [1 / 8, 1 / 4, 1 / 2, 1, 1, 1, 1]
    assert done.cpm == pytest.approx((1 / 8 + 1 / 4 + 1 / 2 + 4) / 7)


def test_without_a_cap_every_candidate_counts():
    """500 false ones in a scan are 500 a scan; a cap of 100 leaves 100."""
    many = points(*[(0, 20.0 + n, 0.9 - n / 1000) for n in range(500)])
    assert luna16.curve(luna16.judge(1, ONE, NOTHING, many)).false_per_scan[-1] == 500
    capped = luna16.judge(1, ONE, NOTHING, many, most_per_scan=100)
    assert luna16.curve(capped).false_per_scan[-1] == 100
    assert capped.cut == 400


def test_a_cap_keeps_none_of_those_that_tie_with_the_first_one_too_many():
    """As the challenge's program does; a scan with as many as the cap keeps all."""
    three = points((0, 0.0, 0.9), (0, 1.0, 0.5), (0, 2.0, 0.5))
    assert luna16.best(three, 2).value.tolist() == [0.9]
    assert luna16.best(three, 3).value.tolist() == [0.9, 0.5, 0.5]


def test_no_candidates_is_a_sensitivity_of_nought():
    """And no nodules is no sensitivity at all."""
    assert luna16.result(luna16.judge(1, ONE, NOTHING, NOTHING)).cpm == 0
    assert np.isnan(luna16.result(luna16.judge(1, NOTHING, NOTHING, points((0, 0.0, 0.5)))).cpm)


def test_an_interval_is_over_scans_and_holds_the_value():
    """Twenty scans, half found: half, give or take two standard errors; one scan has no interval."""
    nodules = points(*[(n, 0.0, 6.0) for n in range(20)])
    found = points(*[(n, 0.0, 0.9) for n in range(10)])
    done = luna16.result(luna16.judge(20, nodules, NOTHING, found), repeats=400)
    low, high = done.cpm_interval
    assert 0.25 <= low <= 0.35
    assert 0.65 <= high <= 0.75
    assert len(done.intervals) == 7
    alone = luna16.result(luna16.judge(1, ONE, NOTHING, points((0, 0.0, 0.9))), repeats=10)
    assert alone.cpm_interval == (None, None)


@pytest.mark.real_data
def test_a_published_detector_gets_its_published_figures():
    """DeepLung on 888 scans (Zhu, WACV 2018): all seven sensitivities and the CPM, to three decimals."""
    folder = DATA / "luna16"
    numbers = luna16_tables.series((folder / "deeplung_seriesuids.csv").read_text())
    nodules, excluded = (
        luna16_tables.findings((folder / f"deeplung_{name}.csv").read_text(), numbers).points
        for name in ("annotations", "annotations_excluded")
    )
    found = luna16_tables.candidates((folder / "deeplung_dpn26_candidates.csv").read_text(), numbers).points
    assert (len(numbers), len(nodules), len(found)) == (888, 1186, 55677)
    done = luna16.result(luna16.judge(888, nodules, excluded, found))
    assert done.sensitivity.round(3).tolist() == [0.692, 0.769, 0.824, 0.865, 0.893, 0.917, 0.933]
    assert round(done.cpm, 3) == 0.842
