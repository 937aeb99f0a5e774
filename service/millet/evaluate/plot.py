"""A plot drawn with Pillow alone: two axes, and what is put between them.

Everything is drawn at twice its size and reduced at the end, which smooths lines and letters.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]

SIZE = (880, 600)
INK, FAINT, GRID, PAPER = (33, 41, 54), (106, 117, 133), (226, 230, 235), (255, 255, 255)
BLUE, MIDDLE_BLUE, PALE_BLUE, ORANGE = (22, 105, 150), (112, 173, 207), (211, 230, 241), (206, 84, 24)
_MARGINS = (84, 96, 36, 88)
"""Left, top, right, bottom."""
_FINE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A range of values with its ticks; `log` for a logarithmic one."""

    name: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"axis {self.name}: {self.low} .. {self.high} is no range")

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high one; what lies beyond is brought in."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def linear(name: str, high: float) -> Axis:
    """An axis from 0 to a round number that is `high` or more, with ticks at round numbers."""
    high = high if high > 0 else 1.0
    raw = high / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw * (1 - 1e-9))
    count = math.ceil(high / step - 1e-9)
    return Axis(
        name=name,
        low=0.0,
        high=count * step,
        ticks=tuple((k * step, f"{k * step:g}") for k in range(count + 1)),
    )


class Plot:
    """Paper, title and axes; draw on it, then take the PNG."""

    def __init__(self, title: str, below: str, x: Axis, y: Axis, *, upright: bool = True) -> None:
        """`below` is a line under the title; `upright` draws lines up from the ticks of x as well."""
        self._x, self._y = x, y
        self._image = Image.new("RGB", (SIZE[0] * _FINE, SIZE[1] * _FINE), PAPER)
        self._draw = ImageDraw.Draw(self._image)
        left, top, right, bottom = _MARGINS
        self._box = (left, top, SIZE[0] - right, SIZE[1] - bottom)
        self._words((left, 16), title, 22, INK, "la")
        self._words((left, 46), below, 14, FAINT, "la")
        self._axes(upright=upright)

    def _axes(self, *, upright: bool) -> None:
        left, top, right, bottom = self._box
        for value, name in self._y.ticks:
            height = self._at((self._x.low, value))[1]
            self._stroke([(left, height), (right, height)], GRID, 1)
            self._words((left - 10, height), name, 14, FAINT, "rm")
        for value, name in self._x.ticks:
            across = self._at((value, self._y.low))[0]
            if upright:
                self._stroke([(across, top), (across, bottom)], GRID, 1)
            self._words((across, bottom + 10), name, 14, FAINT, "ma")
        self._stroke([(left, bottom), (right, bottom)], FAINT, 1.5)
        self._words((left, top - 8), self._y.name, 14, INK, "ld")
        self._words((right, SIZE[1] - 14), self._x.name, 14, INK, "rd")

    def line(self, points: Sequence[Point], colour: Colour, width: float = 2.5) -> None:
        """A line through points in the axes' values."""
        self._stroke([self._at(point) for point in points], colour, width)

    def dashes(self, start: Point, end: Point, colour: Colour) -> None:
        """A broken straight line."""
        (x0, y0), (x1, y1) = self._at(start), self._at(end)
        length = math.dist((x0, y0), (x1, y1))
        for begin in range(0, int(length), 12):
            some = [(s / length) for s in (begin, min(begin + 6, length))]
            self._stroke([(x0 + (x1 - x0) * s, y0 + (y1 - y0) * s) for s in some], colour, 1.5)

    def band(self, lows: Sequence[Point], highs: Sequence[Point], colour: Colour) -> None:
        """The area between two lines."""
        edge = [self._at(point) for point in (*lows, *reversed(highs))]
        if len(edge) > 2:
            self._draw.polygon([(x * _FINE, y * _FINE) for x, y in edge], fill=colour)
            for value, _ in self._y.ticks:
                height = self._at((self._x.low, value))[1]
                self._stroke([(edge[0][0], height), (edge[len(lows) - 1][0], height)], PAPER, 0.5)

    def dot(self, point: Point, colour: Colour, radius: float = 5, *, hollow: bool = False) -> None:
        """A disc, or a ring."""
        x, y = self._at(point)
        around = [v * _FINE for v in (x - radius, y - radius, x + radius, y + radius)]
        fill = PAPER if hollow else colour
        self._draw.ellipse(around, fill=fill, outline=colour if hollow else PAPER, width=2 * _FINE)

    def bar(self, x: float, height: float, half_width: float, colour: Colour) -> None:
        """A bar from the bottom."""
        (x0, y0), (x1, y1) = self._at((x - half_width, height)), self._at((x + half_width, self._y.low))
        self._draw.rectangle([x0 * _FINE, y0 * _FINE, x1 * _FINE, y1 * _FINE], fill=colour)

    def whisker(self, x: float, low: float, high: float, colour: Colour) -> None:
        """An interval: an upright line with ends."""
        across, bottom, top = self._at((x, low))[0], self._at((x, low))[1], self._at((x, high))[1]
        self._stroke([(across, bottom), (across, top)], colour, 1.5)
        for end in (bottom, top):
            self._stroke([(across - 5, end), (across + 5, end)], colour, 1.5)

    def words(self, point: Point, text: str, colour: Colour, anchor: str, shift: Point = (0, 0)) -> None:
        """Words at a value, by Pillow's anchors, on a halo of paper; `shift` in pixels."""
        x, y = self._at(point)
        self._words((x + shift[0], y + shift[1]), text, 14, colour, anchor)

    def png(self) -> bytes:
        """The picture."""
        out = io.BytesIO()
        self._image.resize(SIZE, Image.Resampling.LANCZOS).save(out, "PNG")
        return out.getvalue()

    def _at(self, point: Point) -> Point:
        left, top, right, bottom = self._box
        return (
            left + (right - left) * self._x.share(point[0]),
            bottom - (bottom - top) * self._y.share(point[1]),
        )

    def _stroke(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        places = [(x * _FINE, y * _FINE) for x, y in points]
        self._draw.line(places, fill=colour, width=max(round(width * _FINE), 1), joint="curve")

    def _words(self, place: Point, text: str, size: int, colour: Colour, anchor: str) -> None:
        self._draw.text(
            (place[0] * _FINE, place[1] * _FINE),
            text,
            fill=colour,
            font=font(size * _FINE),
            anchor=anchor,
            stroke_width=2 * _FINE,
            stroke_fill=PAPER,
            align="center",
        )


@cache
def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own font."""
    return ImageFont.load_default(size)
