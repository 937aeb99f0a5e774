"""The matching at every threshold at once: which scores bring a nodule, and which a false finding.

Theory of operation. Lowering the threshold adds candidates one by one, best score first. The largest
one-to-one matching then grows by one exactly if an augmenting path leads from the new candidate to a
nodule that is still free (Berge, PNAS 43:842, 1957); the path may hand a nodule over from one candidate
to another but lets none go. Sets of candidates that can be matched together form a transversal matroid
(Edmonds and Fulkerson, J Res NBS 69B:147, 1965), so that a candidate which brings nothing when it comes
never brings anything later, and the count at a threshold does not depend on the order among equal scores.
One pass therefore gives, for each threshold, the size of the matching that uses the candidates at or above
it and no others. What a failed search has seen can never lead to a free nodule again and is closed, so the
pass is nearly linear in the pairs within reach.

Candidates within an ignored region cost nothing when they stay alone. The false ones at a threshold are
those outside such regions less the most of them that can be matched, which is a second pass without the
ignored ones; `match.match` chooses by the same rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats
from millet.evaluate.case import Case, centres, diameters
from millet.evaluate.match import Mask, near, within


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """One case at all thresholds: at t, `(true >= t).sum()` are found and `(false >= t).sum()` are false.

    `true` and `false` are scores, highest first; `nodules` is how many there are.
    """

    true: Floats
    false: Floats
    nodules: int


def sweep(case: Case) -> Sweep:
    """Sweep the threshold over one case."""
    ranked = sorted(case.found, key=lambda c: -c.score)
    scores = np.asarray([c.score for c in ranked], float)
    points = centres(ranked)
    reach = near(points, centres(case.truth), diameters(case.truth))
    reached: list[list[int]] = [[] for _ in ranked]
    for f, t in zip(reach.found.tolist(), reach.true.tolist(), strict=True):
        reached[f].append(t)
    spare = within(points, centres(case.ignored), diameters(case.ignored))
    costly = [number for number in range(len(ranked)) if not spare[number]]
    alone = ~gains([reached[number] for number in costly], len(case.truth))
    return Sweep(
        true=scores[gains(reached, len(case.truth))],
        false=scores[costly][alone],
        nodules=len(case.truth),
    )


def gains(reached: Sequence[Sequence[int]], nodules: int) -> Mask:
    """For candidates in order, whether each lets one more nodule be matched than those before it.

    Args:
        reached: for each candidate, the nodules (0 .. nodules - 1) that it may stand for.
        nodules: how many there are.
    """
    owner = np.full(nodules, -1, np.intp)
    holds = np.full(len(reached), -1, np.intp)
    closed: set[int] = set()
    gained = np.zeros(len(reached), bool)
    for number, some in enumerate(reached):
        gained[number] = bool(some) and _augmented(number, reached, owner, holds, closed)
    return gained


def _augmented(
    start: int,
    reached: Sequence[Sequence[int]],
    owner: NDArray[np.intp],
    holds: NDArray[np.intp],
    closed: set[int],
) -> bool:
    """Look for a free nodule along alternating pairs, and hand over along the way that led there."""
    came: dict[int, int] = {}
    waiting = [start]
    while waiting:
        candidate = waiting.pop()
        for nodule in reached[candidate]:
            if nodule in came or nodule in closed:
                continue
            came[nodule] = candidate
            if owner[nodule] < 0:
                _hand_over(nodule, came, owner, holds)
                return True
            waiting.append(int(owner[nodule]))
    closed.update(came)
    return False


def _hand_over(free: int, came: dict[int, int], owner: NDArray[np.intp], holds: NDArray[np.intp]) -> None:
    nodule = free
    while nodule >= 0:
        candidate = came[nodule]
        before = int(holds[candidate])
        owner[nodule], holds[candidate] = candidate, nodule
        nodule = before
