from __future__ import annotations

import json

import pytest
from pydicom.dataset import Dataset

from millet.codec.dicomjson import Outcome, rows, store_response


def test_rows_are_read_as_text():
    """First values, texts and numbers alike; names, sequences and what is malformed are left out."""
    body = json.dumps(
        [
            {
                "0020000D": {"vr": "UI", "Value": ["1.2", "1.3"]},
                "00201209": {"vr": "IS", "Value": [7]},
                "0008103E": {"vr": "LO", "Value": [{"Alphabetic": "x"}]},
                "00080060": {"vr": "CS"},
            },
            {"0020000D": "1.2"},
        ]
    ).encode()
    wanted = ("StudyInstanceUID", "NumberOfSeriesRelatedInstances", "SeriesDescription", "Modality")
    assert rows(body, wanted) == [{"StudyInstanceUID": "1.2", "NumberOfSeriesRelatedInstances": "7"}, {}]
    assert rows(b" ", wanted) == []


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"no", b"\xff", b"[" * 100_000, b'[{"a":'], ids=range(6))
def test_what_is_no_answer_is_refused(body):
    """However malformed, and without quoting it."""
    with pytest.raises(ValueError, match="the answer is no"):
        rows(body, ())


def test_a_store_response_reads_as_dicom():
    """What is stored, what failed and why, and what could not even be named, each in its sequence."""
    outcomes = [
        Outcome("1.1", "1.2", "1.3", "1.4"),
        Outcome("1.1", "1.5", "1.3", "1.4", 0xA900),
        Outcome("", "", "", "", 0xC000),
    ]
    told = Dataset.from_json(store_response(outcomes, "http://x").decode())
    (stored,), (failed,) = told.ReferencedSOPSequence, told.FailedSOPSequence
    assert stored.RetrieveURL == "http://x/studies/1.3/series/1.4/instances/1.2"
    assert (stored.ReferencedSOPClassUID, stored.ReferencedSOPInstanceUID) == ("1.1", "1.2")
    assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == ("1.5", 0xA900)
    assert [one.FailureReason for one in told.OtherFailuresSequence] == [0xC000]
    assert (
        "RetrieveURL" not in Dataset.from_json(store_response(outcomes, "").decode()).ReferencedSOPSequence[0]
    )
