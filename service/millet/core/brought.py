"""Lesions that somebody else found, judged by every set of criteria of their organ.

What could not be made a lesion of (no place, no size) is not judged, and may be what a level lacks: a
judgement then says so above the level that was reached, as of anything else that is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from millet.core.criteria import CriteriaSet, evaluate
from millet.core.criteria_sets import BUNDLED
from millet.core.judgement import Judgement
from millet.core.language import listed, phrase
from millet.core.lesion import Exam


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """An exam, and how much of it is not known."""

    exam: Exam
    left_out: int = 0
    """Lesions that were told of and could not be judged."""

    @property
    def told(self) -> int:
        """All lesions, judged or not."""
        return len(self.exam.lesions) + self.left_out


def sets_for(organ: str, further: Sequence[CriteriaSet] = ()) -> tuple[CriteriaSet, ...]:
    """Ours and a site's own for an organ; raises ValueError where there is none."""
    known = (*BUNDLED, *further)
    if not (found := tuple(one for one in known if one.organ == organ)):
        organs = ", ".join(sorted({one.organ for one in known}))
        raise ValueError(f"no criteria for the organ {organ[:60]!r}, only for {organs}")
    return found


def judgements(brought: Brought, sets: Sequence[CriteriaSet]) -> tuple[Judgement, ...]:
    """By each set, in their order."""
    return tuple(_judged(brought, one) for one in sets)


def _judged(brought: Brought, criteria: CriteriaSet) -> Judgement:
    found = evaluate(criteria, brought.exam)
    if not brought.left_out or not found.conditions or found.level == len(criteria.levels):
        return found
    doubt = phrase("criteria.left-out", left_out=brought.left_out, lesions=brought.told)
    whys = tuple(why for why in (found.not_evaluated, doubt) if why)
    return replace(found, not_evaluated=listed(whys))
