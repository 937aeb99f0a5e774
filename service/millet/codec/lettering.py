"""Words and rings in pictures of three planes: quick where the same words stand in many of them.

English stands in the letters that come with Pillow, which have ASCII alone; every other language in those of
`letters.ttf`: DejaVu Sans Condensed, cut down to Latin scripts (see the licence beside it).
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from millet.core.geometry import Floats
from millet.core.language import Language

Rgb = NDArray[np.uint8]
"""(3, rows, columns): red, green, blue, each a plane, as a run-length coder wants them."""
Colour = tuple[int, int, int]
WHITE: Colour = (235, 235, 235)
_MARGIN_PX = 6
_LINE = 1.25
"""Height of a line, in sizes of its letters."""
_RING_PX = 0.75
"""Half the width of a ring's line."""


class Lettering(NamedTuple):
    """The letters of a language in a size, in pixels."""

    size: int
    language: Language = Language.ENGLISH

    @property
    def font(self) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
        """As Pillow draws with it."""
        return _font(self.size, latin=self.language is not Language.ENGLISH)


def put(picture: Rgb, words: str, at: tuple[int, int], lettering: Lettering, colour: Colour = WHITE) -> None:
    """Write words with a dark rim, their middle at a row and column, moved inwards where they would leave."""
    letters, rim = _letters(words, lettering)
    rows, columns = letters.shape
    top = min(max(at[0] - rows // 2, 0), picture.shape[1] - rows)
    left = min(max(at[1] - columns // 2, 0), picture.shape[2] - columns)
    if top < 0 or left < 0:
        return
    for plane, shade in zip(picture, colour, strict=True):
        below = plane[top : top + rows, left : left + columns]
        below[rim] = 0
        below[letters] = shade


@lru_cache(4)
def lines(sentences: tuple[str, ...], width_px: int, lettering: Lettering) -> Rgb:
    """Sentences under each other on black, each broken where a line of so many pixels is full."""
    room_px = width_px - 2 * _MARGIN_PX
    broken = [line for sentence in sentences for line in _broken(sentence, room_px, lettering)]
    step = round(_LINE * lettering.size)
    sheet = Image.new("RGB", (width_px, step * len(broken) + _MARGIN_PX))
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(broken):
        draw.text((_MARGIN_PX, _MARGIN_PX // 2 + number * step), line, WHITE, lettering.font)
    return np.asarray(sheet).transpose(2, 0, 1)


def ring(picture: Rgb, centres_px: Floats, radius_px: int, colour: Colour) -> None:
    """Draw rings around (N, 2) rows and columns of a picture; what lies outside is left out."""
    offsets = _ring(radius_px)
    _, rows, columns = picture.shape
    centres = np.rint(centres_px).astype(np.int64)
    room = radius_px + 1
    whole = ((centres >= room) & (centres < np.asarray((rows, columns)) - room)).all(axis=1)
    places = (centres[~whole][:, None] + offsets).reshape(-1, 2)
    places = places[((places >= 0) & (places < (rows, columns))).all(axis=1)]
    flat = (centres[whole] @ (columns, 1))[:, None] + offsets @ (columns, 1)
    flat = np.concatenate([flat.reshape(-1), places @ (columns, 1)])
    for plane, shade in zip(picture.reshape(3, -1), colour, strict=True):
        plane[flat] = shade


@cache
def _font(size: int, *, latin: bool) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    if not latin:
        return ImageFont.load_default(size)
    return ImageFont.truetype(BytesIO(files(__package__).joinpath("letters.ttf").read_bytes()), size)


@cache
def _ring(radius_px: int) -> NDArray[np.int64]:
    """(N, 2) offsets of the pixels of a ring."""
    reach = radius_px + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.argwhere(np.abs(np.hypot(rows, columns) - radius_px) < _RING_PX) - reach


@cache
def _letters(words: str, lettering: Lettering) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where letters and their rim are."""
    box = [round(edge) for edge in lettering.font.getbbox(words)]
    shape = (box[2] - box[0] + 4, box[3] - box[1] + 4)
    masks = []
    for stroke in (0, 2):
        sheet = Image.new("L", shape)
        place = (2 - box[0], 2 - box[1])
        ImageDraw.Draw(sheet).text(place, words, 255, lettering.font, stroke_width=stroke, stroke_fill=255)
        masks.append(np.asarray(sheet) > 100)
    return masks[0], masks[1]


def _broken(sentence: str, width_px: int, lettering: Lettering) -> list[str]:
    found: list[str] = []
    for word in sentence.split():
        longer = f"{found[-1]} {word}" if found else word
        if found and lettering.font.getlength(longer) <= width_px:
            found[-1] = longer
        else:
            found.append(word)
    return found
