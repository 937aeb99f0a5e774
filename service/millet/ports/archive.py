"""Archives that we ask for series: a PACS over DIMSE, or a DICOMweb server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from millet.core.uids import is_uid
from millet.ports.arrivals import Received

Take = Callable[[Received], None]
"""Make one instance durable. Raises RefusedInstance for one that is not taken, StoreError."""


class SeriesName(NamedTuple):
    """A series as archives name it: the hierarchy of the query model wants the study too."""

    study_uid: str
    series_uid: str

    def checked(self) -> SeriesName:
        """Itself; ValueError where one of both is no UID, since UIDs go into identifiers and addresses."""
        if not (is_uid(self.study_uid) and is_uid(self.series_uid)):
            raise ValueError("a series is named by two UIDs")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """What to look for; empty keys match everything, and at least one but the modality must be given."""

    study_uid: str = ""
    series_uid: str = ""
    patient_id: str = ""
    accession: str = ""
    modality: str = "CT"

    def __post_init__(self) -> None:
        if not (self.study_uid or self.series_uid or self.patient_id or self.accession):
            raise ValueError("a query needs a study, a series, a patient ID or an accession number")
        for uid in (self.study_uid, self.series_uid):
            if uid and not is_uid(uid):
                raise ValueError("a query's UID is no UID")
        if set(self.patient_id + self.accession) & set("*?\\"):
            raise ValueError("a query names one patient or order: no wildcards, no lists")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStudy:
    """A study of a patient as an archive tells it; empty for what it does not tell."""

    study_uid: str
    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    date: str
    """As written (DICOM DA)."""
    time: str
    """As written (DICOM TM)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSeries:
    """A series that an archive says it has. No patient data."""

    name: SeriesName
    modality: str = ""
    description: str = ""
    series_date: str = ""
    """As written (DICOM DA)."""
    instances: int | None = None
    """Number of Series Related Instances (0020,1209); None where the archive does not say."""


class Retrieved(NamedTuple):
    """What an archive says, and what came, of one retrieval."""

    came: frozenset[str] | None
    """SOP Instance UIDs that `into` took; None where instances come to our own SCP (C-MOVE)."""
    refused: int
    """Instances that came, and were not what was asked for or not taken by `into`."""
    failed: int
    """Instances that the archive says it could not send."""
    why: str = ""
    """What ended it early, without patient data; empty when it ran to its end."""


class Archive(Protocol):
    """One archive. Every wait has an end. Raises ArchiveError when it cannot be asked at all."""

    def find_series(self, wanted: SeriesQuery) -> Sequence[FoundSeries]:
        """The series that match; everything, however many. Blocks."""

    def find_studies(self, patient_id: str) -> Sequence[FoundStudy]:
        """The studies of whoever has this ID; ValueError for wildcards, lists and nobody. Blocks."""

    def instances(self, name: SeriesName) -> frozenset[str]:
        """SOP Instance UIDs of a series, as the archive tells them; empty for a series it does not have."""

    def count(self, name: SeriesName) -> int | None:
        """How many instances the archive has of a series; None when it does not know the series or number."""

    def retrieve(self, name: SeriesName, only: Collection[str], into: Take) -> Retrieved:
        """Have a series sent, or the instances `only` of it where any are named.

        An instance that was not asked for is refused, whatever the archive means by it. A retrieval that
        breaks off says what came until then. Blocks.
        """


class KeptLog(Protocol):
    """What we keep, as the journal knows it. Blocks, raises StoreError."""

    def kept(self, site: str, sop_instance_uids: Collection[str]) -> frozenset[str]:
        """Those of a site's instances whose bytes we hold durably; what retention removed is none of them."""
