"""A notification as an HL7 v2.5.1 message, ORU^R01: the level of one study, and why, as a result of its own.

All messages about a study have the same OBR-3 and OBR-4, so that each takes the place of the one before. They
are preliminary (OBR-25 and OBX-11 P), since nobody has read them; C is said of final results alone (tables
0085 and 0123). A level that is withdrawn is told once more as what it was, posted as wrong (OBX-11 W, OBR-25
C). There is a PID for a recipient that asked for the patient, and none for others: the patient's group of
ORU^R01 may be absent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial

from millet.codec import codes, notice
from millet.codec.codes import Code
from millet.codec.er7 import ABNORMAL, apart, coded, header, identified, message, moment, segment, text
from millet.codec.notice import Told
from millet.core.language import Language
from millet.core.notification import Change

_STUDY_UID = Code("110180", "DCM", "Study Instance UID")
_UNSPECIFIED_NAME = "^^^^^^U"
"""PID-5 must have a value; its type U (table 0200) says that there is no name."""
_PRELIMINARY, _CORRECTED, _WRONG = "P", "C", "W"
CONTROL_DIGITS = 20


def encode(encoded: bytes, language: Language) -> bytes:
    """The message for what `codec.notice` wrote of one study. Raises ValueError."""
    told = notice.read_one(encoded)
    observations = enumerate(apart(_observations(told, language)), start=1)
    return message(
        [
            header(told.site, told.at_utc, _control(told), language),
            *_patient(told),
            _request(told, language),
            *(segment("OBX", str(number), *each) for number, each in observations),
        ]
    )


def _control(told: Told) -> str:
    """The same for every try of a message, and of no other."""
    about = f"{told.recipient}\n{told.reference}\n{told.sequence}"
    return hashlib.sha256(about.encode()).hexdigest()[:CONTROL_DIGITS]


def _patient(told: Told) -> Iterator[str]:
    if told.patient_id:
        identifier = identified(told.patient_id, told.issuer)
        yield segment("PID", "1", "", identifier, "", _UNSPECIFIED_NAME)


def _request(told: Told, language: Language) -> str:
    filler = text(told.accession) or f"{told.reference}^MILLET"
    status = _CORRECTED if told.change is Change.WITHDRAWN else _PRELIMINARY
    fields = ["OBR", "1", "", filler, coded(language, codes.TRIAGE)]
    return segment(*fields, *[""] * (22 - len(fields)), moment(told.at_utc), "", "", status)


def _observations(told: Told, language: Language) -> Iterator[Sequence[str]]:
    """Everything after OBX-1."""
    words = partial(_valued, language, "TX")
    withdrawn = told.before if told.change is Change.WITHDRAWN else None
    level = withdrawn or told.level
    value = coded(language, codes.TRIAGE_LEVELS[level])
    yield _valued(
        language, "CWE", codes.TRIAGE, value, ABNORMAL.get(level, ""), _WRONG if withdrawn else _PRELIMINARY
    )
    for reason in told.reasons:
        yield words(codes.TRIAGE_REASON, text(reason.words))
    if told.study_uid:
        yield _valued(language, "ST", _STUDY_UID, text(told.study_uid))
    for line in (notice.headline(told, language), *notice.disclaimer(language).splitlines()):
        yield words(codes.COMMENT, text(line))


def _valued(
    language: Language, kind: str, concept: Code, value: str, abnormal: str = "", status: str = _PRELIMINARY
) -> Sequence[str]:
    return (kind, coded(language, concept), "", value, "", "", abnormal, "", "", status)
