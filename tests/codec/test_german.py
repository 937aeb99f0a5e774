"""Everything that leaves the service for people, in German."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from phrased import phrased, refused
from reports import GRID, ct_series, labels
from validators import assert_dciodvfy, assert_dsrdump

from millet.codec import (
    chest_cad,
    codes,
    fhir,
    gsps,
    key_images,
    labelmap,
    meanings_de,
    oru,
    presentation,
    secondary,
    seg,
    sr,
    sr_reading,
    summary_sr,
)
from millet.codec.codes import Code
from millet.codec.elements import plain
from millet.codec.outline import planes
from millet.codec.projection import project
from millet.codec.source import Source
from millet.core.language import Language

EN, DE = Language
TEXTS = {"LO", "SH", "ST", "LT", "UT"}
IDENTIFIERS = frozenset(
    {
        *("PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyDescription", "StudyID", "CodeValue"),
        *("CodingSchemeDesignator", "CodingSchemeName", "CodingSchemeResponsibleOrganization"),
        *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"),
        *("PositionReferenceIndicator", "DimensionDescriptionLabel", "SegmentAlgorithmName", "RescaleType"),
        "WindowCenterWidthExplanation",
    }
)
"""Whose the text is, or what names a thing; no language changes them."""
SAME_TEXTS = (
    "Millet",
    "log",
    "1",
    "2.25.",
    "2026-",
    "software=",
    "model-",
    "configuration-",
    "provider=",
    "pre",
)
"""How texts begin that name things, too."""
NODULES = 30
GONE = 2
"""Of the prior."""
IODS = ("sr", "summary", "cad", "seg", "gsps", "kos", "sc-axial", "sc-coronal", "sc-rotating")


@pytest.fixture(scope="module")
def source():
    """A series of slices, read once."""
    return Source.read(ct_series())


def _objects(made, source):
    """All DICOM objects of an analysis, by kind."""
    found = {
        "sr": sr.encode(made, source),
        "summary": summary_sr.encode(made, source, masks=bool(made.nodules)),
        "cad": chest_cad.encode(made, source),
    }
    if made.nodules:
        seen = project(np.zeros(GRID.shape, np.int16), GRID, None)
        drawn = labels(made.nodules)
        found |= {
            "seg": seg.encode(made, drawn, source),
            "labelmap": labelmap.encode(made, drawn, source),
            "gsps": gsps.encode(made, source),
            "kos": key_images.encode(made, source),
            **secondary.encode(seen, made, source),
        }
    return found


@pytest.fixture(scope="module")
def objects(source):
    """Of one exam in both languages."""
    return {language: _objects(phrased(NODULES, language), source) for language in Language}


def _texts(ds, path=""):
    """Every text of a data set, by where it stands."""
    for element in ds:
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from _texts(item, f"{path}/{element.keyword}[{number}]")
        elif element.VR in TEXTS and element.keyword not in IDENTIFIERS and element.value:
            yield f"{path}/{element.keyword}", str(element.value)


def _read(encoded):
    return pydicom.dcmread(io.BytesIO(encoded))


def _figures(text):
    return not any(c.isalpha() for c in text.replace("mm", ""))


@pytest.mark.parametrize(
    "kind", ["sr", "summary", "cad", "seg", "labelmap", "gsps", "kos", "sc-coronal", "sc-rotating"]
)
def test_no_english_is_left_in_an_object(kind, objects):
    """Every text and every meaning of a code reads otherwise than in English, but for names and figures."""
    english, german = (dict(_texts(_read(objects[language][kind]))) for language in (EN, DE))
    assert set(english) == set(german)
    same = {path: text for path, text in german.items() if english[path] == text and not _figures(text)}
    meanings = {text for path, text in same.items() if path.endswith("CodeMeaning")}
    assert meanings <= {"mm", "Pleura", "Juxtapleural", "Perifissural", "Zone", "Series Instance UID"}
    others = {text for path, text in same.items() if not path.endswith("CodeMeaning")}
    assert not {text for text in others if not text.startswith(SAME_TEXTS)}


def test_a_refused_series_is_told_in_german(source):
    """In report, summary and CAD: why, and that nothing was assessed."""
    for encoded in _objects(refused(DE), source).values():
        told = " ".join(text for _, text in _texts(_read(encoded)))
        assert "nicht ausgewertet" in told
    told = " ".join(text for _, text in _texts(_read(sr.encode(refused(DE), source))))
    assert "Ungleiche Schichtabstände: Schichtabstände von 1,25 bis 2,50 mm" in told


@pytest.mark.parametrize(
    "kind", ["sr", "summary", "cad", "seg", "gsps", "kos", "sc-axial", "sc-coronal", "sc-rotating"]
)
def test_dciodvfy_finds_no_error(kind, objects, tmp_path):
    """The objects are what their IODs demand."""
    path = tmp_path / f"{kind}.dcm"
    path.write_bytes(objects[DE][kind])
    assert_dciodvfy(path)


@pytest.mark.parametrize("kind", ["sr", "summary"])
def test_dsrdump_prints_every_group(kind, objects, tmp_path):
    """N of N, with umlauts, without a complaint."""
    path = tmp_path / f"{kind}.dcm"
    path.write_bytes(objects[DE][kind])
    printed = assert_dsrdump(path)
    shown = {"sr": NODULES + GONE, "summary": 10}[kind]
    assert printed.count('Verfolgung")="Rundherd ') + printed.count('Verfolgung")="Raumforderung ') == shown
    assert "Läsionen" in printed


def test_highdicom_reads_every_nodule(objects):
    """As many groups as nodules, by their codes."""
    from highdicom.sr import srread

    groups = srread(io.BytesIO(objects[DE]["sr"])).content.get_volumetric_roi_measurement_groups()
    assert len(groups) == NODULES
    assert {group.finding_type.value for group in groups} == {codes.NODULE.value, codes.MASS.value}


@pytest.mark.parametrize("kind", ["sr", "summary"])
def test_our_reader_reads_what_it_reads_in_english(kind, objects, source):
    """Every lesion with every number and evaluation, by codes; also those that are told in words."""
    english, german = (
        sr_reading.read(objects[language][kind], planes=planes(source)) for language in (EN, DE)
    )
    assert german.whole
    assert len(german.lesions) == len(english.lesions) > 9
    for one, other in zip(german.lesions, english.lesions, strict=True):
        assert _told(one) == _told(other)
    assert german.parameters == english.parameters


def _told(lesion):
    def key(code):
        return code and (code.value, code.scheme)

    return replace(
        lesion,
        tracking_id="",
        finding=key(lesion.finding),
        sites=tuple(map(key, lesion.sites)),
        numbers=tuple((key(n.concept), key(n.unit), n.value, key(n.derived)) for n in lesion.numbers),
        evaluations=tuple((key(concept), key(value)) for concept, value in lesion.evaluations),
    )


def test_a_report_names_its_language(objects):
    """By TID 1204, at its root; codes, numbers and dates are those of the English one."""
    ds = _read(objects[DE]["sr"])
    first = ds.ContentSequence[0]
    assert (first.ConceptNameCodeSequence[0].CodeValue, first.ConceptCodeSequence[0].CodeValue) == (
        "121049",
        "de-DE",
    )
    assert ds.ContentDate == _read(objects[EN]["sr"]).ContentDate
    numbers = [item for _, item in _decimals(ds)]
    assert numbers == [item for _, item in _decimals(_read(objects[EN]["sr"]))]


def _decimals(ds):
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield from _decimals(item)
        elif element.VR in {"DS", "DA", "TM"}:
            yield element.keyword, str(element.value)


def test_a_code_has_a_german_meaning_that_fits():
    """All that we write have one, of 64 characters at most however umlauts are written."""
    known = {value for value in vars(codes).values() if isinstance(value, Code)} | {*codes.PRIVATE}
    for code in known:
        words = codes.meaning(code, DE)
        assert len(plain(words)) <= 64, words
        assert words != code.meaning or code.value in meanings_de.SAME, code
    assert codes.meaning(Code("own", "99X", "of a site"), DE) == "of a site"


def test_two_thousand_nodules_in_german(source):
    """No more than 6 MB."""
    made = phrased(2000, DE, compared=False)
    assert len(sr.encode(made, source)) <= 6e6


def test_messages_are_in_german(source):
    """HL7 v2 in UTF-8 names its language; FHIR likewise, and shows no English beside its codes."""
    made = phrased(NODULES, DE)
    lines = oru.encode(made, source).decode("utf-8").split("\r")
    assert lines[0].split("|")[17:19] == ["UNICODE UTF-8", "de"]
    message = "\n".join(lines)
    assert "Pleuraerguss links, mindestens" in message
    assert "Nach Fleischner Society 2017" in message
    assert "5 %; Rundherd 1; CT nach 3 bis 6 Monaten" in message
    assert "|41.5|mm^mm^UCUM" in message
    bundles = [json.loads(fhir.encode(phrased(NODULES, language), source)) for language in (EN, DE)]
    english, german = (dict(_shown(bundle)) for bundle in bundles)
    assert {entry["resource"]["language"] for entry in bundles[1]["entry"]} == {"de"}
    same = {text for path, text in german.items() if english.get(path) == text}
    assert same <= {"mm", "Pleura", "Zone", "Software"}


def _shown(value, path=""):
    """What a FHIR resource shows to people, by where it stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and name in {"display", "text", "valueString", "conclusion", "unit"}:
                yield f"{path}/{name}", inner
            yield from _shown(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _shown(inner, f"{path}[{number}]")


def test_pictures_are_in_german():
    """Other words stand in them."""
    seen = project(np.zeros(GRID.shape, np.int16), GRID, None)
    english, german = (presentation.mips(seen, phrased(3, language)) for language in (EN, DE))
    assert all(english[plane] != german[plane] for plane in ("coronal", "axial"))
    assert presentation.tally(phrased(3, DE)) == (
        "2 Rundherde, 1 Raumforderung, Erguss links, Anzahl nicht verlässlich, Triage kritisch"
    )


def test_the_same_german_analysis_gives_the_same_bytes(source):
    """Encoding twice gives one object."""
    made = phrased(5, DE)
    assert sr.encode(made, source) == sr.encode(made, source)
