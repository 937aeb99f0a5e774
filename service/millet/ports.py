"""What the flow asks of the world: small protocols, each method stating blocking and errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from millet.core.series import SliceHeader

if TYPE_CHECKING:
    import numpy as np
    import torch
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
    """(N,) in voxels of the window's grid, of its first axis (z) where it is anisotropic."""
    score: NDArray[np.float32]
    """(N,) 0..1."""
    pyramid: NDArray[np.int64] | None = None
    """(N,) the pyramid level that each came from, where a box detector's graph tells it."""


class Detector(Protocol):
    """One graph of a model on one device. Thread-safe. Raises DetectorError."""

    @property
    def device(self) -> str:
        """Where windows are to lie, as torch names it: "cpu", "cuda:0"."""

    @property
    def provider(self) -> str:
        """The execution provider that took the graph, as its engine names it."""

    @property
    def precision(self) -> str:
        """fp32, fp16 or int8: what the graph is written in; `provider` tells if it computes in another."""

    def detect(self, windows: torch.Tensor) -> Sequence[Peaks]:
        """Find all peaks of each of N windows (N, D, H, W), float32 HU clipped to the manifest's range.

        Blocks. What is found in one window does not depend on the others. Raises OutOfMemory where fewer
        windows at once might do.
        """


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
    urgency: int = 0
    """0 routine, 1 an emergency."""
    stage: str = ""
    """What its analysis is doing; empty where none is under way."""
    windows_done: int = 0
    windows_total: int = 0
    """0 where it is not known yet."""
    deliveries_dead: int = 0
    """Reports that were given up: an operator must look."""
    count_reliable: bool | None = None
    """Whether the number of nodules is to be relied on; None where there is none, or it was not judged."""


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


class Stored(NamedTuple):
    """Bytes that are durable."""

    path: str
    """Where they lie, as the store names it; a function of the bytes alone."""
    digest: str
    """SHA-256 in hex."""
    size_bytes: int


class Spool(Protocol):
    """Bytes by their content. Thread-safe."""

    def write(self, encoded: bytes) -> Stored:
        """Make bytes durable before returning; twice is once. Blocks.

        Raises RefusedInstance (0xA700) when the disk is too full, StoreError when it fails.
        """

    def read(self, path: str) -> bytes:
        """The bytes of a `Stored.path`. Blocks; raises StoreError."""

    def paths(self) -> Sequence[str]:
        """Everything that is stored. Blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One instance as an association delivered it."""

    source: Site
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    encoded: bytes
    """A DICOM file: preamble, file meta information, and the data set's bytes as they were sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A durable instance that is to be journalled."""

    source: Site
    header: SliceHeader
    stored: Stored
    received_utc: datetime
    urgency: int = 0
    """`core.turns`: 0 routine, 1 an emergency; of a series that of its first instance counts."""


class Recorded(NamedTuple):
    """What the journal made of an instance."""

    series_id: int
    generation: int
    new: bool
    """False when the same bytes were there already: success, and nothing to do."""
    conflict: bool
    """Its SOP Instance UID is known with other bytes; both are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSeries:
    """A series that is still being received."""

    series_id: int
    generation: int
    headers: tuple[SliceHeader, ...]


class Arrived(NamedTuple):
    """An instance that was acknowledged, of a series that this analyser follows."""

    instance_id: int
    """Grows from instance to instance."""
    series_id: int
    path: str
    """In the spool."""
    urgency: int


class ArrivalLog(Protocol):
    """The journal as an analyser sees it while series arrive. Blocks, raises StoreError."""

    def arrived(self, analyser: str, after: int, now_utc: datetime) -> Sequence[Arrived]:
        """Instances beyond that of number `after`, oldest first, of series that are being received.

        A series is leased to one analyser, the first that asks, until it is complete or that one is dead;
        those of others are left out.
        """


class ProgressLog(Protocol):
    """Where an analyser says how far it has got, for whoever watches. Blocks, raises StoreError."""

    def reached(self, series_id: int, stage: str, done: int, total: int) -> None:
        """So many of the windows of a series are looked at in this stage."""


class InstanceLog(Protocol):
    """The journal as intake sees it. Each method is one transaction, blocks, raises StoreError."""

    def record(self, entry: Entry) -> Recorded:
        """Journal a durable instance; a new one re-opens a closed series as its next generation."""

    def open_series(self) -> Sequence[OpenSeries]:
        """Every series that is being received, as after a restart."""

    def headers(self, series_id: int) -> tuple[SliceHeader, ...]:
        """The headers of all instances of a series."""

    def close(self, series_id: int, generation: int, now_utc: datetime) -> bool:
        """Journal that a generation is to be analysed, with its job; False if it no longer is open."""

    def known_paths(self) -> frozenset[str]:
        """The spool paths of all journalled instances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One generation of one series, claimed."""

    series_id: int
    generation: int
    key: SeriesKey
    study_uid: str
    closed_utc: datetime
    """When the series was taken for complete; the time that goes into its objects."""
    urgency: int
    """`core.turns`: 0 routine, 1 an emergency."""
    paths: tuple[str, ...]
    """Spool paths of all its instances, in the order of arrival."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptObject:
    """An object made from an analysis, durable in the object store."""

    kind: str
    path: str
    sop_instance_uid: str = ""
    """Empty for what is no DICOM object."""
    deliver: bool = False


class JobQueue(Protocol):
    """The journal as a worker sees it. Each method is one transaction, blocks, raises StoreError."""

    def claim(self, series_id: int, generation: int) -> Work | None:
        """Begin, or begin again after a crash; None when a later generation took its place or it ended."""

    def commit(
        self,
        work: Work,
        analysis: Analysis,
        objects: Sequence[KeptObject],
        destinations: Sequence[str],
    ) -> bool:
        """Journal an analysis, its objects and their deliveries; the first commit wins, later say False."""

    def park(self, series_id: int, generation: int, reason_code: str) -> None:
        """Give up until an operator looks; nothing happens if the generation ended or was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The durable fact that an object must reach a destination."""

    delivery_id: int
    destination: str
    kind: str
    path: str
    """In the object store."""
    sop_instance_uid: str
    site: str
    study_uid: str
    series_uid: str
    """The CT series that was analysed."""
    generation: int
    created_utc: datetime
    attempts: int
    last_error: str = ""


class DeliveryQueue(Protocol):
    """The journal as the outbox sees it. Each method is one transaction, blocks, raises StoreError."""

    def due(self, now_utc: datetime) -> Sequence[Delivery]:
        """Pending deliveries whose time has come, oldest first."""

    def delivered(self, delivery_id: int, now_utc: datetime) -> None:
        """The destination has it."""

    def failed(self, delivery_id: int, why: str, next_try_utc: datetime | None) -> None:
        """A try failed; without a next one it is a dead letter."""

    def dead_letters(self) -> Sequence[Delivery]:
        """What was given up."""


class Destination(Protocol):
    """Where reports go."""

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Hand over one object; "already there" is success. Blocks; raises DeliveryError."""
