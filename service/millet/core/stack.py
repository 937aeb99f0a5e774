"""One volume of a series: slices in order along their normal, and whether they make a volume.

Slices lie in order because of their position tags alone; instance numbers and order of arrival are
never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.core.language import phrase
from millet.core.nodule import SourcePixel
from millet.core.reasons import Reason, Remark, Weight
from millet.core.series import SliceHeader

FEWEST_SLICES = 20
"""Even at the thickest slice analysed, 20 slices are 20 cm: about the height of an adult's lungs."""
VALIDATED_THICKNESS_MM = 3.0
"""Above this a 3 mm nodule is lost in its slice's average."""
THICKEST_MM = 10.0
TOUCHING_MM = 0.05
"""Two slices nearer than this are at one place; reconstructions overlap by no less than 0.1 mm."""
UNEVEN = 0.1
"""Share of the step by which a slice may lie beside its place: positions are written with few digits."""
ROUNDED_MM = 0.08
"""What positions written to a tenth of a millimetre may lie beside their place, whatever the step."""
HOLE = 1.5
"""A step longer than this many usual steps is a hole: half way between one step and two."""
LARGEST_TILT_DEG = 0.5
"""At 300 mm of lung this shears by 2.6 mm, the size of the nodules that are looked for."""
OBLIQUE_COSINE = float(np.cos(np.radians(20)))
"""Slices whose normal is further than 20 degrees from the body's axis are no axial slices."""
SQUARE = 1e-2
"""Rows and columns whose directions' cosine is larger than this are not at right angles."""

Same = Callable[[SliceHeader, SliceHeader], bool]
"""Whether two instances hold the same pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Slices that belong together, in the order of their positions along the normal."""

    slices: tuple[SliceHeader, ...]
    label: str = ""
    """What sets it apart in its series; no patient data."""


def stack_of(headers: Sequence[SliceHeader], label: str = "") -> Stack:
    """Put slices with geometry in order along the first one's normal; ties by their UID."""
    along = heights_mm(headers, normal(headers[0]))
    order = sorted(range(len(headers)), key=lambda at: (along[at], headers[at].sop_instance_uid))
    return Stack(slices=tuple(headers[at] for at in order), label=label)


def has_geometry(header: SliceHeader) -> bool:
    """Whether a slice says where it is and how it lies, with rows and columns at right angles."""
    row, column = header.row_direction, header.column_direction
    if header.position_mm is None or header.pixel_spacing_mm is None or row is None or column is None:
        return False
    return abs(float(np.dot(row, column))) < SQUARE


def normal(header: SliceHeader) -> Floats:
    """The unit normal of a slice, rows x columns (PS3.3 C.7.6.2.1.1)."""
    across = np.cross(cast("Vector", header.row_direction), cast("Vector", header.column_direction))
    unit: Floats = across / np.linalg.norm(across)
    return unit


def heights_mm(headers: Sequence[SliceHeader], direction: Floats) -> Floats:
    """(N,) positions along a direction."""
    return _positions_mm(headers) @ direction


def steps_mm(stack: Stack) -> Floats:
    """(N - 1,) distances from slice to slice along the normal."""
    steps: Floats = np.diff(heights_mm(stack.slices, normal(stack.slices[0])))
    return steps


def spacing_mm(stack: Stack) -> float | None:
    """The usual step, None for a single slice."""
    return float(np.median(steps_mm(stack))) if len(stack.slices) > 1 else None


def extent_mm(stack: Stack) -> float:
    """From the first slice to the last."""
    return float(steps_mm(stack).sum())


def even(steps: Floats) -> bool:
    """Whether slices lie on a regular grid, as far as positions are written exactly."""
    if not len(steps) or steps.min() <= TOUCHING_MM:
        return False
    heights = np.concatenate(([0.0], np.cumsum(steps)))
    step = heights[-1] / len(steps)
    beside = np.abs(heights - step * np.arange(len(heights)))
    return bool(beside.max() <= max(UNEVEN * step, ROUNDED_MM))


def grid(stack: Stack) -> Grid:
    """The grid of a stack without faults: z along the normal, y down the columns, x along the rows."""
    first = plane_grid(stack.slices[0])
    count = len(stack.slices)
    return replace(
        first,
        shape=(count, *first.shape[1:]),
        spacing_mm=(extent_mm(stack) / (count - 1), *first.spacing_mm[1:]),
    )


def plane_grid(header: SliceHeader) -> Grid:
    """The grid of one slice with geometry, a millimetre thick."""
    row = np.asarray(header.row_direction, float)
    across = normal(header)
    column = np.cross(across, row)
    between_rows, between_columns = cast("tuple[float, float]", header.pixel_spacing_mm)
    return Grid(
        shape=(1, header.rows, header.columns),
        spacing_mm=(1.0, between_rows, between_columns),
        origin_mm=cast("PointMm", header.position_mm),
        axes=(Vector(*across.tolist()), Vector(*column.tolist()), Vector(*row.tolist())),
    )


def pixel(header: SliceHeader, place: PointMm) -> SourcePixel:
    """Where a place lies in a slice with geometry, along the normal, by that slice's own tags."""
    index = plane_grid(header).to_index(place)
    return SourcePixel(frame=1, column=index.x, row=index.y)


def without_repeats(stack: Stack, same: Same) -> tuple[Stack, tuple[Remark, ...]]:
    """Drop slices that repeat their neighbour pixel for pixel; one that differs is left to `faults`."""
    kept: list[SliceHeader] = [stack.slices[0]]
    for header, step in zip(stack.slices[1:], steps_mm(stack), strict=True):
        if step > TOUCHING_MM or not same(kept[-1], header):
            kept.append(header)
    dropped = len(stack.slices) - len(kept)
    if not dropped:
        return stack, ()
    detail = phrase("stack.same", count=dropped)
    remark = Remark(reason=Reason.DUPLICATE_SLICES, weight=Weight.NOTE, detail=detail)
    return replace(stack, slices=tuple(kept)), (remark,)


