"""Every coded concept that we write, in one place (PS3.16 Annex D, SNOMED CT, UCUM, LOINC).

What no standard dictionary holds is in our private scheme `99MILLET`: see `PRIVATE`.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from millet.codec.elements import Encoded, dataset, plain
from millet.core.analysis import Outcome, TriageLevel
from millet.core.nodule import NoduleClass, Side
from millet.core.reasons import Reason, Weight

SCHEME = "99MILLET"


class Code(NamedTuple):
    """A coded concept: value, coding scheme designator, meaning."""

    value: str
    scheme: str
    meaning: str


# root, language, observer, procedure (TID 1500, 1204, 1004)
REPORT = Code("126000", "DCM", "Imaging Measurement Report")
LANGUAGE = Code("121049", "DCM", "Language of Content Item and Descendants")
ENGLISH = Code("en-US", "RFC5646", "English (United States)")
OBSERVER_TYPE = Code("121005", "DCM", "Observer Type")
DEVICE = Code("121007", "DCM", "Device")
DEVICE_UID = Code("121012", "DCM", "Device Observer UID")
DEVICE_NAME = Code("121013", "DCM", "Device Observer Name")
DEVICE_MANUFACTURER = Code("121014", "DCM", "Device Observer Manufacturer")
DEVICE_MODEL = Code("121015", "DCM", "Device Observer Model Name")
PROCEDURE = Code("121058", "DCM", "Procedure reported")
CT_PROCEDURE = Code("25045-6", "LN", "CT unspecified body region")
"""In CID 100, which LOINC's CT of the chest (24627-2) is not."""

# containers
MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
GROUP = Code("125007", "DCM", "Measurement Group")
EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")

