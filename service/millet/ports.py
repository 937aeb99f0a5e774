"""What the flow asks of the world: small protocols, each method stating blocking and errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from millet.core.analysis import Analysis, Outcome, TriageLevel


class Clock(Protocol):
    """The only source of time. Only `app.py` owns a real one."""

    def monotonic_s(self) -> float:
        """Seconds for waiting."""

    def utc(self) -> datetime:
        """Timezone-aware UTC for what is written down."""


class Peaks(NamedTuple):
    """What the graph returns for one window: N local maxima, no limit on N."""

    position_voxels: NDArray[np.float32]
    """(N, 3) sub-voxel (z, y, x) in the window."""
    diameter_voxels: NDArray[np.float32]
    """(N,) in voxels of the window's (isotropic) grid."""
    score: NDArray[np.float32]
    """(N,) 0..1."""


class Detector(Protocol):
    """A loaded model on one device. Thread-safe. Raises DetectorError."""

    @property
    def provider(self) -> str:
        """The execution provider that took the graph, as its engine names it."""

    @property
    def precision(self) -> str:
        """fp32, fp16 or int8."""

    def detect(self, window: NDArray[np.float32]) -> Peaks:
        """Find all peaks of a window (D, H, W) of HU clipped to the manifest's range. Blocks."""


class Site(NamedTuple):
    """Where an instance came from."""

    site: str
    calling_ae: str
    called_ae: str


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
    after_revision: int = 0
    limit: int = 0
    """0 for all."""
    offset: int = 0


class Worklist(Protocol):
    """What gRPC and the page read. Blocking; raises StoreError."""

    def series(self, query: WorklistQuery) -> Sequence[SeriesStatus]:
        """Series that match, most urgent triage first, then longest waiting."""

    def changed(self, after_revision: int) -> Sequence[SeriesStatus]:
        """Series changed after a revision, oldest change first."""

    def analysis(self, key: SeriesKey) -> Analysis | None:
        """The newest committed analysis of a series."""

    def object_bytes(self, key: SeriesKey, kind: str) -> bytes | None:
        """A stored object of the newest analysis: "sr", "seg", "mip-axial.png", "mip-coronal.png"."""
