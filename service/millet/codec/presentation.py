"""Pictures for a person: where the nodules are, at a glance.

Drawn from the canonical volume only, so that the patient's right is on the picture's left however the
scanner wrote the slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from millet.codec import png
from millet.codec.lettering import Lettering
from millet.codec.projection import View, Views
from millet.core.analysis import Analysis
from millet.core.geometry import Grid
from millet.core.language import Language, say
from millet.core.nodule import Nodule, NoduleClass, Side

Plane = Literal["axial", "coronal"]

_SLABS_IN_A_ROW = 4
_WIDTH_PX = {"coronal": 960, "axial": 320}
COLOURS = {NoduleClass.NODULE: (255, 190, 60), NoduleClass.MASS: (255, 80, 80)}
"""Of marks."""
_WHITE, _BLUE, _BAND_PX = (235, 235, 235), (120, 200, 255), 24


class _Mark(NamedTuple):
    """A nodule, and the volume index (z, y, x) of its centre."""

    nodule: Nodule
    place: tuple[float, float, float]


def mips(seen: Views, analysis: Analysis) -> dict[Plane, bytes]:
    """Projections with every nodule circled, sides marked and their purpose written in; no patient data.

    The coronal one is a picture of the whole; the axial one shows twelve slabs from head to feet.

    Args:
        seen: the chest (`codec.projection.project`).
        analysis: nodules and effusions to mark, in patient mm.
    """
    marks = _marks(analysis, seen.grid)
    sheets: dict[Plane, Sequence[View]] = {"coronal": (seen.coronal,), "axial": seen.axial}
    return {
        plane: png.encode(
            np.asarray(_sheet([_picture(view, analysis, marks, plane) for view in views], analysis, plane))
        )
        for plane, views in sheets.items()
    }


def _marks(analysis: Analysis, grid: Grid) -> list[_Mark]:
    """Where the nodules lie in the volume."""
    centres = np.asarray([nodule.centre_mm for nodule in analysis.nodules], float).reshape(-1, 3)
    places = grid.to_index_array(centres).tolist()
    return [_Mark(n, (z, y, x)) for n, (z, y, x) in zip(analysis.nodules, places, strict=True)]


def _picture(view: View, analysis: Analysis, marks: Sequence[_Mark], plane: Plane) -> Image.Image:
    """One projection in true proportions, with its marks."""
    rows, columns = view.grey.shape
    height_mm, width_mm = rows * abs(view.step_mm[0]), columns * view.step_mm[1]
    px_per_mm = _WIDTH_PX[plane] / width_mm
    size = (_WIDTH_PX[plane], max(1, round(height_mm * px_per_mm)))
    grey = Image.fromarray((view.grey * 255).round().astype(np.uint8))
    picture = grey.resize(size, Image.Resampling.BILINEAR).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for mark in marks:
        if view.z[0] - 0.5 <= mark.place[0] < view.z[1] - 0.5:
            _circle(draw, mark, view, px_per_mm)
    _sides(draw, size, analysis.language)
    if plane == "coronal":
        _effusions(draw, size, analysis)
    else:
        words = say(analysis.language, "picture.thick", mm=view.depth_mm)
        draw.text(
            (size[0] / 2, 4), words, fill=_WHITE, font=Lettering(11, analysis.language).font, anchor="ma"
        )
    return picture


def _circle(draw: ImageDraw.ImageDraw, mark: _Mark, view: View, px_per_mm: float) -> None:
    """Circle a nodule."""
    z, y, x = mark.place
    down = z if view.step_mm[0] < 0 else y
    row_mm = abs(down - view.start[0]) * abs(view.step_mm[0])
    column_mm = (x - view.start[1]) * view.step_mm[1]
    centre_x = (column_mm + view.step_mm[1] / 2) * px_per_mm
    centre_y = (row_mm + abs(view.step_mm[0]) / 2) * px_per_mm
    radius = max(mark.nodule.diameter_mm / 2 * px_per_mm + 2, 4)
    around = (centre_x - radius, centre_y - radius, centre_x + radius, centre_y + radius)
    draw.ellipse(around, outline=COLOURS[mark.nodule.nodule_class])


def _sides(draw: ImageDraw.ImageDraw, size: tuple[int, int], language: Language) -> None:
    """R on the picture's left, L on its right."""
    font = Lettering(20, language).font
    style: dict[str, Any] = {"fill": _WHITE, "font": font, "stroke_width": 2, "stroke_fill": "black"}
    draw.text((6, size[1] / 2), "R", anchor="lm", **style)
    draw.text((size[0] - 6, size[1] / 2), "L", anchor="rm", **style)


def _effusions(draw: ImageDraw.ImageDraw, size: tuple[int, int], analysis: Analysis) -> None:
    """Each effusion on its side, at the bottom."""
    for effusion in analysis.effusions:
        x, anchor = (6, "ld") if effusion.side is Side.RIGHT else (size[0] - 6, "rd")
        words = say(analysis.language, f"picture.side.{effusion.side}")
        draw.text(
            (x, size[1] - 6),
            words,
            fill=_BLUE,
            font=Lettering(14, analysis.language).font,
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
    draw, font = ImageDraw.Draw(sheet), Lettering(14, analysis.language).font
    above = say(analysis.language, f"picture.{plane}", tally=tally(analysis))
    draw.text((6, 4), above, _WHITE, font)
    draw.text((6, sheet.height - _BAND_PX + 4), say(analysis.language, "statement"), _WHITE, font)
    return sheet


def tally(analysis: Analysis) -> str:
    """What was found, in a line for the top of a picture."""
    masses = sum(nodule.nodule_class is NoduleClass.MASS for nodule in analysis.nodules)
    nodules, language = len(analysis.nodules) - masses, analysis.language
    sides = (say(language, f"side.{effusion.side}") for effusion in analysis.effusions)
    return ", ".join(
        [
            say(language, "count.nodule" if nodules == 1 else "count.nodules", count=nodules),
            say(language, "count.mass" if masses == 1 else "count.masses", count=masses),
            *(say(language, "picture.effusion", side=side) for side in sides),
            *(() if analysis.count_reliable else (say(language, "picture.doubt"),)),
            say(language, "picture.triage", level=say(language, f"level.{analysis.triage.level}")),
        ]
    )
