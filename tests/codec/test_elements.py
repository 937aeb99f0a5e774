import io
import random
import zlib

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from reports import as_file, ct_slice

from millet.codec.elements import (
    EXPLICIT_LITTLE,
    dataset,
    encode_raw,
    plain,
    read_elements,
    tag_of,
)
from millet.codec.part10 import part10

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}
TAGS = {
    tag_of(word)
    for word in ("PatientName", "ProcedureCodeSequence", "PregnancyStatus", "IssuerOfAccessionNumberSequence")
}


def _instance(undefined=False):
    nested, inner = Dataset(), Dataset()
    inner.CodeValue, inner.CodingSchemeDesignator, inner.CodeMeaning = "1", "99X", "odd"
    nested.CodeValue, nested.CodingSchemeDesignator, nested.CodeMeaning = "CT", "99X", "CT thorax"
    nested.PurposeOfReferenceCodeSequence = [inner, inner]
    issuer = Dataset()
    issuer.LocalNamespaceEntityID = "RIS"
    ds = ct_slice(0, PregnancyStatus=4)
    ds.ProcedureCodeSequence = [nested]
    ds.IssuerOfAccessionNumberSequence = [issuer]
    for word in ("ProcedureCodeSequence", "IssuerOfAccessionNumberSequence"):
        ds[word].is_undefined_length = undefined
        for item in ds[word].value:
            item.is_undefined_length_sequence_item = undefined
    return ds


def _rewritten(elements):
    uids = {"sop_class_uid": "1.2", "sop_instance_uid": "1.3"}
    return dcmread(io.BytesIO(part10(encode_raw(elements), **uids)))


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined"])
def test_elements_survive_every_transfer_syntax(syntax, undefined):
    """Strings, numbers and nested sequences read the same after re-encoding, whatever they came in."""
    ds = _instance(undefined)
    found = _rewritten(read_elements(as_file(ds, syntax), TAGS))
    assert {element.tag for element in found} == TAGS
    for element in found:
        assert element == ds[element.tag]


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"]
)
def test_a_bare_data_set_is_read(syntax):
    """A data set without a file header is read, explicit or implicit."""
    encoded = as_file(_instance(), syntax)
    meta_length = int.from_bytes(encoded[140:144], "little")
    assert read_elements(encoded[144 + meta_length :], TAGS) == read_elements(encoded, TAGS)


def test_a_syntax_that_is_declared_wrongly_is_read():
    """Implicit VR declared as explicit is told from the bytes."""
    encoded = as_file(_instance(), ImplicitVRLittleEndian)
    lying = encoded.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2\0"[:-1] + b" ")
    assert read_elements(lying, TAGS) == read_elements(encoded, TAGS)


def test_an_unknown_vr_of_a_known_tag_is_named():
    """A sequence and a name sent as UN are written with the VR of the dictionary."""
    ds = _instance()
    implicit = read_elements(as_file(ds, ImplicitVRLittleEndian), TAGS)
    sequence = as_file(ds, ExplicitVRLittleEndian)
    name = b"Doe^Jane"
    lying = sequence.replace(b"PN\x08\x00" + name, b"UN\0\0\x08\0\0\0" + name)
    assert lying != sequence
    assert read_elements(lying, TAGS) == implicit


def test_truncated_and_damaged_bytes_are_no_surprise():
    """Whatever is cut off or overwritten: some elements or a ValueError, nothing else."""
    encoded = as_file(_instance(undefined=True))
    end = encoded.index(b"\xe0\x7f\x10\x00")
    for cut in range(0, end, 7):
        read_elements(encoded[:cut], TAGS)
    rng = random.Random(1)
    for _ in range(500):
        damaged = bytearray(encoded[:end])
        for _ in range(5):
            damaged[rng.randrange(132, end)] = rng.randrange(256)
        read_elements(bytes(damaged), TAGS)


def test_a_broken_deflated_data_set_is_a_value_error():
    """Bytes that do not inflate are named as such."""
    encoded = as_file(_instance(), DeflatedExplicitVRLittleEndian)
    meta_length = int.from_bytes(encoded[140:144], "little")
    with pytest.raises(ValueError, match="inflated"):
        read_elements(encoded[: 144 + meta_length] + zlib.compress(b"zlib is not raw deflate"), TAGS)


def test_what_we_write_is_what_pydicom_reads():
    """Text, lists, numbers and sequences, padded and in order, with a file header."""
    elements = dataset(
        Modality="SR",
        ImageType=("DERIVED", "PRIMARY"),
        Rows=3,
        GraphicData=(1.5, -2.25, 3.0),
        FloatingPointValue=0.1,
        ConceptNameCodeSequence=[dataset(CodeValue="1", CodeMeaning="odd")],
        ContentSequence=[],
    )
    ds = dcmread(io.BytesIO(part10(elements, sop_class_uid="1.2", sop_instance_uid="1.3")))
    assert ds.file_meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert ds.ImageType == ["DERIVED", "PRIMARY"]
    assert (ds.Rows, ds.GraphicData, ds.FloatingPointValue) == (3, [1.5, -2.25, 3.0], 0.1)
    assert ds.ConceptNameCodeSequence[0].CodeMeaning == "odd"
    assert len(ds.ContentSequence) == 0


def test_an_unknown_keyword_is_refused():
    """A word that is not in the dictionary is a mistake of ours."""
    with pytest.raises(KeyError):
        dataset(NoSuchKeyword="1")


def test_our_text_reads_the_same_in_every_character_set():
    """No backslash, tilde or control character leaves this service, and no letter that its set lacks."""
    assert plain("a\\b~c\nd\u00e4\u4e2d") == "a/b?c dae?"
    assert plain("a\\b~c\nd\u00e4\u4e2d", "latin_1") == "a/b?c d\u00e4?"
    assert plain("a\\b~c\nd\u00e4\u4e2d", "utf_8") == "a/b?c d\u00e4\u4e2d"
