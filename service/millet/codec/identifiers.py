"""What is asked of an archive and what it answers: keys and rows (PS3.4 C.6.2, PS3.18 10.6).

A row is keyword to text, whether it came as a DIMSE identifier or as DICOM JSON. Archives ignore keys that
they do not know and some answer with everything they have, so a row counts only where it repeats what was
asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from pydicom.dataset import Dataset

from millet.codec.elements import read_elements, tag_of
from millet.core.uids import is_uid

Row = Mapping[str, str]

STUDY_KEYS = (
    "StudyInstanceUID",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
)
SERIES_KEYS = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesDescription",
    "SeriesDate",
    "NumberOfSeriesRelatedInstances",
)
INSTANCE_KEYS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
LONGEST_TEXT = 1024
"""Of one value in an answer; longer ones are cut, since none of those asked for may be longer."""
_NAMES = {
    tag_of(keyword): keyword for keyword in ("SOPClassUID", "SOPInstanceUID", *INSTANCE_KEYS, "PatientID")
}
_AFTER_NAMES = 0x0020_000F


class Names(NamedTuple):
    """By what an instance is known; empty for what it does not say."""

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str


def names_of(encoded: bytes) -> Names:
    """Read the UIDs of a DICOM file, and nothing else of it. Raises ValueError where it is none."""
    found = read_elements(encoded, _NAMES, stop=_AFTER_NAMES)
    told = {_NAMES[tag]: raw.ascii for tag, raw in found.items()}
    return Names(
        told.get("SOPClassUID", ""),
        told.get("SOPInstanceUID", ""),
        told.get("StudyInstanceUID", ""),
        told.get("SeriesInstanceUID", ""),
    )


def identifier(level: str, wanted: Collection[str], keys: Row) -> Dataset:
    """A query's identifier: `keys` to match, the other `wanted` ones empty, to be returned."""
    made = Dataset()
    if not "".join(keys.values()).isascii():
        made.SpecificCharacterSet = "ISO_IR 192"
    made.QueryRetrieveLevel = level
    for keyword in wanted:
        setattr(made, keyword, None)
    for keyword, value in keys.items():
        setattr(made, keyword, value)
    return made


def retrieval(study_uid: str, series_uid: str, only: Collection[str]) -> Dataset:
    """The identifier of a C-MOVE or C-GET: a series, or instances of it by their UIDs."""
    made = Dataset()
    made.QueryRetrieveLevel = "IMAGE" if only else "SERIES"
    made.StudyInstanceUID, made.SeriesInstanceUID = study_uid, series_uid
    if only:
        made.SOPInstanceUID = sorted(only)
    return made


def row(answer: Dataset, wanted: Collection[str]) -> Row:
    """An answer's identifier as a row; what cannot be read is left out."""
    told = {}
    for keyword in wanted:
        try:
            value = answer.get(keyword)
        except Exception:  # noqa: BLE001, S112 - pydicom decodes here, and raises what it likes
            continue
        if value is not None:
            told[keyword] = str(value)[:LONGEST_TEXT].strip(" \0")
    return told


def is_asked_for(answer: Row, keys: Row) -> bool:
    """Whether a row repeats every key that was asked for.

    A key that the archive does not return passes, except UIDs: without them nobody knows whose row it is.
    """
    for keyword, value in keys.items():
        told = answer.get(keyword, "")
        if told != value and (told or keyword.endswith("UID")):
            return False
    return True


def uids(answers: Collection[Row], keyword: str, keys: Row) -> frozenset[str]:
    """The UIDs under a keyword of the rows that are what was asked for."""
    found = (answer.get(keyword, "") for answer in answers if is_asked_for(answer, keys))
    return frozenset(uid for uid in found if is_uid(uid))


def number(text: str) -> int | None:
    """A count as an archive writes it; None where that is no number."""
    digits = text.strip().removeprefix("+")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None
