from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analyses import nodule
from masks import two_lungs
from patterns import Lesion
from patterns import nodule as with_character

from millet.core import extents
from millet.core.character import Lobe, Zone
from millet.core.geometry import PointMm
from millet.core.nodule import Side

LITRES = tuple((lobe, 0.5) for lobe in Lobe)


def lesion(number, lobe, zone, side=Side.RIGHT):
    """A nodule of a lobe and a zone."""
    made = Lesion(
        centre_mm=PointMm(-58.0, 0.0, 0.0),
        diameter_mm=3.0,
        side=side,
        zone=zone,
        lobe=lobe,
        pleura_mm=20.0,
        fissure_mm=10.0,
    )
    return with_character(number, made)


def test_zones_are_thirds_of_each_lung():
    """Nodules without character fall into the third of the height they lie in; all six are told."""
    lungs = two_lungs()
    found = [
        nodule(k, x_mm=x, z_mm=z) for k, (x, z) in enumerate([(-58.0, 60.0), (-58.0, 0.0), (58.0, -60.0)])
    ]
    counts = extents.zone_counts(found, lungs)
    assert [(c.side, c.zone) for c in counts] == [
        (side, zone) for side in Side.__reversed__() for zone in Zone
    ]
    there = {(c.side, c.zone) for c in counts if c.nodules}
    assert there == {(Side.RIGHT, Zone.UPPER), (Side.RIGHT, Zone.MIDDLE), (Side.LEFT, Zone.LOWER)}
    assert all((c.per_100_ml > 0) == (c.nodules > 0) for c in counts)


def test_zone_densities_are_of_the_lung_in_them():
    """As many nodules in the middle third are thinner there than in the upper one; all add up."""
    lungs = two_lungs()
    found = [lesion(k, None, zone) for k, zone in enumerate([Zone.UPPER, Zone.MIDDLE, Zone.LOWER] * 10)]
    right = {c.zone: c for c in extents.zone_counts(found, lungs) if c.side is Side.RIGHT}
    assert right[Zone.MIDDLE].per_100_ml < right[Zone.UPPER].per_100_ml
    litres = sum(c.nodules / c.per_100_ml for c in right.values()) / 10
    assert litres == pytest.approx(lungs.litres.right_l, rel=0.01)


def test_a_character_decides_the_zone():
    """The zone in the table of nodules is the one that is counted."""
    (found,) = [c for c in extents.zone_counts([lesion(1, None, Zone.UPPER)], two_lungs()) if c.nodules]
    assert found.zone is Zone.UPPER


def test_lobes_are_counted_where_their_litres_are_known():
    """All five or none; a nodule of no known lobe is in none of them."""
    found = [lesion(1, Lobe.RIGHT_UPPER, Zone.UPPER), lesion(2, None, Zone.UPPER), nodule(3)]
    counts = {c.lobe: c for c in extents.lobe_counts(found, LITRES)}
    assert [counts[lobe].nodules for lobe in Lobe] == [1, 0, 0, 0, 0]
    assert counts[Lobe.RIGHT_UPPER].per_100_ml == 0.2
    assert extents.lobe_counts(found, ()) == ()
    part = extents.lobe_counts(found, LITRES[1:])
    assert [c.per_100_ml for c in part if c.lobe is Lobe.RIGHT_UPPER] == [None]


def test_what_measuring_adds_is_taken_off_the_spread_of_sizes():
    """Of equal nodules measured with an error the CV is about 0; of unequal ones it is theirs."""
    rng = np.random.default_rng(1)

    def cv(true_mm):
        measured = true_mm + rng.normal(0, extents.DIAMETER_ERROR_MM, len(true_mm))
        return extents.sizes([replace(nodule(k), diameter_mm=float(d)) for k, d in enumerate(measured)]).cv

    assert cv(np.full(2000, 3.0)) < 0.03
    assert cv(rng.normal(4.0, 1.0, 2000)) == pytest.approx(0.25, abs=0.02)


def test_a_known_interval_of_volume_says_how_well_it_was_measured():
    """Nodules whose volumes are known well keep their spread; those with wide intervals lose some."""
    diameters = np.random.default_rng(2).normal(3.0, 0.3, 1000)

    def cv(relative):
        made = []
        for k, d in enumerate(diameters):
            one = lesion(k, None, Zone.UPPER)
            volume = float(np.pi / 6 * d**3)
            known = replace(
                one.character,
                volume_low_mm3=volume * (1 - relative),
                volume_high_mm3=volume * (1 + relative),
            )
            made.append(replace(one, diameter_mm=float(d), volume_mm3=volume, character=known))
        return extents.sizes(made).cv

    assert cv(0.01) == pytest.approx(0.1, abs=0.005)
    assert cv(0.4) == pytest.approx((0.1**2 - (0.4 / 1.96 / 3) ** 2) ** 0.5, abs=0.01)
    assert extents.sizes([]) is None
