"""The journal once a series is complete: its analysis, and the deliveries of its reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from millet.core.doors import USUAL
from millet.ports.worklist import SeriesKey

if TYPE_CHECKING:
    from millet.core.analysis import Analysis, Predecessor, TriageLevel
    from millet.core.notification import Ground


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
    called_ae: str = ""
    """The AE title of ours that its first instance was sent to; empty where it came another way."""
    model_title: str = USUAL
    """The called title whose own model analyses it, see `core.doors`; of every generation the same."""
    predecessor: Predecessor | None = None
    """The report of an earlier generation, as far as one was committed when this was claimed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptObject:
    """An object made from an analysis, durable in the object store."""

    kind: str
    path: str
    sop_instance_uid: str = ""
    """Empty for what is no DICOM object."""
    deliver: bool = False
    unwanted_by: frozenset[str] = frozenset()
    """Destinations that did not ask for this kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Who hears of a study's triage level, and the words of an analysis for it."""

    recipients: tuple[str, ...] = ()
    grounds: tuple[Ground, ...] = ()


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
        flag: Flag | None = None,
    ) -> bool:
        """Journal an analysis, its objects, their deliveries, and who must hear of its study.

        The first commit wins, later say False.
        """

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
    """Empty for what is no DICOM object."""
    site: str
    study_uid: str
    series_uid: str
    """The CT series that was analysed."""
    generation: int
    created_utc: datetime
    """When it was journalled, or last replayed."""
    attempts: int
    last_error: str = ""
    sent_utc: datetime | None = None
    """When the destination took it; None while it is still to be sent."""
    age_s: float = 0.0
    """Since `sent_utc`, or else since `created_utc`, by the journal's clock."""
    level: TriageLevel | None = None
    """Of the analysis, for an operator; None where it is not known."""


class Destination(Protocol):
    """Where reports go."""

    @property
    def limit_s(self) -> float:
        """The longest that `deliver` may take, whatever the other side does."""

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Hand over one object; "already there" is success. Blocks; raises DeliveryError."""
