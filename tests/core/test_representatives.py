from dataclasses import replace

import pytest
from characters import characterised

from millet.core.nodule import Side
from millet.core.representatives import representatives


def _places(chosen):
    return [(one.side, one.character.lobe or one.character.zone) for one in chosen]


def test_the_dominant_lesion_comes_first():
    """Whatever its lobe."""
    found = characterised(60, mass=True)
    assert representatives(found)[0] is found[0]


def test_they_are_spread_over_the_lobes():
    """No place has two before each has one."""
    found = characterised(200)
    places = len(set(_places(found)))
    chosen = representatives(found, places)
    assert len(set(_places(chosen))) == places


def test_within_a_lobe_the_largest_comes_first():
    """The one chosen is never smaller than one of its place that is left."""
    found = characterised(200)
    chosen = representatives(found)
    for one, place in zip(chosen, _places(chosen), strict=True):
        left = [n for n in found if n not in chosen and _places([n]) == [place]]
        assert all(one.diameter_mm >= other.diameter_mm for other in left)


@pytest.mark.parametrize("count", [0, 1, 9, 10])
def test_few_are_all_chosen(count):
    """Each once."""
    found = characterised(count)
    assert sorted(n.number for n in representatives(found)) == [n.number for n in found]


def test_without_character_they_are_spread_over_the_sides():
    """Sizes that are equal go by number."""
    plain = [replace(n, character=None, diameter_mm=3.0) for n in characterised(40)]
    chosen = representatives(plain)
    assert {side: sum(n.side is side for n in chosen) for side in Side} == {Side.LEFT: 5, Side.RIGHT: 5}
    assert [n.number for n in chosen] == list(range(1, 11))
