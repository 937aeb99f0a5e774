"""What was found in a series, for the page's scripts: columns of figures, and the lungs as a few points.

Columns, since two thousand nodules as objects would be four times as long. No patient data is in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from millet.codec import lung_outline
from millet.core.analysis import Analysis
from millet.core.nodule import Nodule
from millet.edge.web.voice import Voice

OUTLINE = lung_outline.KIND
PART = 100
"""Rows of the table of nodules that stand in the page itself; a script shows all of them, a link the next."""


class Part(NamedTuple):
    """Some of the nodules, in their order."""

    nodules: Sequence[Nodule]
    first: int
    """Counted from 1."""
    total: int
    fates: Mapping[int, str]
    """What became of each since the prior study, by number."""

    @property
    def last(self) -> int:
        """The last one's place."""
        return self.first + len(self.nodules) - 1


def part(analysis: Analysis | None, first: str) -> Part:
    """The rows from a place on; what is no place is the first."""
    nodules = analysis.nodules if analysis else ()
    asked = int(first) if first.isascii() and first.isdigit() and len(first) < 9 else 1
    begin = min(max(asked, 1), max(len(nodules), 1))
    known = fates(analysis) if analysis else {}
    return Part(nodules[begin - 1 : begin - 1 + PART], begin, len(nodules), known)


COLUMNS: Mapping[str, Callable[[Nodule], object]] = {
    "number": lambda n: n.number,
    "class": lambda n: n.nodule_class.value,
    "type": lambda n: n.character.type.value if n.character else "",
    "side": lambda n: n.side.value,
    "diameter_mm": lambda n: round(n.diameter_mm, 1),
    "volume_mm3": lambda n: round(n.volume_mm3, 1),
    "mean_hu": lambda n: round(n.mean_hu),
    "score": lambda n: round(n.score, 3),
    "x_mm": lambda n: round(n.centre_mm.x, 1),
    "y_mm": lambda n: round(n.centre_mm.y, 1),
    "z_mm": lambda n: round(n.centre_mm.z, 1),
}
"""What is told of each nodule, by name; where it lies, in words, and what became of it come to that."""


def fates(analysis: Analysis) -> Mapping[int, str]:
    """What became of each nodule since the prior study, by its number."""
    changed = analysis.change.nodules if analysis.change else ()
    return {one.number: one.fate.value for one in changed if one.number is not None}


def encoded(analysis: Analysis, outline: bytes | None, voice: Voice) -> bytes:
    """One JSON document: nodules by column, and points of the pleura where they were kept."""
    known = fates(analysis)
    columns = {name: [tell(n) for n in analysis.nodules] for name, tell in COLUMNS.items()}
    columns["where"] = [voice.where(n) for n in analysis.nodules]
    columns["fate"] = [known.get(n.number, "") for n in analysis.nodules]
    document = {"generation": analysis.generation, "nodules": columns, "lungs": _lungs(outline)}
    return json.dumps(document, separators=(",", ":")).encode()


def _lungs(outline: bytes | None) -> dict[str, Any] | None:
    """None where nothing was kept, or what was kept cannot be read: the nodules show without them."""
    if outline is None:
        return None
    try:
        lungs, _ = lung_outline.decode(outline)
    except ValueError:
        return None
    return {
        "points_mm": lungs.points_mm.round(1).tolist(),
        "outward": lungs.outward.round(2).tolist(),
        "side": lungs.side.tolist(),
    }
