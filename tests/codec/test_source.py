import io

import pytest
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian
from reports import REFUSED, STUDY, analysis, as_file, ct_series, ct_slice, labels, nodules, sop_uid

from millet.codec import seg, sr
from millet.codec.elements import encode_raw, joined, read_elements, tag_of
from millet.codec.source import INHERITED, Source
from millet.core.reasons import Reason
from millet.errors import UnfitSeries

MARK = b"@@NAME@@" * 8
CHARSETS = {
    "gb18030": (b"GB18030 ", "Wang^XiaoDong=王^小东".encode("gb18030")),
    "japanese": (
        rb"\ISO 2022 IR 87 ",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ),
    "half-width": (
        rb"ISO 2022 IR 13\ISO 2022 IR 87 ",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
    ),
    "korean": (rb"\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"),
    "latin-1": (b"ISO_IR 100", "Müller^Jürgen".encode("latin-1")),
    "utf-8": (b"ISO_IR 192", "Ἀθήνα^王".encode()),
    "missing": (None, "Müller^王".encode("gb18030")),
    "unknown": (b"NO SUCH SET ", b"\xff\xfe\x80^\x81"),
    "wrong": (b"ISO_IR 192", b"M\xfcller^\xff\xfe"),
}
NAME, CHARSET = tag_of("PatientName"), tag_of("SpecificCharacterSet")


def _slices(charset, name, count=30):
    """Slices whose name, in bytes, is put into the encoded file behind pydicom's back."""
    name = name.ljust(len(MARK))
    for number in range(count):
        ds = ct_slice(number, PatientName=MARK.decode(), StudyDescription=MARK.decode())
        encoded = as_file(ds).replace(MARK, name)
        if charset is not None:
            padded = charset.ljust(len(charset) + len(charset) % 2)
            element = b"\x08\x00\x05\x00CS" + len(padded).to_bytes(2, "little") + padded
            at = encoded.index(b"\x08\x00\x08\x00CS")
            encoded = encoded[:at] + element + encoded[at:]
        yield encoded


def _inherited(encoded):
    return joined(encode_raw(read_elements(encoded, INHERITED)))


@pytest.mark.parametrize(("charset", "name"), CHARSETS.values(), ids=CHARSETS)
def test_patient_and_study_keep_their_bytes_in_every_character_set(charset, name):
    """SR and SEG carry the name's very bytes and its character set, decodable or not."""
    files = list(_slices(charset, name))
    source, found = Source.read(files), nodules(3)
    written = [
        sr.encode(analysis(found), source),
        seg.encode(analysis(found), labels(found), source),
        sr.encode(analysis(), source),
    ]
    original = read_elements(files[0], INHERITED)
    assert original[NAME].value.startswith(name[:10])
    assert (CHARSET in original) == (charset is not None)
    for encoded in written:
        assert _inherited(encoded) == _inherited(files[0])


@pytest.mark.parametrize("case", ["gb18030", "japanese", "korean", "latin-1", "utf-8"])
def test_a_reader_sees_the_same_name(case):
    """What pydicom decodes from the source it decodes from the report."""
    files = list(_slices(*CHARSETS[case], count=1))
    before = dcmread(io.BytesIO(files[0]))
    after = dcmread(io.BytesIO(sr.encode(analysis(), Source.read(files))))
    for keyword in ("PatientName", "StudyDescription"):
        assert str(after[keyword].value) == str(before[keyword].value)
    assert not str(after.PatientName).isascii()


def test_study_and_patient_modules_are_copied_whole():
    """Accession, issuer, age and sequences come along; what is not of patient or study does not."""
    files = ct_series(
        1, PatientWeight="70", AdmissionID="X1", PatientComments="c", TimezoneOffsetFromUTC="+0200"
    )
    after = dcmread(io.BytesIO(sr.encode(analysis(), Source.read(files))))
    before = dcmread(io.BytesIO(files[0]))
    for keyword in (
        "AccessionNumber", "IssuerOfPatientID", "PatientAge", "PatientWeight", "AdmissionID",
        "PatientComments", "StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName",
        "TimezoneOffsetFromUTC",
    ):  # fmt: skip
        assert after[keyword] == before[keyword]
    assert "KVP" not in after
    assert (after.ContentDate, after.ContentTime) == ("20260101", "143005.123456")


