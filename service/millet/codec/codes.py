"""Every coded concept that we write, in one place (PS3.16 Annex D, SNOMED CT, UCUM, LOINC).

What no standard dictionary holds is in our private scheme `99MILLET`: see `PRIVATE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from millet.codec import meanings_de
from millet.codec.elements import ASCII, Encoded, dataset, plain
from millet.core.advice import Guideline
from millet.core.analysis import Outcome, TriageLevel
from millet.core.change import Fate
from millet.core.character import Lobe, NoduleType, Zone
from millet.core.language import PHRASES, Language
from millet.core.nodule import NoduleClass, Side
from millet.core.reasons import Reason, Weight
from millet.core.spread import Distribution, Hint

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
GERMAN = Code("de-DE", "RFC5646", "German (Germany)")
OBSERVER_TYPE = Code("121005", "DCM", "Observer Type")
DEVICE = Code("121007", "DCM", "Device")
DEVICE_UID = Code("121012", "DCM", "Device Observer UID")
DEVICE_NAME = Code("121013", "DCM", "Device Observer Name")
DEVICE_MANUFACTURER = Code("121014", "DCM", "Device Observer Manufacturer")
DEVICE_MODEL = Code("121015", "DCM", "Device Observer Model Name")
PROCEDURE = Code("121058", "DCM", "Procedure reported")
CHEST_CT = Code("24627-2", "LN", "CT Chest")
CT_PROCEDURE = Code("25045-6", "LN", "CT unspecified body region")
"""In CID 100, which LOINC's CT of the chest (24627-2) is not."""
MR_PROCEDURE = Code("25056-3", "LN", "MRI unspecified body region")
ANY_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")

# containers
MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
GROUP = Code("125007", "DCM", "Measurement Group")
EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")

# a group (TID 1411, 1501, 1419, 4019)
TRACKING_ID = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
FINDING = Code("121071", "DCM", "Finding")
SURFACE = Code("121231", "DCM", "Volume Surface")
IMAGE_REGION = Code("111030", "DCM", "Image Region")
REGION_SOURCE = Code("260753009", "SCT", "Source")
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
MILIARY_PATTERN = Code("112129", "DCM", "Miliary pattern")
LUNG = Code("39607008", "SCT", "Lung")
UPPER_LOBE = Code("45653009", "SCT", "Upper lobe of lung")
MIDDLE_LOBE = Code("72481006", "SCT", "Middle lobe of right lung")
LOWER_LOBE = Code("90572001", "SCT", "Lower lobe of lung")
UPPER_ZONE = Code("281392002", "SCT", "Upper zone of lung")
MIDDLE_ZONE = Code("281393007", "SCT", "Middle zone of lung")
LOWER_ZONE = Code("281394001", "SCT", "Lower zone of lung")
PLEURA = Code("3120008", "SCT", "Pleura")
LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")

# measurements and units
DIAMETER = Code("81827009", "SCT", "Diameter")
VOLUME = Code("118565006", "SCT", "Volume")
LONG_AXIS = Code("103339001", "SCT", "Long axis")
SHORT_AXIS = Code("103340004", "SCT", "Short axis")
CALCIFIED_SHARE = Code("112019", "DCM", "Calcification extent as percent of volume")
ANY_ATTENUATION = Code("112031", "DCM", "Attenuation Coefficient")
DERIVATION = Code("121401", "DCM", "Derivation")
SOLID = Code("35702001", "SCT", "Solid")
GROUND_GLASS = Code("112120", "DCM", "Ground glass opacity")
CALCIFIED = Code("237897009", "SCT", "Calcified")
FAT = Code("256674009", "SCT", "Fat")
PERCENTILE_95 = Code("371889001", "SCT", "95th Percentile Value of population")
ATTENUATION = Code("112181", "DCM", "Mean Attenuation Coefficient")
LESIONS = Code("246206008", "SCT", "Number of lesions")
MM = Code("mm", "UCUM", "mm")
MM3 = Code("mm3", "UCUM", "cubic millimeter")
ML = Code("ml", "UCUM", "milliliter")
LITRE = Code("l", "UCUM", "liter")
DAY = Code("d", "UCUM", "day")
HU = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
PERCENT = Code("%", "UCUM", "Percent")
NO_UNITS = Code("1", "UCUM", "no units")

