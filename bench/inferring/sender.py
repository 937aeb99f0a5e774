"""A scanner that sends at a stated pace and costs next to nothing: one association, PDUs made beforehand.

`python -m inferring.sender PORT FOLDER SLICES_PER_S CALLING_AE [SEED]` sends a folder as a series of its own
(UIDs are made from the seed, of the same length, so that the same slices make any number of series) and
prints, as JSON, the time at which the last response came, on the clock that all processes share.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pydicom

CT = b"1.2.840.10008.5.1.4.1.1.2"
CONTEXT = 1
LONGEST_PDU = 131072
PREAMBLE = 128 + 4
RELEASE = b"\5\0\0\0\0\4\0\0\0\0"


def main() -> None:
    """Send one series."""
    port, folder, pace, calling, *seed = sys.argv[1:]
    told = send(int(port), Path(folder), float(pace), calling, seed[0] if seed else "")
    sys.stdout.write(json.dumps({"last_s": told}) + "\n")


def send(port: int, folder: Path, slices_per_s: float, calling_ae: str, seed: str) -> float:
    """Send a folder; the moment (`time.time`) at which the last slice was acknowledged."""
    instances = [path.read_bytes() for path in sorted(folder.glob("*.dcm"))]
    syntax = str(
        pydicom.dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).file_meta.TransferSyntaxUID
    )
    messages = [_message(number, one, seed) for number, one in enumerate(instances, 1)]
    del instances
    peer = _associated(port, syntax.encode(), calling_ae)
    begun = time.perf_counter()
    for number, message in enumerate(messages):
        time.sleep(max(begun + number / slices_per_s - time.perf_counter(), 0))
        peer.sendall(message)
        _check(_answer(peer))
    last_s = time.time()
    peer.sendall(RELEASE)
    _answer(peer)
    peer.close()
    return last_s


def _message(number: int, instance: bytes, seed: str) -> bytes:
    """The C-STORE request and its data as PDUs (PS3.7 9.3.1.1, PS3.8 9.3.5)."""
    (group_length,) = struct.unpack_from("<I", instance, PREAMBLE + 8)
    dataset = _renamed(instance[PREAMBLE + 12 + group_length :], seed)
    uid = _uid(dataset)
    command = b"".join(
        (
            _element(0x0002, CT),
            _element(0x0100, b"\1\0"),
            _element(0x0110, struct.pack("<H", number % 65535)),
            _element(0x0700, b"\0\0"),
            _element(0x0800, b"\0\0"),
            _element(0x1000, uid),
        )
    )
    command = _element(0x0000, struct.pack("<I", len(command))) + command
    return b"".join((*_pdus(command, 1), *_pdus(dataset, 0)))


def _renamed(dataset: bytes, seed: str) -> bytes:
    """Other UIDs of the same length; a series with no seed is sent as it is."""
    if not seed:
        return dataset
    head, pixels = dataset[:6000], dataset[6000:]

    def other(match: re.Match[bytes]) -> bytes:
        digits = str(int(hashlib.sha256(seed.encode() + match[0][8:]).hexdigest(), 16))
        kept = match[0][8:].rstrip(b"\0")
        length = len(match[0]) - 8
        made = (b"2.25." + digits.encode() * 2)[: len(kept)]
        return match[0][:8] + made.ljust(length, b"\0")

    # SOP Instance, Study, Series, Frame of Reference UID
    for tag in (b"\x08\0\x18\0", b"\x20\0\x0d\0", b"\x20\0\x0e\0", b"\x20\0\x52\0"):
        head = re.sub(re.escape(tag) + rb"UI..[0-9.]{10,64}\0?", other, head, count=1, flags=re.DOTALL)
    return head + pixels


def renamed_series_uid(path: Path, seed: str) -> str:
    """The Series Instance UID under which an instance is sent with a seed."""
    instance = path.read_bytes()
    (group_length,) = struct.unpack_from("<I", instance, PREAMBLE + 8)
    dataset = _renamed(instance[PREAMBLE + 12 + group_length :], seed)
    at = dataset.index(b"\x20\0\x0e\0UI")
    (length,) = struct.unpack_from("<H", dataset, at + 6)
    return dataset[at + 8 : at + 8 + length].rstrip(b"\0").decode()


def _uid(dataset: bytes) -> bytes:
    at = dataset.index(b"\x08\0\x18\0UI")
    (length,) = struct.unpack_from("<H", dataset, at + 6)
    return dataset[at + 8 : at + 8 + length]


def _element(element: int, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHI", 0, element, len(value)) + value


def _pdus(content: bytes, is_command: int) -> Iterator[bytes]:
    step = LONGEST_PDU - 6
    for at in range(0, len(content), step):
        part = content[at : at + step]
        last = 2 * (at + step >= len(content))
        yield struct.pack(">BBIIBB", 4, 0, len(part) + 6, len(part) + 2, CONTEXT, is_command | last)
        yield part


def _associated(port: int, syntax: bytes, calling_ae: str) -> socket.socket:
    def item(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(content)) + content

    context = bytes([CONTEXT, 0, 0, 0]) + item(0x30, CT) + item(0x40, syntax)
    user = item(0x51, struct.pack(">I", LONGEST_PDU)) + item(0x52, b"1.2.3.4")
    body = struct.pack(">HH", 1, 0) + b"MILLET".ljust(16) + calling_ae.encode().ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, context) + item(0x50, user)
    peer = socket.create_connection(("127.0.0.1", port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(struct.pack(">BBI", 1, 0, len(body)) + body)
    if not _answer(peer):
        raise ConnectionError("no association")
    return peer


def _answer(peer: socket.socket) -> bytes:
    """The content of the next PDU."""
    kind, _, length = struct.unpack(">BBI", _exactly(peer, 6))
    content = _exactly(peer, length)
    if kind not in {2, 4, 6}:
        raise ConnectionError(f"a PDU of type {kind}")
    return content


def _exactly(peer: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        if not (part := peer.recv(count - len(parts))):
            raise ConnectionError("the peer went away")
        parts += part
    return bytes(parts)


def _check(response: bytes) -> None:
    at = response.rindex(b"\0\0\0\x09\2\0\0\0")  # a message number may look like it, and comes before
    if response[at + 8 : at + 10] != b"\0\0":
        raise ConnectionError(f"refused with {response[at + 8 : at + 10]!r}")


if __name__ == "__main__":
    main()
