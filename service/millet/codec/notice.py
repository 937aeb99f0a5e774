"""A notification as a JSON document, and its words for a mail.

The document has the members that Standard Webhooks gives a payload: `type`, `timestamp`, `data`. It holds no
patient data: a study is named by nothing, or as the recipient's rule says; `reference` is a hash that is the
same in all messages about one study. `sequence` counts the messages about a study, from 1, so that one that
comes late is known to be old.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from millet.core.analysis import TriageLevel
from millet.core.language import Language, say
from millet.core.notification import Change, Ground, Identify, News, Standing, reference

SCHEMA = 1
_NAMES = {
    Identify.NOTHING: (),
    Identify.ACCESSION: ("accession",),
    Identify.STUDY: ("study_uid", "series_uid"),
    Identify.PATIENT: ("study_uid", "series_uid", "accession", "patient_id", "issuer"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What a person reads."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a message says of one study; what it does not name is empty."""

    recipient: str
    at_utc: datetime
    """When it was made."""
    site: str
    reference: str
    sequence: int
    change: Change
    level: TriageLevel
    before: TriageLevel | None
    reasons: tuple[Ground, ...]
    accession: str = ""
    study_uid: str = ""
    series_uid: str = ""
    patient_id: str = ""
    issuer: str = ""


def encode(recipient: str, told: Sequence[News], identify: Identify, now_utc: datetime) -> bytes:
    """Write a message about one study, or a digest about several, to a recipient."""
    studies = [_study(one, identify) for one in told]
    single = len(studies) == 1
    data = studies[0] if single else {"studies": studies}
    document = {
        "type": f"study.{told[0].change}" if single else "studies.digest",
        "timestamp": now_utc.isoformat(),
        "data": {"schema": SCHEMA, "recipient": recipient, **data},
    }
    return json.dumps(document, ensure_ascii=False).encode()


def read(encoded: bytes) -> Sequence[Told]:
    """What `encode` wrote, study by study. Raises ValueError for what is no message of this schema."""
    try:
        document: Mapping[str, Any] = json.loads(encoded)
        data = document["data"]
        if data["schema"] != SCHEMA:
            raise ValueError(f"no notification of schema {SCHEMA}")
        at_utc = datetime.fromisoformat(document["timestamp"])
        return [_read(one, data["recipient"], at_utc) for one in data.get("studies") or [data]]
    except (KeyError, TypeError, AttributeError) as damage:
        raise ValueError(f"damaged notification: {damage!r}") from damage


def read_one(encoded: bytes) -> Told:
    """The study of a message that is about one. Raises ValueError."""
    told = read(encoded)
    if len(told) != 1:
        raise ValueError("a notification of several studies has no such form")
    return told[0]


def only(encoded: bytes, references: Collection[str]) -> bytes:
    """A digest of these of its studies alone. Raises ValueError for what is no digest."""
    try:
        document = json.loads(encoded)
        kept = [one for one in document["data"]["studies"] if one["reference"] in references]
    except (KeyError, TypeError) as damage:
        raise ValueError(f"no digest: {damage!r}") from damage
    document["data"]["studies"] = kept
    return json.dumps(document, ensure_ascii=False).encode()


def mail(encoded: bytes, language: Language) -> Mail:
    """What `encode` wrote, in words. Raises ValueError for what is no message of this schema."""
    told = read(encoded)
    subject = headline(told[0], language)
    if len(told) > 1:
        subject = say(language, "notice.digest", count=len(told))
    text = "\n".join([*(_words(one, language) for one in told), f"{disclaimer(language)}\n"])
    return Mail(subject=f"Millet: {subject}", text=text)


def headline(told: Told, language: Language) -> str:
    """What changed, in a line."""
    now = {"reference": told.reference, "level": say(language, f"level.{told.level}")}
    if told.before is None:
        return say(language, "notice.first", **now)
    return say(language, f"notice.{told.change}", before=say(language, f"level.{told.before}"), **now)


def disclaimer(language: Language) -> str:
    """What each message ends with."""
    return f"{say(language, 'notice.never-normal')}\n{say(language, 'statement')}"


def _study(one: News, identify: Identify) -> dict[str, object]:
    here = one.standing
    return {
        "site": here.site,
        "reference": reference(here.site, here.study_uid),
        **_named(here, identify),
        "sequence": here.told + 1,
        "change": one.change,
        "level": here.level,
        "before": here.before,
        "reasons": [{"code": ground.code, "words": ground.words} for ground in here.grounds],
    }


def _named(here: Standing, identify: Identify) -> Mapping[str, str]:
    return {name: getattr(here, name) for name in _NAMES[identify]}


def _read(study: Mapping[str, Any], recipient: str, at_utc: datetime) -> Told:
    names = {name: str(study.get(name, "")) for name in _NAMES[Identify.PATIENT]}
    return Told(
        recipient=str(recipient),
        at_utc=at_utc,
        site=study["site"],
        reference=study["reference"],
        sequence=int(study["sequence"]),
        change=Change(study["change"]),
        level=TriageLevel(study["level"]),
        before=None if study["before"] is None else TriageLevel(study["before"]),
        reasons=tuple(Ground(code=one["code"], words=one["words"]) for one in study["reasons"]),
        **names,
    )


def _words(told: Told, language: Language) -> str:
    named = [
        say(language, f"notice.{name}", value=value)
        for name in ("site", "accession", "study_uid")
        if (value := getattr(told, name))
    ]
    reasons = [f"- {one.words}" for one in told.reasons]
    number = say(language, "notice.sequence", n=told.sequence)
    return "\n".join([headline(told, language), *named, *reasons, number]) + "\n"
