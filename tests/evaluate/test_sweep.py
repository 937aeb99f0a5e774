import numpy as np
import pytest
from findings import case, random_case

from millet.evaluate.case import Case, at_least, judge
from millet.evaluate.sweep import gains, sweep


def test_a_nodule_is_handed_over_to_the_one_that_reaches_no_other():
    """The better candidate reaches both nodules, the other only one: together they find two."""
    result = sweep(case(true=(0, 1.8), found=((0.9, 0.9), (-0.9, 0.8))))
    assert (result.true.tolist(), result.false.tolist(), result.nodules) == ([0.9, 0.8], [], 2)


def test_the_second_on_one_nodule_is_false():
    """One nodule is found once, by the better score."""
    result = sweep(case(true=(0,), found=((0.5, 0.3), (0.0, 0.2))))
    assert (result.true.tolist(), result.false.tolist()) == ([0.3], [0.2])


@pytest.mark.parametrize(
    ("true", "found", "expected"),
    [((), (), ([], [], 0)), ((0,), (), ([], [], 1)), ((), ((0, 0.5),), ([], [0.5], 0))],
    ids=["nothing", "none found", "none there"],
)
def test_nothing_is_no_error(true, found, expected):
    """Empty cases have empty sweeps."""
    result = sweep(case(true=true, found=found))
    assert (result.true.tolist(), result.false.tolist(), result.nodules) == expected


def test_what_lies_in_an_ignored_region_neither_counts_nor_costs():
    """An ignored mark need not be found, and a finding on it is not false."""
    result = sweep(case(true=(0,), found=((0, 0.9), (20, 0.8), (40, 0.7)), ignored=(20, 60)))
    assert (result.true.tolist(), result.false.tolist(), result.nodules) == ([0.9], [0.7], 1)


def test_of_two_on_one_nodule_the_one_that_costs_finds_it():
    """The other lies in an ignored region and costs nothing, though its score is the better."""
    result = sweep(case(true=(0,), found=((1.0, 0.9), (-1.0, 0.8)), ignored=(2,)))
    assert (result.true.tolist(), result.false.tolist()) == ([0.9], [])


@pytest.mark.parametrize("seed", range(25))
def test_at_each_threshold_it_is_the_matching_of_that_threshold(seed):
    """In crowds with many equal scores: found, false and missed are those of a matching made anew."""
    crowd = random_case(np.random.default_rng(seed))
    result = sweep(crowd)
    for threshold in sorted({c.score for c in crowd.found}):
        matching = judge(crowd, at_least(threshold)).matching
        assert (result.true >= threshold).sum() == len(matching.pairs)
        assert (result.false >= threshold).sum() == len(matching.false)


def test_equal_scores_in_any_order_are_the_same():
    """The order in which a model writes its candidates says nothing."""
    rng = np.random.default_rng(3)
    crowd = random_case(rng, levels=3)
    turned = Case(
        name="turned",
        truth=crowd.truth,
        found=tuple(crowd.found[i] for i in rng.permutation(len(crowd.found))),
        ignored=crowd.ignored,
    )
    one, other = sweep(crowd), sweep(turned)
    assert (one.true.tolist(), one.false.tolist()) == (other.true.tolist(), other.false.tolist())


def test_a_long_chain_is_handed_over_to_its_end():
    """Three thousand candidates that each reach two nodules, and the last must move them all."""
    count = 3000
    reached = [[n + 1, n] if n % 2 else [n, n + 1] for n in range(count)] + [[0]]
    assert gains(reached, count + 1).all()
    assert not gains([*reached, [5]], count + 1)[-1]


def test_a_score_that_is_no_number_is_refused():
    """It would lie anywhere in the order."""
    with pytest.raises(ValueError, match="no number"):
        case(found=((0, float("nan")),))