# the exam as a whole
SUMMARY = Code("111017", "DCM", "CAD Processing and Findings Summary")
WITHOUT_FINDINGS = Code("111241", "DCM", "All algorithms succeeded; without findings")
WITH_FINDINGS = Code("111242", "DCM", "All algorithms succeeded; with findings")
NOT_SUCCEEDED = Code("111245", "DCM", "No algorithms succeeded; without findings")
COMMENT = Code("121106", "DCM", "Comment")
CENTRILOBULAR = Code("112156", "DCM", "Centrilobular")
SOURCE_PURPOSE = Code("121322", "DCM", "Source image for image processing operation")
DERIVED_BY_SEGMENTATION = Code("113076", "DCM", "Segmentation")
BACKGROUND = Code("125040", "DCM", "Background")
OF_INTEREST = Code("113000", "DCM", "Of Interest")
KEY_DESCRIPTION = Code("113012", "DCM", "Key Object Description")
KEY_IMAGE = Code("260753009", "SCT", "Source")

# a CAD report (TID 4100)
CAD_REPORT = Code("112000", "DCM", "Chest CAD Report")
IMAGE_FINDING = Code("111059", "DCM", "Single Image Finding")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
RENDERING = Code("111056", "DCM", "Rendering Intent")
TO_PRESENT = Code("111150", "DCM", "Presentation Required: Rendering device is expected to present")
CENTRE = Code("111010", "DCM", "Center")
OUTLINE = Code("111041", "DCM", "Outline")
DETECTIONS = Code("111064", "DCM", "Summary of Detections")
ANALYSES = Code("111065", "DCM", "Summary of Analyses")
SUCCEEDED = Code("111222", "DCM", "Succeeded")
FAILED = Code("111224", "DCM", "Failed")
NOT_ATTEMPTED = Code("111225", "DCM", "Not Attempted")
SUCCESSFUL_DETECTIONS = Code("111063", "DCM", "Successful Detections")
FAILED_DETECTIONS = Code("111025", "DCM", "Failed Detections")
DETECTION = Code("111022", "DCM", "Detection Performed")
SERIES_UID = Code("112002", "DCM", "Series Instance UID")
IMPRESSION = Code("111033", "DCM", "Impression Description")

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

# our own: a nodule
TYPE = Code("type", SCHEME, "Type")
PART_SOLID = Code("part-solid", SCHEME, "Part-solid")
CORE = Code("core-diameter", SCHEME, "Diameter of the solid core")
VOLUME_LOW = Code("volume-low", SCHEME, "Volume, lower limit of the 95 % interval")
VOLUME_HIGH = Code("volume-high", SCHEME, "Volume, upper limit of the 95 % interval")
SPICULATION = Code("spiculation", SCHEME, "Estimate of spiculation, 0 to 1")
ZONE = Code("zone", SCHEME, "Zone")
LOBE = Code("lobe", SCHEME, "Lobe")
LOBE_NOT_KNOWN = Code("lobe-not-known", SCHEME, "Not known; the zone stands in for it")
TO_PLEURA = Code("to-pleura", SCHEME, "Distance to the pleura")
TO_FISSURE = Code("to-fissure", SCHEME, "Distance to the nearest fissure")
RELATION = Code("relation", SCHEME, "Relation to pleura and fissure")
JUXTAPLEURAL = Code("juxtapleural", SCHEME, "Juxtapleural")
PERIFISSURAL = Code("perifissural", SCHEME, "Perifissural")
SCORE = Code("score", SCHEME, "Score of the detector, 0 to 1; no probability")
PROBABILITY = Code("is-nodule", SCHEME, "Calibrated probability that this is a nodule")
DETECTABILITY = Code("detectability", SCHEME, "Detectability")
RESOLUTION_LIMIT = Code("at-limit", SCHEME, "At the limit of resolution")
CHARACTER = Code("character", SCHEME, "Further measurements")
FATE = Code("fate", SCHEME, "Since the prior study")
VOLUME_CHANGE = Code("volume-change", SCHEME, "Change of volume since the prior study")
DOUBLING = Code("doubling-time", SCHEME, "Volume doubling time")

