"""Charts of an acceptance as SVG: shares with their intervals, and predictive values over prevalence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from millet.evaluate.estimate import Estimate

INK, FAINT, GRID, BLUE, PALE, ORANGE = "#212936", "#5b6675", "#dfe4ea", "#166996", "#d3e6f1", "#b3470f"
_LEFT, _ACROSS, _RIGHT = 290, 330, 180
_ROW, _TOP, _FOOT = 26, 8, 34
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
LONGEST_NAME = 36
PREVALENCES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Ticks; between them a value is taken at each `steps()`."""
_SIDE, _WIDE, _HIGH = 56, 660, 260


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One share with its name."""

    name: str
    share: Estimate
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Values at each of `steps()`."""

    name: str
    colour: str
    dashed: bool
    values: tuple[Estimate, ...]


def steps() -> tuple[float, ...]:
    """Prevalences at which a curve is drawn, from the first tick to the last, evenly on a log scale."""
    low, high = math.log(PREVALENCES[0]), math.log(PREVALENCES[-1])
    return tuple(math.exp(low + (high - low) * at / 40) for at in range(41))


def shares(title: str, rows: Sequence[Row]) -> str:
    """One line a share: a dot at its value, a bar over its interval, its n beside it."""
    height = _TOP + _ROW * len(rows) + _FOOT
    parts = [_grid(height), *(_row(number, row) for number, row in enumerate(rows))]
    return _svg(title, _LEFT + _ACROSS + _RIGHT, height, parts)


def over_prevalence(title: str, curves: Sequence[Curve], stated: float | None) -> str:
    """Curves with their intervals over prevalence on a log scale, and a line at the one that was stated."""
    parts = [_axes(), *(_band(curve) for curve in curves), *(_line(curve) for curve in curves)]
    if stated is not None:
        x = _at(min(max(stated, PREVALENCES[0]), PREVALENCES[-1]))
        parts.append(f'<path d="M{x:.1f} 18V{_HIGH}" stroke="{INK}" stroke-dasharray="3 3"/>')
        parts.append(_text(x, 13, f"stated: {stated:.3g}", INK, "middle"))
    for number, curve in enumerate(curves):
        x = _SIDE + 10 + 90 * number
        parts.append(_stroke(f"M{x} {_HIGH + 42}h24", curve))
        parts.append(_text(x + 30, _HIGH + 46, curve.name, INK))
    return _svg(title, _SIDE + _WIDE + 30, _HIGH + 56, parts)


def _svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    named = f'role="img" aria-label="{escape(title)}"'
    drawn = f'<svg {size} {named} font-size="13" font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    return f'<div class="wide" tabindex="0" role="region" aria-label="chart: {escape(title)}">{drawn}</div>'


def _text(x: float, y: float, words: str, colour: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(words)}</text>'


def _grid(height: int) -> str:
    below = height - _FOOT
    lines = []
    for share in _SHARES:
        x = _LEFT + _ACROSS * share
        lines.append(f'<path d="M{x} {_TOP}V{below + 4}" stroke="{GRID}"/>')
        lines.append(_text(x, below + 20, f"{share:.0%}", FAINT, "middle"))
    return "".join(lines)


def _row(number: int, row: Row) -> str:
    y, share = _TOP + _ROW * (number + 0.5), row.share
    name = row.name if len(row.name) <= LONGEST_NAME else f"{row.name[: LONGEST_NAME - 1]}…"
    parts = [_text(_LEFT - 12, y + 4, name, INK, "end")]
    if share.value is None:
        parts.append(_text(_LEFT + 4, y + 4, "none there", FAINT))
    else:
        if share.low is not None and share.high is not None:
            low, high = _LEFT + _ACROSS * share.low, _LEFT + _ACROSS * share.high
            parts.append(f'<path d="M{low:.1f} {y}H{high:.1f}" stroke="{BLUE}" stroke-width="2"/>')
        parts.append(f'<circle cx="{_LEFT + _ACROSS * share.value:.1f}" cy="{y}" r="4.5" fill="{BLUE}"/>')
        parts.append(_text(_LEFT + _ACROSS + 14, y + 4, f"{share.value:.1%} {row.note}".strip(), INK))
    return "".join(parts)


def _at(prevalence: float) -> float:
    low, high = math.log(PREVALENCES[0]), math.log(PREVALENCES[-1])
    return _SIDE + _WIDE * (math.log(prevalence) - low) / (high - low)


def _up(share: float) -> float:
    return _HIGH - (_HIGH - 20) * share


def _axes() -> str:
    lines = []
    for share in _SHARES:
        lines.append(f'<path d="M{_SIDE} {_up(share):.1f}H{_SIDE + _WIDE}" stroke="{GRID}"/>')
        lines.append(_text(_SIDE - 8, _up(share) + 4, f"{share:.0%}", FAINT, "end"))
    lines += [_text(_at(one), _HIGH + 18, f"{one:.3g}", FAINT, "middle") for one in PREVALENCES]
    lines.append(
        _text(_SIDE + _WIDE, _HIGH + 46, "share of studies that should raise an alert", FAINT, "end")
    )
    return "".join(lines)


def _known(curve: Curve) -> list[tuple[float, Estimate]]:
    pairs = zip(steps(), curve.values, strict=True)
    return [(_at(at), one) for at, one in pairs if one.value is not None]


def _line(curve: Curve) -> str:
    points = " ".join(f"{x:.1f} {_up(one.value or 0.0):.1f}" for x, one in _known(curve))
    return _stroke(f"M{points}", curve) if points else ""


def _stroke(path: str, curve: Curve) -> str:
    dashes = ' stroke-dasharray="7 4"' if curve.dashed else ""
    return f'<path d="{path}" fill="none" stroke="{curve.colour}" stroke-width="2.2"{dashes}/>'


def _band(curve: Curve) -> str:
    sides = [(x, one.low, one.high) for x, one in _known(curve) if one.low is not None]
    if not sides:
        return ""
    over = [f"{x:.1f},{_up(high or 0.0):.1f}" for x, _, high in sides]
    under = [f"{x:.1f},{_up(low or 0.0):.1f}" for x, low, _ in reversed(sides)]
    return f'<polygon points="{" ".join(over + under)}" fill="{curve.colour}" fill-opacity="0.12"/>'
