"""Random exams that nobody may call quiet, and what would be called quiet of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
from golden_advice import change_of, sized

from millet.core import triage
from millet.core.advice import Advice, Guideline
from millet.core.advice_codes import QUIET
from millet.core.advice_wording import sentence
from millet.core.analysis import Pattern, TriageLevel
from millet.core.change import Fate, NoduleChange
from millet.core.character import NoduleType
from millet.core.guidelines import advise
from millet.core.nodule import Nodule
from millet.core.reasons import Reason, Remark, Weight
from millet.core.subject import Basis, Subject

_WORDS = ("spiculated", "rough", "juxtapleural", "perifissural", "upper", "zone-upper", "limit", "eccentric")
_FORBIDDEN = ("low risk", "low-risk", "normal", "negative")
T = TypeVar("T")
_MAYBE = (True, False, None)


def dangerous(count: int, seed: int) -> Iterator[Subject]:
    """Exams of a pattern level of 1 or more, with a known cancer, or outside a model's domain."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        exam = random_exam(rng)
        match number % 5:
            case 0:
                yield replace(exam, pattern_level=int(rng.integers(1, 4)))
            case 1:
                yield replace(exam, known_cancer=True)
            case 2:
                yield replace(exam, outside_validated_use=True)
            case 3:
                yield replace(exam, count_reliable=False, whole_lungs=rng.random() < 0.5)
            case _:
                yield replace(exam, pattern_level=int(rng.integers(1, 4)), known_cancer=_any(rng, _MAYBE))


def random_exam(rng: np.random.Generator) -> Subject:
    """Any exam: any nodules, of any course, of anybody."""
    count = int(rng.choice([0, 1, 2, 5, 9, 11, 20, 60], p=[0.05, 0.25, 0.2, 0.2, 0.1, 0.1, 0.07, 0.03]))
    nodules = tuple(_nodule(rng, number + 1) for number in range(count))
    followed = [_since(rng, one) for one in nodules] if rng.random() < 0.5 else []
    limits = ("model",) if rng.random() < 0.3 else ()
    return Subject(
        nodules=nodules,
        pattern_level=0,
        age_years=_any(rng, (None, 17.0, 36.0, 55.0, 60.0, 74.0, 80.0)),
        sex=_any(rng, (None, "F", "M", "O", "")),
        known_cancer=_any(rng, (False, None)),
        immunosuppressed=_any(rng, _MAYBE),
        family_history=_any(rng, _MAYBE),
        emphysema=_any(rng, _MAYBE),
        screening=_any(rng, _MAYBE),
        count_reliable=rng.random() < 0.9,
        whole_lungs=rng.random() < 0.9,
        slice_mm=_any(rng, (None, 1.0, 7.0)),
        change=change_of(followed, int(rng.integers(20, 900)), limits) if followed else None,
        basis=_any(rng, tuple(Basis)),
    )


def quiet(exam: Subject) -> list[str]:
    """What is said of a dangerous exam that would let a reader rest; nothing where all is well."""
    said = advise(exam)
    faults = [fault for one in said for fault in _faults(one)]
    judged = triage.judge(
        triage.Exam(
            nodules=exam.nodules,
            pattern=_pattern(exam),
            effusions=(),
            remarks=_remarks(exam),
            known_cancer=exam.known_cancer is True,
        )
    )
    if exam.nodules and judged.level is TriageLevel.UNFLAGGED:
        faults.append("triage: unflagged")
    told = [sentence(one) for one in said] + [text for text in judged.reasons if exam.nodules]
    return faults + [text for text in told for word in _FORBIDDEN if word in text.lower()]


def _faults(said: Advice) -> Iterator[str]:
    if said.probability is not None:
        yield f"{said.guideline}: a probability"
    if said.guideline is Guideline.LUNG_RADS and said.category[:1] in {"1", "2"}:
        yield f"Lung-RADS {said.category}"
    if said.management in QUIET:
        yield f"{said.guideline}: {said.management}"


def _any(rng: np.random.Generator, values: tuple[T, ...]) -> T:
    return values[int(rng.integers(len(values)))]


def _nodule(rng: np.random.Generator, number: int) -> Nodule:
    long_mm = float(
        rng.choice([rng.uniform(2, 6), rng.uniform(4, 12), rng.uniform(8, 45)], p=[0.6, 0.3, 0.1])
    )
    words = frozenset(word for word in _WORDS if rng.random() < 0.15)
    kind = _any(rng, (*NoduleType, NoduleType.SOLID, NoduleType.SOLID))
    core_mm = float(rng.uniform(0, long_mm)) if kind is NoduleType.PART_SOLID and rng.random() < 0.9 else None
    axes_mm = long_mm, long_mm * float(rng.uniform(0.5, 1))
    made = sized(number, axes_mm, kind=kind, core_mm=core_mm, words=words)
    return replace(made, character=None) if rng.random() < 0.003 else made


def _since(rng: np.random.Generator, nodule: Nodule) -> NoduleChange:
    fate = _any(rng, (Fate.NEW, Fate.GROWN, Fate.SHRUNK, Fate.STABLE, Fate.STABLE, Fate.UNCERTAIN))
    low, high = {Fate.GROWN: (0.25, 3.0), Fate.SHRUNK: (-0.9, -0.25)}.get(fate, (-0.2, 0.2))
    unmatched = fate in {Fate.NEW, Fate.UNCERTAIN}
    return NoduleChange(
        tracking_uid=nodule.tracking_uid,
        number=nodule.number,
        prior_number=None if unmatched else nodule.number,
        fate=fate,
        volume_change=None if unmatched else float(rng.uniform(low, high)),
        doubling_days=_any(rng, (None, 100.0, 500.0, 900.0)) if fate is Fate.GROWN else None,
    )


def _pattern(exam: Subject) -> Pattern:
    return Pattern(
        level=exam.pattern_level,
        criteria_version="test",
        nodules_right=0,
        nodules_left=len(exam.nodules),
        small_nodules=len(exam.nodules),
        median_diameter_mm=3.0,
        diameter_cv=0.2,
        slabs_10mm_with_10=0,
    )


def _remarks(exam: Subject) -> tuple[Remark, ...]:
    held = {
        Reason.LOSSY_COMPRESSION: exam.outside_validated_use,
        Reason.READERS_DISAGREE: not exam.count_reliable,
        Reason.PARTIAL_LUNG: not exam.whole_lungs,
    }
    return tuple(
        Remark(reason=reason, weight=Weight.OUTSIDE_USE, detail="so")
        for reason, holds in held.items()
        if holds
    )
