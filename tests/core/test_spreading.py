from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analyses import nodule
from masks import two_lungs
from patterns import SPREADS, scene, scenes
from patterns import nodule as as_nodule
from thorax import thorax

from millet.core.ground import reference_places
from millet.core.nodule import Side
from millet.core.spread import Distribution, Hint
from millet.core.spreading import Fissures, spread_of


def described(of, level=2, *, fissures=True):
    """The spread of a scene, its fissures known or not."""
    chest = of.chest
    known = Fissures(
        nodules_mm=chest.fissure_mm(of.centres_mm),
        places_mm=chest.fissure_mm(reference_places(chest.lungs)),
    )
    return spread_of(
        of.nodules,
        chest.lungs,
        level,
        lobe_litres=of.lobe_litres if fissures else (),
        fissures=known if fissures else None,
    )


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("seed", [8, 16])
def test_presets_are_told_apart(spread, seed):
    """Nodules as a detector reports them have the distribution of the preset that placed them."""
    found = described(scenes(spread, seed))
    assert found.distribution is Distribution(spread)
    assert (found.subpleural_ratio > 1.3) == (spread == "perilymphatic")
    assert (found.fissural_ratio > 2.0) == (spread == "perilymphatic")


def test_the_case_is_random_uniform_and_has_its_hint():
    """220 of 3 mm and a mass: the mass is counted, and not part of sizes or places."""
    found = described(scenes("case", 0, clean=True))
    assert sum(zone.nodules for zone in found.zones) == sum(lobe.nodules for lobe in found.lobes) == 221
    assert found.sizes.cv < 0.1
    assert found.sizes.p90_mm < 4.0
    assert found.distribution is Distribution.RANDOM
    assert 0.9 < found.randomness.clark_evans < 1.1
    assert found.hints[0] is Hint.HAEMATOGENOUS_METASTASES
    assert described(scenes("case", 0, clean=True), level=0).hints == ()


def test_slopes_follow_where_nodules_lie():
    """Nodules of the lower lungs have a slope down; those of the outer lung one that falls inwards."""
    chest, rng = thorax(), np.random.default_rng(7)
    points = chest.anywhere(4000, rng)
    sizes = np.full(200, 3.0)
    low = scene("low", 0, chest, points[np.argsort(points[:, 2])][:2000:10], sizes)
    outer = scene("outer", 0, chest, points[np.argsort(chest.depth_mm(points))][:2000:10], sizes)
    assert described(low).cranio_caudal_slope > 1.5
    assert described(outer).central_peripheral_slope < -1.5
    assert abs(described(outer).cranio_caudal_slope) < 1.0


def test_without_fissures_less_is_said():
    """No lobes, no fissural ratio; zones and the rest stay."""
    found = described(scenes("perilymphatic", 8), fissures=False)
    assert found.lobes == ()
    assert found.fissural_ratio is None
    assert len(found.zones) == 6
    assert found.distribution is not Distribution.RANDOM


def test_a_lung_without_fissures_is_left_out_of_their_ratio():
    """Where one lung's fissures are not known the ratio is that of the other, and less is said."""
    exam = scenes("perilymphatic", 8)
    chest = exam.chest
    both = [exam.centres_mm, reference_places(chest.lungs)]
    nodules, places = (
        np.where(chest.lungs.at(points) == 1, chest.fissure_mm(points), np.nan) for points in both
    )
    found = spread_of(exam.nodules, chest.lungs, 1, fissures=Fissures(nodules_mm=nodules, places_mm=places))
    assert found.fissural_ratio > 2.0
    assert found.distribution in {Distribution.PERILYMPHATIC, Distribution.UNDETERMINED}


def test_the_same_exam_gives_the_same_spread_in_any_order():
    """All draws are seeded; a second time nothing differs, and counts do not depend on the order."""
    exam = scenes("miliary", 0)
    found = described(exam)
    assert found == described(exam)
    back = replace(exam, lesions=exam.lesions[::-1])
    assert described(back).zones == found.zones
    assert described(back).distribution is found.distribution


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_nodules_are_counted_and_nothing_more_is_said(count):
    """No randomness, no ratios, no distribution, no hints."""
    lungs = two_lungs()
    found = spread_of([nodule(k + 1, x_mm=-58.0, z_mm=10.0 * k) for k in range(count)], lungs, 1)
    assert sum(zone.nodules for zone in found.zones if zone.side is Side.RIGHT) == count
    assert (found.sizes is None) == (count == 0)
    said = (found.randomness, found.subpleural_ratio, found.vessel_ratio, found.cranio_caudal_slope)
    assert said == (None,) * 4
    assert found.distribution is Distribution.UNDETERMINED
    assert found.hints == ()


def test_what_does_not_fit_is_refused():
    """Distances of other nodules or other places, and lungs that are none."""
    lungs, places = two_lungs(), np.zeros(len(reference_places(two_lungs())))
    with pytest.raises(ValueError, match="2 distances"):
        spread_of([nodule(1)], lungs, 1, fissures=Fissures(nodules_mm=np.zeros(2), places_mm=places))
    with pytest.raises(ValueError, match="reference places"):
        spread_of([nodule(1)], lungs, 1, fissures=Fissures(nodules_mm=np.zeros(1), places_mm=places[1:]))
    empty = replace(lungs, label=np.zeros_like(lungs.label))
    with pytest.raises(ValueError, match="without lungs"):
        spread_of([nodule(1)], empty, 1)


def test_nodules_outside_the_mask_are_on_its_surface():
    """A centre just outside the lungs counts as subpleural, and breaks nothing."""
    chest = thorax()
    rim = chest.anywhere(300, np.random.default_rng(3))
    rim = rim[np.argsort(chest.depth_mm(rim))][:60]
    out = np.vstack([rim, [[0.0, -250.0, 0.0]]])
    lesions = scene("rim", 0, chest, rim, np.full(len(rim), 3.0)).lesions
    far = replace(lesions[0], centre_mm=type(lesions[0].centre_mm)(*out[-1]))
    found = spread_of([as_nodule(k, one) for k, one in enumerate((*lesions, far))], chest.lungs, 1)
    assert found.subpleural_ratio > 2.0
