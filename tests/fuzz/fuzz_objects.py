"""Everything that is done with the bytes of an instance before anything is known of it, within a time."""

from __future__ import annotations

import random
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from mutations import mutated
from seeds import objects

from millet.codec import header as header_codec
from millet.codec.ct import read_header, read_slice
from millet.codec.decoders import Decode
from millet.codec.shortened import without_pixels
from millet.codec.source import Source, read_image
from millet.errors import UnfitSeries
from millet.flow.placed import layer_and_frame
from millet.flow.shelf import Taken

LONGEST_S = 30.0
"""For one object of a few kilobytes, on a machine that is busy with ten other things."""
MOST_BYTES = 1 << 30
"""Of memory, for all objects of a run together."""


class Fault(NamedTuple):
    """An object that did what none may."""

    data: bytes
    what: str


class _TooLong(BaseException):
    pass


@contextmanager
def _limited() -> Iterator[None]:
    def over(_signal: int, _frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def look(data: bytes, decode: Decode) -> bool:
    """Read an instance as intake and analysis do; whether it has a slice. Raises what is a fault."""
    try:
        header = read_header(data)
    except UnfitSeries:
        read_image(data)
        return False
    assert header_codec.decode(header_codec.encode(header)) == header
    assert "\0" not in header.series_uid + header.patient.name + header.series_description
    head = without_pixels(data)
    image = read_image(head)
    Source.any_of([data, head])
    try:
        hu = read_slice(data, header, decode)
    except UnfitSeries:
        return False
    assert hu.shape == (header.rows, header.columns)
    layer_and_frame(Taken(name="x", head=head, image=image, header=header, voxels=hu))
    return True


def fuzz(
    seed: int, decode: Decode, *, seconds: float = float("inf"), rounds: int = 1 << 62
) -> Iterator[Fault | bool]:
    """Mutated objects one after the other: each a fault, or whether it still was a slice."""
    rng, known = random.Random(seed), list(objects().values())
    kept = list(known)
    end_s = time.monotonic() + seconds
    for _ in range(rounds):
        if time.monotonic() > end_s:
            return
        data = mutated(rng, rng.choice(kept), known)
        found = looked(data, decode)
        if found is True and len(data) < 1 << 17:  # what is still a slice leads on, as long as it stays small
            kept = [*known, *kept[len(known) :][-200:], data]
        yield found


def looked(data: bytes, decode: Decode) -> Fault | bool:
    """One object."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with _limited():
            found = look(data, decode)
    except (Exception, _TooLong) as fault:  # noqa: BLE001 - that is what is looked for
        return Fault(data, f"{type(fault).__name__}: {fault}")
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return Fault(data, f"{grown} bytes of memory") if grown > MOST_BYTES else found


def faults(found: Sequence[Fault | bool]) -> list[Fault]:
    """The faults among them."""
    return [one for one in found if isinstance(one, Fault)]
