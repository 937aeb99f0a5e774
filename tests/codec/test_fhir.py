"""The report as FHIR, read back by another implementation."""

import json
from collections import Counter
from dataclasses import replace

import characters
import pytest
import reports
from fhir.resources.R4B.bundle import Bundle

from millet.codec import fhir
from millet.codec.source import Source
from millet.core import rounding


def bundle_of(analysis, **changes):
    """The bundle as plain values; the models of FHIR R4B have taken it."""
    encoded = fhir.encode(analysis, Source.read(reports.ct_series(**changes)))
    Bundle.model_validate_json(encoded)
    return json.loads(encoded)


def resources(bundle, kind):
    """Its resources of a kind."""
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


@pytest.mark.parametrize("case", reports.cases())
def test_every_report_is_valid(case):
    """Found, none found and not analysed alike; all of it preliminary."""
    bundle = bundle_of(reports.cases()[case])
    (report,) = resources(bundle, "DiagnosticReport")
    assert {one["status"] for one in (report, *resources(bundle, "Observation"))} == {"preliminary"}


def test_each_nodule_is_an_observation_with_its_figures():
    """N of N, by tracking UID, with the numbers that all reports tell."""
    analysis = reports.cases()["case"]
    bundle = bundle_of(analysis)
    told = {one["identifier"][-1]["value"]: one for one in resources(bundle, "Observation")}
    for nodule in analysis.nodules:
        observation = told[f"urn:oid:{nodule.tracking_uid}"]
        figures = {
            part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"]
            for part in observation["component"]
        }
        assert figures["81827009"] == rounding.length_mm(nodule.diameter_mm)
        assert figures["118565006"] == rounding.volume_mm3(nodule.volume_mm3)


def test_what_is_known_of_a_nodule_is_told():
    """Axes, type and lobe; and of the exam the distribution and what guidelines say."""
    analysis = characters.whole(20)
    bundle = bundle_of(analysis)
    told = {one["identifier"][-1]["value"]: one for one in resources(bundle, "Observation")}
    for nodule in analysis.nodules:
        observation = told[f"urn:oid:{nodule.tracking_uid}"]
        parts = {part["code"]["coding"][0]["code"]: part for part in observation["component"]}
        long_axis_mm = parts["103339001"]["valueQuantity"]["value"]
        assert long_axis_mm == rounding.length_mm(nodule.character.axes.long_axis_mm)
        assert "type" in parts
    (exam,) = (
        one for one in told.values() if any(part.get("valueInteger") for part in one.get("component", ()))
    )
    assert "distribution" in json.dumps(exam)


def test_every_reference_leads_to_an_entry():
    """Results and devices are in the bundle, and no two entries share a name."""
    bundle = bundle_of(reports.cases()["case"])
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert max(Counter(urls).values()) == 1
    (report,) = resources(bundle, "DiagnosticReport")
    led = {one["reference"] for one in report["result"]}
    led |= {one["device"]["reference"] for one in resources(bundle, "Observation")}
    assert led < set(urls)


def test_posted_twice_it_creates_nothing_new():
    """Each entry is created only where its identifier is not known, and the bytes are the same."""
    bundle = bundle_of(reports.cases()["one"])
    assert all("ifNoneExist" in entry["request"] for entry in bundle["entry"])
    source = Source.read(reports.ct_series())
    assert len({fhir.encode(reports.cases()["one"], source) for _ in range(2)}) == 1


def test_a_nodule_that_is_seen_again_is_observed_again():
    """Two exams share its tracking UID, and neither takes the other's observation for its own."""
    one, other = reports.cases()["one"], replace(reports.cases()["one"], generation=2)
    (was,), (now,) = (resources(bundle_of(exam), "Observation")[1:] for exam in (one, other))
    assert was["identifier"][1] == now["identifier"][1]
    conditions = {
        entry["request"]["ifNoneExist"]
        for exam in (one, other)
        for entry in bundle_of(exam)["entry"]
        if entry["resource"] in (was, now)
    }
    assert len(conditions) == 2


def test_nothing_is_counted_of_what_was_not_analysed():
    """Neither nought nor a pattern."""
    (observation,) = resources(bundle_of(reports.analysis(remarks=[reports.REFUSED])), "Observation")
    told = {part["code"]["coding"][0]["code"] for part in observation["component"]}
    assert not told & {"246206008", "lmp"}


def test_of_the_patient_only_the_identifier_is_told():
    """No name and no birth date leave by this way."""
    text = json.dumps(bundle_of(reports.analysis()))
    assert "12345" in text
    assert "Doe" not in text
    assert "1960" not in text
