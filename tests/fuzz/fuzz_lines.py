"""A running service whose port gets mutated conversations, while an honest neighbour sends all the time."""

from __future__ import annotations

import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import ct
import line
from mutations import mutated_line
from seeds import conversations

ANSWER_S = 30.0
"""Within which the honest neighbour has each answer, whatever is sent beside it."""
LINGERS = (0.0, 0.0, 0.0, 0.005, 0.05)
"""How long a mutated conversation stays open behind its last byte."""


MOST_IN_A_SERIES = 20
SERIES, INSTANCE = "1.2.826.0.1.3680043.8.498.6.99999999", "1.2.826.0.1.3680043.8.498.7.99999999"
"""What stands in the neighbour's data set for the UIDs that it sends."""


@dataclass
class Neighbour:
    """An honest sender: one association after the other, every instance acknowledged."""

    port: int
    name: str = "neighbour"
    pace_s: float = 0.1
    """Between two instances, as a scanner sends: short series at full speed would queue up by the hour."""
    acknowledged: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        slice_ = ct.renamed(ct.series()[:1], self.name)[0]
        slice_.SOPInstanceUID, slice_.SeriesInstanceUID = INSTANCE, SERIES
        encoded = ct.encoded(slice_)
        self._dataset = encoded[144 + int.from_bytes(encoded[140:144], "little") :]
        self._thread = threading.Thread(target=self._run, name=self.name)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End behind the association in hand."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._associate()
            except (OSError, EOFError, line.Refused) as failure:
                self.failures.append(f"{type(failure).__name__}: {failure}")
                self._stop.wait(0.2)

    def _associate(self) -> None:
        series = self._dataset.replace(SERIES.encode(), _uid(SERIES, len(self.acknowledged)).encode())
        with line.Sender(self.port, timeout_s=ANSWER_S, calling="NEIGHBOUR") as sender:
            for _ in range(MOST_IN_A_SERIES):
                uid = _uid(INSTANCE, len(self.acknowledged))
                began_s = time.monotonic()
                status = sender.store(uid, series.replace(INSTANCE.encode(), uid.encode()))
                self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
                if status:
                    self.failures.append(f"status {status:04X}")
                else:
                    self.acknowledged.append(uid)
                if self._stop.wait(self.pace_s):
                    break
            sender.release()


def _uid(pattern: str, number: int) -> str:
    """One of the same length."""
    return f"{pattern[:-8]}{number:08d}"


def attack(port: int, parts: Sequence[bytes], rng: random.Random) -> None:
    """Write a conversation and go, in one of the ways in which senders go."""
    with socket.create_connection(("127.0.0.1", port), 10.0) as connection:
        connection.settimeout(5.0)
        try:
            for part in parts:
                connection.sendall(part)
                if rng.random() < 0.05:
                    time.sleep(0.002)
            time.sleep(rng.choice(LINGERS))
            if rng.random() < 0.3:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            elif rng.random() < 0.3:
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(0.02)
                connection.recv(65_536)
        except (OSError, TimeoutError):
            pass  # thrown out, which is an answer


def fuzz(
    port: int, seed: int, *, seconds: float = float("inf"), rounds: int = 1 << 62
) -> Iterator[list[bytes]]:
    """Attack again and again; each conversation once it is sent. Raises OSError when nobody listens."""
    rng, known = random.Random(seed), list(conversations().values())
    end_s = time.monotonic() + seconds
    for _ in range(rounds):
        if time.monotonic() > end_s:
            return
        parts = mutated_line(rng, rng.choice(known), known)
        attack(port, parts, rng)
        yield parts
