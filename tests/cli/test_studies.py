"""The studies below a folder, in any layout."""

import pytest
from instances import ct_dataset, ct_file, file_of
from pydicom.uid import MRImageStorage

from millet.cli import studies
from millet.errors import ServiceError

MEDIA = b"\0" * 128 + b"DICM" + b"\2\0\2\0UI\x14\x001.2.840.10008.1.3.10\0"


@pytest.fixture
def root(tmp_path):
    """Two series of one study, one here and one deep below, among what is no series of ours."""
    deep = tmp_path / "DICOM" / "PA000001" / "ST000001"
    deep.mkdir(parents=True)
    for number in range(3):
        (tmp_path / f"{number}.dcm").write_bytes(ct_file(number))
        (deep / f"IM{number:06d}").write_bytes(ct_file(number, "1.2.3"))
    (tmp_path / "DICOMDIR").write_bytes(MEDIA)
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / ".hidden").write_bytes(ct_file(9, "1.2.9"))
    (tmp_path / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    other = ct_dataset(5, "1.2.5", MRImageStorage)
    other.StudyInstanceUID = "1.2.55"
    (tmp_path / "mr").write_bytes(file_of(other))
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_every_series_is_found_wherever_it_lies(root):
    """By its tags alone; what is no CT, no DICOM and cannot be read is counted."""
    found = studies.below(root, root / "out")
    (series,) = found.studies().values()
    assert sorted(len(one.files) for one in series) == [3, 3]
    assert {(one.accession, one.patient) for one in series} == {("A1", "\nP1")}
    assert found.kinds == {
        studies.CT: 6,
        studies.DIRECTORY: 1,
        studies.NO_DICOM: 1,
        studies.UNREADABLE: 1,
        studies.OTHER: 1,
    }
    assert (found.studies_not_taken, list(found.left_out)) == (1, [root / "broken"])


def test_what_was_written_before_is_passed_over(root):
    """The folder of the report may lie among the cases."""
    (root / "out").mkdir()
    (root / "out" / "copy.dcm").write_bytes(ct_file(1, "1.2.7"))
    assert "1.2.7" not in studies.below(root, root / "out").series


def test_a_long_header_is_read_to_its_end(root):
    """Beyond what is read at first."""
    dataset = ct_dataset(1, "1.2.8")
    dataset.ImageComments = "x" * 9000
    dataset.add_new(0x00091001, "OB", b"\0" * 2 * studies.HEAD_BYTES)
    (root / "long").write_bytes(file_of(dataset))
    assert studies.below(root, root / "out").series["1.2.8"].scanner.name == "not stated"


def test_a_patient_without_an_id_is_nobody_else(root):
    """Each such study is a patient of its own."""
    dataset = ct_dataset(1, "1.2.8")
    dataset.PatientID, dataset.StudyInstanceUID = "", "1.2.88"
    (root / "nobody").write_bytes(file_of(dataset))
    assert studies.below(root, root / "out").series["1.2.8"].patient == "1.2.88"


@pytest.mark.parametrize("name", ["empty", "nowhere"])
def test_a_folder_without_a_series_is_an_error(root, name):
    """And one that is none."""
    with pytest.raises(ServiceError, match=r"no CT series below .*: no file|is no folder"):
        studies.below(root / name, root / "out")
