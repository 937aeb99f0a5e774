from __future__ import annotations

import pytest
from instances import SERIES, ct_dataset, ct_file, header
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from millet.codec.identifiers import (
    SERIES_KEYS,
    identifier,
    is_asked_for,
    names_of,
    number,
    retrieval,
    row,
    uids,
)


def test_an_instance_says_its_names():
    """The four UIDs, and nothing else of the file."""
    told = header(1)
    names = names_of(ct_file(1))
    assert names == (told.sop_class_uid, told.sop_instance_uid, told.study_uid, told.series_uid)
    assert names_of(b"\0" * 300) == ("", "", "", "")


def test_a_question_holds_its_keys_and_asks_for_the_rest():
    """Keys are matched, wanted attributes are empty; text beyond ASCII says in which characters."""
    asked = identifier("SERIES", SERIES_KEYS, {"StudyInstanceUID": "1.2", "Modality": "CT"})
    assert asked.QueryRetrieveLevel == "SERIES"
    assert (asked.StudyInstanceUID, asked.Modality) == ("1.2", "CT")
    assert asked["SeriesInstanceUID"].is_empty
    assert "SpecificCharacterSet" not in asked
    assert identifier("STUDY", (), {"PatientID": "Ä1"}).SpecificCharacterSet == "ISO_IR 192"


def test_a_retrieval_is_of_a_series_or_of_its_instances():
    """The level follows what is named."""
    assert retrieval("1.2", "1.3", ()).QueryRetrieveLevel == "SERIES"
    some = retrieval("1.2", "1.3", {"1.5", "1.4"})
    assert (some.QueryRetrieveLevel, list(some.SOPInstanceUID)) == ("IMAGE", ["1.4", "1.5"])


def test_an_answer_becomes_a_row_whatever_is_in_it():
    """Values as text, cut where absurd; what cannot be read is left out."""
    answer = ct_dataset(1)
    answer.add(DataElement(0x0008103E, "UT", "x" * 5000))
    answer.NumberOfSeriesRelatedInstances = "7"
    told = row(answer, SERIES_KEYS)
    assert told["SeriesInstanceUID"] == SERIES
    assert told["NumberOfSeriesRelatedInstances"] == "7"
    assert len(told["SeriesDescription"]) == 1024
    broken = Dataset()
    broken.add(DataElement(0x0020000D, "UI", "1.2"))
    broken._dict[0x0020000D] = object()
    assert row(broken, SERIES_KEYS) == {}


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ({"SeriesInstanceUID": "1.2", "Modality": "CT"}, True),
        ({"SeriesInstanceUID": "1.2"}, True),
        ({"SeriesInstanceUID": "1.3", "Modality": "CT"}, False),
        ({"SeriesInstanceUID": "1.2", "Modality": "MR"}, False),
        ({"Modality": "CT"}, False),
        ({}, False),
    ],
)
def test_only_what_was_asked_for_counts(answer, counts):
    """An archive that ignores a key answers with everything: rows of others are left out."""
    assert is_asked_for(answer, {"SeriesInstanceUID": "1.2", "Modality": "CT"}) is counts


def test_only_uids_are_uids():
    """What is none, or too long for one, is left out: it would go into addresses."""
    answers = [
        {"SOPInstanceUID": text} for text in ("1.2", "../x", "1." + "2" * 64, "", "1.2 ", "1..2", "1.\n2")
    ]
    assert uids(answers, "SOPInstanceUID", {}) == {"1.2"}


@pytest.mark.parametrize(
    ("text", "value"), [("12", 12), (" +7 ", 7), ("", None), ("1e3", None), ("9" * 10, None)]
)
def test_a_count_is_a_number_or_none(text, value):
    """As IS writes it."""
    assert number(text) == value
