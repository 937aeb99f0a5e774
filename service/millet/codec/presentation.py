"""Pictures for a person: where the nodules are, at a glance.

Drawn from the canonical volume only, so that the patient's right is on the picture's left however the
scanner wrote the slices. Within the lungs it is a maximum intensity projection in a lung window, which
keeps ribs and chest wall from hiding what is sought; a dim average around them shows the body.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from millet.codec.document import STATEMENT
from millet.core.analysis import Analysis
from millet.core.geometry import Floats, Grid
from millet.core.nodule import Nodule, NoduleClass, Side
from millet.core.volume import Volume, canonical_order

Plane = Literal["axial", "coronal"]
Box = tuple[slice, slice, slice]

_LUNG_WINDOW_HU = (-950.0, 150.0)
_AIR_HU = -1024.0
_DIM = 0.35
_MARGIN_MM = 25.0
_SKIN_MM = 3.0
_SLABS, _SLABS_IN_A_ROW = 12, 4
_WIDTH_PX = {"coronal": 960, "axial": 320}
_COLOURS = {NoduleClass.NODULE: (255, 190, 60), NoduleClass.MASS: (255, 80, 80)}
_WHITE, _BLUE, _BAND_PX = (235, 235, 235), (120, 200, 255), 24


class _View(NamedTuple):
    """One projection: grey values 0..1 on (row, column) indices, and where they lie in the volume."""

    grey: NDArray[np.float32]
    start: tuple[float, float]
    """Volume index of the first row and column."""
    step_mm: tuple[float, float]
    z: tuple[int, int]
    """Slices that are seen, the second exclusive."""


def mip_png(
    volume: Volume, analysis: Analysis, plane: Plane, lungs: NDArray[np.bool_] | None = None
) -> bytes:
    """A projection with every nodule circled, sides marked and its purpose written in; no patient data.

    Args:
        volume: canonical (`core.volume.canonical`).
        analysis: nodules and effusions to mark, in patient mm.
        plane: "coronal", one picture of the whole; "axial", twelve slabs from head to feet.
        lungs: (z, y, x) on the volume's grid; without it slabs are projected whole, and the coronal
            picture is an average like a radiograph.

    Raises:
        ValueError: The volume is not canonical.
    """
    if canonical_order(volume.grid) != ((0, 1, 2), (False, False, False)):
        raise ValueError("pictures are drawn from the canonical volume")
    box = _box(volume.grid, lungs)
    lungs = None if lungs is None else _core(lungs, volume.grid)
    if plane == "coronal":
        pictures = [_picture(_coronal(volume, lungs, box), analysis, volume.grid, plane)]
    else:
        views = _axial(volume, lungs, box)
        pictures = [_picture(view, analysis, volume.grid, plane) for view in views]
    out = io.BytesIO()
    _sheet(pictures, analysis, plane).save(out, "PNG")
    return out.getvalue()


# --- projections -------------------------------------------------------------------------------------


def _box(grid: Grid, lungs: NDArray[np.bool_] | None) -> Box:
    """The lungs with a margin, or all."""
    if lungs is None or not lungs.any():
        return slice(0, grid.shape[0]), slice(0, grid.shape[1]), slice(0, grid.shape[2])
    z, y, x = (_range(lungs, axis, _MARGIN_MM / grid.spacing_mm[axis]) for axis in range(3))
    return z, y, x


def _range(lungs: NDArray[np.bool_], axis: int, margin: float) -> slice:
    others = tuple(other for other in range(3) if other != axis)
    present = np.asarray(lungs.any(axis=others))
    where = np.flatnonzero(present)
    low, high = int(where[0] - margin), int(where[-1] + margin) + 1
    return slice(max(low, 0), min(high, len(present)))


def _core(lungs: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """The lungs without their skin, whose soft tissue would cover them from front to back."""
    core = lungs.copy()
    for axis, spacing_mm in enumerate(grid.spacing_mm):
        steps = max(1, round(_SKIN_MM / spacing_mm))
        all_of, kept = np.moveaxis(lungs, axis, 0), np.moveaxis(core, axis, 0)
        kept[steps:] &= all_of[:-steps]
        kept[:-steps] &= all_of[steps:]
    return core


def _coronal(volume: Volume, lungs: NDArray[np.bool_] | None, box: Box) -> _View:
    """Seen from the front, head up."""
    rows = [_row(volume, lungs, z, box) for z in range(box[0].stop - 1, box[0].start - 1, -1)]
    spacing = volume.grid.spacing_mm
    return _View(
        grey=np.stack(rows),
        start=(box[0].stop - 1, box[2].start),
        step_mm=(-spacing[0], spacing[2]),
        z=(box[0].start, box[0].stop),
    )


def _row(
    volume: Volume, lungs: NDArray[np.bool_] | None, z: int, box: Box
) -> NDArray[np.float32]:  # (columns)
    plane = volume.hu[z, :, box[2]]
    mean = np.maximum(plane, _AIR_HU).mean(axis=0)
    if lungs is None:
        return _window(mean)
    inside = np.where(lungs[z, :, box[2]], plane, _AIR_HU).max(axis=0)
    return _over(_window(inside), _window(mean))


def _axial(volume: Volume, lungs: NDArray[np.bool_] | None, box: Box) -> Iterator[_View]:
    """Slabs seen from the feet, the one nearest the head first."""
    edges = np.linspace(box[0].stop, box[0].start, _SLABS + 1).round().astype(int)
    spacing = volume.grid.spacing_mm
    for high, low in pairwise(edges):
        if high > low:
            yield _View(
                grey=_slab(volume, lungs, (int(low), int(high)), box),
                start=(box[1].start, box[2].start),
                step_mm=(spacing[1], spacing[2]),
                z=(int(low), int(high)),
            )


def _slab(
    volume: Volume, lungs: NDArray[np.bool_] | None, z: tuple[int, int], box: Box
) -> NDArray[np.float32]:
    """Slice by slice, so that no copy of the slab is held."""
    shape = volume.hu[0, box[1], box[2]].shape
    brightest, total = np.full(shape, _AIR_HU, np.float32), np.zeros(shape, np.float32)
    for at in range(*z):
        plane = volume.hu[at, box[1], box[2]].astype(np.float32)
        inside = plane if lungs is None else np.where(lungs[at, box[1], box[2]], plane, _AIR_HU)
        np.maximum(brightest, inside, out=brightest)
        total += np.maximum(plane, _AIR_HU)
    return _over(_window(brightest), _window(total / (z[1] - z[0])))


def _over(sought: NDArray[np.float32], around: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is sought, over a dim picture of what lies around."""
    dim = np.float32(_DIM) * around
    return np.where(sought > dim, sought, dim)