@pytest.mark.parametrize("written", ["+9900", "-2400", "+0260", "2", "+ab00"])
def test_a_time_zone_that_is_none_never_stops_a_report(written):
    """An impossible offset is copied like the rest, and our own times are then UTC or near it."""
    source = Source.read(ct_series(1, TimezoneOffsetFromUTC=written))
    assert dcmread(io.BytesIO(sr.encode(analysis(), source))).ContentDate in {"20260101", "20260102"}


def test_what_must_be_there_is_there_if_only_empty():
    """A source without birth date, accession or study time still gives a valid patient and study."""
    ds = ct_slice(0)
    for keyword in ("PatientBirthDate", "AccessionNumber", "StudyTime", "ReferringPhysicianName"):
        del ds[keyword]
    after = dcmread(io.BytesIO(sr.encode(analysis(), Source.read([as_file(ds)]))))
    assert (after.PatientBirthDate, after.AccessionNumber, after.StudyTime) == ("", "", "")


def test_implicit_and_explicit_sources_give_the_same_report():
    """The transfer syntax of the source leaves no trace."""
    explicit = Source.read([as_file(ct_slice(0))])
    implicit = Source.read([as_file(ct_slice(0), ImplicitVRLittleEndian)])
    assert sr.encode(analysis(), explicit) == sr.encode(analysis(), implicit)


def test_what_cannot_be_read_is_left_out():
    """One readable instance is enough for a source; without one there is a coded reason."""
    good = as_file(ct_slice(4))
    source = Source.read([b"", b"rubbish", good, good[:100]])
    assert [image.sop_instance_uid for image in source.images] == [sop_uid(4)]
    assert Source.any_of([b"rubbish"]) is None
    with pytest.raises(UnfitSeries) as refused:
        Source.read([b"rubbish"])
    assert refused.value.reason is Reason.UNREADABLE_OBJECT


def test_images_keep_the_order_in_which_they_were_given():
    """The n-th image is the n-th instance, since a mask's plane n lies on it."""
    files = ct_series(5)
    source = Source.read(files[::-1])
    assert [image.sop_instance_uid for image in source.images] == [sop_uid(n) for n in (4, 3, 2, 1, 0)]


def test_a_source_does_not_show_its_patient():
    """What is printed of a source, in a log or a traceback, holds no patient data."""
    shown = repr(Source.read(ct_series(1)))
    assert "Doe" not in shown
    assert "12345" not in shown


def test_a_refused_series_is_reported_alike_in_any_order():
    """Instances that arrive in another order, or twice, give the same report."""
    files = ct_series(4)
    made = analysis(remarks=[REFUSED])
    expected = sr.encode(made, Source.any_of(files))
    assert sr.encode(made, Source.any_of([*files[::-1], files[2]])) == expected


def test_instances_of_two_studies_stay_in_their_studies():
    """Where a series arrives with two study UIDs, each instance is referred to in its own."""
    other = as_file(ct_slice(1, StudyInstanceUID="1.2.3"))
    ds = dcmread(io.BytesIO(sr.encode(analysis(remarks=[REFUSED]), Source.any_of([*ct_series(1), other]))))
    studies = {
        study.StudyInstanceUID: study.ReferencedSeriesSequence[0]
        .ReferencedSOPSequence[0]
        .ReferencedSOPInstanceUID
        for study in ds.CurrentRequestedProcedureEvidenceSequence
    }
    assert studies == {STUDY: sop_uid(0), "1.2.3": sop_uid(1)}
