"""An analysis of any size in messages of a bounded one.

What there is one of is in every page, or in the first message of a stream. The nodules, and what changed in
each, are two lists that go on side by side: entry n of both is in the same page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from millet.codec import wire
from millet.codec.wire_fields import to_wire
from millet.core.analysis import Analysis
from millet.core.change import NoduleChange
from millet.proto.millet.v1 import analysis_service_pb2 as pb

MOST_BYTES = 2 * 1024 * 1024
"""Of the lists in one message: half of what a client takes that says nothing."""
ENTRIES = 1000
"""In a message of a stream."""


class Page(NamedTuple):
    """A part of both lists."""

    nodules: Sequence[pb.Nodule]
    changes: Sequence[pb.NoduleChange]
    after: int
    """The first entry of the next page; 0 behind the last."""


def page(analysis: Analysis, first: int, most: int) -> Page:
    """Entries from `first` on: at most so many, and at most `MOST_BYTES`, but one in any case."""
    nodules: list[pb.Nodule] = []
    changes: list[pb.NoduleChange] = []
    size, at = 0, first
    for at in range(first, min(first + most, entries(analysis))):
        made = [wire.nodule_to_wire(one) for one in analysis.nodules[at : at + 1]]
        told = [to_wire(one, pb.NoduleChange) for one in _changes(analysis)[at : at + 1]]
        size += sum(one.ByteSize() for one in (*made, *told))
        if size > MOST_BYTES and at > first:
            return Page(nodules, changes, at)
        nodules += made
        changes += told
    return Page(nodules, changes, at + 1 if at + 1 < entries(analysis) else 0)


def base(analysis: Analysis) -> pb.Analysis:
    """Everything but the two lists."""
    return wire.analysis_to_wire(analysis, slice(0, 0))


def entries(analysis: Analysis) -> int:
    """Of the longer list."""
    return max(len(analysis.nodules), total_changes(analysis))


def total_changes(analysis: Analysis) -> int:
    """Of the second list."""
    return len(_changes(analysis))


def streamed(analysis: Analysis) -> Iterator[pb.StreamAnalysisResponse]:
    """The messages of a stream."""
    yield pb.StreamAnalysisResponse(
        analysis=base(analysis),
        total_nodules=len(analysis.nodules),
        total_changes=total_changes(analysis),
    )
    after = 0
    while after or entries(analysis):
        part = page(analysis, after, ENTRIES)
        yield pb.StreamAnalysisResponse(nodules=part.nodules, changes=part.changes)
        if not (after := part.after):
            return


def _changes(analysis: Analysis) -> Sequence[NoduleChange]:
    return analysis.change.nodules if analysis.change else ()
