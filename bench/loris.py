"""A slow-loris of 500 half-open associations beside one honest sender: its rate, against its rate alone.

    make bench-loris

The half-open ones are of five kinds, a hundred each: connected and silent; half an association request; one
byte of a request each second; negotiated and silent; half a P-DATA PDU of an instance. One that is hung up
on comes back at once. With and without take turns, against one running service.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from table import Row, write

sys.path.extend([str(Path(__file__).resolve().parents[1] / "tests" / part) for part in ("", "service")])
import ct
import line
from peers import Millet

HALF_OPEN = 500
ROUNDS = 5
SENDS_S = 6.0
"""For which the honest sender sends in each round."""
SIDE = 512
REQUEST = line.associate([(line.CT, line.EXPLICIT)], calling="LORIS")
BEGUN = b"".join(line.fragments(1, line.store("1.2.3"), is_command=True))
VALUE = line.pdu(line.DATA, struct.pack(">IBB", 60_002, 1, 0) + bytes(60_000))


class Loris(threading.Thread):
    """All half-open associations, in one thread."""

    def __init__(self, port: int) -> None:
        super().__init__(name="loris", daemon=True)
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()
        self.full = threading.Event()
        """Set once all were opened."""
        self.again = 0
        """How often one was hung up on and came back."""

    def run(self) -> None:
        """Open all, keep them open, and trickle."""
        for number in range(HALF_OPEN):
            self._begin(KINDS[number % len(KINDS)])
        self.full.set()
        sent_s = time.monotonic()
        while not self._over.is_set():
            for key, _ in self._selector.select(0.05):
                self._heard(key.fileobj, key.data)  # type: ignore[arg-type]  # sockets are registered
            if time.monotonic() - sent_s > 1.0:
                sent_s = time.monotonic()
                self._trickle()

    def stop(self) -> None:
        """Hang up."""
        self._over.set()
        self.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # sockets are registered

    def open(self) -> int:
        """How many are open."""
        return len(self._selector.get_map())

    def _begin(self, begin: Callable[[socket.socket], None]) -> None:
        with suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", self._port), 5.0)
            begin(connection)
            connection.setblocking(False)  # noqa: FBT003 - its name and its only argument
            self._selector.register(connection, selectors.EVENT_READ, begin)

    def _heard(self, connection: socket.socket, begin: Callable[[socket.socket], None]) -> None:
        with suppress(OSError):
            if connection.recv(65_536):
                return
        self._selector.unregister(connection)
        connection.close()
        self.again += 1
        self._begin(begin)

    def _trickle(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is trickling:
                with suppress(OSError):
                    key.fileobj.send(b"\0")  # type: ignore[union-attr]  # sockets are registered


def silent(_connection: socket.socket) -> None:
    """Connected, and nothing more."""


def half_a_request(connection: socket.socket) -> None:
    """An association request that ends in the middle."""
    connection.sendall(REQUEST[: len(REQUEST) // 2])


def trickling(connection: socket.socket) -> None:
    """The beginning of a request; a byte follows each second."""
    connection.sendall(REQUEST[:6])


def negotiated(connection: socket.socket) -> None:
    """An association, and nothing over it."""
    connection.sendall(REQUEST)
    connection.recv(65_536)


def half_an_instance(connection: socket.socket) -> None:
    """An association, a C-STORE, and half of a PDU of its data set."""
    negotiated(connection)
    connection.sendall(BEGUN + VALUE[: len(VALUE) // 2])


KINDS = (silent, half_a_request, trickling, negotiated, half_an_instance)


def instance() -> bytes:
    """A slice as it goes over the line, with UIDs to be replaced."""
    hu = np.random.default_rng(1).integers(-1000, 1000, (SIDE, SIDE)).astype(np.int16)
    made = ct.instance(0, hu, np.zeros(3), (1, 0, 0, 0, 1, 0), (0.7, 0.7))
    made.SOPInstanceUID = f"{ct.ROOT}.1{0:09d}"
    encoded = ct.encoded(made)
    return encoded[144 + int.from_bytes(encoded[140:144], "little") :]


def rate(port: int, data_set: bytes, number: int) -> tuple[float, int]:
    """Instances a second of one sender, and how many it sent."""
    holder, count = f"{ct.ROOT}.1{0:09d}".encode(), 0
    with line.Sender(port) as sender:
        began_s = time.monotonic()
        while time.monotonic() - began_s < SENDS_S:
            count += 1
            uid = f"{ct.ROOT}.1{number * 1_000_000 + count:09d}"
            status = sender.store(uid, data_set.replace(holder, uid.encode()))
            if status:
                raise SystemExit(f"an honest instance was refused with {status:04X}")
        took_s = time.monotonic() - began_s
        sender.release()
    return count / took_s, count


def main() -> None:
    """Alone and beside them, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        service = Millet(Path(folder) / "millet", {"roles": ["receive", "api"], "settle_s": 600.0})
        try:
            rows = _measured(service)
        finally:
            service.kill()
    write("loris", rows)


def _measured(service: Millet) -> list[Row]:
    data_set, port = instance(), service.dicom_port
    rate(port, data_set, 0)
    alone, beside, opened, again = [], [], [], 0
    for number in range(ROUNDS):
        alone.append(rate(port, data_set, 2 * number + 1)[0])
        loris = Loris(port)
        loris.start()
        loris.full.wait()
        beside.append(rate(port, data_set, 2 * number + 2)[0])
        opened.append(loris.open())
        again += loris.again
        loris.stop()
    shares = [one / other for one, other in zip(beside, alone, strict=True)]
    note = f"{min(opened)} of {HALF_OPEN} open at the end of a round, {again} hung up on in all"
    return [
        _row("one sender alone", "instances/s", alone),
        _row("one sender beside 500 half-open associations", "instances/s", beside, note=note),
        _row("share of its rate that it keeps", "", shares, target=0.8, higher_is_better=True),
    ]


def _row(name: str, unit: str, values: list[float], **more: object) -> Row:
    return Row(
        name=name,
        unit=unit,
        value=statistics.median(values),
        low=min(values),
        high=max(values),
        n=len(values),
        **more,  # type: ignore[arg-type]  # fields of a row
    )


if __name__ == "__main__":
    main()
