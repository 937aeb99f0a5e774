"""Notifications as documents and as mails."""

from __future__ import annotations

import json

import pytest
from instances import START_UTC
from notices import CRITICAL, URGENT, news

from millet.codec import notice
from millet.core.language import Language
from millet.core.notification import Change, Identify, reference

RAISED = news(URGENT, Change.RAISED)


def written(*told, identify=Identify.NOTHING):
    """A message, read again."""
    return json.loads(notice.encode("ward", told, identify, START_UTC))


def test_a_message_says_what_changed_and_why():
    """Type, time and data, as Standard Webhooks has them."""
    assert written(RAISED) == {
        "type": "study.raised",
        "timestamp": START_UTC.isoformat(),
        "data": {
            "schema": 1,
            "recipient": "ward",
            "site": "default",
            "reference": reference("default", "1.2.3"),
            "sequence": 1,
            "change": "raised",
            "level": "urgent",
            "before": None,
            "reasons": [{"code": "lesion", "words": "left mass of 31.0 mm"}],
        },
    }


@pytest.mark.parametrize(
    ("identify", "there", "not_there"),
    [
        (Identify.NOTHING, [], ["1.2.3", "A-77"]),
        (Identify.ACCESSION, ["A-77"], ["1.2.3"]),
        (Identify.STUDY, ["1.2.3"], ["A-77"]),
    ],
)
def test_a_study_is_named_as_the_recipient_asked(identify, there, not_there):
    """By nothing unless it is configured."""
    encoded = notice.encode("ward", [RAISED], identify, START_UTC)
    for text in (encoded.decode(), notice.mail(encoded, Language.ENGLISH).text):
        assert all(one in text for one in there)
        assert not any(one in text for one in not_there)


def test_a_digest_lists_every_study():
    """None is left out, of two hundred."""
    many = [news(URGENT, Change.RAISED, study=f"1.2.{n}") for n in range(200)]
    told = written(*many)
    assert told["type"] == "studies.digest"
    assert [one["reference"] for one in told["data"]["studies"]] == [
        reference("default", f"1.2.{n}") for n in range(200)
    ]
    mail = notice.mail(json.dumps(told).encode(), Language.ENGLISH)
    assert mail.subject == "Millet: 200 studies in one message"
    assert mail.text.count("left mass of 31.0 mm") == 200


@pytest.mark.parametrize(
    ("language", "change", "before", "said"),
    [
        (Language.ENGLISH, Change.RAISED, None, "urgent"),
        (Language.ENGLISH, Change.RAISED, URGENT, "raised from urgent to urgent"),
        (Language.ENGLISH, Change.LOWERED, CRITICAL, "lowered from critical to urgent"),
        (Language.ENGLISH, Change.WITHDRAWN, CRITICAL, "critical withdrawn, now urgent"),
        (Language.GERMAN, Change.LOWERED, CRITICAL, "gesenkt von kritisch auf dringend"),
    ],
)
def test_a_mail_says_it_in_words(language, change, before, said):
    """The subject says the change, the end that it is no diagnosis and nothing normal."""
    mail = notice.mail(
        notice.encode("ward", [news(URGENT, change, before)], Identify.NOTHING, START_UTC), language
    )
    assert mail.subject.endswith(f"{reference('default', '1.2.3')}: {said}")
    assert mail.text.startswith(mail.subject.removeprefix("Millet: "))
    never = {Language.ENGLISH: "No message says that a study is normal.", Language.GERMAN: "Keine Nachricht"}
    assert never[language] in mail.text


@pytest.mark.parametrize(
    "damaged", [b"{}", b"[]", b"\xff", b'{"data": {"schema": 2}}', b'{"data": {"schema": 1}}']
)
def test_what_is_no_message_is_refused(damaged):
    """Never guessed at."""
    with pytest.raises(ValueError, match=r"notification|codec|decode"):
        notice.mail(damaged, Language.ENGLISH)


@pytest.mark.parametrize("encoded", [b"{", b"[]", b'{"data": {}}'], ids=["cut off", "a list", "of one study"])
def test_what_is_no_digest_has_no_studies_to_choose_from(encoded):
    """It is refused with a reason."""
    with pytest.raises(ValueError, match=r"digest|Expecting"):
        notice.only(encoded, {"a"})