def _window(hu: Floats | NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = _LUNG_WINDOW_HU
    return np.clip((hu - low) / (high - low), 0.0, 1.0).astype(np.float32)


# --- drawing -----------------------------------------------------------------------------------------


def _picture(view: _View, analysis: Analysis, grid: Grid, plane: Plane) -> Image.Image:
    """One projection in true proportions, with its marks."""
    rows, columns = view.grey.shape
    height_mm, width_mm = rows * abs(view.step_mm[0]), columns * view.step_mm[1]
    px_per_mm = _WIDTH_PX[plane] / width_mm
    size = (_WIDTH_PX[plane], max(1, round(height_mm * px_per_mm)))
    grey = Image.fromarray((view.grey * 255).round().astype(np.uint8))
    picture = grey.resize(size, Image.Resampling.BILINEAR).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for nodule in analysis.nodules:
        _circle(draw, nodule, view, grid, px_per_mm)
    _sides(draw, size)
    if plane == "coronal":
        _effusions(draw, size, analysis)
    else:
        words = f"{grid.spacing_mm[0] * (view.z[1] - view.z[0]):.0f} mm slab"
        draw.text((size[0] / 2, 4), words, fill=_WHITE, font=_font(11), anchor="ma")
    return picture


def _circle(draw: ImageDraw.ImageDraw, nodule: Nodule, view: _View, grid: Grid, px_per_mm: float) -> None:
    """Circle a nodule, if its centre lies in the slices that are seen."""
    z, y, x = grid.to_index(nodule.centre_mm)
    if not view.z[0] - 0.5 <= z < view.z[1] - 0.5:
        return
    down = z if view.step_mm[0] < 0 else y
    row_mm = abs(down - view.start[0]) * abs(view.step_mm[0])
    column_mm = (x - view.start[1]) * view.step_mm[1]
    centre_x = (column_mm + view.step_mm[1] / 2) * px_per_mm
    centre_y = (row_mm + abs(view.step_mm[0]) / 2) * px_per_mm
    radius = max(nodule.diameter_mm / 2 * px_per_mm + 2, 4)
    around = (centre_x - radius, centre_y - radius, centre_x + radius, centre_y + radius)
    draw.ellipse(around, outline=_COLOURS[nodule.nodule_class])


def _sides(draw: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    """R on the picture's left, L on its right."""
    style: dict[str, Any] = {"fill": _WHITE, "font": _font(20), "stroke_width": 2, "stroke_fill": "black"}
    draw.text((6, size[1] / 2), "R", anchor="lm", **style)
    draw.text((size[0] - 6, size[1] / 2), "L", anchor="rm", **style)


def _effusions(draw: ImageDraw.ImageDraw, size: tuple[int, int], analysis: Analysis) -> None:
    """Each effusion on its side, at the bottom."""
    for effusion in analysis.effusions:
        x, anchor = (6, "ld") if effusion.side is Side.RIGHT else (size[0] - 6, "rd")
        words = f"effusion {effusion.side.value[0].upper()}"
        draw.text(
            (x, size[1] - 6),
            words,
            fill=_BLUE,
            font=_font(14),
            anchor=anchor,
            stroke_width=2,
            stroke_fill="black",
        )


def _sheet(pictures: list[Image.Image], analysis: Analysis, plane: Plane) -> Image.Image:
    """All pictures, from left to right and down, with a line of words above and below."""
    width, height = pictures[0].size
    across = min(len(pictures), 1 if plane == "coronal" else _SLABS_IN_A_ROW)
    down = -(-len(pictures) // across)
    sheet = Image.new("RGB", (across * width, down * height + 2 * _BAND_PX))
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place % across * width, place // across * height + _BAND_PX))
    draw = ImageDraw.Draw(sheet)
    draw.text((6, 4), f"{plane.capitalize()}: {_found(analysis)}", _WHITE, _font(14))
    draw.text((6, sheet.height - _BAND_PX + 4), STATEMENT, _WHITE, _font(14))
    return sheet


def _found(analysis: Analysis) -> str:
    masses = sum(nodule.nodule_class is NoduleClass.MASS for nodule in analysis.nodules)
    nodules = len(analysis.nodules) - masses
    return ", ".join(
        [
            f"{nodules} nodule{'s' * (nodules != 1)}",
            f"{masses} mass{'es' * (masses != 1)}",
            *(f"effusion {effusion.side}" for effusion in analysis.effusions),
            *(() if analysis.count_reliable else ("count not reliable",)),
            f"triage {analysis.triage.level}",
        ]
    )


@cache
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
