"""The DICOM file format (PS3.10 7.1): what stands before a data set."""

from __future__ import annotations

from functools import lru_cache

from millet.codec.elements import Encoded, dataset, element, joined
from millet.core.uids import derived_uid

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLEMENTATION = derived_uid("implementation")
"""Implementation Class UID, in files and associations."""
IMPLEMENTATION_NAME = "MILLET"


def preface(*, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Preamble and file meta information of an object; nothing in it tells who sent it."""
    before, behind = _around(sop_class_uid, transfer_syntax_uid)
    meta = b"".join((before, element("MediaStorageSOPInstanceUID", sop_instance_uid), behind))
    length = element("FileMetaInformationGroupLength", len(meta))
    return b"".join((bytes(128), b"DICM", length, meta))


@lru_cache(64)
def _around(sop_class_uid: str, transfer_syntax_uid: str) -> tuple[bytes, bytes]:
    """What stands before and behind the instance's own element."""
    before = dataset(FileMetaInformationVersion=b"\0\1", MediaStorageSOPClassUID=sop_class_uid)
    behind = dataset(
        TransferSyntaxUID=transfer_syntax_uid,
        ImplementationClassUID=IMPLEMENTATION,
        ImplementationVersionName=IMPLEMENTATION_NAME,
    )
    return joined(before), joined(behind)


def part10(elements: Encoded, *, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """A DICOM file in Explicit VR Little Endian."""
    before = preface(
        sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid, transfer_syntax_uid=EXPLICIT_LITTLE
    )
    return b"".join((before, *(elements[tag] for tag in sorted(elements))))
