import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from millet.evaluate.match import match, near, within


def points(*xs):
    """Points on the x axis."""
    return np.asarray([(x, 0.0, 0.0) for x in xs], float).reshape(-1, 3)


def dense(found, true, diameters, spare):
    """The same rule on a full cost matrix: pairs, spare points used, total distance."""
    distance = np.linalg.norm(true[:, None] - found[None], axis=2)
    allowed = distance <= np.maximum(diameters / 2, 1.0)[:, None]
    tier = len(true) * 100.0
    cost = np.where(allowed, distance + tier * spare, tier * 1e3)
    rows, columns = linear_sum_assignment(cost)
    kept = allowed[rows, columns]
    rows, columns = rows[kept], columns[kept]
    return len(rows), int(spare[columns].sum()), float(distance[rows, columns].sum())


@pytest.mark.parametrize(
    ("found", "true", "pairs", "false", "missed"),
    [
        (points(0.9), points(0), {(0, 0)}, (), ()),
        (points(1.6), points(0), set(), (0,), (0,)),
        (points(0.1, 0.2), points(0), {(0, 0)}, (1,), ()),
        (points(0.7), points(0, 1.0), {(0, 1)}, (), (0,)),
        (points(), points(0), set(), (), (0,)),
        (points(0), points(), set(), (0,), ()),
        (points(), points(), set(), (), ()),
        (points(0.9, -0.9), points(0, 1.8), {(0, 1), (1, 0)}, (), ()),
    ],
    ids=[
        "near",
        "far",
        "double",
        "between",
        "none found",
        "none there",
        "nothing",
        "most pairs before nearest",
    ],
)
def test_pairs_are_one_to_one(found, true, pairs, false, missed):
    """A nodule is found once, by one point within its radius; the rest is false or missed."""
    result = match(found, true, np.full(len(true), 3.0))
    assert (set(result.pairs), result.false, result.missed) == (pairs, false, missed)


def test_small_nodules_are_reached_from_a_millimetre_away():
    """Half of a 1 mm nodule is finer than anybody can point."""
    assert match(points(0.95), points(0), np.asarray([1.0])).pairs == ((0, 0),)


def test_a_point_upon_its_nodule_is_a_pair():
    """No distance at all is a distance."""
    assert match(points(2), points(2), np.asarray([3.0])).pairs == ((0, 0),)


def test_a_spare_point_that_stays_alone_is_not_false():
    """It may stand for a nodule, after the points that cost, however near it lies."""
    result = match(points(0, 1.0, 9.0), points(0.1), np.asarray([3.0]), [True, False, True])
    assert result.pairs == ((1, 0),)
    assert (result.false, result.spared) == ((), (0, 2))


def test_a_spare_point_finds_what_no_other_finds():
    """More pairs go before fewer spare points."""
    result = match(points(0, 1.0), points(0.1, 1.9), np.full(2, 3.0), [True, False])
    assert set(result.pairs) == {(0, 0), (1, 1)}


@pytest.mark.parametrize("seed", range(40))
def test_the_sparse_matching_is_the_dense_one(seed):
    """In crowds: as many pairs, as few spare points, as little distance, nobody twice, nobody lost."""
    rng = np.random.default_rng(seed)
    found, true = rng.uniform(0, 9, (rng.integers(1, 60), 3)), rng.uniform(0, 9, (rng.integers(1, 60), 3))
    diameters, spare = rng.uniform(1, 8, len(true)), rng.random(len(found)) < 0.3 * (seed % 2)
    result = match(found, true, diameters, spare)
    pairs = np.asarray(result.pairs, int).reshape(-1, 2)
    total = np.linalg.norm(found[pairs[:, 0]] - true[pairs[:, 1]], axis=1).sum()
    count, spares, distance = dense(found, true, diameters, spare)
    assert (len(pairs), spare[pairs[:, 0]].sum()) == (count, spares)
    assert total == pytest.approx(distance)
    assert sorted([*pairs[:, 0], *result.false, *result.spared]) == list(range(len(found)))
    assert sorted([*pairs[:, 1], *result.missed]) == list(range(len(true)))


def test_five_thousand_by_five_thousand_need_no_square():
    """All of a profuse scan is matched; a dense matrix of it would be 200 MB."""
    rng = np.random.default_rng(1)
    lattice = np.stack(np.meshgrid(*[np.arange(17) * 4.0] * 3), -1).reshape(-1, 3)[:4900]
    result = match(lattice + rng.uniform(-0.8, 0.8, lattice.shape), lattice, np.full(len(lattice), 3.0))
    assert len(result.pairs) == len(lattice)
    assert all(f == t for f, t in result.pairs)


def test_within_reach_of_any():
    """Half the diameter of that one, a millimetre at least."""
    reached = within(points(0, 2.4, 2.6, 9.9), points(0, 10), np.asarray([5.0, 0.1]))
    assert reached.tolist() == [True, True, False, True]
    assert near(points(0), points(), np.asarray([])).found.size == 0
