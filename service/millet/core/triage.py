"""How soon somebody should look, and why, in words.

A table of rules, most urgent first; the first that holds decides the level, the others that hold are
told after it. No rule lowers a level, and no level says that a study is normal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millet.core import pattern as patterns
from millet.core.analysis import Effusion, Pattern, Triage, TriageLevel
from millet.core.judgement import Judgement
from millet.core.language import listed, phrase
from millet.core.nodule import Nodule, NoduleClass, Side
from millet.core.reasons import UNRELIABLE_COUNT, Reason, Remark, Weight

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
    texts = tuple(dict.fromkeys(text for _, text in held))
    told = (text for text in texts if not any(text in other for other in texts if other != text))
    return Triage(level=held[0][0], reasons=tuple(told))


def not_assessed(remark: Remark) -> Triage:
    """The triage of a series that was not analysed."""
    reason = phrase(f"reason.{remark.reason}")
    told = (
        phrase("triage.not-analysed-detail", reason=reason, detail=remark.detail)
        if remark.detail
        else phrase("triage.not-analysed", reason=reason)
    )
    return Triage(level=TriageLevel.NOT_ASSESSED, reasons=(told,))


def judged(judgements: Sequence[Judgement], lesions: int) -> Triage:
    """The triage of lesions that somebody else found: the lung's pattern counts as one of ours does.

    Any other level that is reached, and what could not be evaluated, is worth a look.
    """
    told = [found for one in judgements if (found := _judged(one, lesions))]
    if not told:
        quiet = phrase("triage.judged-nothing", lesions=_lesions(lesions))
        return Triage(level=TriageLevel.UNFLAGGED, reasons=(quiet,))
    told.sort(key=lambda found: _SOONEST.index(found[0]))
    return Triage(level=told[0][0], reasons=tuple(words for _, words in told))


def _judged(found: Judgement, lesions: int) -> tuple[TriageLevel, str] | None:
    """How soon one judgement asks for somebody, and why; None where it does not."""
    said: dict[str, object] = {"lesions": _lesions(lesions), "criteria": found.criteria}
    if found.level:
        ours = found.criteria == patterns.PROPOSAL.identifier
        level = _OF_PATTERN[min(found.level, patterns.PROBABLE)] if ours else TriageLevel.NOTABLE
        return level, phrase("triage.judged", **said, level=found.level, meaning=found.meaning)
    if found.conditions and found.not_evaluated:
        return TriageLevel.NOTABLE, phrase("triage.judged-unknown", **said, why=found.not_evaluated)
    return None


def _lesions(count: int) -> str:
    return phrase("count.lesion" if count == 1 else "count.lesions", count=count)


_OF_PATTERN = {1: TriageLevel.URGENT, patterns.PROBABLE: TriageLevel.CRITICAL}
"""By the level of the lung's pattern, as in `RULES`."""
_SOONEST = tuple(reversed(TriageLevel))


def _miliary(exam: Exam) -> str:
    if exam.pattern.level < patterns.PROBABLE:
        return ""
    return _pattern_text(exam, "definite" if exam.pattern.level > patterns.PROBABLE else "probable")


def _miliary_with_mass(exam: Exam) -> str:
    if exam.pattern.level < 1 or not (largest := patterns.dominant(exam.nodules)):
        return ""
    return phrase("triage.with-mass", lesion=_lesion(largest), small=exam.pattern.small_nodules)


def _possible_miliary(exam: Exam) -> str:
    return _pattern_text(exam, "possible") if exam.pattern.level == 1 else ""


def _mass(exam: Exam) -> str:
    masses = [n for n in exam.nodules if n.nodule_class is NoduleClass.MASS]
    return _lesion(max(masses, key=lambda n: n.diameter_mm)) if masses else ""


def _effusion(exam: Exam) -> str:
    told = (phrase("triage.effusion", side=_side(e.side), ml=e.volume_ml) for e in exam.effusions)
    return listed(tuple(told))


def _large_nodule(exam: Exam) -> str:
    others = (n for n in exam.nodules if n.nodule_class is not NoduleClass.MASS)
    large = [n for n in others if n.diameter_mm >= NOTABLE_MM]
    if not large:
        return ""
    largest = max(large, key=lambda n: n.diameter_mm)
    if len(large) == 1:
        return _lesion(largest)
    return phrase("triage.large", count=len(large), mm=NOTABLE_MM, lesion=_lesion(largest))


def _several(exam: Exam) -> str:
    told_already = exam.pattern.level > 0
    several = len(exam.nodules) > NOTABLE_COUNT and not told_already
    return phrase("count.nodules", count=len(exam.nodules)) if several else ""


def _no_guideline(exam: Exam) -> str:
    """Nodules that no guideline for small nodules may be asked about are never left unflagged."""
    if exam.nodules and exam.known_cancer:
        return phrase("triage.known-cancer", count=_count(exam))
    unusual = (remark for remark in exam.remarks if remark.weight is Weight.OUTSIDE_USE)
    outside = any(remark.reason not in NEVER_QUIET for remark in unusual)
    return phrase("triage.outside", count=_count(exam)) if exam.nodules and outside else ""


def _uncertain(exam: Exam) -> str:
    """What makes silence mean nothing: a count that does not hold, a lung that could not be looked at."""
    told = (
        phrase("triage.doubt", reason=phrase(f"reason.{remark.reason}"), detail=remark.detail)
        for remark in exam.remarks
        if remark.reason in NEVER_QUIET
    )
    return listed(tuple(told))


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
    median = seen.median_diameter_mm
    return phrase(
        "triage.pattern",
        how=phrase(f"miliary.{how}"),
        level=seen.level,
        count=_count(exam),
        right=seen.nodules_right,
        left=seen.nodules_left,
        small=seen.small_nodules,
        sizes="" if median is None else phrase("triage.median", mm=median),
    )


def _lesion(nodule: Nodule) -> str:
    kind = phrase(f"kind.{nodule.nodule_class}")
    return phrase("lesion", side=_side(nodule.side), kind=kind, mm=nodule.diameter_mm)


def _side(side: Side) -> str:
    return phrase(f"side.{side}")


def _unflagged(exam: Exam) -> str:
    if not exam.nodules:
        return phrase("triage.nothing")
    return phrase("triage.unflagged", count=_count(exam, "small-nodule"))


def _count(exam: Exam, what: str = "nodule") -> str:
    count = len(exam.nodules)
    return phrase(f"count.{what}{'s' if count > 1 else ''}", count=count)
