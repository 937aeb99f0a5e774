"""Analyses that were asked for lately, read once: decoding one of 20,000 nodules takes a second."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from millet.core.analysis import Analysis
from millet.edge.grpc_api import pages
from millet.ports import SeriesKey, Worklist
from millet.proto.millet.v1 import analysis_service_pb2 as pb

MOST_ENTRIES = 100_000
"""Nodules and changes of all that is kept; one that has more is kept alone."""


class Prepared:
    """An analysis, and its messages, each made when it is first asked for. Thread-safe."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self._made: list[pb.StreamAnalysisResponse] = []
        self._rest = pages.streamed(analysis)
        self._lock = threading.Lock()

    def streamed(self) -> Iterator[Sequence[pb.StreamAnalysisResponse]]:
        """The messages of a stream: those that are there together, then each as it is made."""
        number = 0
        while parts := self._behind(number):
            yield parts
            number += len(parts)

    def _behind(self, number: int) -> Sequence[pb.StreamAnalysisResponse]:
        """What is made behind so many messages, or else the next one; empty behind the last."""
        with self._lock:
            if number == len(self._made) and (part := next(self._rest, None)) is not None:
                self._made.append(part)
            return self._made[number:]


class Lately:
    """The newest analysis of each series asked for lately. Thread-safe; blocks; raises StoreError."""

    def __init__(self, worklist: Worklist, most_entries: int = MOST_ENTRIES) -> None:
        self._worklist = worklist
        self._most_entries = most_entries
        self._kept: OrderedDict[tuple[SeriesKey, str], Prepared] = OrderedDict()
        self._lock = threading.Lock()

    def newest(self, key: SeriesKey) -> Prepared | None:
        """The newest committed analysis of a series."""
        mark = self._worklist.analysis_mark(key)
        if mark is None:
            return None
        with self._lock:
            if kept := self._kept.get((key, mark)):
                self._kept.move_to_end((key, mark))
                return kept
        analysis = self._worklist.analysis(key)
        return None if analysis is None else self._keep((key, mark), Prepared(analysis))

    def _keep(self, which: tuple[SeriesKey, str], made: Prepared) -> Prepared:
        with self._lock:
            self._kept[which] = made
            while len(self._kept) > 1 and sum(map(_entries, self._kept.values())) > self._most_entries:
                self._kept.popitem(last=False)
        return made


def _entries(one: Prepared) -> int:
    return 1 + pages.entries(one.analysis)