def faults(stack: Stack) -> tuple[Remark, ...]:
    """What speaks against a stack (REFUSES, the weightiest first) or outside its validated use."""
    checks = (_nowhere, _not_axial, _tilted, _mixed_geometry, _repeated, _too_few, _holes, _thick)
    return tuple(remark for check in checks if (remark := check(stack)))


def _refuses(reason: Reason, detail: str) -> Remark:
    return Remark(reason=reason, weight=Weight.REFUSES, detail=detail)


def _positions_mm(headers: Sequence[SliceHeader]) -> Floats:
    return np.asarray([header.position_mm for header in headers], float)


def _nowhere(stack: Stack) -> Remark | None:
    """Positions without a frame of reference cannot be reported: SR and SEG must name one (type 1)."""
    if all(header.frame_of_reference_uid for header in stack.slices):
        return None
    return _refuses(Reason.GEOMETRY_MISSING, phrase("stack.no-frame"))


def _not_axial(stack: Stack) -> Remark | None:
    cosine = abs(float(normal(stack.slices[0])[2]))
    if cosine >= OBLIQUE_COSINE:
        return None
    angle = np.degrees(np.arccos(cosine))
    return _refuses(Reason.NOT_AXIAL, phrase("stack.not-axial", angle=float(angle)))


def _tilted(stack: Stack) -> Remark | None:
    """Tilt by its tag, or by slices that are shifted against each other along their rows or columns."""
    stated = max(abs(header.gantry_tilt_deg or 0.0) for header in stack.slices)
    path = _positions_mm(stack.slices)[-1] - _positions_mm(stack.slices)[0]
    up = abs(float(path @ normal(stack.slices[0])))
    aside = float(np.sqrt(max(path @ path - up * up, 0.0)))
    tilt = max(stated, float(np.degrees(np.arctan2(aside, up)))) if up > TOUCHING_MM else stated
    if tilt <= LARGEST_TILT_DEG:
        return None
    return _refuses(Reason.GANTRY_TILT, phrase("stack.tilt", angle=tilt))


def _mixed_geometry(stack: Stack) -> Remark | None:
    """Slices of other size or pixel, or beside the line of the others by more than half a pixel."""
    matrices = {(header.rows, header.columns) for header in stack.slices}
    if len(matrices) > 1:
        return _refuses(Reason.MIXED_GEOMETRY, phrase("stack.matrices", count=len(matrices)))
    pixels = np.asarray([header.pixel_spacing_mm for header in stack.slices], float)
    if np.ptp(pixels, axis=0).max() * max(matrices.pop()) > pixels.min():
        return _refuses(Reason.MIXED_GEOMETRY, phrase("stack.spacings"))
    across = normal(stack.slices[0])
    places = _positions_mm(stack.slices)
    aside = places - np.outer(places @ across, across)
    if np.linalg.norm(aside - np.median(aside, axis=0), axis=1).max() > pixels.min() / 2 + _drift_mm(stack):
        return _refuses(Reason.MIXED_GEOMETRY, phrase("stack.shifted"))
    return None


def _drift_mm(stack: Stack) -> float:
    """How far a tilt that is still allowed moves the last slice."""
    return float(np.tan(np.radians(LARGEST_TILT_DEG))) * extent_mm(stack)


def _repeated(stack: Stack) -> Remark | None:
    repeated = int((steps_mm(stack) <= TOUCHING_MM).sum())
    if not repeated:
        return None
    return _refuses(Reason.DUPLICATE_SLICES, phrase("stack.repeated", count=repeated))


def _too_few(stack: Stack) -> Remark | None:
    if len(stack.slices) >= FEWEST_SLICES:
        return None
    detail = phrase("stack.too-few", count=len(stack.slices), needed=FEWEST_SLICES)
    return _refuses(Reason.TOO_FEW_SLICES, detail)


def _holes(stack: Stack) -> Remark | None:
    """A hole is refused, never bridged: an interpolated slice would hide what lay there."""
    steps = steps_mm(stack)
    if not len(steps) or even(steps):
        return None
    usual = float(np.median(steps))
    odd = steps[steps > HOLE * usual] / usual
    others = steps[steps <= HOLE * usual]
    if len(odd) and even(others) and np.all(np.abs(odd - np.rint(odd)) < 2 * UNEVEN):
        missing = int(np.rint(odd - 1).sum())
        return _refuses(Reason.MISSING_SLICES, phrase("stack.missing", missing=missing, places=len(odd)))
    detail = phrase("stack.uneven", low=float(steps.min()), high=float(steps.max()))
    return _refuses(Reason.UNEVEN_SPACING, detail)


def _thick(stack: Stack) -> Remark | None:
    spacing = spacing_mm(stack) or 0.0
    stated = max(header.slice_thickness_mm or 0.0 for header in stack.slices)
    thickness = max(spacing, stated)
    if spacing > VALIDATED_THICKNESS_MM and 0 < stated < spacing / 2:
        detail = phrase("stack.gaps", stated=stated, spacing=spacing)
        return _refuses(Reason.MISSING_SLICES, detail)
    if thickness <= VALIDATED_THICKNESS_MM:
        return None
    weight = Weight.REFUSES if thickness > THICKEST_MM else Weight.OUTSIDE_USE
    detail = phrase("stack.thick", mm=thickness, most=VALIDATED_THICKNESS_MM)
    return Remark(reason=Reason.THICK_SLICES, weight=weight, detail=detail)
