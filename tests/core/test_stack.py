from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from instances import header

from millet.core.geometry import PointMm, Vector
from millet.core.reasons import Reason, Weight
from millet.core.series import SliceHeader
from millet.core.stack import Stack, faults, grid, stack_of, without_repeats


def _slices(spacing_mm: float = 1.0, n: int = 30, angle_deg: float = 0.0, **values: Any) -> list[SliceHeader]:
    """Slices whose normal leans from the body's axis by an angle about x, without shear."""
    lean = np.radians(angle_deg)
    up = np.asarray([0.0, -np.sin(lean), np.cos(lean)])
    column = Vector(0.0, float(np.cos(lean)), float(np.sin(lean)))
    return [
        replace(
            header(at),
            position_mm=PointMm(*(up * at * spacing_mm).tolist()),
            column_direction=column,
            **values,
        )
        for at in range(n)
    ]


def _said(stack: Stack) -> list[tuple[Reason, Weight]]:
    return [(remark.reason, remark.weight) for remark in faults(stack)]


@pytest.mark.parametrize("angle_deg", [0.0, 3.0, 15.0])
def test_the_grid_leads_to_the_slices(angle_deg: float) -> None:
    """A straight or slightly leaning stack has no fault, and its grid's corners are its positions."""
    slices = _slices(angle_deg=angle_deg)
    stack = stack_of(slices[::-1])
    assert _said(stack) == []
    found = grid(stack).to_patient_array(np.asarray([(at, 0, 0) for at in range(30)], float))
    assert np.allclose(found, [each.position_mm for each in slices], atol=1e-6)


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        (stack_of(_slices(angle_deg=25)), (Reason.NOT_AXIAL, Weight.REFUSES)),
        (stack_of(_slices(2.5, slice_thickness_mm=3.0)), None),
        (stack_of(_slices(2.5, slice_thickness_mm=3.1)), (Reason.THICK_SLICES, Weight.OUTSIDE_USE)),
        (stack_of(_slices(10.0, slice_thickness_mm=10.0)), (Reason.THICK_SLICES, Weight.OUTSIDE_USE)),
        (stack_of(_slices(10.1, slice_thickness_mm=10.1)), (Reason.THICK_SLICES, Weight.REFUSES)),
        (stack_of(_slices(n=20)), None),
        (stack_of(_slices(n=19)), (Reason.TOO_FEW_SLICES, Weight.REFUSES)),
        (stack_of(_slices(frame_of_reference_uid="")), (Reason.GEOMETRY_MISSING, Weight.REFUSES)),
        (stack_of(_slices(n=1)), (Reason.TOO_FEW_SLICES, Weight.REFUSES)),
        (stack_of(_slices(gantry_tilt_deg=-0.4)), None),
        (stack_of(_slices(gantry_tilt_deg=-0.6)), (Reason.GANTRY_TILT, Weight.REFUSES)),
        (
            stack_of([h for h in _slices() if h.instance_number not in {7, 8, 20}]),
            (Reason.MISSING_SLICES, Weight.REFUSES),
        ),
    ],
)
def test_the_limits(stack: Stack, said: tuple[Reason, Weight] | None) -> None:
    """Each limit divides what is refused, what is outside validated use and what is ordinary."""
    assert _said(stack) == ([said] if said else [])


@pytest.mark.parametrize("step_mm", [0.625, 1.25, 0.8333])
def test_positions_with_few_digits_are_even(step_mm: float) -> None:
    """Positions rounded to a tenth of a millimetre are no uneven steps."""
    places = [PointMm(0, 0, round(step_mm * at, 1)) for at in range(30)]
    slices = [replace(h, position_mm=place) for h, place in zip(_slices(), places, strict=True)]
    assert _said(stack_of(slices)) == []


def test_repeats_go_only_if_their_pixels_agree() -> None:
    """A repeated slice with the same pixels is used once; one that differs is a fault."""
    slices = _slices()
    stack = stack_of([*slices, replace(slices[4], sop_instance_uid="9")])
    single, notes = without_repeats(stack, lambda _one, _other: True)
    assert len(single.slices) == 30
    assert [(note.reason, note.weight) for note in notes] == [(Reason.DUPLICATE_SLICES, Weight.NOTE)]
    both, notes = without_repeats(stack, lambda _one, _other: False)
    assert (len(both.slices), notes) == (31, ())
    assert _said(both)[0] == (Reason.DUPLICATE_SLICES, Weight.REFUSES)
