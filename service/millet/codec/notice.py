"""A notification as a JSON document, and its words for a mail.

The document has the members that Standard Webhooks gives a payload: `type`, `timestamp`, `data`. It holds no
patient data: a study is named by nothing, or as the recipient's rule says; `reference` is a hash that is the
same in all messages about one study. `sequence` counts the messages about a study, from 1, so that one that
comes late is known to be old.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from millet.core.language import Language, say
from millet.core.notification import Identify, News, reference

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What a person reads."""

    subject: str
    text: str


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


def mail(encoded: bytes, language: Language) -> Mail:
    """What `encode` wrote, in words. Raises ValueError for what is no message of this schema."""
    try:
        document: Mapping[str, Any] = json.loads(encoded)
        data = document["data"]
        if data["schema"] != SCHEMA:
            raise ValueError(f"no notification of schema {SCHEMA}")
        studies = data.get("studies") or [data]
        told = [_told(one, language) for one in studies]
        subject = _headline(studies[0], language)
    except (KeyError, TypeError, AttributeError) as damage:
        raise ValueError(f"damaged notification: {damage!r}") from damage
    if len(studies) > 1:
        subject = say(language, "notice.digest", count=len(studies))
    end = f"{say(language, 'notice.never-normal')}\n{say(language, 'statement')}\n"
    return Mail(subject=f"Millet: {subject}", text="\n".join([*told, end]))


def _study(one: News, identify: Identify) -> dict[str, object]:
    here = one.standing
    named = {Identify.ACCESSION: {"accession": here.accession}, Identify.STUDY: {"study_uid": here.study_uid}}
    return {
        "site": here.site,
        "reference": reference(here.site, here.study_uid),
        **named.get(identify, {}),
        "sequence": here.told + 1,
        "change": one.change,
        "level": here.level,
        "before": here.before,
        "reasons": [{"code": ground.code, "words": ground.words} for ground in here.grounds],
    }


def _headline(study: Mapping[str, Any], language: Language) -> str:
    told = {"reference": study["reference"], "level": say(language, f"level.{study['level']}")}
    if study["before"] is None:
        return say(language, "notice.first", **told)
    before = say(language, f"level.{study['before']}")
    return say(language, f"notice.{study['change']}", before=before, **told)


def _told(study: Mapping[str, Any], language: Language) -> str:
    named = [
        say(language, f"notice.{name}", value=study[name])
        for name in ("site", "accession", "study_uid")
        if study.get(name)
    ]
    reasons = [f"- {one['words']}" for one in study["reasons"]]
    number = say(language, "notice.sequence", n=study["sequence"])
    return "\n".join([_headline(study, language), *named, *reasons, number]) + "\n"
