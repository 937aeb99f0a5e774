"""Which earlier exam the current one is compared with, or why none is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from millet.core.assembler import REPORTS
from millet.core.kernel import blur_mm
from millet.core.series import SliceHeader

NO_PATIENT_ID, NO_PRIOR, OTHER_PATIENT = "no-patient-id", "no-prior", "other-patient"
IDENTITY_DISAGREES, NOT_EARLIER, NOT_ANALYSED = "identity-disagrees", "not-earlier", "not-analysed"
UNREADABLE = "unreadable"
NO_LESIONS, OTHER_FRAME = "no-lesions", "other-frame"
ARCHIVE_LATE, ARCHIVE_SILENT = "archive-late", "archive-silent"


class Origin(StrEnum):
    """What is known of an earlier exam, the best first."""

    OURS = "ours"
    """Our own analysis."""
    IMAGES = "images"
    """Its CT images, in an archive."""
    REPORT = "report"
    """Somebody's structured report (TID 1500)."""
    SEGMENTATION = "segmentation"
    """Somebody's segmentation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an exam is known by, and chosen by."""

    series_uid: str
    study_uid: str
    patient_id: str
    issuer: str
    birth_date: str
    """As written (DICOM DA), possibly empty."""
    sex: str
    date: str
    """Of the acquisition, DICOM DA; empty where it is not known."""
    time: str = ""
    """Of the acquisition, DICOM TM, or empty."""
    kernel: str = ""
    slice_mm: float = 0.0
    model_digest: str = ""
    """Empty of an exam that somebody else read."""
    analysed: bool = True
    """Whether it was analysed and not refused."""
    origin: Origin = Origin.OURS

    @classmethod
    def of(cls, header: SliceHeader) -> Facts:
        """Of a series, by its first instance; of its analysis nothing is known."""
        return cls(
            series_uid=header.series_uid,
            study_uid=header.study_uid,
            patient_id=header.patient.patient_id,
            issuer=header.patient.issuer,
            birth_date=header.patient.birth_date,
            sex=header.patient.sex,
            date=header.acquisition_date or header.study_date,
            time=header.acquisition_time,
            kernel=header.kernel,
            slice_mm=header.slice_thickness_mm or 0.0,
            origin=Origin.REPORT if header.sop_class_uid in REPORTS else Origin.OURS,
        )

    def read_by(self, model_digest: str, *, analysed: bool) -> Facts:
        """With what became of it."""
        return replace(self, model_digest=model_digest, analysed=analysed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The prior, or the code of why there is none; exactly one of the two."""

    series_uid: str = ""
    why_not: str = ""


def day(written: str) -> date | None:
    """A DICOM DA as a date; None where it is none."""
    try:
        return date(int(written[:4]), int(written[4:6]), int(written[6:8])) if len(written) == 8 else None
    except ValueError:
        return None


def choose(current: Facts, candidates: Sequence[Facts]) -> Chosen:
    """The first of `ranked`.

    Where none will do the reason is that of the candidate that came nearest to it.
    """
    if fit := ranked(current, candidates):
        return Chosen(series_uid=fit[0].series_uid)
    if not current.patient_id.strip():
        return Chosen(why_not=NO_PATIENT_ID)
    faults = {fault(current, one) for one in _others(current, candidates)}
    return Chosen(why_not=next((code for code in _NEAREST if code in faults), NO_PRIOR))


def ranked(current: Facts, candidates: Sequence[Facts]) -> Sequence[Facts]:
    """The earlier exams of the same patient, the newest study first.

    Of one study's what we know best, in the order of `Origin`, then the series taken and read most alike.
    """
    if not current.patient_id.strip():
        return ()
    fit = [one for one in _others(current, candidates) if not fault(current, one)]
    newest: dict[str, tuple[str, str]] = {}
    for one in fit:
        newest[one.study_uid] = max(newest.get(one.study_uid, ("", "")), (one.date, one.time))
    best_first = sorted(fit, key=lambda one: _unlike(current, one))
    return sorted(best_first, key=lambda one: (*newest[one.study_uid], one.study_uid), reverse=True)


def _others(current: Facts, candidates: Sequence[Facts]) -> Sequence[Facts]:
    return [one for one in candidates if one.study_uid != current.study_uid]


_NEAREST = (NOT_ANALYSED, NOT_EARLIER, IDENTITY_DISAGREES, OTHER_PATIENT)


def fault(current: Facts, one: Facts) -> str:
    """Why an exam is no prior of the current one, as a code; empty where it is one."""
    if (one.patient_id, one.issuer) != (current.patient_id, current.issuer):
        return OTHER_PATIENT
    if (one.birth_date, one.sex) != (current.birth_date, current.sex):
        return IDENTITY_DISAGREES
    if not _earlier(one, current):
        return NOT_EARLIER
    return "" if one.analysed else NOT_ANALYSED


def _earlier(one: Facts, current: Facts) -> bool:
    """On an earlier day, or at an earlier time of the same; what has no date is not known to be earlier."""
    if not one.date or not current.date:
        return False
    if one.date != current.date:
        return one.date < current.date
    return bool(one.time and current.time) and one.time < current.time


_BEST_FIRST = tuple(Origin)


def _unlike(current: Facts, one: Facts) -> tuple[int, bool, bool, float, str]:
    return (
        _BEST_FIRST.index(one.origin),
        one.model_digest != current.model_digest,
        blur_mm(one.kernel) != blur_mm(current.kernel),
        abs(one.slice_mm - current.slice_mm),
        one.series_uid,
    )
