"""What both kinds of archive do alike: which questions make a search, and which answers count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum

from millet.codec.identifiers import INSTANCE_KEYS, SERIES_KEYS, STUDY_KEYS, Row, is_asked_for, number, uids
from millet.core.uids import is_uid
from millet.ports import FoundSeries, FoundStudy, SeriesName, SeriesQuery

NOBODYS: Row = {"StudyInstanceUID": "2.25.0"}
"""Keys of a study that no archive has: its UUID is the nil one (PS3.5 B.2, RFC 9562 5.9)."""


class Level(Enum):
    """What the rows of an answer are, and what is asked of each."""

    STUDY = STUDY_KEYS
    SERIES = SERIES_KEYS
    IMAGE = INSTANCE_KEYS


class Asking(ABC):
    """The searching half of an `Archive`, over one question at one level."""

    @abstractmethod
    def _ask(self, level: Level, keys: Row) -> Sequence[Row]:
        """Every answer to one question, right or wrong. Raises ArchiveError."""

    def find_series(self, wanted: SeriesQuery) -> Sequence[FoundSeries]:
        """The series that match; see `ports.Archive`."""
        keys = _filled(SeriesInstanceUID=wanted.series_uid, Modality=wanted.modality)
        found: dict[SeriesName, FoundSeries] = {}
        for study_uid in self._studies(wanted):
            here = keys | {"StudyInstanceUID": study_uid} if study_uid else keys
            for answer in self._ask(Level.SERIES, here):
                if is_asked_for(answer, here) and (series := _series(answer)):
                    found[series.name] = series
        return sorted(found.values(), key=lambda one: (one.series_date, one.name))

    def find_studies(self, patient_id: str) -> Sequence[FoundStudy]:
        """The studies of a patient; see `ports.Archive`."""
        keys = {"PatientID": SeriesQuery(patient_id=patient_id).patient_id}
        answers = self._ask(Level.STUDY, keys)
        found = [_study(answer) for answer in answers if is_asked_for(answer, keys)]
        return [study for study in found if is_uid(study.study_uid)]

    def instances(self, name: SeriesName) -> frozenset[str]:
        """SOP Instance UIDs of a series; see `ports.Archive`."""
        keys = _keys(name)
        return uids(self._ask(Level.IMAGE, keys), "SOPInstanceUID", keys)

    def count(self, name: SeriesName) -> int | None:
        """How many instances the archive has of a series; see `ports.Archive`."""
        keys = _keys(name)
        answers = [answer for answer in self._ask(Level.SERIES, keys) if is_asked_for(answer, keys)]
        told = [number(answer.get("NumberOfSeriesRelatedInstances", "")) for answer in answers]
        if told and told[0]:
            return told[0]
        return (len(self.instances(name)) or None) if answers else None

    def _studies(self, wanted: SeriesQuery) -> Sequence[str]:
        """The studies to look into; one empty UID for "whichever has the series"."""
        keys = _filled(PatientID=wanted.patient_id, AccessionNumber=wanted.accession)
        if not keys:
            return [wanted.study_uid]
        keys |= _filled(StudyInstanceUID=wanted.study_uid)
        return sorted(uids(self._ask(Level.STUDY, keys), "StudyInstanceUID", keys))


def _keys(name: SeriesName) -> dict[str, str]:
    name.checked()
    return {"StudyInstanceUID": name.study_uid, "SeriesInstanceUID": name.series_uid}


def _filled(**keys: str) -> dict[str, str]:
    return {keyword: value for keyword, value in keys.items() if value}


def _study(answer: Row) -> FoundStudy:
    return FoundStudy(
        study_uid=answer.get("StudyInstanceUID", ""),
        patient_id=answer.get("PatientID", ""),
        issuer=answer.get("IssuerOfPatientID", ""),
        birth_date=answer.get("PatientBirthDate", ""),
        sex=answer.get("PatientSex", ""),
        date=answer.get("StudyDate", ""),
        time=answer.get("StudyTime", ""),
    )


def _series(answer: Row) -> FoundSeries | None:
    name = SeriesName(answer.get("StudyInstanceUID", ""), answer.get("SeriesInstanceUID", ""))
    if not (is_uid(name.study_uid) and is_uid(name.series_uid)):
        return None
    return FoundSeries(
        name=name,
        modality=answer.get("Modality", ""),
        description=answer.get("SeriesDescription", ""),
        series_date=answer.get("SeriesDate", ""),
        instances=number(answer.get("NumberOfSeriesRelatedInstances", "")),
    )
