"""Errands: instances that an archive is asked to send to our DICOM port, for comparison and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from millet.ports.archive import SeriesName


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One retrieval by C-MOVE, as receivers know of it."""

    name: str
    """No other has it."""
    site: str
    series: SeriesName
    sop_instance_uids: Collection[str]
    """All that is asked for; nothing else is taken."""
    most_bytes: int
    """Of one instance."""
    until_utc: datetime
    """What comes later is refused."""


class Wanted(NamedTuple):
    """An instance that somebody waits for."""

    series: SeriesName
    most_bytes: int
    is_here: bool
    """Whether it came already, for every errand that asked for it."""


class ErrandLog(Protocol):
    """The journal as C-MOVE for priors sees it. Each method is one transaction, blocks, raises StoreError."""

    def begin_errand(self, errand: Errand) -> None:
        """From now on these instances are taken, by whichever process they come to."""

    def wanted(self, site: str, sop_instance_uid: str, now_utc: datetime) -> Wanted | None:
        """Whether an instance is waited for; None where nobody asked for it, or no more."""

    def came(self, site: str, sop_instance_uid: str, path: str, now_utc: datetime) -> bool:
        """It lies there, for every errand that waits for it; False where none does, any more."""

    def paths_of(self, errand: str) -> Mapping[str, str]:
        """What has come of an errand: where it lies, by SOP Instance UID."""

    def end_errand(self, errand: str, overdue_utc: datetime) -> Sequence[str]:
        """Forget it, and those whose time was over then; the paths that no other errand needs."""


class ErrandStore(Protocol):
    """Bytes that lie between a receiver and the analyser that asked for them. Blocks, raises StoreError."""

    def write(self, encoded: bytes, now_utc: datetime) -> str:
        """Make an instance durable; its path. Raises RefusedInstance (0xA700) when the disk is too full."""

    def read(self, path: str) -> bytes:
        """The bytes of a path."""

    def remove(self, paths: Collection[str]) -> None:
        """Delete them; one that is not there is nothing to do."""

    def older(self, than_utc: datetime) -> Sequence[str]:
        """What was written before: nobody needs it, whatever became of those who did."""
