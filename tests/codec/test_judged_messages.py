"""A report of somebody else that was judged, in FHIR and HL7 v2, read back by other implementations."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import foreign_reports
import highdicom
import pytest
from brains import brain
from fhir.resources.R4B.bundle import Bundle
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from reports import STUDY

from millet.core.analysis import TriageLevel
from millet.core.language import Language
from millet.core.uids import object_uid
from millet.flow.analyse import Order
from millet.flow.foreign import Bench
from millet.flow.judged_report import finish

UID = highdicom.UID()
ACME = foreign_reports.device("Finder", uid=UID, manufacturer_name="Acme", model_name="LF|2")
ORDER = Order(
    site="default",
    study_uid=STUDY,
    series_uid="1.2.3",
    generation=1,
    created_utc=datetime(2026, 3, 1, 12, tzinfo=UTC),
)
MANY = 20
LESIONS = brain({3: MANY, 9: MANY}).lesions
GROUPS = [foreign_reports.group(number, one) for number, one in enumerate(LESIONS, start=1)]
UNSIZED = foreign_reports.group(99, LESIONS[0], sized=False)
REPORT = foreign_reports.report([*GROUPS, UNSIZED], observer=ACME, software_versions="7.1")
UNFIT = foreign_reports.report([foreign_reports.group(1, LESIONS[0], site=foreign_reports.LESION)])


@cache
def made(report=REPORT, language=Language.ENGLISH):
    """What becomes of a report that was sent."""
    order = replace(ORDER, language=language)
    return finish(order, [report], lambda _uid: foreign_reports.MR, Bench(language=language))


def resources(one, kind):
    """Resources of a kind, in the bundle; the models of FHIR R4B have taken it."""
    Bundle.model_validate_json(one.objects["fhir"])
    entries = json.loads(one.objects["fhir"])["entry"]
    return [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == kind]


def message_of(one):
    """The message, parsed against the definitions of HL7 v2.5.1."""
    text = one.objects["hl7-oru"].decode("utf-8")
    message = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT)
    assert message.validate()
    return message


def observations(one):
    """Its OBX segments by the code of their concept."""
    found = {}
    for group in message_of(one).ORU_R01_PATIENT_RESULT.ORU_R01_ORDER_OBSERVATION.ORU_R01_OBSERVATION:
        found.setdefault(group.OBX.obx_3.obx_3_1.value, []).append(group.OBX)
    return found


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("report", [REPORT, UNFIT], ids=["judged", "unfit"])
def test_every_report_makes_valid_messages(report, language):
    """Judged or not, in both languages; all of it preliminary."""
    one = made(report, language)
    (told,) = resources(one, "DiagnosticReport")
    assert {each["status"] for each in (told, *resources(one, "Observation"))} == {"preliminary"}
    assert {each.obx_11.value for many in observations(one).values() for each in many} == {"P"}


def test_lesions_are_of_the_device_that_found_them():
    """In FHIR: their number and the largest are by it and from its report, what criteria say is by Millet."""
    one = made()
    exam, lesions = resources(one, "Observation")
    ours, theirs = resources(one, "Device")
    assert ours["manufacturer"] == "Millet, research software"
    assert (theirs["manufacturer"], theirs["version"][0]["value"]) == ("Acme", "7.1")
    assert {each["name"] for each in theirs["deviceName"]} == {"LF|2", "Finder"}
    assert theirs["identifier"][1]["value"] == f"urn:oid:{UID}"
    urls = {
        entry["resource"]["identifier"][0]["value"]: entry["fullUrl"]
        for entry in json.loads(one.objects["fhir"])["entry"]
    }
    assert exam["device"]["reference"] == urls[ours["identifier"][0]["value"]]
    assert lesions["device"]["reference"] == urls[theirs["identifier"][0]["value"]]
    assert exam["derivedFrom"][0]["reference"] == urls[lesions["identifier"][0]["value"]]
    (source,) = lesions["derivedFrom"]
    assert source["type"] == "DocumentReference"
    assert lesions["valueInteger"] == 2 * MANY + 1
    (largest,) = lesions["component"]
    assert largest["valueQuantity"]["value"] == max(lesion.diameter_mm for lesion in LESIONS)
    (report,) = resources(one, "DiagnosticReport")
    assert {each["reference"] for each in report["result"]} == {
        urls[each["identifier"][0]["value"]] for each in (exam, lesions)
    }
    assert report["identifier"][0]["value"] == f"urn:oid:{object_uid(one.analysis, 'sr')}"


def test_the_equipment_of_lesions_is_named_in_hl7():
    """Their number and the largest have it in OBX-18; the report that was judged is named by its UID."""
    found = observations(made())
    (count,), (largest,) = found["246206008"], found["largest"]
    assert count.obx_5.value == str(2 * MANY + 1)
    for each in (count, largest):
        assert each.obx_18.value == f"Acme LF\\F\\2 Finder 7.1^^{UID}^ISO"
    assert found["judged-report"][0].obx_5.value in found["completeness"][0].obx_5.value
    assert found["triage"][0].obx_8.value == "A"
    assert not {"count-reliability", "lmp"} & found.keys()


def test_it_is_plain_that_no_image_was_looked_at():
    """In the outcome, in a sentence with who found them, and in what was not assessed; in both messages."""
    one = made()
    sentence = (
        f"{2 * MANY} of {2 * MANY + 1} lesions of report {{uid}} are judged. They were found by Acme LF|2 "
        "Finder 7.1, as the report has it; Millet judged them and looked at no image."
    )
    exam, lesions = resources(one, "Observation")
    uid = lesions["derivedFrom"][0]["identifier"]["value"].removeprefix("urn:oid:")
    assert exam["valueCodeableConcept"]["coding"][0]["code"] == "judged"
    assert exam["component"][0]["valueString"] == sentence.format(uid=uid)
    assert sentence.format(uid=uid) in lesions["note"][0]["text"]
    (report,) = resources(one, "DiagnosticReport")
    assert sentence.format(uid=uid) in report["conclusion"]
    found = observations(one)
    assert found["111017"][0].obx_5.obx_5_1.value == "judged"
    told = " ".join(each.obx_5.value for each in found["completeness"])
    assert told == sentence.format(uid=uid).replace("|", "\\F\\")
    for told in (json.dumps(exam), found["not-assessed"][0].obx_5.value):
        assert "images: a report was judged, nothing was looked for" in told


def test_messages_are_in_german():
    """FHIR shows no English beside codes and names."""
    english, german = made(), made(language=Language.GERMAN)
    words = "Gefunden hat sie laut Bericht Acme LF"
    assert all(words in german.objects[kind].decode() for kind in ("fhir", "hl7-oru"))
    for kind in ("fhir", "hl7-oru"):
        text = german.objects[kind].decode()
        assert not any(told in text for told in ("lesions", "Largest", "report that", "looked"))
        assert "looked at no image" in english.objects[kind].decode()


@pytest.mark.parametrize(("report", "code"), [(REPORT, "25056-3"), (UNFIT, "363679005")])
def test_what_was_done_is_not_called_a_chest_ct(report, code):
    """By the modality of the images that the report names; an imaging procedure where nobody knows."""
    one = made(report)
    (told,) = resources(one, "DiagnosticReport")
    assert told["code"]["coding"][0]["code"] == code
    request = message_of(one).ORU_R01_PATIENT_RESULT.ORU_R01_ORDER_OBSERVATION.OBR
    assert request.obr_4.obr_4_1.value == code


def test_nothing_is_counted_of_a_report_that_was_not_judged():
    """The reason is told, and no number."""
    one = made(UNFIT)
    assert one.analysis.triage.level is TriageLevel.NOT_ASSESSED
    (exam,) = resources(one, "Observation")
    assert "report-unfit" in json.dumps(exam)
    assert "246206008" not in json.dumps(exam)
    found = observations(one)
    assert found["not-analysed"][0].obx_5.obx_5_1.value == "report-unfit"
    assert "246206008" not in found


def test_of_the_patient_nothing_more_is_told_than_of_a_ct():
    """FHIR has the identifier alone."""
    text = made().objects["fhir"].decode()
    assert "12345" in text
    assert not any(secret in text for secret in ("Doe", "1960"))


def test_nobody_is_named_where_the_report_names_nobody():
    """There is no device of theirs, and the sentence says so."""
    nobody = foreign_reports.report(GROUPS, observer=foreign_reports.device(""), manufacturer="")
    one = made(nobody)
    assert len(resources(one, "Device")) == 1
    assert "device" not in resources(one, "Observation")[1]
    assert "found by somebody whom it does not name" in one.objects["hl7-oru"].decode()
    assert not observations(one)["246206008"][0].obx_18.value
