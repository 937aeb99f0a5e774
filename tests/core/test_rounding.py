import pytest

from millet.core import rounding


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (3.14, "3.14"),
        (-0.0, "0"),
        (-0.0001, "0"),
        (120, "120"),
        (1e9, "1000000000"),
        (0.125, "0.125"),
    ],
)
def test_numbers_are_written_plainly(value, text):
    """No exponent, no minus nought, no point alone; what is written reads back."""
    assert rounding.written(value) == text


@pytest.mark.parametrize(
    ("rule", "value", "rounded"),
    [
        (rounding.length_mm, 3.14159, 3.14),
        (rounding.volume_mm3, 14.1372, 14.1),
        (rounding.attenuation_hu, -612.349, -612.3),
        (rounding.ratio, 1.0249, 1.02),
        (rounding.volume_l, 4.49351, 4.494),
        (rounding.days, 280.4, 280),
    ],
)
def test_each_quantity_has_its_decimals(rule, value, rounded):
    """And a second rounding changes nothing."""
    assert rule(value) == rounded
    assert rule(rule(value)) == rule(value)


def test_shares_become_percent():
    """To a tenth; a change may be beyond a hundred."""
    assert rounding.percent(0.8714) == 87.1
    assert rounding.percent(1.5) == 150.0
