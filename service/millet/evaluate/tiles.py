"""What was missed, to look at: a small axial and a coronal picture of each nodule, on numbered sheets.

Each picture is cut through the nodule's true centre in a lung window, the patient's right on its left.
Cross-hairs end beside the nodule and leave it free. As many sheets are drawn as it takes: none is left out.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from millet.codec.tables import Mark
from millet.core.geometry import Floats
from millet.core.volume import Volume, canonical
from millet.evaluate.plot import font

PIXELS = 168
"""Side of one picture."""
LEAST_SIDE_MM = 28.0
SIDE_DIAMETERS = 3.0
"""How much of the scan a picture shows: this many diameters, `LEAST_SIDE_MM` at least."""
WINDOW_HU = (-1000.0, 200.0)
OUTSIDE_HU = -1024.0
CORE_MM = 0.75
"""The HU that is written is the mean within a quarter of the diameter, this radius at least."""
ACROSS, DOWN = 4, 5
_GAP, _WORDS, _BORDER, _HEAD = 2, 40, 10, 44
_TILE = (2 * PIXELS + _GAP, PIXELS + _WORDS)
_HAIR, _CLEAR, _COLOUR = 13, 7, (255, 200, 60)
_PAPER, _INK, _FAINT = (24, 26, 30), (236, 238, 240), (160, 166, 174)

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tile:
    """One nodule cut out of its scan: two pictures (PIXELS, PIXELS) and the HU of its middle."""

    axial: Picture
    coronal: Picture
    hu: float


def cut(volume: Volume, mark: Mark) -> Tile:
    """Cut a nodule out of a volume in any orientation."""
    source = canonical(volume)
    steps = (np.arange(PIXELS) + 0.5) / PIXELS - 0.5
    right, down = np.meshgrid(steps * side_mm(mark), steps * side_mm(mark))
    nought = np.zeros_like(right)
    axial = _sampled(source, mark, np.stack([right, down, nought], -1))
    coronal = _sampled(source, mark, np.stack([right, nought, -down], -1))
    return Tile(axial=_grey(axial), coronal=_grey(coronal), hu=_middle(source, mark))


def side_mm(mark: Mark) -> float:
    """How much of the scan the pictures of a nodule show."""
    return max(LEAST_SIDE_MM, SIDE_DIAMETERS * mark.diameter_mm)


def sheets(tiles: Iterable[tuple[Tile, Mark, Sequence[str]]], total: int) -> Iterator[bytes]:
    """PNG sheets of tiles with up to two lines of words each, drawn as they are asked for.

    `total` is how many tiles will come; it is written on each sheet.
    """
    each, coming = ACROSS * DOWN, iter(tiles)
    pages = math.ceil(total / each)
    for number in range(pages):
        some = tuple(islice(coming, each))
        first = number * each + 1
        title = f"Missed nodules {first} to {first + len(some) - 1} of {total}, sheet {number + 1} of {pages}"
        yield _sheet(some, title)


def packed(tiles: dict[str, Tile]) -> bytes:
    """Tiles by name as bytes (NumPy's .npz), which `unpacked` reads."""
    out = io.BytesIO()
    arrays: dict[str, Any] = {}
    for name, tile in tiles.items():
        arrays |= {f"axial:{name}": tile.axial, f"coronal:{name}": tile.coronal, f"hu:{name}": tile.hu}
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def unpacked(data: bytes) -> dict[str, Tile]:
    """The tiles of `packed`. Raises ValueError for other bytes."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            names = [name.removeprefix("hu:") for name in held.files if name.startswith("hu:")]
            return {
                name: Tile(
                    axial=held[f"axial:{name}"], coronal=held[f"coronal:{name}"], hu=float(held[f"hu:{name}"])
                )
                for name in names
            }
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise ValueError("no tiles") from error


def _sampled(source: Volume, mark: Mark, offsets_mm: Floats) -> NDArray[np.float32]:
    """HU at offsets (..., 3) from a mark's centre, linear; air outside the volume."""
    points = (offsets_mm + np.asarray(mark.centre_mm)).reshape(-1, 3)
    index = source.grid.to_index_array(points).T
    low = np.floor(index.min(axis=1)).astype(int) - 1
    start = np.clip(low, 0, np.asarray(source.grid.shape) - 1)
    stop = np.clip(np.ceil(index.max(axis=1)).astype(int) + 2, start + 1, source.grid.shape)
    block = source.hu[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))].astype(np.float32)
    hu = ndimage.map_coordinates(
        block, index - start[:, None], order=1, mode="constant", cval=OUTSIDE_HU, prefilter=False
    )
    return np.asarray(hu, np.float32).reshape(offsets_mm.shape[:-1])


def _middle(source: Volume, mark: Mark) -> float:
    radius = max(mark.diameter_mm / 4, CORE_MM)
    steps = np.stack(np.meshgrid(*[np.linspace(-radius, radius, 7)] * 3), -1).reshape(-1, 3)
    return float(_sampled(source, mark, steps[(steps**2).sum(axis=1) <= radius**2]).mean())


def _grey(hu: NDArray[np.float32]) -> Picture:
    low, high = WINDOW_HU
    return np.asarray(np.rint(np.clip((hu - low) / (high - low), 0, 1) * 255), np.uint8)


def _sheet(some: Sequence[tuple[Tile, Mark, Sequence[str]]], title: str) -> bytes:
    columns, rows = min(len(some), ACROSS), math.ceil(len(some) / ACROSS)
    columns = max(columns, 2)  # room for the title
    size = (columns * (_TILE[0] + _BORDER) + _BORDER, rows * (_TILE[1] + _BORDER) + _BORDER + _HEAD)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_BORDER, 8), title, _INK, font(18))
    draw.text(
        (_BORDER, 30),
        f"axial | coronal, {LEAST_SIDE_MM:g} mm wide, or {SIDE_DIAMETERS:g} diameters",
        _FAINT,
        font(12),
    )
    for place, (tile, mark, words) in enumerate(some):
        x = _BORDER + place % ACROSS * (_TILE[0] + _BORDER)
        y = _HEAD + _BORDER + place // ACROSS * (_TILE[1] + _BORDER)
        sheet.paste(_drawn(tile, mark, words), (x, y))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _drawn(tile: Tile, mark: Mark, words: Sequence[str]) -> Image.Image:
    picture = Image.new("RGB", _TILE, _PAPER)
    for number, grey in enumerate((tile.axial, tile.coronal)):
        picture.paste(_with_hairs(grey, mark), (number * (PIXELS + _GAP), 0))
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(words[:2]):
        draw.text((0, PIXELS + 4 + 17 * number), _fitting(line), _FAINT if number else _INK, font(13))
    return picture


def _with_hairs(grey: Picture, mark: Mark) -> Image.Image:
    """Four short lines that point at the middle and end clear of the nodule."""
    image = Image.fromarray(grey).convert("RGB")
    draw, middle = ImageDraw.Draw(image), PIXELS / 2
    near = mark.diameter_mm / 2 / side_mm(mark) * PIXELS + _CLEAR
    for sign in (-1, 1):
        near_end, far_end = middle + sign * near, middle + sign * (near + _HAIR)
        draw.line([(near_end, middle), (far_end, middle)], _COLOUR, 1)
        draw.line([(middle, near_end), (middle, far_end)], _COLOUR, 1)
    return image


def _fitting(line: str) -> str:
    """A line that fits under its pictures; its end is what tells most, so the beginning gives way."""
    if font(13).getlength(line) <= _TILE[0]:
        return line
    while line and font(13).getlength(f"..{line}") > _TILE[0]:
        line = line[1:]
    return f"..{line}"