# our own: the exam in figures
PER_100_ML = Code("per-100-ml", SCHEME, "Nodules in 100 ml of lung")
SIZE_P10 = Code("diameter-p10", SCHEME, "Diameter, 10th percentile")
SIZE_MEDIAN = Code("diameter-median", SCHEME, "Diameter, median")
SIZE_P90 = Code("diameter-p90", SCHEME, "Diameter, 90th percentile")
SIZE_CV = Code("diameter-cv", SCHEME, "Diameter, coefficient of variation")
CLARK_EVANS = Code("clark-evans", SCHEME, "Clark-Evans ratio")
CLARK_EVANS_P = Code("clark-evans-p", SCHEME, "Clark-Evans ratio, two-sided p")
RIPLEY_P = Code("ripley-p", SCHEME, "Ripley's L, p of the global envelope test")
SUBPLEURAL = Code("subpleural-ratio", SCHEME, "Subpleural ratio")
FISSURAL = Code("fissural-ratio", SCHEME, "Fissural ratio")
TO_VESSELS = Code("vessel-ratio", SCHEME, "Ratio of distances to vessels")
CRANIO_CAUDAL = Code("cranio-caudal", SCHEME, "Change of log density from apex to base")
CENTRAL = Code("central-slope", SCHEME, "Change of log density from pleura to depth")
DISTRIBUTION = Code("distribution", SCHEME, "Distribution in the secondary lobule")
HINT = Code("hint", SCHEME, "Seen in, among others (a hint, not a diagnosis)")
RIPLEY = Code("ripley", SCHEME, "Ripley's L(r) - r and its envelope")
SIMULATIONS = Code("simulations", SCHEME, "Random patterns simulated")
LUNG_VOLUME = Code("lung-volume", SCHEME, "Lung volume analysed")
CALIBRATION = Code("calibration", SCHEME, "What probabilities were calibrated on")

# our own: what is judged, advised and compared
JUDGED = Code("judged", SCHEME, "Report of others judged; images not looked at")
CRITERIA = Code("criteria", SCHEME, "Criteria and the level that they give")
CONDITION = Code("condition", SCHEME, "Condition of the criteria")
COMPARISON = Code("comparison", SCHEME, "Comparison with a prior study")
GONE_SHARE = Code("gone-share", SCHEME, "Share of the prior's nodules that are gone")
MEDIAN_CHANGE = Code("median-change", SCHEME, "Median change of volume of matched nodules")

# our own: the summary
LARGEST = Code("largest", SCHEME, "Largest lesion, diameter")
FULL_REPORT = Code("full-report", SCHEME, "Report that lists every nodule")
MASKS = Code("masks", SCHEME, "Segmentation that shows every nodule")
CHOSEN_BY = Code("chosen-by", SCHEME, "How the nodules shown here were chosen")
DOMINANT = Code("dominant", SCHEME, "Dominant lesion")

