"""Where coronal planes lie."""

from __future__ import annotations

import numpy as np
import pytest

from millet.core.coronal import Coronal
from millet.core.geometry import Grid, Index, PointMm, Vector

UP, BACK, LEFT = Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0)


def grid(rows: int = 10, between_rows: float = 0.8) -> Grid:
    """A small upright grid."""
    return Grid(
        shape=(24, rows, 12),
        spacing_mm=(1.5, between_rows, 0.7),
        origin_mm=PointMm(-40, -150, 300),
        axes=(UP, BACK, LEFT),
    )


@pytest.mark.parametrize(("between_rows", "thick"), [(0.3, 4), (0.5, 2), (0.7, 2), (0.98, 1), (2.0, 1)])
def test_planes_are_about_a_millimetre_thick_and_never_thinner_than_a_row(between_rows, thick):
    """Two rows of the usual 0.7 mm."""
    assert Coronal.of(grid(between_rows=between_rows)).thick == thick


def test_a_large_stack_has_thicker_planes():
    """So that all of them together stay within the pixels that are allowed, however large it is."""
    made = Coronal.of(grid(rows=1000), most_pixels=24 * 12 * 90)
    assert made.thick == 12
    assert np.prod(made.shape) <= 24 * 12 * 90


def test_a_plane_begins_at_the_head_on_the_patient_s_right():
    """Rows run to the feet, columns to the left; the last plane is as thin as what is left of rows."""
    made = Coronal.of(grid(rows=5))
    assert made.shape == (3, 24, 12)
    assert made.spacing_mm == (1.5, 0.7)
    assert made.directions == (LEFT, (0, 0, -1))
    assert np.allclose(made.place_mm(0), (-40, -150 + 0.4, 300 + 23 * 1.5))
    assert np.allclose(made.place_mm(2), (-40, -150 + 4 * 0.8, 300 + 23 * 1.5))


def test_it_does_not_matter_how_the_slices_were_written():
    """Feet first, from the left, from below: the planes are the same."""
    upright = grid()
    far = upright.to_patient(Index(23, 9, 11))
    turned = Grid(
        shape=(24, 12, 10),
        spacing_mm=(1.5, 0.7, 0.8),
        origin_mm=far,
        axes=(Vector(0, 0, -1), Vector(-1, 0, 0), Vector(0, -1, 0)),
    )
    one, other = Coronal.of(upright), Coronal.of(turned)
    assert (one.shape, one.spacing_mm, one.directions) == (other.shape, other.spacing_mm, other.directions)
    assert np.allclose([one.place_mm(k) for k in range(5)], [other.place_mm(k) for k in range(5)])