# a group (TID 1411, 1501, 1419, 4019)
TRACKING_ID = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
FINDING = Code("121071", "DCM", "Finding")
SURFACE = Code("121231", "DCM", "Volume Surface")
SOURCE_IMAGE = Code("121233", "DCM", "Source image for segmentation")
SOURCE_SERIES = Code("121232", "DCM", "Source series for segmentation")
ALGORITHM = Code("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION = Code("111003", "DCM", "Algorithm Version")
ALGORITHM_PARAMETERS = Code("111002", "DCM", "Algorithm Parameters")
SITE = Code("363698007", "SCT", "Finding Site")
LATERALITY = Code("272741003", "SCT", "Laterality")

# findings and places
NODULE = Code("27925004", "SCT", "Nodule")
MASS = Code("4147007", "SCT", "Mass")
EFFUSION = Code("60046008", "SCT", "Pleural effusion")
LUNG = Code("39607008", "SCT", "Lung")
PLEURA = Code("3120008", "SCT", "Pleura")
LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")

# measurements and units
DIAMETER = Code("81827009", "SCT", "Diameter")
VOLUME = Code("118565006", "SCT", "Volume")
ATTENUATION = Code("112181", "DCM", "Mean Attenuation Coefficient")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
LESIONS = Code("246206008", "SCT", "Number of lesions")
MM = Code("mm", "UCUM", "mm")
MM3 = Code("mm3", "UCUM", "cubic millimeter")
ML = Code("ml", "UCUM", "milliliter")
LITRE = Code("l", "UCUM", "liter")
HU = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
PERCENT = Code("%", "UCUM", "Percent")
NO_UNITS = Code("1", "UCUM", "no units")

# the exam as a whole
SUMMARY = Code("111017", "DCM", "CAD Processing and Findings Summary")
WITHOUT_FINDINGS = Code("111241", "DCM", "All algorithms succeeded; without findings")
WITH_FINDINGS = Code("111242", "DCM", "All algorithms succeeded; with findings")
NOT_SUCCEEDED = Code("111245", "DCM", "No algorithms succeeded; without findings")
COMMENT = Code("121106", "DCM", "Comment")
SOURCE_PURPOSE = Code("121322", "DCM", "Source image for image processing operation")
DERIVED_BY_SEGMENTATION = Code("113076", "DCM", "Segmentation")
BACKGROUND = Code("125040", "DCM", "Background")
OF_INTEREST = Code("113000", "DCM", "Of Interest")
KEY_DESCRIPTION = Code("113012", "DCM", "Key Object Description")
KEY_IMAGE = Code("260753009", "SCT", "Source")

# our own: concepts
TRIAGE = Code("triage", SCHEME, "Triage level")
TRIAGE_REASON = Code("triage-reason", SCHEME, "Reason for triage level")
PATTERN = Code("lmp", SCHEME, "Miliary pattern level (proposal, not a guideline)")
PATTERN_BASIS = Code("lmp-basis", SCHEME, "Counts behind the miliary pattern level")
REMARK_REFUSES = Code("not-analysed", SCHEME, "Reason why the series was not analysed")
REMARK_OUTSIDE = Code("outside-use", SCHEME, "Analysed outside the validated use")
REMARK_NOTE = Code("note", SCHEME, "Note on the series")
REMARK_DETAIL = Code("remark-detail", SCHEME, "Detail of a remark")
NOT_ASSESSED = Code("not-assessed", SCHEME, "Not assessed")
COMPLETENESS = Code("completeness", SCHEME, "Completeness of this report")
COUNT = Code("count-reliability", SCHEME, "Whether the number of nodules is to be relied on")
COUNT_RELIABLE = Code("count-reliable", SCHEME, "Nothing speaks against the number of nodules")
COUNT_NOT_RELIABLE = Code("count-doubtful", SCHEME, "Number of nodules not reliable")
COUNT_BASIS = Code("count-basis", SCHEME, "What the number of nodules was checked by")
VOLUME_CHOICE = Code("volume-choice", SCHEME, "Volume of the series and what became of it")
CREATED = Code("created-utc", SCHEME, "Time of the analysis in UTC")

_CONCEPTS = (
    TRIAGE,
    TRIAGE_REASON,
    PATTERN,
    PATTERN_BASIS,
    REMARK_REFUSES,
    REMARK_OUTSIDE,
    REMARK_NOTE,
    REMARK_DETAIL,
    NOT_ASSESSED,
    COMPLETENESS,
    COUNT,
    COUNT_RELIABLE,
    COUNT_NOT_RELIABLE,
    COUNT_BASIS,
    VOLUME_CHOICE,
    CREATED,
)

CLASSES = {NoduleClass.NODULE: NODULE, NoduleClass.MASS: MASS}
SIDES = {Side.LEFT: LEFT, Side.RIGHT: RIGHT}
OUTCOMES = {
    Outcome.FINDINGS: WITH_FINDINGS,
    Outcome.NONE_FOUND: WITHOUT_FINDINGS,
    Outcome.NOT_ANALYSED: NOT_SUCCEEDED,
}
WEIGHTS = {
    Weight.REFUSES: REMARK_REFUSES,
    Weight.OUTSIDE_USE: REMARK_OUTSIDE,
    Weight.NOTE: REMARK_NOTE,
}
TRIAGE_LEVELS = {
    level: Code(f"t-{level.value}", SCHEME, f"Triage {level.value.replace('-', ' ')}")
    for level in TriageLevel
}
REASONS = {
    reason: Code(reason.value, SCHEME, reason.value.replace("-", " ").capitalize()) for reason in Reason
}
PATTERN_LEVELS = {
    0: Code("LMP-0", SCHEME, "LMP-0: not miliary (proposal)"),
    1: Code("LMP-1", SCHEME, "LMP-1: possibly miliary (proposal)"),
    2: Code("LMP-2", SCHEME, "LMP-2: probably miliary (proposal)"),
    3: Code("LMP-3", SCHEME, "LMP-3: definitely miliary (proposal)"),
}
PRIVATE = (*_CONCEPTS, *TRIAGE_LEVELS.values(), *REASONS.values(), *PATTERN_LEVELS.values())
"""Everything in our private scheme; the conformance statement lists it."""

PRIVATE_SCHEME: Encoded = dataset(
    CodingSchemeDesignator=SCHEME,
    CodingSchemeName="Millet private codes",
    CodingSchemeResponsibleOrganization="Millet, research software",
)


@cache
def encoded(code: Code) -> Encoded:
    """The item of a code sequence (PS3.3 8.8); a value over 16 characters is a Long Code Value."""
    meaning = plain(code.meaning)[:64]
    if len(code.value) > 16:
        return dataset(LongCodeValue=code.value, CodingSchemeDesignator=code.scheme, CodeMeaning=meaning)
    return dataset(CodeValue=code.value, CodingSchemeDesignator=code.scheme, CodeMeaning=meaning)
