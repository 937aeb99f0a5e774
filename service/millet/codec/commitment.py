"""Data sets of Storage Commitment (PS3.4 J.3.2, J.3.3)."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from millet.codec.elements import Raw, read_elements, tag_of
from millet.core.commitment import MOST_REFERENCES, Reference, Request, Verdict
from millet.core.uids import is_uid

_TRANSACTION = tag_of("TransactionUID")
_KEPT = tag_of("ReferencedSOPSequence")
_FAILED = tag_of("FailedSOPSequence")
_CLASS = tag_of("ReferencedSOPClassUID")
_INSTANCE = tag_of("ReferencedSOPInstanceUID")
_REASON = tag_of("FailureReason")
_ITEM = b"\xfe\xff\x00\xe0"


def read_request(dataset: bytes) -> Request:
    """Read the Action Information of an N-ACTION, implicit or explicit VR little endian.

    Raises:
        ValueError: it names no transaction, no instance, or more than are taken; nothing of it is quoted.
    """
    found = read_elements(dataset, {_TRANSACTION, _KEPT})
    references = tuple(_references(found.get(_KEPT)))
    if not references:
        raise ValueError("no instance is named")
    return Request(transaction_uid=_transaction(found.get(_TRANSACTION)), references=references)


def read_report(dataset: bytes) -> Verdict:
    """Read the Event Information of an N-EVENT-REPORT. Raises ValueError as `read_request` does."""
    found = read_elements(dataset, {_TRANSACTION, _KEPT, _FAILED})
    failed = [
        (_reference(item), item[_REASON].number if _REASON in item else 0)
        for item in _items(found.get(_FAILED))
    ]
    return Verdict(
        transaction_uid=_transaction(found.get(_TRANSACTION)),
        kept=tuple(_references(found.get(_KEPT))),
        failed=tuple(failed),
    )


def request(asked: Request) -> Dataset:
    """The Action Information of an N-ACTION."""
    made = Dataset()
    made.TransactionUID = asked.transaction_uid
    made.ReferencedSOPSequence = [_item(one) for one in asked.references]
    return made


def report(verdict: Verdict) -> Dataset:
    """The Event Information of an N-EVENT-REPORT; a sequence that would be empty is left out."""
    made = Dataset()
    made.TransactionUID = verdict.transaction_uid
    if verdict.kept:
        made.ReferencedSOPSequence = [_item(one) for one in verdict.kept]
    if verdict.failed:
        made.FailedSOPSequence = [_item(one, reason) for one, reason in verdict.failed]
    return made


def _item(one: Reference, reason: int | None = None) -> Dataset:
    made = Dataset()
    made.ReferencedSOPClassUID = one.sop_class_uid
    made.ReferencedSOPInstanceUID = one.sop_instance_uid
    if reason is not None:
        made.FailureReason = reason
    return made


def _transaction(raw: Raw | None) -> str:
    if raw is None or not is_uid(raw.ascii):
        raise ValueError("no transaction is named")
    return raw.ascii


def _references(sequence: Raw | None) -> Iterator[Reference]:
    return (_reference(item) for item in _items(sequence))


def _reference(item: dict[int, Raw]) -> Reference:
    texts = [item[tag].ascii if tag in item else "" for tag in (_CLASS, _INSTANCE)]
    if not all(is_uid(text) for text in texts):
        raise ValueError("an instance is named without its UIDs")
    return Reference(*texts)


def _items(sequence: Raw | None) -> Iterator[dict[int, Raw]]:
    """The items of a sequence as `read_elements` gives it: re-encoded, each with its length."""
    value, at, count = b"" if sequence is None else sequence.value, 0, 0
    while value[at : at + 4] == _ITEM:
        count += 1
        if count > MOST_REFERENCES:
            raise ValueError("more instances are named than are taken")
        start, length = at + 8, int.from_bytes(value[at + 4 : at + 8], "little")
        yield read_elements(value[start : start + length], {_CLASS, _INSTANCE, _REASON})
        at = start + length
