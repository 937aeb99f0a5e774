"""The report as an HL7 v2 message, read back by another implementation."""

from dataclasses import replace

import pytest
import reports
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from millet.codec import mllp, oru
from millet.codec.source import Source
from millet.core.analysis import Triage, TriageLevel


def message_of(analysis, **changes):
    """The message, parsed against the definitions of HL7 v2.5.1."""
    source = Source.read(reports.ct_series(**changes))
    text = oru.encode(analysis, source).decode("utf-8")
    return parse_message(text, validation_level=VALIDATION_LEVEL.STRICT)


def observations(message):
    """Values of each observation, by the code of its concept."""
    found = {}
    for group in message.ORU_R01_PATIENT_RESULT.ORU_R01_ORDER_OBSERVATION.ORU_R01_OBSERVATION:
        concept = group.OBX.obx_3.obx_3_1.value
        found.setdefault(concept, []).append(group.OBX)
    return found


@pytest.mark.parametrize("case", reports.cases())
def test_every_report_is_a_valid_message(case):
    """Found, none found and not analysed alike; a strict parser finds nothing to say."""
    message = message_of(reports.cases()[case])
    assert message.validate()
    assert {one.obx_11.value for many in observations(message).values() for one in many} == {"P"}


def test_the_figures_are_those_of_the_analysis():
    """Count, largest lesion, effusion with its side, and the report where the rest is."""
    analysis = reports.cases()["case"]
    found = observations(message_of(analysis))
    assert found["246206008"][0].obx_5.value == "221"
    assert found["largest"][0].obx_5.value == "41.5"
    assert found["60046008"][0].obx_5.value == "120.5"
    assert found["60046008"][0].obx_4.value == "Left"
    assert found["report"][0].obx_5.value.startswith("2.25.")


def test_nothing_is_told_of_what_was_not_analysed():
    """No count, not even nought."""
    found = observations(message_of(reports.analysis(remarks=[reports.REFUSED])))
    assert "246206008" not in found
    assert "not-analysed" in found


def test_only_what_should_be_looked_at_soon_is_flagged():
    """An unflagged exam is not called normal: its flag is empty."""
    flags = {
        level: observations(message_of(replace(reports.analysis(), triage=Triage(level=level, reasons=()))))[
            "triage"
        ][0].obx_8.value
        for level in (TriageLevel.UNFLAGGED, TriageLevel.NOTABLE, TriageLevel.CRITICAL)
    }
    assert flags == {TriageLevel.UNFLAGGED: "", TriageLevel.NOTABLE: "A", TriageLevel.CRITICAL: "AA"}


def test_the_patient_is_named_as_the_images_name_him():
    """HL7 has suffix and prefix the other way round; characters beyond ASCII arrive."""
    message = message_of(
        reports.analysis(),
        SpecificCharacterSet="ISO_IR 100",
        PatientName="M\u00fcller^Jan^Q^Dr^III",
        PatientID="A|B",
    )
    patient = message.ORU_R01_PATIENT_RESULT.ORU_R01_PATIENT.PID
    assert patient.pid_5.value == "M\u00fcller^Jan^Q^III^Dr"
    assert patient.pid_3.value == "A\\F\\B^^^HOSP"


def test_words_cannot_break_out_of_their_field():
    """Delimiters, ends of segments and of frames in a reason stay text."""
    evil = Triage(level=TriageLevel.NOTABLE, reasons=("a|b^c\rOBX|99\x1c\r\x0bMSH|",))
    analysis = replace(reports.analysis(), triage=evil)
    encoded = oru.encode(analysis, Source.read(reports.ct_series()))
    assert mllp.unframe(mllp.frame(encoded)) == encoded
    assert len(observations(message_of(analysis))["triage-reason"]) == 1


def test_equal_analyses_give_equal_bytes():
    """And the control identifier, by which an acknowledgement names it."""
    source = Source.read(reports.ct_series())
    once, again = (oru.encode(reports.analysis(), source) for _ in range(2))
    assert once == again
    assert len(mllp.control_id(once)) == 20
