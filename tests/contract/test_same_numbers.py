"""The same figures in every report: SR, summary, FHIR, HL7 v2 and, by the rounding rule, gRPC."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import characters
import pydicom
import pytest
import reports

from millet.codec import chest_cad, codes, fhir, oru, sr, sr_reading, summary_sr, wire
from millet.codec.outline import planes
from millet.codec.source import Source
from millet.core.rounding import attenuation_hu, length_mm, percent, score, volume_mm3


@pytest.fixture(scope="module")
def analysis():
    """An exam in which everything is told."""
    return characters.whole(40, compared=False)


@pytest.fixture(scope="module")
def source():
    """Its images."""
    return Source.read(reports.ct_series())


@pytest.fixture(scope="module")
def expected(analysis):
    """Diameter, volume and attenuation of each nodule by tracking UID, as gRPC tells them, rounded."""
    return {
        sent.tracking_uid: (
            length_mm(sent.diameter_mm),
            volume_mm3(sent.volume_mm3),
            attenuation_hu(sent.mean_hu),
        )
        for sent in (wire.nodule_to_wire(nodule) for nodule in analysis.nodules)
    }


def test_the_report_tells_what_grpc_tells(analysis, source, expected):
    """N of N nodules, to the digit."""
    found = sr_reading.read(sr.encode(analysis, source), planes=planes(source))
    told = {one.tracking_uid: (one.diameter_mm, one.volume_mm3) for one in found.lesions}
    assert told == {uid: figures[:2] for uid, figures in expected.items()}


def test_the_summary_tells_what_the_report_tells(analysis, source, expected):
    """Of the nodules that it shows."""
    found = sr_reading.read(summary_sr.encode(analysis, source, masks=True), planes=planes(source))
    assert found.lesions
    for one in found.lesions:
        assert (one.diameter_mm, one.volume_mm3) == expected[one.tracking_uid][:2]


def test_fhir_tells_what_grpc_tells(analysis, source, expected):
    """Diameter, volume and attenuation of N of N."""
    told = {}
    for entry in json.loads(fhir.encode(analysis, source))["entry"]:
        uid = entry["resource"]["identifier"][-1]["value"].removeprefix("urn:oid:")
        if uid in expected:
            parts = {
                part["code"]["coding"][0]["code"]: part.get("valueQuantity", {}).get("value")
                for part in entry["resource"]["component"]
            }
            told[uid] = (parts["81827009"], parts["118565006"], parts["112181"])
    assert told == expected


def test_a_probability_is_the_same_everywhere(analysis, source):
    """In FHIR and, as the certainty of a finding, in the CAD report what gRPC tells; a score is neither."""
    wanted = {
        sent.tracking_uid: percent(sent.character.probability)
        for sent in (wire.nodule_to_wire(nodule) for nodule in analysis.nodules)
    }
    told = {}
    for entry in json.loads(fhir.encode(analysis, source))["entry"]:
        uid = entry["resource"]["identifier"][-1]["value"].removeprefix("urn:oid:")
        for part in entry["resource"].get("component", ()):
            if part["code"]["coding"][0]["code"] == codes.PROBABILITY.value:
                told[uid] = part["valueQuantity"]["value"]
    assert told == wanted
    cad = pydicom.dcmread(io.BytesIO(chest_cad.encode(analysis, source)))
    assert sorted(_numbers(cad, codes.CERTAINTY)) == sorted(wanted.values())
    report = pydicom.dcmread(io.BytesIO(sr.encode(analysis, source)))
    assert list(_numbers(report, codes.CERTAINTY)) == []
    assert sorted(_numbers(report, codes.SCORE)) == sorted(score(one.score) for one in analysis.nodules)


def test_without_a_calibration_no_certainty_is_told(analysis, source):
    """No probability anywhere, and no score in its place."""
    bare = tuple(replace(one, character=replace(one.character, probability=None)) for one in analysis.nodules)
    uncalibrated = replace(analysis, nodules=bare)
    cad = pydicom.dcmread(io.BytesIO(chest_cad.encode(uncalibrated, source)))
    assert list(_numbers(cad, codes.CERTAINTY)) == []
    assert codes.PROBABILITY.value not in fhir.encode(uncalibrated, source).decode()
    report = sr.encode(uncalibrated, source)
    assert not [words for words in (b"; probability ", codes.PROBABILITY.value.encode()) if words in report]


def _numbers(item, concept):
    """Every value of a concept below an item."""
    for one in item.get("ContentSequence", []):
        if (
            one.get("ConceptNameCodeSequence")
            and one.ConceptNameCodeSequence[0].get("CodeValue") == concept.value
        ):
            yield float(one.MeasuredValueSequence[0].NumericValue)
        yield from _numbers(one, concept)


def test_hl7_tells_the_same_count_and_largest_lesion(analysis, source, expected):
    """As NM values."""
    text = oru.encode(analysis, source).decode()
    lines = [line.split("|") for line in text.split("\r") if "|NM|" in line]
    values = {fields[3].split("^")[0]: fields[5] for fields in lines}
    assert float(values["246206008"]) == len(expected)
    assert float(values["largest"]) == max(figures[0] for figures in expected.values())


def test_criteria_and_the_comparison_are_the_same_words_everywhere(source):
    """In SR, FHIR and HL7; FHIR tells of each nodule, too, what became of it."""
    followed = characters.whole(5)
    texts = {codes.CRITERIA.value: set(), codes.COMPARISON.value: set()}
    for item in _items(pydicom.dcmread(io.BytesIO(sr.encode(followed, source)), force=True)):
        for name in item.get("ConceptNameCodeSequence", ()):
            texts.get(name.get("CodeValue", ""), set()).add(item.get("TextValue"))
    assert all(texts.values())
    parts = [
        (part["code"]["coding"][0]["code"], part)
        for entry in json.loads(fhir.encode(followed, source))["entry"]
        for part in entry["resource"].get("component", ())
    ]
    for concept, words in texts.items():
        assert {part["valueString"] for code, part in parts if code == concept} == words
    message = oru.encode(followed, source).decode("utf-8")
    rows = [segment.split("|") for segment in message.split("\r") if segment.startswith("OBX")]
    for concept, words in texts.items():
        assert {row[5] for row in rows if row[3].startswith(f"{concept}^")} == words
    fates = [part["valueCodeableConcept"]["coding"][0]["code"] for code, part in parts if code == "fate"]
    current = [one.fate for one in followed.change.nodules if one.number is not None]
    assert fates == [codes.FATES[fate].value for fate in current]


def _items(item):
    """All content items."""
    for one in item.get("ContentSequence", ()):
        yield one
        yield from _items(one)
