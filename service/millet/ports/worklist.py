"""The journal as gRPC and the page read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from millet.core.language import Language
from millet.core.readers import has_risen

if TYPE_CHECKING:
    from millet.core.analysis import Analysis, Outcome, TriageLevel
    from millet.core.readers import Acknowledgement
    from millet.core.series import SliceHeader
    from millet.ports.provisional import Provisional


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesKey:
    """A series is one series of one site: two hospitals may share any identifier."""

    site: str
    series_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesStatus:
    """One line of the worklist, as gRPC and the page show it."""

    key: SeriesKey
    study_uid: str
    accession: str
    patient_id: str
    issuer: str
    patient_name: str
    birth_date: str
    sex: str
    study_date: str
    description: str
    sender: str
    state: str
    """A `core.job.State` value."""
    generation: int
    instances: int
    first_received_utc: datetime
    last_received_utc: datetime
    outcome: Outcome | None
    reason_code: str
    triage: TriageLevel | None
    nodules: int | None
    deliveries_pending: int
    revision: int
    """Grows with every change of any series; a watcher resumes from the last one it saw."""
    urgency: int = 0
    """0 routine, 1 an emergency."""
    stage: str = ""
    """What its analysis is doing; empty where none is under way."""
    windows_done: int = 0
    windows_total: int = 0
    """0 where it is not known yet."""
    deliveries_dead: int = 0
    """Reports that were given up: an operator must look."""
    deliveries_dismissed: int = 0
    """Reports that an operator ended without their having reached their destination."""
    count_reliable: bool | None = None
    """Whether the number of nodules is to be relied on; None where there is none, or it was not judged."""
    best_series_uid: str = ""
    """The series of the study that a reader should open first; empty while none is judged or fit."""
    best_reason: str = ""
    """By which rule of `core.best` this one is it, or is not."""
    triage_before: TriageLevel | None = None
    """The level of the generation before, where that of the newest analysis is another one."""
    triage_reason: str = ""
    """The sentence that decided the level; empty where nothing was judged yet."""
    analysed_utc: datetime | None = None
    """The time of its newest analysis, which is when the series was complete."""
    language: Language = Language.ENGLISH
    """In which its codes are told in words: that of the service."""
    analysed_generation: int = 0
    """Of the newest analysis; 0 while there is none."""
    acknowledgement: Acknowledgement | None = None
    """Who has seen which level, and when; None where nobody has, or took it back."""

    @property
    def best_of_study(self) -> bool:
        """Whether it is the series of its study that a reader should open first."""
        return self.best_series_uid == self.key.series_uid

    @property
    def risen_since_acknowledged(self) -> bool:
        """Whether the level is more urgent now than the one that was acknowledged."""
        return self.acknowledgement is not None and has_risen(self.acknowledgement.level, self.triage)

    @property
    def is_acknowledged(self) -> bool:
        """Whether somebody has seen the level as it is, or a more urgent one."""
        return self.acknowledgement is not None and not self.risen_since_acknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistQuery:
    """Filters, empty for any, and a page."""

    site: str = ""
    issuer: str = ""
    patient_id: str = ""
    accession: str = ""
    sender: str = ""
    study_uid: str = ""
    series_uid: str = ""
    triage: TriageLevel | None = None
    state: str = ""
    """A `core.job.State` value."""
    acknowledged: bool | None = None
    """Whether `SeriesStatus.is_acknowledged`; None for either."""
    after_revision: int = 0
    limit: int = 0
    """0 for all."""
    offset: int = 0
    text: str = ""
    """What the accession number holds, in any case."""
    id_tail: str = ""
    """What the patient ID ends in; with `text`, either will do."""
    states: tuple[str, ...] = ()
    """`core.job.State` values."""
    since_utc: datetime | None = None
    """First received at this time or later, or urgent and more and not acknowledged."""
    aged_before_utc: datetime | None = None
    """First received before this time counts as notable at least, when series are put in order."""
    acknowledged_last: bool = False
    """Whether what was acknowledged comes after everything else."""
    overdue_before_utc: Mapping[TriageLevel, datetime] | None = None
    """Of these levels, with an analysis made before this time that nobody acknowledged."""


class Worklist(Protocol):
    """What gRPC and the page read. Blocking; raises StoreError."""

    def series(self, query: WorklistQuery) -> Sequence[SeriesStatus]:
        """Series that match: most urgent triage first, then the best of each study, then longest waiting."""

    def revision(self) -> int:
        """The revision of the last change of any series; quickly told."""

    def changed(self, after_revision: int, limit: int = 0) -> Sequence[SeriesStatus]:
        """Series changed after a revision, oldest change first; at most so many, 0 for all."""

    def revisions(self, after_revision: int, limit: int) -> Sequence[int]:
        """Those of what `changed` would tell, quickly told; a line is another one under another revision."""

    def expected_instances(self, key: SeriesKey) -> int | None:
        """How many instances the tags of a series state; None where they state none, or fewer than came."""

    def provisional(self, key: SeriesKey, after: int) -> Sequence[Provisional]:
        """What was found in parts of a series that has not ended, and what was retracted; beyond a number."""

    def analysis(self, key: SeriesKey) -> Analysis | None:
        """The newest committed analysis of a series."""

    def analysis_mark(self, key: SeriesKey) -> str | None:
        """What tells the newest committed analysis of a series from any other; quickly told."""

    def object_bytes(self, key: SeriesKey, kind: str, generation: int = 0) -> bytes | None:
        """A stored object ("sr", "mip-axial.png", "masks.pb") of the newest analysis, or a generation's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How the worklist stands as a whole."""

    revision: int
    """Of the newest change of any series."""
    waiting: int
    """Series that are complete and not analysed yet."""
    waiting_since_utc: datetime | None
    """When the first of them was complete; None where none waits."""
    failed: int
    """Series that were given up until an operator looks."""
    overdue: Mapping[TriageLevel, int]
    """Series whose level was told too long ago and acknowledged by nobody; a level not there has none."""


class Board(Protocol):
    """The worklist as a whole. Blocking; raises StoreError."""

    def overview(self, overdue_before_utc: Mapping[TriageLevel, datetime]) -> Overview:
        """How it stands; overdue is what was analysed before these times, by level."""


class StoredSlice(NamedTuple):
    """An instance of a series, and where its bytes lie in the spool."""

    path: str
    """Empty where retention removed them."""
    header: SliceHeader


class SliceLog(Protocol):
    """The instances behind an analysis. Blocking; raises StoreError."""

    def slices(self, key: SeriesKey) -> Sequence[StoredSlice]:
        """All that the newest analysis of a series was made of, in the order of arrival; else none."""

    def slice(self, key: SeriesKey, sop_instance_uid: str) -> StoredSlice | None:
        """One of them."""
