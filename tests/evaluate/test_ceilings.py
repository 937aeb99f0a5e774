from functools import cache

import chests
import numpy as np
import pytest

from millet.core.candidates import merge
from millet.core.geometry import PointMm
from millet.core.nodule import Candidate
from millet.evaluate import ceilings, scatter
from millet.evaluate.ceilings import ANCHORS, PUBLISHED

LUNG = chests.volume(chests.grid(shape=(4, 4, 4)), np.full((4, 4, 4), -850.0))
PIPELINES = {pipeline.name: pipeline.kept for pipeline in PUBLISHED}
WITHIN = 0.04
"""Of a share: three chances against two."""


@cache
def nodules(count, seed):
    """The same nodules for every rule."""
    return scatter.scattered(count, seed)


def at(x, y=0.0, diameter=3.0, score=0.9):
    """A perfect candidate."""
    return Candidate(centre_mm=PointMm(x, y, 0.0), diameter_mm=diameter, score=score)


@pytest.mark.parametrize(
    ("name", "of_200", "of_500"),
    [
        ("MONAI bundle, 300 boxes", 1.00, 0.60),
        ("nnDetection, 100 a model", 0.50, 0.20),
        ("nnDetection, five folds at best", 1.00, 1.00),
        ("NoduleNet, overlap of inflated boxes", 0.95, 0.87),
        ("NoduleNet and LUNA16's 100 marks", 0.50, 0.20),
        ("SANet, 300 marks", 0.95, 0.60),
        ("CPMNetv2, 20 a crop", 0.98, 0.71),
        ("CPMNetv2, 40 a scan", 0.20, 0.08),
        ("grt123, five decide", 0.025, 0.010),
    ],
)
def test_a_perfect_network_loses_what_was_computed_before(name, of_200, of_500):
    """Each ceiling is that of the reference table, which was made independently."""
    for count, expected in ((200, of_200), (500, of_500)):
        shares = [ceilings.recall(PIPELINES[name], nodules(count, seed)) for seed in (0, 1)]
        assert np.mean(shares) == pytest.approx(expected, abs=WITHIN)


def test_two_thousand_are_cut_to_the_cap():
    """Arithmetic: 300 of 2,000; the overlap of inflated boxes takes a third."""
    many = nodules(2000, 0)
    assert ceilings.recall(PIPELINES["MONAI bundle, 300 boxes"], many) == 0.15
    inflated = ceilings.recall(PIPELINES["NoduleNet, overlap of inflated boxes"], many)
    assert inflated == pytest.approx(0.65, abs=WITHIN)


def test_our_merging_has_no_ceiling():
    """Every one of 2,000 is left, whatever the merging distance up to one radius."""
    assert ceilings.recall(ceilings.ours(1.0, LUNG), nodules(2000, 0)) == 1.0
    assert len(merge(nodules(2000, 0), 1.0, LUNG)) == 2000


def test_inflated_boxes_suppress_neighbours_that_do_not_touch():
    """Two 3 mm nodules 8 mm apart along an axis: one of them is left, with ours both."""
    pair = [at(0.0), at(8.0, score=0.8)]
    assert ceilings.recall(PIPELINES["NoduleNet, overlap of inflated boxes"], pair) == 0.5
    assert ceilings.recall(ceilings.ours(1.0, LUNG), pair) == 1.0


def test_every_place_in_the_lungs_lies_in_a_crop():
    """A crop's count cuts, its grid does not."""
    assert ceilings.recall(ceilings.best_of_crops(500), nodules(500, 0)) == 1.0


@pytest.mark.parametrize(
    ("anchors", "expected"),
    [
        (ANCHORS[0], (0.03, 0.07, 0.21, 0.39, 0.47)),
        (ANCHORS[1], (0.03, 0.06, 0.16, 0.27, 0.33)),
        (ANCHORS[2], (0.003, 0.008, 0.03, 0.06, 0.13)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_best_anchor_overlaps_small_nodules_little(anchors, expected):
    """Medians over the places of nodules of 1.5, 2, 3, 4 and 5 mm, as computed before."""
    medians = [float(np.median(ceilings.best_overlaps(anchors, d))) for d in (1.5, 2, 3, 4, 5)]
    assert medians == pytest.approx(expected, abs=0.01)


def test_an_anchor_of_a_nodules_size_in_its_place_covers_it():
    """Overlap is 1 where cells are points."""
    exact = ceilings.Anchors(name="", sizes_mm=((3, 3, 3),), cell_mm=(1e-9, 1e-9, 1e-9), source="")
    assert ceilings.best_overlaps(exact, 3.0, places=10) == pytest.approx(1.0)


def test_nodules_lie_in_lungs_of_four_and_a_half_litres_and_apart():
    """None touches another, their neighbours are as near as in the reference table, and all differ."""
    many = nodules(1000, 0)
    assert pytest.approx(4.49, abs=0.01) == scatter.LITRES
    centres = np.asarray([c.centre_mm for c in many])
    assert set(scatter.in_lungs(centres)) == {1, 2}
    radii = np.asarray([c.diameter_mm for c in many]) / 2
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (apart > radii[:, None] + radii[None]).all()
    assert np.median(apart.min(axis=1)) == pytest.approx(9.4, abs=0.4)
    assert len({c.score for c in many}) == 1000
    assert scatter.scattered(50, 3) == scatter.scattered(50, 3) != scatter.scattered(50, 4)
