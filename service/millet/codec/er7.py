"""HL7 v2 messages in ER7, the encoding with bars and hats: segments, fields and their parts (2.6 and 2.7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from millet.codec.codes import Code, meaning
from millet.core.analysis import TriageLevel
from millet.core.language import Language

ABNORMAL = {TriageLevel.CRITICAL: "AA", TriageLevel.URGENT: "A", TriageLevel.NOTABLE: "A"}
"""OBX-8, table 0078; the absence of a flag says nothing, as in the page."""
_ESCAPES = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " "}
)


def message(segments: Iterable[str]) -> bytes:
    """Segments as a message, each ended by CR."""
    return ("\r".join(segments) + "\r").encode("utf-8")


def segment(*fields: str) -> str:
    """A segment of fields, its name the first."""
    return "|".join(fields).rstrip("|")


def header(site: str, at: datetime, control: str, language: Language) -> str:
    """MSH of an ORU^R01 of v2.5.1; text is UTF-8 (MSH-18), in the language that MSH-19 names.

    The acknowledgement names it by `control`, at most 20 characters (MSH-10).
    """
    return segment(
        "MSH",
        "^~\\&",
        "MILLET",
        text(site),
        "",
        "",
        moment(at),
        "",
        "ORU^R01^ORU_R01",
        control,
        "P",
        "2.5.1",
        *[""] * 5,
        "UNICODE UTF-8",
        language.value,
    )


def coded(language: Language, code: Code) -> str:
    """A code with its meaning (CWE, CE)."""
    return f"{text(code.value)}^{text(meaning(code, language))}^{code.scheme}"


def text(words: str) -> str:
    """Free text: delimiters escaped (HL7 v2.5.1, 2.7.1), nothing that would end a segment or a frame."""
    return "".join(c for c in words.translate(_ESCAPES) if c.isprintable())


def identified(patient_id: str, issuer: str) -> str:
    """PID-3: an ID and who assigned it."""
    return f"{text(patient_id)}^^^{text(issuer)}".rstrip("^")


def apart(observations: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    """Everything after OBX-1 of each, with a number as OBX-4 where several have the same OBX-3.

    Else one may replace another (HL7 v2.5.1, 7.4.2.4). What has an OBX-4 already keeps it.
    """
    every = [*observations]
    named, seen = Counter(one[1] for one in every), Counter[str]()
    for kind, name, within, *rest in every:
        seen[name] += 1
        number = str(seen[name]) if named[name] > 1 else ""
        yield (kind, name, within or number, *rest)


def moment(at: datetime) -> str:
    """A time with its offset (TS)."""
    return at.strftime("%Y%m%d%H%M%S%z")
