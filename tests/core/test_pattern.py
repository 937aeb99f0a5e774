from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analyses import even, nodule, spread

from millet.core import pattern
from millet.core.analysis import Lungs
from millet.core.character import Axes, Character, Lobe, NoduleType, Zone
from millet.core.criteria_sets import BRAIN_MILIARY_CT, LUNG_MILIARY
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.lesion import Images
from millet.core.lungs import LungMask
from millet.core.nodule import Side
from millet.core.spread import Randomness

RANDOM = Randomness(simulations=199, clark_evans=0.99, clark_evans_p=0.6, ripley=(), ripley_p=0.5)
CLUSTERED = replace(RANDOM, clark_evans=0.6, clark_evans_p=0.01)
EVEN = replace(RANDOM, clark_evans=1.22, clark_evans_p=0.01)
LOBES = {
    (Side.RIGHT, Zone.UPPER): Lobe.RIGHT_UPPER,
    (Side.RIGHT, Zone.MIDDLE): Lobe.RIGHT_MIDDLE,
    (Side.RIGHT, Zone.LOWER): Lobe.RIGHT_LOWER,
    (Side.LEFT, Zone.UPPER): Lobe.LEFT_UPPER,
    (Side.LEFT, Zone.MIDDLE): Lobe.LEFT_LOWER,
    (Side.LEFT, Zone.LOWER): Lobe.LEFT_LOWER,
}
LOBE_LITRES = {lobe.value: 0.75 for lobe in Lobe} | {"left-lower": 1.5}


def with_lobes(nodules, unknown=0):
    """The same with a character, whose lobe follows from the height in lungs of 260 mm; some without one."""
    made = []
    for number, one in enumerate(nodules):
        third = min(int((one.centre_mm.z + 260) * 3 / 260), 2)
        zone = (Zone.LOWER, Zone.MIDDLE, Zone.UPPER)[third]
        lobe = None if number < unknown else LOBES[one.side, zone]
        made.append(replace(one, character=character(lobe, zone)))
    return made


def character(lobe, zone):
    """What a solid nodule in a lobe is like."""
    ends = (PointMm(0, 0, 0), PointMm(3, 0, 0))
    return Character(
        axes=Axes(long_mm=ends, short_mm=ends),
        volume_low_mm3=12.0,
        volume_high_mm3=18.0,
        p95_hu=40.0,
        calcified_share=0.0,
        type=NoduleType.SOLID,
        core_mm=None,
        spiculation=0.0,
        lobe=lobe,
        zone=zone,
        zone_estimated=lobe is None,
        pleura_mm=None,
        fissure_mm=None,
        juxtapleural=False,
        perifissural=False,
        probability=None,
        at_resolution_limit=False,
    )


def conditions(judged):
    """The conditions of a judgement, by name."""
    return {one.name: one for one in judged.conditions}


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
        ([*spread(160), *spread(60, diameter_mm=12.0)], 1),  # one in four is no miliary nodule
    ],
    ids=["none", "50", "51", "220", "one-lung", "8mm", "2000", "12mm", "mixed"],
)
def test_the_level_follows_number_side_size_and_spread(nodules, level):
    """The proposal's levels hold on exams made to sit on either side of each line."""
    assert pattern.judge(nodules, even()).level == level


@pytest.mark.parametrize(
    ("nodules", "tests", "level"),
    [
        (spread(300), RANDOM, 3),
        (spread(300), None, 2),  # nobody tested it
        (spread(300), CLUSTERED, 2),
        (spread(300), EVEN, 2),
        (spread(300), replace(EVEN, clark_evans_p=0.2), 3),  # not rejected
        (spread(300), replace(EVEN, clark_evans=1.1), 3),  # rejected, but mild
        (spread(120), RANDOM, 2),  # too few to a slab
        ([*spread(250), *spread(110, diameter_mm=1.0), *spread(70, diameter_mm=6.5)], RANDOM, 2),  # uneven
    ],
    ids=["random", "untested", "clustered", "regular", "kept", "mild", "120", "uneven"],
)
def test_definite_asks_for_slabs_zones_even_sizes_and_randomness(nodules, tests, level):
    """Level 3 needs each of its conditions."""
    assert pattern.judge(nodules, replace(even(), randomness=tests)).level == level


