"""Windows: reproducible, labelled where the nodules really are, a third of them empty."""

from dataclasses import replace

import numpy as np
from train.chests import chest

from millet.train.windows import Recipe, window

RECIPE = Recipe(side=32, rim=2)


def test_a_window_is_a_function_of_seed_and_number() -> None:
    """So a run can be resumed."""
    one, two, other = (window([chest()], RECIPE, 1, n) for n in (4, 4, 5))
    np.testing.assert_array_equal(one.hu, two.hu)
    np.testing.assert_array_equal(one.position, two.position)
    assert not np.array_equal(one.hu, other.hu)


def test_a_third_is_empty_and_the_rest_holds_from_one_to_many() -> None:
    """Counts are log-uniform."""
    counts = np.asarray([len(window([chest()], RECIPE, 2, n).diameter) for n in range(90)])
    assert 0.2 < (counts == 0).mean() < 0.6  # also empty: what lay outside the window or could not be seen
    assert counts.max() > 12


def test_nodules_shine_where_the_labels_say() -> None:
    """Through mirroring, turning and re-slicing."""
    clean = chest(noise_hu=1.0)
    recipe = replace(RECIPE, diameter_mm=(3.0, 5.0), most=4, empty=0.0)
    brighter = []
    for n in range(40):
        example = window([clean], recipe, 3, n)
        for position in example.position:
            at = tuple(np.clip(np.rint(position).astype(int), 0, RECIPE.side - 1))
            brighter.append(float(example.hu[at]))
    assert len(brighter) > 20
    assert np.mean(np.asarray(brighter) > -760) > 0.95


def test_the_rim_and_what_lies_outside_the_lung_are_not_judged() -> None:
    """There is no answer to judge there."""
    for n in range(10):
        judged = window([chest()], RECIPE, 4, n).judged
        inner = judged[2:-2, 2:-2, 2:-2].sum()
        assert inner == judged.sum() > 0


def test_slices_of_any_thickness_give_windows_of_one_grid() -> None:
    """From 0.7 to 5 mm."""
    for slice_mm in (0.7, 1.0, 2.5, 5.0):
        example = window([chest((slice_mm, 1.0, 1.0))], RECIPE, 5, 0)
        assert example.hu.shape == (32, 32, 32)
        assert np.isfinite(example.hu).all()
