"""The DICOM file format (PS3.10 7.1): what stands before a data set."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from millet.codec.elements import PIXEL_DATA, Encoded, dataset, element, joined
from millet.codec.raw import ITEM_START
from millet.core.uids import derived_uid

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLEMENTATION = derived_uid("implementation")
"""Implementation Class UID, in files and associations."""
IMPLEMENTATION_NAME = "MILLET"
_PIXEL_DATA = struct.pack("<HH2s2xI", 0x7FE0, 0x0010, b"OB", 0xFFFF_FFFF)
_SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


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


def part10(
    elements: Encoded,
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str = EXPLICIT_LITTLE,
) -> bytes:
    """A DICOM file; `transfer_syntax_uid` is Explicit VR Little Endian, or one of `encapsulated` pixels."""
    before = preface(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=transfer_syntax_uid,
    )
    return b"".join((before, *(elements[tag] for tag in sorted(elements))))


def encapsulated(frames: Sequence[bytes]) -> Encoded:
    """Pixel Data of compressed frames, one fragment each (PS3.5 A.4).

    The Basic Offset Table is left empty where the frames are too many bytes for it.
    """
    even = [frame + b"\0" * (len(frame) % 2) for frame in frames]
    starts = list(accumulate((8 + len(frame) for frame in even), initial=0))
    table = b"" if starts[-1] >= 1 << 32 else struct.pack(f"<{len(even)}I", *starts[:-1])
    parts = [_PIXEL_DATA]
    for item in (table, *even):
        parts += (ITEM_START, len(item).to_bytes(4, "little"), item)
    return {PIXEL_DATA: b"".join((*parts, _SEQUENCE_END))}
