"""Notifications as HL7 v2 messages, read back by another implementation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from instances import START_UTC
from notices import CRITICAL, NOTABLE, UNFLAGGED, URGENT, news

from millet.codec import mllp, notice, notice_oru
from millet.core.language import Language
from millet.core.notification import Change, Identify, reference

REFERENCE = reference("default", "1.2.3")


def written(told, identify=Identify.NOTHING, language=Language.ENGLISH):
    """A message as bytes."""
    return notice_oru.encode(notice.encode("ris", [told], identify, START_UTC), language)


def message_of(*args, **more):
    """A message, parsed against the definitions of HL7 v2.5.1, which it obeys."""
    message = parse_message(written(*args, **more).decode(), validation_level=VALIDATION_LEVEL.STRICT)
    assert message.validate()
    return message


def result(message):
    """OBR and the OBX by the code of their concept."""
    group = message.ORU_R01_PATIENT_RESULT.ORU_R01_ORDER_OBSERVATION
    found = {}
    for one in group.ORU_R01_OBSERVATION:
        found.setdefault(one.OBX.obx_3.obx_3_1.value, []).append(one.OBX)
    return group.OBR, found


@pytest.mark.parametrize(
    ("told", "statuses", "level", "flag"),
    [
        (news(URGENT, Change.RAISED), ("P", "P"), "t-urgent", "A"),
        (news(CRITICAL, Change.RAISED, URGENT), ("P", "P"), "t-critical", "AA"),
        (news(URGENT, Change.LOWERED, CRITICAL), ("P", "P"), "t-urgent", "A"),
        (news(UNFLAGGED, Change.WITHDRAWN, URGENT), ("C", "W"), "t-urgent", "A"),
        (news(NOTABLE, Change.WITHDRAWN, CRITICAL), ("C", "W"), "t-critical", "AA"),
    ],
    ids=["first", "raised", "lowered", "withdrawn", "withdrawn to notable"],
)
def test_a_level_is_a_preliminary_result_and_a_withdrawn_one_is_posted_as_wrong(told, statuses, level, flag):
    """Under the same OBR-3 and OBR-4 whatever the change, so that it takes the place of the one before."""
    obr, found = result(message_of(told))
    (triage,) = found["triage"]
    assert (obr.obr_25.value, triage.obx_11.value) == statuses
    assert (triage.obx_5.obx_5_1.value, triage.obx_8.value) == (level, flag)
    assert (obr.obr_3.value, obr.obr_4.obr_4_1.value) == (f"{REFERENCE}^MILLET", "triage")
    assert found["triage-reason"][0].obx_5.value == "left mass of 31.0 mm"


def test_a_study_s_name_that_is_no_uid_adds_no_segment():
    """What a sender wrote there stays one field."""
    told = news(CRITICAL, Change.RAISED)
    odd = replace(told, standing=replace(told.standing, study_uid="1.2\rOBX|9|TX|x||ok||||||F"))
    lines = written(odd, Identify.STUDY).decode().split("\r")
    usual = written(told, Identify.STUDY).decode().split("\r")
    assert [line[:6] for line in lines] == [line[:6] for line in usual]


def test_no_two_observations_have_one_name():
    """A system that files by OBX-3 and OBX-4 keeps all of them; what is there once needs no OBX-4."""
    _, found = result(message_of(news(NOTABLE, Change.WITHDRAWN, CRITICAL)))
    numbers = {code: [one.obx_4.value or "" for one in each] for code, each in found.items()}
    assert numbers["triage"] == [""]
    assert numbers["121106"] == [str(n + 1) for n in range(len(found["121106"]))]
    assert len(found["121106"]) > 1


def test_the_current_level_of_a_withdrawn_one_is_told_in_words():
    """And that nothing is normal, in the language of the service."""
    _, found = result(message_of(news(NOTABLE, Change.WITHDRAWN, CRITICAL), language=Language.GERMAN))
    lines = [one.obx_5.value for one in found["121106"]]
    assert lines[0] == f"Studie {REFERENCE}: kritisch zurückgenommen, jetzt beachtenswert"
    assert any("unauffällig" in line for line in lines)


@pytest.mark.parametrize(
    ("identify", "there"),
    [
        (Identify.NOTHING, set()),
        (Identify.ACCESSION, {"A-77"}),
        (Identify.STUDY, {"1.2.3"}),
        (Identify.PATIENT, {"A-77", "1.2.3", "P\\S\\1^^^NORTH"}),
    ],
)
def test_patient_and_study_are_named_as_the_recipient_asked(identify, there):
    """By nothing unless it is configured; without a patient there is no PID at all."""
    text = written(news(URGENT, Change.RAISED), identify).decode()
    assert {one for one in ("A-77", "1.2.3", "P\\S\\1^^^NORTH") if one in text} == there
    assert ("\rPID|" in text) is (identify is Identify.PATIENT)
    message_of(news(URGENT, Change.RAISED), identify)


def test_a_message_has_one_control_id_in_every_try_and_another_than_the_next():
    """So that an acknowledgement names one of them."""
    first, again, second = (written(news(URGENT, Change.RAISED, told=n)) for n in (0, 0, 1))
    assert first == again
    ids = [mllp.control_id(one) for one in (first, second)]
    assert len(set(ids)) == 2
    assert {len(one) for one in ids} == {20}


def test_a_digest_is_refused():
    """One message is about one study."""
    several = [news(URGENT, Change.RAISED, study=f"1.2.{n}") for n in range(2)]
    with pytest.raises(ValueError, match="several studies"):
        notice_oru.encode(notice.encode("ris", several, Identify.NOTHING, START_UTC), Language.ENGLISH)
