"""Whose letters our words are written in, beside patients of any character set."""

from __future__ import annotations

import io

import pydicom
import pytest
from phrased import phrased
from pydicom import Dataset
from reports import as_file, ct_slice

from millet.codec import sr
from millet.codec.source import Source
from millet.core.language import Language

GREEK, CYRILLIC = "\u039c\u03cd\u03bb\u03b5\u03c1", "\u0418\u0432\u0430\u043d"


def _source(declared, name):
    """One slice of a patient of that name, in that character set; None declares none."""
    made = ct_slice(0)
    if declared is not None:
        made.SpecificCharacterSet = declared
    made.PatientName = name
    return Source.read([as_file(made)])


def _raw(name):
    """A slice without a character set, the bytes of its name as they are."""
    encoded = as_file(ct_slice(0, PatientName="N" * len(name)))
    return Source.read([encoded.replace(b"N" * len(name), name)])


def _written(source):
    """What a German report says, its patient and its character set."""
    ds = pydicom.dcmread(io.BytesIO(sr.encode(phrased(0, Language.GERMAN, compared=False), source)))
    said = [item for item in ds.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "C0034375"]
    return ds.get("SpecificCharacterSet"), str(ds.PatientName), said[0].ContentSequence[0].TextValue


@pytest.mark.parametrize(
    ("declared", "name", "stands"),
    [
        (None, "Doe^Jane", "ISO_IR 100"),
        ("ISO_IR 192", "Doe^Jane", "ISO_IR 100"),
        ("ISO_IR 100", "M\u00fcller^J\u00f6rg", "ISO_IR 100"),
        ("ISO_IR 192", "M\u00fcller^J\u00f6rg", "ISO_IR 192"),
        ("ISO_IR 101", "\u0141uk\u00e1cs", "ISO_IR 101"),
        ("ISO_IR 192", "\u738b^\u5c0f", "ISO_IR 192"),
    ],
)
def test_umlauts_are_written_where_the_patient_can_stay_as_he_is(declared, name, stands):
    """In the source's own set, or in Latin-1 beside plain ASCII."""
    assert _written(_source(declared, name)) == (stands, name, _TOLD)


@pytest.mark.parametrize(("declared", "name"), [("ISO_IR 126", GREEK), ("ISO_IR 144", CYRILLIC)])
def test_umlauts_are_spelt_out_where_the_set_has_none(declared, name):
    """The patient's name is not touched."""
    assert _written(_source(declared, name)) == (declared, name, _SPELT)


def test_a_name_in_undeclared_letters_is_copied_byte_by_byte():
    """The commonest mistake: Latin-1 without a character set. Nobody guesses."""
    source = _raw(b"M\xfcller^J")
    encoded = sr.encode(phrased(0, Language.GERMAN, compared=False), source)
    assert b"M\xfcller^J" in encoded
    assert source.letters.codec == "ascii"
    assert _SPELT.encode("ascii") in encoded


def test_letters_within_a_sequence_count_too():
    """A procedure named with an umlaut, undeclared."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "Th?rax CT"
    encoded = as_file(ct_slice(0, ProcedureCodeSequence=[code])).replace(b"Th?rax", b"Th\xf6rax")
    assert Source.read([encoded]).letters.codec == "ascii"
    assert Source.read([as_file(ct_slice(0, ProcedureCodeSequence=[code]))]).letters.codec == "latin_1"


def test_english_declares_what_the_source_declares():
    """And nothing else, whoever the patient is."""
    for declared in (None, "ISO_IR 192", "ISO_IR 126"):
        made = phrased(0, Language.ENGLISH, compared=False)
        ds = pydicom.dcmread(io.BytesIO(sr.encode(made, _source(declared, "Doe^Jane"))))
        assert ds.get("SpecificCharacterSet") == declared


_TOLD = (
    "Nicht verifiziert. Nur zu Forschungszwecken. Nicht zur Diagnose; kein Medizinprodukt. "
    "KI-Ergebnis, \u00e4rztlich nicht gepr\u00fcft."
)
_SPELT = _TOLD.replace("\u00e4", "ae").replace("\u00fc", "ue")