def test_full_slabs_in_the_lower_zone_alone_are_not_definite():
    """A crowd at the base, thin above: every lobe has its share by volume, yet no full slab lies high up."""
    base = [n for n in spread(1600, seed=4) if n.centre_mm.z < -150]
    known = replace(even(), randomness=RANDOM)
    judged = pattern.judgement([*base, *spread(40, seed=5)], known)
    assert not conditions(judged)["zones-with-slab-of-10"].holds
    assert conditions(judged)["slabs-with-10-apart-mm"].holds
    assert judged.level < 3


def test_a_cluster_in_one_place_is_not_probable():
    """Two hundred nodules within one slab are many, but not spread."""
    crowd = [
        replace(n, centre_mm=n.centre_mm._replace(z=-55.0 + 0.01 * n.number), diameter_mm=3.0)
        for n in spread(200)
    ]
    assert pattern.judge(crowd, even()).level == 1


def test_slab_counts_equal_a_recount():
    """The slabs reported are those that a plain loop over all slabs finds."""
    nodules = spread(400, seed=3)
    full = 0
    for low in range(-300, 50, 10):
        inside = [n for n in nodules if n.centre_mm.z + 1.5 > low and n.centre_mm.z - 1.5 < low + 10]
        left = sum(n.centre_mm.x > 0 for n in inside)
        full += len(inside) >= 10 and min(left, len(inside) - left) >= 3
    assert pattern.judge(nodules, even()).slabs_10mm_with_10 == full


def test_the_dominant_mass_stands_out_and_is_left_out_of_median_and_cv():
    """One 41 mm mass among 3 mm nodules is dominant and does not move their median, nor their CV."""
    mass = replace(nodule(999), diameter_mm=41.5)
    nodules = [*spread(220), mass]
    judged = pattern.judge(nodules, replace(even(), randomness=RANDOM))
    assert pattern.dominant(nodules) is mass
    assert (judged.median_diameter_mm, judged.diameter_cv, judged.level) == (3.0, 0.0, 3)
    assert pattern.dominant(spread(5, diameter_mm=12.0)) is None


def test_lobes_are_asked_where_they_are_known():
    """Five lobes and their densities by the litre; a lobe without nodules ends it."""
    known = replace(even(), litres=LOBE_LITRES)
    judged = pattern.judgement(with_lobes(spread(300)), known)
    assert conditions(judged)["lobes-with-nodules"].observed == 5
    assert 1 < conditions(judged)["lobe-density-ratio"].observed < 2
    assert judged.level == 2
    spared = [n for n in with_lobes(spread(300)) if n.character.lobe is not Lobe.RIGHT_MIDDLE]
    assert conditions(pattern.judgement(spared, known))["lobes-with-nodules"].observed == 4
    assert pattern.judge(spared, known).level == 1


def test_zones_stand_in_for_lobes_that_were_not_found():
    """The conditions' names say so; up to one nodule in ten may lack its lobe before."""
    litres = {**even().litres, **LOBE_LITRES}
    few, many = (
        pattern.judgement(with_lobes(spread(300), unknown=n), replace(even(), litres=litres))
        for n in (29, 31)
    )
    assert {"lobes-with-nodules", "lobe-density-ratio"} < set(conditions(few))
    assert {"zones-with-nodules-as-no-lobes", "zone-density-ratio-as-no-lobes"} < set(conditions(many))
    assert "lobes-with-nodules" not in conditions(many)
    assert (few.level, many.level) == (2, 2)


def test_without_volumes_nothing_is_probable_and_the_judgement_says_why():
    """A list of nodules from elsewhere, with nothing known of the lungs."""
    judged = pattern.judgement(spread(300))
    assert judged.level == 1
    assert "zone-density-ratio-as-no-lobes (the regions' volumes)" in judged.not_evaluated
    assert conditions(judged)["zones-with-nodules-as-no-lobes"].observed == 6


