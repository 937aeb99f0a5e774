"""The same figures in every report: SR, summary, FHIR, HL7 v2 and, by the rounding rule, gRPC."""

from __future__ import annotations

import json

import characters
import pytest
import reports

from millet.codec import fhir, oru, sr, sr_reading, summary_sr, wire
from millet.codec.outline import planes
from millet.codec.source import Source
from millet.core.rounding import attenuation_hu, length_mm, volume_mm3


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


def test_hl7_tells_the_same_count_and_largest_lesion(analysis, source, expected):
    """As NM values."""
    text = oru.encode(analysis, source).decode()
    lines = [line.split("|") for line in text.split("\r") if "|NM|" in line]
    values = {fields[3].split("^")[0]: fields[5] for fields in lines}
    assert float(values["246206008"]) == len(expected)
    assert float(values["largest"]) == max(figures[0] for figures in expected.values())
