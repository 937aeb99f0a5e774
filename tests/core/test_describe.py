from dataclasses import replace

import pytest

from millet.core.character import Axes, Lobe, NoduleType, Zone
from millet.core.describe import CONTRAST_HU, Seen, at_limit, characters
from millet.core.detectability import Resolution, detectability
from millet.core.geometry import PointMm
from millet.core.measure import Measurement
from millet.core.nodule import Candidate, Side
from millet.core.place import Place
from millet.core.traits import Traits

AT = Resolution(pixel_mm=0.7, slice_mm=1.25, fwhm_mm=1.1)
ENDS = (PointMm(0.0, 0.0, 0.0), PointMm(3.0, 0.0, 0.0))
TRAITS = Traits(
    axes=Axes(long_mm=ENDS, short_mm=ENDS),
    volume_low_mm3=11.0,
    volume_high_mm3=18.0,
    p95_hu=90.0,
    calcified_share=0.0,
    type=NoduleType.SOLID,
    core_mm=None,
    spiculation=0.0,
)
PLACE = Place(lobe=Lobe.LEFT_LOWER, zone=Zone.LOWER, zone_estimated=False, pleura_mm=8.0, fissure_mm=None)


def nodule(diameter=3.0, kind=NoduleType.SOLID):
    """One that was measured."""
    centre = PointMm(60.0, 0.0, 0.0)
    return Measurement(
        candidate=Candidate(centre_mm=centre, diameter_mm=diameter, score=0.9),
        centre_mm=centre,
        diameter_mm=diameter,
        volume_mm3=14.1,
        mean_hu=-40.0,
        side=Side.LEFT,
        traits=replace(TRAITS, type=kind),
    )


def test_a_character_holds_what_was_measured_and_where_it_lies():
    """Traits, place and probability, each nodule its own."""
    places = [PLACE, replace(PLACE, lobe=None, zone_estimated=True)]
    one, other = characters([nodule(), nodule(6.0)], places, Seen(at=AT, noise_hu=30), [0.97, None])
    assert (one.axes, one.volume_low_mm3, one.volume_high_mm3, one.p95_hu) == (TRAITS.axes, 11.0, 18.0, 90.0)
    assert (one.lobe, one.zone, one.zone_estimated) == (Lobe.LEFT_LOWER, Zone.LOWER, False)
    assert (other.lobe, other.zone_estimated) == (None, True)
    assert (one.probability, other.probability) == (0.97, None)


@pytest.mark.parametrize(
    ("pleura", "fissure", "on_pleura", "on_fissure"),
    [(0.0, None, True, False), (2.0, 9.0, True, False), (2.1, 1.9, False, True), (None, 0.0, False, True)],
)
def test_what_touches_pleura_or_fissure_lies_on_it(pleura, fissure, on_pleura, on_fissure):
    """Up to 2 mm from edge to surface; what was not measured is not said."""
    (found,) = characters(
        [nodule()],
        [replace(PLACE, pleura_mm=pleura, fissure_mm=fissure)],
        Seen(at=AT, noise_hu=30),
        [None],
    )
    assert (found.juxtapleural, found.perifissural) == (on_pleura, on_fissure)


@pytest.mark.parametrize("kind", NoduleType)
@pytest.mark.parametrize("diameter", [1.0, 1.7, 2.4, 3.3, 8.0, 41.0])
def test_the_limit_of_resolution_is_where_d_prime_is_below_6(kind, diameter):
    """For the size and what it is made of, as the formula has it."""
    for noise in (20.0, 60.0):
        exact = detectability(diameter, CONTRAST_HU[kind], noise, AT)
        if abs(exact - 6) > 0.2:
            assert at_limit([diameter], [kind], Seen(at=AT, noise_hu=noise)) == [exact < 6]


def test_without_a_measured_noise_nothing_is_relied_on():
    """Every nodule is at the limit, since nothing says that it is not."""
    (found,) = characters([nodule(20.0)], [PLACE], Seen(at=AT, noise_hu=None), [None])
    assert found.at_resolution_limit
    assert characters([], [], Seen(at=AT, noise_hu=30), []) == ()
