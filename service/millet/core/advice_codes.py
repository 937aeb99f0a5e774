"""The stable codes that a guideline's advice is written in. A code is never renamed.

They go into the journal, gRPC and every report; `core.advice_wording` holds their words. Codes of
`WhyNot` and `Assumption` that read the same mean the same.
"""

from __future__ import annotations

from enum import StrEnum


class WhyNot(StrEnum):
    """What forbids a guideline."""

    OUTSIDE_VALIDATED_USE = "outside-validated-use"
    COUNT_UNRELIABLE = "count-unreliable"
    INCOMPLETE_LUNGS = "incomplete-lungs"
    MILIARY_PATTERN = "miliary-pattern"
    KNOWN_CANCER = "known-cancer"
    NO_KNOWN_CANCER = "no-known-cancer"
    CANCER_UNKNOWN = "cancer-unknown"
    IMMUNOSUPPRESSED = "immunosuppressed"
    AGE = "age"
    AGE_UNKNOWN = "age-unknown"
    SEX_UNKNOWN = "sex-unknown"
    SCREENING = "screening"
    NOT_SCREENING = "not-screening"
    NO_NODULES = "no-nodules"
    NOT_MEASURED = "not-measured"
    TOO_MANY_NODULES = "too-many-nodules"
    MASS = "mass"
    NEW_OR_GROWN = "new-or-grown"


class Assumption(StrEnum):
    """What is not known and is taken for granted; the advice falls where it is wrong."""

    NO_KNOWN_CANCER = "no-known-cancer"
    KNOWN_CANCER = "known-cancer"
    NO_IMMUNOSUPPRESSION = "no-immunosuppression"
    SCREENING = "screening"
    NOT_SCREENING = "not-screening"
    FIRST_CT = "first-ct"
    FROM_FIRST_CT = "from-first-ct"
    NO_EARLIER_CATEGORY = "no-earlier-category"
    NO_FAMILY_HISTORY = "no-family-history"
    NO_EMPHYSEMA = "no-emphysema"
    LOBE_BY_ZONE = "lobe-by-zone"
    BENIGN_CALCIFICATION = "benign-calcification"
    BENIGN_SHAPE = "benign-shape"
    SIZE_AT_LIMIT = "size-at-limit"
    THIN_SLICES = "thin-slices"


class Management(StrEnum):
    """What a guideline asks for next."""

    # Lung-RADS
    LDCT_12_MONTHS = "ldct-12-months"
    LDCT_6_MONTHS = "ldct-6-months"
    LDCT_3_MONTHS = "ldct-3-months"
    LDCT_1_3_MONTHS = "ldct-1-3-months"
    COMPLETE_THE_EXAM = "complete-the-exam"
    WORK_UP = "work-up"
    EVALUATE_NOW = "evaluate-now"
    EVALUATE_AND_WORK_UP = "evaluate-and-work-up"
    # Fleischner
    NO_ROUTINE_FOLLOW_UP = "no-routine-follow-up"
    OPTIONAL_CT_12_MONTHS = "optional-ct-12-months"
    CT_6_12_THEN_18_24_MONTHS = "ct-6-12-then-18-24-months"
    CT_3_6_THEN_18_24_MONTHS = "ct-3-6-then-18-24-months"
    CT_3_MONTHS_PET_OR_BIOPSY = "ct-3-months-pet-or-biopsy"
    CT_6_12_MONTHS_THEN_2_YEARLY = "ct-6-12-months-then-2-yearly"
    CT_3_6_MONTHS_THEN_YEARLY = "ct-3-6-months-then-yearly"
    CT_3_6_MONTHS_SUSPICIOUS = "ct-3-6-months-suspicious"
    PET_BIOPSY_OR_RESECTION = "pet-biopsy-or-resection"
    CT_3_6_MONTHS_THEN_2_4_YEARS = "ct-3-6-months-then-2-4-years"
    CT_3_6_MONTHS_THEN_MOST_SUSPICIOUS = "ct-3-6-months-then-most-suspicious"
    # BTS
    DISCHARGE = "discharge"
    CT_3_MONTHS = "ct-3-months"
    CT_1_YEAR = "ct-1-year"
    CT_2_YEARS = "ct-2-years"
    CT_1_2_4_YEARS = "ct-1-2-4-years"
    PET_CT = "pet-ct"
    PET_CT_OR_CT_3_MONTHS = "pet-ct-or-ct-3-months"
    ASSESS_RISK = "assess-risk"
    BIOPSY_OR_CT = "biopsy-or-ct"
    CT_OR_DISCHARGE = "ct-or-discharge"
    RESECTION_OR_BIOPSY = "resection-or-biopsy"
    DISCUSS_BIOPSY_OR_CT = "discuss-biopsy-or-ct"
    # Fleischner and BTS
    GROWTH_WORK_UP = "growth-work-up"
    # RECIST
    MEASURE_TARGETS = "measure-targets"
    FOLLOW_AS_NON_TARGET = "follow-as-non-target"
    NON_CR_NON_PD = "non-cr-non-pd"
    JUDGE_PROGRESSION = "judge-progression"


QUIET = frozenset(
    {
        Management.LDCT_12_MONTHS,
        Management.NO_ROUTINE_FOLLOW_UP,
        Management.OPTIONAL_CT_12_MONTHS,
        Management.DISCHARGE,
        Management.CT_OR_DISCHARGE,
        Management.CT_1_YEAR,
        Management.CT_2_YEARS,
        Management.CT_1_2_4_YEARS,
    }
)
"""What lets a year or more go by, or ends the follow-up."""