def test_counts_per_image_are_told_and_decide_nothing():
    """On 1 mm images 300 nodules are never ten to an image, on 5 mm ones they are."""
    told = {}
    for thickness_mm in (1.0, 5.0):
        images = Images(
            thickness_mm=thickness_mm, step_mm=thickness_mm, first_mm=-260.0, count=int(260 / thickness_mm)
        )
        judged = pattern.judgement(spread(300), replace(even(), images=images))
        told[thickness_mm] = conditions(judged)["images-with-10"]
        assert judged.level == 2
    assert [told[mm].level for mm in told] == [0, 0]
    assert told[1.0].observed < told[5.0].observed
    assert conditions(pattern.judgement(spread(300), even()))["images-with-10"].observed is None


@pytest.mark.parametrize(
    ("count", "tests", "yes"),
    [
        (220, None, True),
        (220, RANDOM, True),
        (220, EVEN, True),
        (220, CLUSTERED, False),
        (220, replace(CLUSTERED, clark_evans_p=0.2), True),
        (60, RANDOM, False),
    ],
)
def test_miliary_is_at_least_probable_and_not_shown_to_be_clustered(count, tests, yes):
    """A regular spread is miliary, one that nobody tested too; clusters are not."""
    judged = pattern.judgement(spread(count), replace(even(), randomness=tests))
    assert pattern.miliary(judged) is yes


@pytest.mark.parametrize(("tests", "yes"), [(RANDOM, True), (EVEN, False), (None, True)])
def test_what_is_neither_random_nor_uniform_is_not_called_miliary(tests, yes):
    """Of nodules of many sizes, those at random are; where nobody tested it nothing is held against them."""
    mixed = [*spread(250), *spread(110, diameter_mm=1.0), *spread(70, diameter_mm=6.5)]
    judged = pattern.judgement(mixed, replace(even(), randomness=tests))
    assert (judged.level, pattern.miliary(judged)) == (2, yes)


def test_further_sets_are_judged_beside_ours_where_they_are_for_the_lung():
    """One of the site's own with another threshold, and none for the brain."""
    own = replace(LUNG_MILIARY, identifier="lung-of-ours", levels=LUNG_MILIARY.levels[:1])
    ours, theirs = pattern.judgements(spread(300), even(), (own, BRAIN_MILIARY_CT))
    assert (ours.criteria, ours.level) == ("lung-miliary", 2)
    assert (theirs.criteria, theirs.level) == ("lung-of-ours", 1)


def test_figures_and_judgement_are_of_one_exam():
    """What the pattern says in figures, the conditions observed."""
    nodules = [*spread(150, diameter_mm=2.0), *spread(150, diameter_mm=3.5, seed=1)]
    known = replace(even(), randomness=RANDOM)
    seen, judged = pattern.judge(nodules, known), conditions(pattern.judgement(nodules, known))
    assert seen.small_nodules == judged["small-nodules"].observed
    assert seen.median_diameter_mm == judged["median-mm"].observed
    assert seen.diameter_cv == pytest.approx(judged["diameter-cv"].observed, abs=5e-4)
    assert seen.slabs_10mm_with_10 == judged["slabs-with-10"].observed
    assert seen.criteria_version == LUNG_MILIARY.version == "lmp-proposal-2"


def test_heights_and_volumes_come_from_the_mask():
    """Two boxes of lung, the left one shorter: thirds of each, in litres, and nothing of a lung not found."""
    label = np.zeros((100, 40, 40), np.uint8)
    label[5:95, 5:35, 2:18] = 1
    label[5:65, 5:35, 22:38] = 2
    axes = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
    grid = Grid(
        shape=label.shape, spacing_mm=(2.0, 2.0, 2.0), origin_mm=PointMm(-40.0, -40.0, -200.0), axes=axes
    )
    mask = LungMask(
        label=label,
        hu=np.zeros(label.shape, np.float32),
        grid=grid,
        litres=Lungs(right_l=1.0, left_l=1.0),
        cut_at_top=False,
        cut_at_base=False,
    )
    known = pattern.known_of(mask)
    assert known.heights_mm == {Side.RIGHT: (-191.0, -11.0), Side.LEFT: (-191.0, -71.0)}
    assert known.litres["right-upper-zone"] == pytest.approx(30 * 30 * 16 * 8e-6)
    assert known.litres["left-lower-zone"] == pytest.approx(20 * 30 * 16 * 8e-6)
    right = pattern.known_of(replace(mask, label=np.where(label == 1, label, 0)))
    assert set(right.heights_mm) == {Side.RIGHT}
    assert len(right.litres) == 3
