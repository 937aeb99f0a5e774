"""How soon somebody should look, and why, in words.

A table of rules, most urgent first; the first that holds decides the level, the others that hold are
told after it. No rule lowers a level, and no level says that a study is normal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millet.core import pattern as patterns
from millet.core.analysis import Effusion, Pattern, Triage, TriageLevel
from millet.core.nodule import Nodule, NoduleClass
from millet.core.reasons import UNRELIABLE_COUNT, Reason, Remark, Weight
from millet.core.wording import REASON_TEXT

NOTABLE_MM = 6.0
"""From this mean diameter on, guidelines ask for follow-up (Fleischner 2017, Lung-RADS v2022)."""
NOTABLE_COUNT = 6
"""More nodules than this make Lung-RADS v2022 ask for an early look (category 0)."""

NEVER_QUIET = UNRELIABLE_COUNT | {Reason.ONE_LUNG, Reason.OPAQUE_LUNG}
"""An exam of which this is said is never left unflagged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """What the rules look at."""

    nodules: Sequence[Nodule]
    pattern: Pattern
    effusions: Sequence[Effusion]
    remarks: Sequence[Remark] = ()
    known_cancer: bool = False
    """Whether a cancer is known of the patient; silence is not a no, and changes nothing."""


def judge(exam: Exam) -> Triage:
    """Apply the rules to an analysed exam."""
    held = [(level, text) for level, rule in RULES if (text := rule(exam))]
    if not held:
        return Triage(level=TriageLevel.UNFLAGGED, reasons=(_unflagged(exam),))
    texts = [text for _, text in held]
    told = [text for number, text in enumerate(texts) if not any(text in before for before in texts[:number])]
    return Triage(level=held[0][0], reasons=tuple(told))


def not_assessed(remark: Remark) -> Triage:
    """The triage of a series that was not analysed."""
    told = f"not analysed: {remark.reason.value}" + (f" ({remark.detail})" if remark.detail else "")
    return Triage(level=TriageLevel.NOT_ASSESSED, reasons=(told,))


def _miliary(exam: Exam) -> str:
    if exam.pattern.level < patterns.PROBABLE:
        return ""
    return _pattern_text(exam, "definite" if exam.pattern.level > patterns.PROBABLE else "probable")


def _miliary_with_mass(exam: Exam) -> str:
    if exam.pattern.level < 1 or not (largest := patterns.dominant(exam.nodules)):
        return ""
    return f"{_lesion(largest)} beside {exam.pattern.small_nodules} small nodules in both lungs"


def _possible_miliary(exam: Exam) -> str:
    return _pattern_text(exam, "possible") if exam.pattern.level == 1 else ""


def _mass(exam: Exam) -> str:
    masses = [n for n in exam.nodules if n.nodule_class is NoduleClass.MASS]
    return _lesion(max(masses, key=lambda n: n.diameter_mm)) if masses else ""


def _effusion(exam: Exam) -> str:
    return "; ".join(
        f"{e.side.value} pleural effusion, at least {e.volume_ml:.0f} mL" for e in exam.effusions
    )


def _large_nodule(exam: Exam) -> str:
    others = (n for n in exam.nodules if n.nodule_class is not NoduleClass.MASS)
    large = [n for n in others if n.diameter_mm >= NOTABLE_MM]
    if not large:
        return ""
    largest = max(large, key=lambda n: n.diameter_mm)
    if len(large) == 1:
        return _lesion(largest)
    return f"{len(large)} nodules of {NOTABLE_MM:.0f} mm or more, the largest a {_lesion(largest)}"


def _several(exam: Exam) -> str:
    told_already = exam.pattern.level > 0
    several = len(exam.nodules) > NOTABLE_COUNT and not told_already
    return f"{len(exam.nodules)} nodules" if several else ""


def _no_guideline(exam: Exam) -> str:
    """Nodules that no guideline for small nodules may be asked about are never left unflagged."""
    if exam.nodules and exam.known_cancer:
        return f"{_count(exam)} in a patient with a known cancer"
    unusual = (remark for remark in exam.remarks if remark.weight is Weight.OUTSIDE_USE)
    outside = any(remark.reason not in NEVER_QUIET for remark in unusual)
    return f"{_count(exam)}, analysed outside the validated use" if exam.nodules and outside else ""


def _uncertain(exam: Exam) -> str:
    """What makes silence mean nothing: a count that does not hold, a lung that could not be looked at."""
    told = [remark for remark in exam.remarks if remark.reason in NEVER_QUIET]
    return "; ".join(f"{REASON_TEXT[remark.reason]} ({remark.detail})" for remark in told)


RULES: tuple[tuple[TriageLevel, Callable[[Exam], str]], ...] = (
    (TriageLevel.CRITICAL, _miliary),
    (TriageLevel.CRITICAL, _miliary_with_mass),
    (TriageLevel.URGENT, _possible_miliary),
    (TriageLevel.URGENT, _mass),
    (TriageLevel.NOTABLE, _large_nodule),
    (TriageLevel.NOTABLE, _effusion),
    (TriageLevel.NOTABLE, _several),
    (TriageLevel.NOTABLE, _no_guideline),
    (TriageLevel.NOTABLE, _uncertain),
)
"""Each rule returns its sentence, or nothing where it does not hold."""


def _pattern_text(exam: Exam, how: str) -> str:
    seen = exam.pattern
    sizes = "" if seen.median_diameter_mm is None else f", median {seen.median_diameter_mm:.1f} mm"
    return (
        f"{how} miliary pattern (LMP-{seen.level}, a proposal): {_count(exam)}, {seen.nodules_right} right "
        f"and {seen.nodules_left} left, {seen.small_nodules} of them under 10 mm{sizes}"
    )


def _lesion(nodule: Nodule) -> str:
    return f"{nodule.side.value} {nodule.nodule_class.value} of {nodule.diameter_mm:.1f} mm"


def _unflagged(exam: Exam) -> str:
    if not exam.nodules:
        return "nothing found that raises the priority; this is not a negative result"
    return f"{_count(exam, 'small nodule')}, nothing that raises the priority"


def _count(exam: Exam, what: str = "nodule") -> str:
    count = len(exam.nodules)
    return f"{count} {what}{'s' if count > 1 else ''}"
