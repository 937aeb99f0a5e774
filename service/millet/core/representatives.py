"""Which few nodules stand for all of them, where a reader is shown a few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from millet.core.character import Lobe, Zone
from millet.core.nodule import Nodule, Side
from millet.core.pattern import dominant

MOST = 10

Place = tuple[Side, Lobe | Zone | None]


def representatives(nodules: Sequence[Nodule], most: int = MOST) -> tuple[Nodule, ...]:
    """The dominant lesion, else the largest, then the largest of the places least represented.

    A place is a lobe, or a third of a lung where the lobe is not known. Each choice takes the largest
    nodule of those places that were chosen from least often; equals go by their number. A choice among
    all, never a limit on what is reported.
    """
    by_size = sorted(nodules, key=lambda nodule: (-nodule.diameter_mm, nodule.number))
    first = dominant(nodules)
    left = [nodule for nodule in by_size if nodule is not first]
    chosen = [first] if first else []
    taken = Counter(_place(nodule) for nodule in chosen)
    while left and len(chosen) < most:
        fewest = min(taken[_place(nodule)] for nodule in left)
        best = next(nodule for nodule in left if taken[_place(nodule)] == fewest)
        left.remove(best)
        chosen.append(best)
        taken[_place(best)] += 1
    return tuple(chosen)


def _place(nodule: Nodule) -> Place:
    known = nodule.character
    return nodule.side, (known.lobe or known.zone) if known else None
