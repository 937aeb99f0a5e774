import pytest
from pydicom.sr._concepts_dict import concepts

from millet.codec import codes
from millet.codec.codes import Code

STANDARD = [
    value for value in vars(codes).values() if isinstance(value, Code) and value.scheme != codes.SCHEME
]

ELSEWHERE = {
    ("en-US", "RFC5646"): "CID 5000 takes any tag of RFC 5646",
    ("de-DE", "RFC5646"): "CID 5000 takes any tag of RFC 5646",
    ("C0034375", "UMLS"): "TID 1500, row 12",
    ("ml", "UCUM"): "UCUM: litre with the prefix milli",
    ("l", "UCUM"): "UCUM: litre",
    ("25045-6", "LN"): "CID 100",
    ("25056-3", "LN"): "CID 100",
    ("35702001", "SCT"): "SNOMED CT; HL7's guide to reports of lung nodules",
}
"""Codes that pydicom's dictionaries lack, and where they come from."""


@pytest.mark.parametrize("code", STANDARD, ids=lambda code: f"{code.scheme}-{code.value}")
def test_a_standard_code_is_in_the_dictionary(code):
    """Value and meaning are those of pydicom's dictionaries, or the source is named here."""
    if (code.value, code.scheme) in ELSEWHERE:
        return
    named = [group[code.value][0] for group in concepts.get(code.scheme, {}).values() if code.value in group]
    assert any(meaning.startswith(code.meaning) for meaning in named), named


def test_private_codes_are_unique_and_fit():
    """A private value names one concept, has a meaning of at most 64 characters, and is ASCII."""
    values = [code.value for code in codes.PRIVATE]
    assert len(set(values)) == len(values)
    for code in codes.PRIVATE:
        assert code.scheme == codes.SCHEME
        assert 0 < len(code.meaning) <= 64
        assert (code.value + code.meaning).isascii()


def test_every_private_code_is_listed():
    """No private concept of the module is missing from the list that documents them."""
    here = {
        value for value in vars(codes).values() if isinstance(value, Code) and value.scheme == codes.SCHEME
    }
    assert here <= set(codes.PRIVATE)


def test_a_long_code_is_a_long_code_value():
    """A value over 16 characters goes into Long Code Value, never cut."""
    assert 0x00080119 in codes.encoded(Code("x" * 17, "99X", "long"))
    assert 0x00080100 in codes.encoded(Code("x" * 16, "99X", "short"))
