"""The codes of advice in words: one mapping from code to text, for every report and page alike.

No text calls anything low in risk, normal or negative. What applies to everybody and what depends on risk
factors is told in one sentence, since nobody tells us the factors.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from millet.core.advice import Advice, Guideline
from millet.core.advice_codes import Assumption, Management, WhyNot
from millet.core.rounding import percent, written

LEAST_SHOWN = 0.001

_GUIDELINES: Mapping[str, str] = {
    Guideline.LUNG_RADS: "Lung-RADS v2022",
    Guideline.FLEISCHNER: "Fleischner Society 2017",
    Guideline.BTS: "British Thoracic Society 2015",
    Guideline.BROCK: "Brock model (PanCan, full, with spiculation)",
    Guideline.RECIST: "RECIST 1.1",
}
_WHY_NOT: Mapping[str, str] = {
    WhyNot.OUTSIDE_VALIDATED_USE: "analysed outside the validated use",
    WhyNot.COUNT_UNRELIABLE: "the number of nodules is not reliable",
    WhyNot.INCOMPLETE_LUNGS: "a part of the lungs could not be evaluated",
    WhyNot.MILIARY_PATTERN: "a miliary pattern, possible or more",
    WhyNot.KNOWN_CANCER: "a known cancer",
    WhyNot.NO_KNOWN_CANCER: "no known cancer",
    WhyNot.CANCER_UNKNOWN: "not known whether there is a cancer",
    WhyNot.IMMUNOSUPPRESSED: "immunosuppression",
    WhyNot.AGE: "age outside the range it is made for",
    WhyNot.AGE_UNKNOWN: "age unknown",
    WhyNot.SEX_UNKNOWN: "sex unknown",
    WhyNot.SCREENING: "a screening exam",
    WhyNot.NOT_SCREENING: "not a screening exam",
    WhyNot.NO_NODULES: "no nodule to be judged",
    WhyNot.NOT_MEASURED: "a nodule that could not be measured",
    WhyNot.TOO_MANY_NODULES: "more nodules than it is made for",
    WhyNot.MASS: "a mass of more than 30 mm",
    WhyNot.NEW_OR_GROWN: "a nodule that is new or has grown",
}
_ASSUMES: Mapping[str, str] = {
    Assumption.NO_KNOWN_CANCER: "no known cancer",
    Assumption.KNOWN_CANCER: "a known cancer",
    Assumption.NO_IMMUNOSUPPRESSION: "no immunosuppression",
    Assumption.SCREENING: "a screening exam",
    Assumption.NOT_SCREENING: "not a screening exam",
    Assumption.FIRST_CT: "no earlier CT to compare with",
    Assumption.FROM_FIRST_CT: "intervals counted from the first CT",
    Assumption.NO_EARLIER_CATEGORY: "no earlier category to step down from",
    Assumption.NO_FAMILY_HISTORY: "no family history of lung cancer",
    Assumption.NO_EMPHYSEMA: "no emphysema",
    Assumption.LOBE_BY_ZONE: "lobe estimated from the zone",
    Assumption.BENIGN_CALCIFICATION: "calcification of a benign pattern",
    Assumption.BENIGN_SHAPE: "nodules at pleura or fissure oval, lentiform or triangular",
    Assumption.SIZE_AT_LIMIT: "size measured at the limit of resolution",
    Assumption.THIN_SLICES: "slices of 5 mm or less",
}
_MANAGEMENT: Mapping[str, str] = {
    Management.LDCT_12_MONTHS: "low-dose CT in 12 months",
    Management.LDCT_6_MONTHS: "low-dose CT in 6 months",
    Management.LDCT_3_MONTHS: "low-dose CT in 3 months; PET/CT where a solid part is 8 mm or more",
    Management.LDCT_1_3_MONTHS: "possibly infection: low-dose CT in 1 to 3 months",
    Management.COMPLETE_THE_EXAM: "incomplete: further images, or comparison with earlier ones",
    Management.WORK_UP: "work-up: diagnostic CT, PET/CT, tissue sampling or referral",
    Management.EVALUATE_NOW: "miliary pattern: clinical evaluation now; low-dose CT in 1 to 3 months",
    Management.EVALUATE_AND_WORK_UP: "miliary pattern: clinical evaluation now; work-up of the nodule",
    Management.NO_ROUTINE_FOLLOW_UP: "no routine follow-up",
    Management.OPTIONAL_CT_12_MONTHS: "no routine follow-up; CT at 12 months optional with risk factors",
    Management.CT_6_12_THEN_18_24_MONTHS: "CT at 6 to 12 months, then at 18 to 24 months "
    "(without risk factors to be considered)",
    Management.CT_3_6_THEN_18_24_MONTHS: "CT at 3 to 6 months, then at 18 to 24 months (without risk "
    "factors to be considered); the most suspicious nodule guides",
    Management.CT_3_MONTHS_PET_OR_BIOPSY: "CT at 3 months, PET/CT or tissue sampling to be considered",
    Management.CT_6_12_MONTHS_THEN_2_YEARLY: "CT at 6 to 12 months, then every 2 years until 5 years",
    Management.CT_3_6_MONTHS_THEN_YEARLY: "CT at 3 to 6 months, then every year until 5 years",
    Management.CT_3_6_MONTHS_SUSPICIOUS: "CT at 3 to 6 months; highly suspicious if it persists",
    Management.PET_BIOPSY_OR_RESECTION: "PET/CT, biopsy or resection",
    Management.CT_3_6_MONTHS_THEN_2_4_YEARS: "CT at 3 to 6 months; if stable, optional at 2 and 4 years",
    Management.CT_3_6_MONTHS_THEN_MOST_SUSPICIOUS: "CT at 3 to 6 months, then by the most suspicious nodule",
    Management.DISCHARGE: "no follow-up offered",
    Management.CT_3_MONTHS: "CT at 3 months",
    Management.CT_1_YEAR: "CT one year after the first",
    Management.CT_2_YEARS: "CT two years after the first",
    Management.CT_1_2_4_YEARS: "CT 1, 2 and 4 years after the first",
    Management.PET_CT: "PET/CT, then risk by the Herder model",
    Management.PET_CT_OR_CT_3_MONTHS: "PET/CT from 10 % by the Brock model on, else CT at 3 months: "
    "family history, emphysema or lobe decide",
    Management.ASSESS_RISK: "clinical assessment of the risk: the Brock model does not apply",
    Management.BIOPSY_OR_CT: "biopsy or further CT surveillance",
    Management.CT_OR_DISCHARGE: "further CT surveillance, or its end",
    Management.RESECTION_OR_BIOPSY: "resection or biopsy to be considered",
    Management.DISCUSS_BIOPSY_OR_CT: "biopsy, resection or CT surveillance to be discussed",
    Management.GROWTH_WORK_UP: "growth: further work-up, PET/CT, tissue sampling or resection",
    Management.MEASURE_TARGETS: "target lesions to be measured",
    Management.FOLLOW_AS_NON_TARGET: "to be followed as non-target disease",
    Management.NON_CR_NON_PD: "neither complete response nor progression (non-CR/non-PD)",
    Management.JUDGE_PROGRESSION: "new or grown nodules: the reader judges the progression",
}
_CATEGORIES: Mapping[str, str] = {
    "benign-features": "calcification, fat, or the look of a lymph node",
    "growth": "growth",
    "growth-moderate": "growth, doubling in 400 to 600 days",
    "growth-slow": "growth, doubling in more than 600 days",
    "solid-single-under-6": "one solid nodule under 6 mm",
    "solid-single-6-to-8": "one solid nodule of 6 to 8 mm",
    "solid-single-over-8": "one solid nodule over 8 mm",
    "solid-multiple-under-6": "several solid nodules, all under 6 mm",
    "solid-multiple-6-to-8": "several solid nodules, the largest 6 to 8 mm",
    "solid-multiple-over-8": "several solid nodules, the largest over 8 mm",
    "ground-glass-single-under-6": "one ground-glass nodule under 6 mm",
    "ground-glass-single-6-or-more": "one ground-glass nodule of 6 mm or more",
    "part-solid-single-under-6": "one part-solid nodule under 6 mm",
    "part-solid-single-6-or-more": "one part-solid nodule of 6 mm or more",
    "part-solid-single-core-6-or-more": "one part-solid nodule with a solid part of 6 mm or more",
    "part-solid-core-over-8": "a part-solid nodule with a solid part over 8 mm",
    "subsolid-multiple-under-6": "several subsolid nodules, all under 6 mm",
    "subsolid-multiple-6-or-more": "several subsolid nodules, one of 6 mm or more",
    "below-threshold": "under 5 mm or 80 mm3",
    "surveillance": "CT surveillance",
    "stable": "stable",
    "stable-subsolid": "subsolid and stable",
    "risk-below-10": "Brock under 10 %",
    "risk-around-10": "Brock around 10 %",
    "risk-10-or-more": "Brock 10 % or more",
    "risk-not-assessed": "8 mm or more, Brock not applicable",
    "full-with-spiculation": "probability of cancer of one nodule",
    "target": "can be target lesions",
    "non-target": "non-target disease; no target lesion",
    "target-and-non-target": "can be a target lesion; all other nodules are non-target disease",
}
_PARTS: tuple[Mapping[str, str], ...] = (_GUIDELINES, _WHY_NOT, _ASSUMES, _MANAGEMENT, _CATEGORIES)
ADVICE_TEXT: Mapping[str, str] = MappingProxyType(
    {str(code): text for part in _PARTS for code, text in part.items()}
)
"""Every code; a test holds it to the enums. Categories of Lung-RADS ("4B") stand for themselves."""


def words(code: str) -> str:
    """A code in words; one that this version does not know stands for itself."""
    return ADVICE_TEXT.get(code, code)


def sentence(advice: Advice) -> str:
    """One line of a report, the guideline's name first."""
    return f"{words(advice.guideline)}: {said(advice)}"


def said(advice: Advice) -> str:
    """What a guideline says, and what it took for granted; or why it does not apply."""
    if not advice.applies:
        return f"does not apply ({', '.join(map(words, advice.why_not))})."
    told = [words(advice.category)]
    if advice.probability is not None:
        told.append(shown(advice.probability))
    if advice.nodule is not None:
        told.append(f"nodule {advice.nodule}")
    if advice.management:
        told.append(words(advice.management))
    assumed = f" Assuming {', '.join(map(words, advice.assumes))}." if advice.assumes else ""
    return f"{'; '.join(told)}.{assumed}"


def shown(probability: float) -> str:
    """A probability by the rounding rule; what that rule would call nought is "under 0.1 %"."""
    return f"{written(percent(probability))} %" if probability >= LEAST_SHOWN else "under 0.1 %"
