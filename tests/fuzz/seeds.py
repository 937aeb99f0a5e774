"""What fuzzing begins with: small objects and conversations, all made here, and what once broke something.

`python tests/fuzz/seeds.py` writes them to the corpus; tests and fuzzers read the corpus alone.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import ct
import imagecodecs
import line
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

CORPUS = Path(__file__).parent / "corpus"
_CODES: Mapping[str, Callable[[NDArray[np.uint16]], bytes]] = {
    "1.2.840.10008.1.2.4.70": lambda v: imagecodecs.ljpeg_encode(v, bitspersample=16),
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_encode,
    "1.2.840.10008.1.2.4.90": lambda v: imagecodecs.jpeg2k_encode(v, reversible=True, codecformat="j2k"),
    "1.2.840.10008.1.2.4.91": lambda v: imagecodecs.jpeg2k_encode(v, level=40, codecformat="jp2"),
    "1.2.840.10008.1.2.4.201": lambda v: imagecodecs.htj2k_encode(v, reversible=True),
}


def objects() -> dict[str, bytes]:
    """The seeds, or corpus, of instances by name."""
    return {path.name: path.read_bytes() for path in sorted(CORPUS.glob("*.dcm"))}


def conversations() -> dict[str, bytes]:
    """The seeds, or corpus, of associations by name: all bytes that the sender writes."""
    return {path.name: path.read_bytes() for path in sorted(CORPUS.glob("*.pdus"))}


def _nested(dataset: Dataset) -> Dataset:
    inner, outer = Dataset(), Dataset()
    inner.CodeValue, inner.CodingSchemeDesignator, inner.CodeMeaning = "1", "99X", "odd"
    outer.CodeValue, outer.CodingSchemeDesignator, outer.CodeMeaning = "CT", "99X", "CT"
    outer.PurposeOfReferenceCodeSequence = [inner, inner]
    dataset.ProcedureCodeSequence = [outer]
    dataset["ProcedureCodeSequence"].is_undefined_length = True
    outer.is_undefined_length_sequence_item = True
    return dataset


def _made_objects() -> dict[str, bytes]:
    plain = ct.series()[3]
    made = {"plain": deepcopy(plain), "nested": _nested(deepcopy(plain))}
    for name, syntax in (
        ("implicit", ImplicitVRLittleEndian),
        ("deflated", DeflatedExplicitVRLittleEndian),
        ("big-endian", ExplicitVRBigEndian),
    ):
        made[name] = _nested(deepcopy(plain))
        made[name].file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            made[name]["PixelData"].VR = "OW"
    made["rle"] = deepcopy(plain)
    made["rle"].compress(RLELossless)
    values = (ct.HU[3] + 1024).astype(np.uint16)
    for syntax, encode in _CODES.items():
        made[syntax.rpartition(".")[2]] = ct.compressed(deepcopy(plain), syntax, bytes(encode(values)))
    encoded = {name: ct.encoded(dataset) for name, dataset in made.items()}
    meta_length = int.from_bytes(encoded["implicit"][140:144], "little")
    return encoded | {"bare": encoded["implicit"][144 + meta_length :]}


def _made_conversations() -> dict[str, bytes]:
    plain = _made_objects()["plain"]
    body = plain[144 + int.from_bytes(plain[140:144], "little") :]
    asks, ends = line.associate([(line.CT, line.EXPLICIT)]), line.pdu(line.RELEASE_RQ, bytes(4))
    stores = b"".join(_stored(number, body, longest=1024) for number in range(2))
    verifies = line.associate([(line.VERIFICATION, line.IMPLICIT)])
    many = line.associate([(f"1.2.840.10008.5.1.4.1.1.{n}", line.EXPLICIT) for n in range(1, 90)])
    both = b"".join(line.fragments(1, line.store("1.2.3"), is_command=True))
    value = struct.pack(">IBB", len(body) + 2, 1, 2) + body
    return {
        "store": asks + stores + ends,
        "store-in-small-pdus": asks + _stored(3, body, longest=64) + ends,
        "two-fragments-in-one-pdu": asks + line.pdu(line.DATA, both[6:] + value) + ends,
        "echo": verifies + b"".join(line.fragments(1, line.echo(), is_command=True)) + ends,
        "many-contexts": many + ends,
        "abort": asks + stores[:3000] + line.pdu(line.ABORT, bytes(4)),
        "answers-of-a-server": asks
        + line.pdu(line.ASSOCIATE_AC, asks[6:])
        + line.pdu(line.RELEASE_RP, bytes(4)),
    }


def _stored(number: int, body: bytes, longest: int) -> bytes:
    asked = line.fragments(1, line.store(f"{ct.ROOT}.9.{number}", number), is_command=True)
    return b"".join((*asked, *line.fragments(1, body, is_command=False, longest=longest)))


if __name__ == "__main__":
    CORPUS.mkdir(exist_ok=True)
    for name, data in _made_objects().items():
        (CORPUS / f"{name}.dcm").write_bytes(data)
    for name, data in _made_conversations().items():
        (CORPUS / f"{name}.pdus").write_bytes(data)
