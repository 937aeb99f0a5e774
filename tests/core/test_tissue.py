import numpy as np
import pytest

from millet.core.character import NoduleType
from millet.core.levels import Blur, Levels
from millet.core.tissue import TYPES, tissue

BLUR = Blur(sd_mm=0.55, soft_sd_mm=0.75)


def told(diameter=8.0, middle=30.0, rim=30.0, top=60.0, *, sd=15.0, bright=6.0, blur=BLUR):
    """The type and the HU of one nodule with such levels."""
    values = {"background": -860.0, "noise": 40.0, "middle": middle, "middle_sd": sd, "rim": rim}
    level = Levels(**{k: np.asarray([v]) for k, v in (values | {"whole_rim": rim, "top": top}).items()})
    made_of = tissue(level, np.asarray([diameter]), np.asarray([bright]), blur)
    return TYPES[made_of.kinds[0]], float(made_of.hu[0])


@pytest.mark.parametrize(
    ("middle", "rim", "top", "expected"),
    [
        (30, 20, 60, NoduleType.SOLID),
        (30, -250, 60, NoduleType.SOLID),
        (400, 350, 500, NoduleType.CALCIFIED),
        (-85, -90, -60, NoduleType.FAT),
        (-600, -610, -560, NoduleType.GROUND_GLASS),
        (-100, -600, 40, NoduleType.PART_SOLID),
        (-500, -620, -100, NoduleType.PART_SOLID),
        (-300, -500, -300, NoduleType.PART_SOLID),
    ],
)
def test_each_type_by_its_levels(middle, rim, top, expected):
    """A rim of glass, and whether there is more than glass within; else the HU of the whole."""
    assert told(middle=middle, rim=rim, top=top)[0] is expected


def test_a_small_nodule_is_solid_unless_it_clearly_is_not():
    """At 3 mm neither fat nor a core is told; calcium and glass are where no noise makes them."""
    assert told(3.0, -85, -90, -100, sd=60)[0] is NoduleType.SOLID
    assert told(3.0, -100, -600, 0, sd=60)[0] is NoduleType.SOLID
    assert told(3.0, 250, 250, 100, sd=60)[0] is NoduleType.SOLID
    assert told(3.0, 600, 600, 300, sd=60)[0] is NoduleType.CALCIFIED
    assert told(3.0, -620, -620, -640, sd=60)[0] is NoduleType.GROUND_GLASS


def test_thick_slices_tell_the_types_of_larger_nodules_only():
    """What is small is so against the blur, too."""
    thick = Blur(sd_mm=0.96, soft_sd_mm=1.3)
    assert told(7.0, -85, -90, -60, sd=40, blur=thick)[0] is NoduleType.SOLID
    assert told(9.0, -85, -90, -60, sd=40, blur=thick)[0] is NoduleType.FAT


def test_an_uncertain_reading_yields_to_what_tissue_is():
    """HU near soft tissue are drawn to it the more, the less they are known; far from it they are not."""
    sure, unsure = told(middle=100, rim=90, sd=5)[1], told(middle=100, rim=90, sd=80)[1]
    assert sure == pytest.approx(100, abs=3)
    assert unsure == pytest.approx(40, abs=20)
    assert told(3.0, -450, -450, -500, sd=80)[1] == pytest.approx(-450, abs=30)


def test_of_a_part_solid_nodule_the_glass_is_told():
    """Its volume is that of the glass with the core in it."""
    assert told(middle=-100, rim=-600, top=40) == (NoduleType.PART_SOLID, -600)
