import numpy as np
import pytest

from millet.evaluate.match import match


def points(*xs):
    """Points on the x axis."""
    return np.asarray([(x, 0.0, 0.0) for x in xs], float).reshape(-1, 3)


@pytest.mark.parametrize(
    ("found", "true", "pairs", "false", "missed"),
    [
        (points(0.9), points(0), {(0, 0)}, (), ()),
        (points(1.6), points(0), set(), (0,), (0,)),
        (points(0.1, 0.2), points(0), {(0, 0)}, (1,), ()),
        (points(0.7), points(0, 1.0), {(0, 1)}, (), (0,)),
        (points(), points(0), set(), (), (0,)),
        (points(0), points(), set(), (0,), ()),
        (points(0.9, -0.9), points(0, 1.8), {(0, 1), (1, 0)}, (), ()),
    ],
    ids=["near", "far", "double", "between", "none found", "none there", "most pairs before nearest"],
)
def test_pairs_are_one_to_one(found, true, pairs, false, missed):
    """A nodule is found once, by one point within its radius; the rest is false or missed."""
    result = match(found, true, np.full(len(true), 3.0))
    assert (set(result.pairs), result.false, result.missed) == (pairs, false, missed)


def test_small_nodules_are_reached_from_a_millimetre_away():
    """Half of a 1 mm nodule is finer than anybody can point."""
    assert match(points(0.95), points(0), np.asarray([1.0])).pairs == ((0, 0),)
