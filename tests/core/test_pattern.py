from __future__ import annotations

from dataclasses import replace

import pytest
from analyses import nodule, spread

from millet.core import pattern


@pytest.mark.parametrize(
    ("nodules", "level"),
    [
        (spread(0), 0),
        (spread(50), 0),  # the cohort's line is *more than* fifty
        (spread(51), 1),  # too sparse for five to a slab on two slabs of each lung
        (spread(220), 2),
        (spread(220, left_share=0.0), 0),  # one lung only
        (spread(220, diameter_mm=8.0), 1),  # not millimetre nodules
        (spread(2000), 2),
        (spread(220, diameter_mm=12.0), 0),  # no small ones at all
    ],
    ids=["none", "50", "51", "220", "one-lung", "8mm", "2000", "12mm"],
)
def test_the_level_follows_number_side_size_and_spread(nodules, level):
    """The proposal's levels hold on exams made to sit on either side of each line."""
    assert pattern.judge(nodules).level == level


def test_a_cluster_in_one_place_is_not_probable():
    """Two hundred nodules within one slab are many, but not spread."""
    crowd = [
        replace(n, centre_mm=n.centre_mm._replace(z=-55.0 + 0.01 * n.number), diameter_mm=3.0)
        for n in spread(200)
    ]
    assert pattern.judge(crowd).level == 1


def test_slab_counts_equal_a_recount():
    """The slabs reported are those that a plain loop over all slabs finds."""
    nodules = spread(400, seed=3)
    full = 0
    for low in range(-300, 50, 10):
        inside = [n for n in nodules if low <= n.centre_mm.z < low + 10]
        left = sum(n.centre_mm.x > 0 for n in inside)
        full += len(inside) >= 10 and min(left, len(inside) - left) >= 3
    assert pattern.judge(nodules).slabs_10mm_with_10 == full


def test_the_dominant_mass_stands_out_and_is_left_out_of_the_median():
    """One 41 mm mass among 3 mm nodules is dominant and does not move their median."""
    mass = replace(nodule(999), diameter_mm=41.5)
    nodules = [*spread(220), mass]
    assert pattern.dominant(nodules) is mass
    assert pattern.judge(nodules).median_diameter_mm == 3.0
    assert pattern.dominant(spread(5, diameter_mm=12.0)) is None
