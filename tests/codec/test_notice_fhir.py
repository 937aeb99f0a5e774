"""Notifications as FHIR, read back by another implementation."""

from __future__ import annotations

import json

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.communication import Communication
from instances import START_UTC
from notices import CRITICAL, NOTABLE, UNFLAGGED, URGENT, news

from millet.codec import notice, notice_fhir
from millet.core.language import Language
from millet.core.notification import Change, Identify


def entry_of(told, identify=Identify.NOTHING, language=Language.ENGLISH, recipient="ward"):
    """The entry of a bundle as plain values; the models of FHIR R4B have taken it."""
    encoded = notice_fhir.encode(notice.encode(recipient, [told], identify, START_UTC), language)
    Bundle.model_validate_json(encoded)
    (entry,) = json.loads(encoded)["entry"]
    Communication.model_validate(entry["resource"])
    return entry


@pytest.mark.parametrize(
    ("told", "status", "priority", "level"),
    [
        (news(NOTABLE, Change.RAISED), "completed", "routine", "t-notable"),
        (news(URGENT, Change.RAISED), "completed", "urgent", "t-urgent"),
        (news(CRITICAL, Change.RAISED, URGENT), "completed", "stat", "t-critical"),
        (news(URGENT, Change.LOWERED, CRITICAL), "completed", "urgent", "t-urgent"),
        (news(UNFLAGGED, Change.WITHDRAWN, URGENT), "entered-in-error", "routine", "t-unflagged"),
    ],
    ids=["first", "urgent", "raised", "lowered", "withdrawn"],
)
def test_a_study_is_one_alert_whose_status_and_priority_follow_its_level(told, status, priority, level):
    """Each message is put in the place of the one before."""
    entry = entry_of(told)
    alert = entry["resource"]
    assert (alert["status"], alert["priority"]) == (status, priority)
    assert alert["topic"]["coding"][0]["code"] == level
    assert alert["category"][0]["coding"][0]["code"] == "alert"
    assert alert["reasonCode"][0]["text"] == "left mass of 31.0 mm"
    assert alert["reasonCode"][0]["coding"][0]["code"] == "lesion"
    first = entry_of(news(URGENT, Change.RAISED))
    assert entry["request"] == first["request"]
    assert entry["request"]["method"] == "PUT"


def test_recipients_and_messages_have_alerts_and_names_of_their_own():
    """Nobody overwrites what another recipient was told; each message is told from the next."""
    one, other = (entry_of(news(URGENT, Change.RAISED), recipient=name) for name in ("ward", "desk"))
    assert one["request"]["url"] != other["request"]["url"]
    later = entry_of(news(CRITICAL, Change.RAISED, URGENT, told=1))
    names = [entry["resource"]["identifier"][1]["value"] for entry in (one, later)]
    assert [name[-2:] for name in names] == ["-1", "-2"]


@pytest.mark.parametrize(
    ("identify", "there"),
    [
        (Identify.NOTHING, set()),
        (Identify.ACCESSION, {"A-77"}),
        (Identify.STUDY, {"urn:oid:1.2.3"}),
        (Identify.PATIENT, {"A-77", "urn:oid:1.2.3", "P^1", "NORTH"}),
    ],
)
def test_patient_and_study_are_named_as_the_recipient_asked(identify, there):
    """By nothing unless it is configured."""
    text = json.dumps(entry_of(news(URGENT, Change.RAISED), identify))
    assert {one for one in ("A-77", "urn:oid:1.2.3", "P^1", "NORTH") if one in text} == there


def test_the_words_are_in_the_language_of_the_service():
    """With what changed first, and that it is no diagnosis last."""
    alert = entry_of(news(NOTABLE, Change.WITHDRAWN, CRITICAL), language=Language.GERMAN)["resource"]
    (payload,) = alert["payload"]
    assert "kritisch zurückgenommen, jetzt beachtenswert" in payload["contentString"].splitlines()[0]
    assert alert["language"] == "de"


def test_what_is_no_message_is_refused():
    """Never guessed at."""
    with pytest.raises(ValueError, match="notification"):
        notice_fhir.encode(b"{}", Language.ENGLISH)
