"""The one value that everything we send is encoded from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from millet.core.advice import Advice
from millet.core.change import Change
from millet.core.judgement import Judgement
from millet.core.language import Language
from millet.core.nodule import Nodule, Side
from millet.core.reasons import UNRELIABLE_COUNT, Remark, Weight
from millet.core.spread import Spread


class Outcome(StrEnum):
    """How a series ended. Every series that arrives ends in exactly one of these."""

    FINDINGS = "findings"
    NONE_FOUND = "none-found"
    NOT_ANALYSED = "not-analysed"
    JUDGED = "judged"
    """It is a report of somebody else, whose lesions criteria judged; nothing was looked for."""


class TriageLevel(StrEnum):
    """How soon somebody should look, lowest first. None of them says that a study is normal."""

    NOT_ASSESSED = "not-assessed"
    """Nothing was judged: the series was not analysed."""
    UNFLAGGED = "unflagged"
    """Analysed; nothing that raises its priority was found. Not a negative result."""
    NOTABLE = "notable"
    """Findings worth a look in the ordinary order."""
    URGENT = "urgent"
    """Findings that should be read ahead of the ordinary order."""
    CRITICAL = "critical"
    """Findings that should reach a person now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """The level, and the sentences that led to it (first the one that decided)."""

    level: TriageLevel
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lungs:
    """The lungs that were looked at, in litres; a side not found is 0."""

    right_l: float
    left_l: float

    @property
    def total_l(self) -> float:
        """Both lungs."""
        return self.right_l + self.left_l


@dataclass(frozen=True, slots=True, kw_only=True)
class Effusion:
    """Fluid between lung and chest wall, as far as the mask shows it."""

    side: Side
    volume_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The exam as a whole: LMP level (a proposal, not a guideline) with the counts behind it."""

    level: int
    """0 not miliary, 1 possible, 2 probable, 3 definite."""
    criteria_version: str
    nodules_right: int
    nodules_left: int
    small_nodules: int
    """Nodules under 10 mm."""
    median_diameter_mm: float | None
    diameter_cv: float | None
    slabs_10mm_with_10: int
    """10 mm slabs that hold at least ten nodules, at least three of them in each lung."""
    miliary: bool | None = None
    """The answer, yes or no: see `core.pattern.miliary`. None in analyses that did not ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """What the number of nodules was checked by; whether it held is `Analysis.count_reliable`."""

    second_reader: str
    """name/version of the model that counted independently, or why there was none."""
    small_nodules: int
    """Reported, under 8 mm."""
    second_small_nodules: int | None
    """Counted by the second reader under 8 mm; None without one."""
    noise_hu: float | None
    """Standard deviation in the lung; None where there was too little lung to measure it."""
    detectability: float | None
    """d' of a solid nodule of `detectability_mm` in this noise and these slices."""
    detectability_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What made this analysis."""

    software_version: str
    model_name: str
    model_version: str
    model_digest: str
    """SHA-256 of model.onnx, in hex."""
    configuration_digest: str
    """SHA-256 of everything else that changes a result (thresholds, criteria), in hex."""
    provider: str
    """The execution provider that ran, as its engine names it."""
    precision: str
    calibration: str = ""
    """What probabilities were calibrated on, in words; empty where no nodule has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSummary:
    """One volume of the series after splitting, and what became of it."""

    label: str
    """What sets it apart: acquisition, kernel, time, orientation; no patient data."""
    slices: int
    spacing_mm: float | None
    chosen: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor:
    """The report of an earlier generation, whose place this one's takes."""

    generation: int
    study_uid: str
    series_uid: str
    """Of the report, not of the CT series."""
    sop_instance_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All nodules, triage and provenance of one generation of one series."""

    site: str
    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    generation: int
    created_utc: datetime
    outcome: Outcome
    remarks: tuple[Remark, ...]
    volumes: tuple[VolumeSummary, ...]
    nodules: tuple[Nodule, ...]
    triage: Triage
    pattern: Pattern | None
    lungs: Lungs | None
    effusions: tuple[Effusion, ...]
    not_assessed: tuple[str, ...]
    """What was not looked at, in words."""
    provenance: Provenance
    reliability: Reliability | None = None
    """None where nothing was counted, and in analyses that were made before this was judged."""
    predecessor: Predecessor | None = None
    """None for a first generation, and where the one before left no report."""
    spread: Spread | None = None
    """None where nothing was counted."""
    judgements: tuple[Judgement, ...] = ()
    """What sets of criteria say of the exam."""
    advice: tuple[Advice, ...] = ()
    """What guidelines say of it."""
    change: Change | None = None
    """Since a prior study; None where none was asked for."""
    language: Language = Language.ENGLISH
    """Of its texts, and of everything that is made of it for people."""

    def __post_init__(self) -> None:
        if self.created_utc.utcoffset() is None:
            raise ValueError("created_utc must be timezone-aware")
        if (self.outcome is Outcome.FINDINGS) != bool(self.nodules or self.effusions):
            raise ValueError(f"outcome {self.outcome} does not fit {len(self.nodules)} nodules")
        refused = any(remark.weight is Weight.REFUSES for remark in self.remarks)
        if (self.outcome is Outcome.NOT_ANALYSED) != refused:
            raise ValueError("a series is not analysed exactly when a remark refuses it")
        if self.outcome is Outcome.JUDGED and not self.judgements:
            raise ValueError("a report was judged by nothing")

    @property
    def looked(self) -> bool:
        """Whether nodules were looked for."""
        return self.outcome in {Outcome.FINDINGS, Outcome.NONE_FOUND}

    @property
    def doubts(self) -> tuple[Remark, ...]:
        """The remarks that speak against the number of nodules."""
        return tuple(remark for remark in self.remarks if remark.reason in UNRELIABLE_COUNT)

    @property
    def count_reliable(self) -> bool:
        """Whether nodules were looked for and nothing speaks against their number."""
        return self.looked and not self.doubts

    @property
    def reason_code(self) -> str:
        """The code of the remark that refused the series, or the empty string."""
        return next((r.reason.value for r in self.remarks if r.weight is Weight.REFUSES), "")