LANGUAGES = {Language.ENGLISH: ENGLISH, Language.GERMAN: GERMAN}
_MEANINGS = {Language.GERMAN: meanings_de.MEANINGS}
CLASSES = {NoduleClass.NODULE: NODULE, NoduleClass.MASS: MASS}
SIDES = {Side.LEFT: LEFT, Side.RIGHT: RIGHT}
OUTCOMES = {
    Outcome.FINDINGS: WITH_FINDINGS,
    Outcome.NONE_FOUND: WITHOUT_FINDINGS,
    Outcome.NOT_ANALYSED: NOT_SUCCEEDED,
    Outcome.JUDGED: JUDGED,
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
TYPES = {
    NoduleType.SOLID: SOLID,
    NoduleType.PART_SOLID: PART_SOLID,
    NoduleType.GROUND_GLASS: GROUND_GLASS,
    NoduleType.CALCIFIED: CALCIFIED,
    NoduleType.FAT: FAT,
}
LOBES = {
    Lobe.RIGHT_UPPER: UPPER_LOBE,
    Lobe.RIGHT_MIDDLE: MIDDLE_LOBE,
    Lobe.RIGHT_LOWER: LOWER_LOBE,
    Lobe.LEFT_UPPER: UPPER_LOBE,
    Lobe.LEFT_LOWER: LOWER_LOBE,
}
"""To be said with the side."""
ZONES = {Zone.UPPER: UPPER_ZONE, Zone.MIDDLE: MIDDLE_ZONE, Zone.LOWER: LOWER_ZONE}
FATES = {fate: Code(f"fate-{fate.value}", SCHEME, fate.value.capitalize()) for fate in Fate}
DISTRIBUTIONS = {
    kind: CENTRILOBULAR
    if kind is Distribution.CENTRILOBULAR
    else Code(f"dist-{kind.value}", SCHEME, kind.value.capitalize())
    for kind in Distribution
}
HINTS = {hint: Code(hint.value, SCHEME, hint.value.replace("-", " ").capitalize()) for hint in Hint}
GUIDELINES = {
    guideline: Code(guideline.value, SCHEME, f"By {name}")
    for guideline, name in (
        (Guideline.LUNG_RADS, "Lung-RADS v2022"),
        (Guideline.FLEISCHNER, "Fleischner Society 2017"),
        (Guideline.BTS, "BTS 2015"),
        (Guideline.BROCK, "the Brock model (2013)"),
        (Guideline.RECIST, "RECIST 1.1"),
    )
}
_TABLES: tuple[Mapping[Any, Code], ...] = (
    TRIAGE_LEVELS,
    REASONS,
    PATTERN_LEVELS,
    TYPES,
    FATES,
    DISTRIBUTIONS,
    HINTS,
    GUIDELINES,
)
_NAMED = [value for value in tuple(globals().values()) if isinstance(value, Code)]
_LISTED = [value for table in _TABLES for value in table.values()]
PRIVATE = tuple(code for code in dict.fromkeys((*_NAMED, *_LISTED)) if code.scheme == SCHEME)
"""Everything in our private scheme; docs/reference/report-codes.md lists it."""

PRIVATE_SCHEME: Encoded = dataset(
    CodingSchemeDesignator=SCHEME,
    CodingSchemeName="Millet private codes",
    CodingSchemeResponsibleOrganization="Millet, research software",
)


def meaning(code: Code, language: Language) -> str:
    """What a code means, in a language (PS3.3 8.3): value and scheme are the same in all."""
    if language is Language.ENGLISH:
        return code.meaning
    words = _MEANINGS[language].get((code.scheme, code.value))
    return words or PHRASES[language].get(f"reason.{code.value}", code.meaning)


@cache
def encoded(code: Code, language: Language = Language.ENGLISH, letters: str = ASCII) -> Encoded:
    """The item of a code sequence (PS3.3 8.8); a value over 16 characters is a Long Code Value."""
    named = {
        "CodingSchemeDesignator": code.scheme,
        "CodeMeaning": plain(meaning(code, language), letters)[:64],
    }
    if len(code.value) > 16:
        return dataset(letters, LongCodeValue=code.value, **named)
    return dataset(letters, CodeValue=code.value, **named)
