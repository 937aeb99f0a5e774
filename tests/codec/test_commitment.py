from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from millet.codec import commitment
from millet.codec.commitment import read_report, read_request
from millet.core.commitment import MOST_REFERENCES, Reference, Request, Verdict

REQUEST = Request(transaction_uid="2.25.7", references=(Reference("1.1", "1.2"), Reference("1.1", "1.3")))
VERDICT = Verdict(
    transaction_uid="2.25.7",
    kept=(Reference("1.1", "1.2"),),
    failed=((Reference("1.1", "1.3"), 0x0112),),
)


def encoded(dataset: Dataset, *, implicit: bool) -> bytes:
    """A data set as it travels."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, True
    write_dataset(buffer, dataset)
    return buffer.getvalue()


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
def test_what_is_written_is_read(implicit):
    """Requests and reports survive the wire, in either syntax."""
    assert read_request(encoded(commitment.request(REQUEST), implicit=implicit)) == REQUEST
    assert read_report(encoded(commitment.report(VERDICT), implicit=implicit)) == VERDICT


def test_empty_sequences_are_left_out():
    """PS3.4 J.3.3: a sequence is there where it has items."""
    all_kept = Verdict(transaction_uid="1.2", kept=VERDICT.kept)
    assert "FailedSOPSequence" not in commitment.report(all_kept)
    assert (all_kept.event_type, VERDICT.event_type) == (1, 2)


def _without(keyword: str) -> bytes:
    made = commitment.request(REQUEST)
    delattr(made, keyword)
    return encoded(made, implicit=True)


def _unnamed() -> bytes:
    made = commitment.request(REQUEST)
    made.ReferencedSOPSequence[1].ReferencedSOPInstanceUID = ""
    return encoded(made, implicit=True)


@pytest.mark.parametrize(
    "dataset",
    [b"", b"\xff" * 100, _without("TransactionUID"), _without("ReferencedSOPSequence"), _unnamed()],
    ids=["nothing", "noise", "no transaction", "no references", "an instance without UID"],
)
def test_what_is_no_request_is_refused(dataset):
    """And nothing of it is quoted."""
    with pytest.raises(ValueError, match="is named"):
        read_request(dataset)


def test_a_request_is_bounded():
    """One instance more than is taken."""
    item = encoded(commitment.request(REQUEST).ReferencedSOPSequence[0], implicit=True)
    items = (b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item) * (MOST_REFERENCES + 1)
    sequence = b"\x08\x00\x99\x11" + len(items).to_bytes(4, "little") + items
    with pytest.raises(ValueError, match="more"):
        read_request(b"\x08\x00\x95\x11\x04\x00\x00\x001.2\0" + sequence)
