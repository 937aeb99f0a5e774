"""A process that decodes slices for its owner until the owner goes: `python -m millet.edge.decoding.child`.

It loads the decoders and nothing else, and gives up what it does not need: memory beyond a bound, core
dumps, and its life before any other process's when the machine runs out of memory. A slice that takes too
much processor time ends it, whatever its native code is doing.
"""

from __future__ import annotations

import mmap
import resource
import signal
import socket
import sys
from pathlib import Path

import numpy as np

from millet.codec import decoders
from millet.codec.decoders import Bits, Coded
from millet.edge.decoding import wire
from millet.errors import UnfitSeries

MOST_MEMORY_BYTES = 3 << 30
"""Of address space, 0.7 GB of which are libraries and the shared memory."""


def serve(connection: socket.socket, memory: mmap.mmap) -> None:
    """Decode until the owner is gone."""
    while record := connection.recv(wire.RECORD_BYTES):
        asked = wire.asked(record)
        signal.setitimer(signal.ITIMER_PROF, wire.CPU_S)
        try:
            _answer(asked, memory)
            verdict = None
        except UnfitSeries as unfit:
            verdict = unfit
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(wire.answer(verdict))


def _answer(asked: wire.Asked, memory: mmap.mmap) -> None:
    coded = Coded(
        transfer_syntax_uid=asked.transfer_syntax_uid,
        rows=asked.rows,
        columns=asked.columns,
        bits_allocated=asked.bits_allocated,
        code=memory[: asked.code_bytes],
    )
    values: Bits = decoders.decode(coded)
    room = np.frombuffer(memory, coded.kind, coded.rows * coded.columns, wire.PIXELS_AT)
    room.reshape(coded.rows, coded.columns)[...] = values


def _give_up() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def main() -> None:
    """Take the descriptors that the owner names: its socket, and the shared memory."""
    _give_up()
    line, memory = (int(number) for number in sys.argv[1:3])
    with socket.socket(fileno=line) as connection, mmap.mmap(memory, wire.MEMORY_BYTES) as shared:
        serve(connection, shared)


if __name__ == "__main__":
    main()
