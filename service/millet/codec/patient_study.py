"""Whose report it is, as messages outside of DICOM name them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from millet.codec import codes
from millet.codec.codes import Code
from millet.codec.source import Source

_DAY = re.compile(r"[0-9]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientStudy:
    """Patient and study, decoded; empty where the source is silent."""

    patient_id: str
    issuer: str
    name: tuple[str, ...]
    """Family, given, middle, prefix, suffix (PS3.5 6.2.1), the alphabetic group."""
    birth_date: str
    """YYYYMMDD."""
    sex: str
    """F, M or O."""
    accession: str
    study_date: str
    """YYYYMMDD."""
    study_time: str
    """HHMMSS."""
    procedure: Code
    """CT of the chest; of a report, which may be of anything, an imaging procedure."""


def patient_study(source: Source) -> PatientStudy:
    """Read what every message says of patient and study."""
    components = source.inherited_text("PatientName").split("=")[0].split("^")
    name = tuple(part.strip() for part in components[:5])
    time = re.sub(r"[^0-9]", "", source.inherited_text("StudyTime").partition(".")[0])
    return PatientStudy(
        patient_id=source.inherited_text("PatientID"),
        issuer=source.inherited_text("IssuerOfPatientID"),
        name=name + ("",) * (5 - len(name)),
        birth_date=_day(source.inherited_text("PatientBirthDate")),
        sex=source.inherited_text("PatientSex"),
        accession=source.inherited_text("AccessionNumber"),
        study_date=_day(source.inherited_text("StudyDate")),
        study_time=time[:6] if len(time) in {2, 4, 6} else "",
        procedure=codes.ANY_PROCEDURE if source.is_report else codes.CHEST_CT,
    )


def _day(text: str) -> str:
    return text if _DAY.fullmatch(text) else ""
