"""What the tags of a series say of how many instances it has, and how far that is to be believed.

A CT image need not state a count. Some senders do, each in its own way:

    Number of Series Related Instances (0020,1209)   an answer to a query (PS3.4 C.3.4), no attribute of any
                    image; archives and gateways write it into images all the same: what they held then
    Number of Slices (0054,0081)                     of each volume of a PET series (PS3.3 C.8.9.1), type 1
                    there; scanners of both kinds write it into CT, too
    Images in Acquisition (0020,1002)                that resulted from one acquisition (PS3.3 C.7.6.1,
                    optional): of all its reconstructions or of this one, as the vendor reads it; of a
                    sequential scan the few slices of one step

So a count is a hint. One that is passed was wrong and says nothing; tags that disagree say nothing; one
of an acquisition is never believed to be all where the series has several, nor below the number of slices
that an analysis needs. How often a sender's counts held is learned (`core.habits`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from millet.core.series import SliceHeader
from millet.core.stack import FEWEST_SLICES


class Stated(StrEnum):
    """What the counts say of the instances that came."""

    NOTHING = "nothing"
    SHORT = "short"
    """More are to come."""
    REACHED = "reached"
    """These are all."""


def states_any(header: SliceHeader) -> bool:
    """Whether an instance states a count of any kind."""
    return bool(header.stated_instances or header.stated_slices or header.stated_in_acquisition)


def expected(header: SliceHeader, came: int) -> int | None:
    """How many instances a series has, as one of them says; None where it says none, or fewer than came.

    A guess for whoever waits; what is complete is decided by `stated`, of all headers.
    """
    counts = header.stated_instances, header.stated_slices, header.stated_in_acquisition
    return next((count for count in counts if count and count >= max(came, FEWEST_SLICES)), None)


def stated(headers: Sequence[SliceHeader]) -> Stated:
    """Compare what came, each SOP instance once, with what the tags say should come."""
    claims = set(_claims(headers)) - {Stated.NOTHING}
    return claims.pop() if len(claims) == 1 else Stated.NOTHING


def _claims(headers: Sequence[SliceHeader]) -> Iterator[Stated]:
    for counts in ((h.stated_instances for h in headers), (h.stated_slices for h in headers)):
        yield _claim(len(headers), counts)
    came = Counter(header.acquisition_number for header in headers)
    by_acquisition = [
        _claim(number, (h.stated_in_acquisition for h in headers if h.acquisition_number == acquisition))
        for acquisition, number in came.items()
    ]
    if Stated.SHORT in by_acquisition:
        yield Stated.SHORT
    elif len(by_acquisition) == 1:
        yield by_acquisition[0]


def _claim(came: int, counts: Iterable[int | None]) -> Stated:
    """What one tag says; nothing where the instances state several counts, or one that was passed."""
    known = {count for count in counts if count}
    expected = known.pop() if len(known) == 1 else 0
    if expected < max(came, FEWEST_SLICES):
        return Stated.NOTHING
    return Stated.SHORT if expected > came else Stated.REACHED
