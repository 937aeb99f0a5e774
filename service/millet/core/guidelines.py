"""What the guidelines say of an exam: all of them are asked, and each says why where it does not apply.

    Lung-RADS v2022    screening            a miliary pattern is category 0 or 4B, with S
    Fleischner 2017    found by chance      from 35 years on; no cancer, no immunosuppression
    BTS 2015           either               adults; Brock decides from 8 mm on
    Brock 2013         one nodule           50 to 75 years, ten nodules, first scan
    RECIST 1.1         a known cancer       a miliary pattern is non-target disease

None is asked outside the validated use, the last one alone with a known cancer. So there is no path from
a pattern level of 1 or more, from a known cancer, or from outside a model's domain to a quiet advice.
"""

from __future__ import annotations

from collections.abc import Sequence

from millet.core import brock, bts, fleischner, lung_rads, recist
from millet.core.advice import Advice
from millet.core.analysis import Analysis
from millet.core.reasons import UNRELIABLE_COUNT, Reason, Weight
from millet.core.series import SliceHeader
from millet.core.subject import Subject, stated_screening

_INCOMPLETE = frozenset({Reason.PARTIAL_LUNG, Reason.ONE_LUNG, Reason.OPAQUE_LUNG})
LUNG = "lung"
"""The organ of those judgements whose level is a pattern level."""


def advise(exam: Subject) -> tuple[Advice, ...]:
    """One advice of each guideline, in the order of the table."""
    judges = (lung_rads.judge, fleischner.judge, bts.judge, brock.judge, recist.judge)
    return tuple(judge(exam) for judge in judges)


def subject_of(analysis: Analysis, headers: Sequence[SliceHeader]) -> Subject:
    """What an analysis and the headers of its slices say; what neither says stays unknown.

    The analysis holds its nodules with their characters, its pattern and judgements, its remarks and,
    where there is one, its change already. The highest pattern level of all counts; one that was not
    judged leaves the count unreliable.
    """
    first = headers[0]
    levels = [judged.level for judged in analysis.judgements if judged.organ == LUNG]
    remarks = analysis.remarks
    outside = {remark.reason for remark in remarks if remark.weight is Weight.OUTSIDE_USE}
    return Subject(
        nodules=analysis.nodules,
        pattern_level=max([analysis.pattern.level if analysis.pattern else 0, *levels]),
        age_years=next((head.age_years for head in headers if head.age_years is not None), None),
        sex=first.patient.sex or None,
        screening=stated_screening(first.descriptions),
        outside_validated_use=bool(outside - UNRELIABLE_COUNT - _INCOMPLETE),
        count_reliable=analysis.count_reliable and analysis.pattern is not None,
        whole_lungs=not any(remark.reason in _INCOMPLETE for remark in remarks),
        slice_mm=max((head.slice_thickness_mm or 0.0 for head in headers), default=0.0) or None,
        change=analysis.change,
    )
