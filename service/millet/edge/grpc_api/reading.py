"""What is read once: analyses page by page and as streams, the worklist, and what readers said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import grpc
from google.protobuf.message import Message

from millet.codec import wire
from millet.codec.wire_fields import text
from millet.core.analysis import Analysis
from millet.core.readers import Feedback, Opinion
from millet.edge.grpc_api import listing, pages
from millet.edge.grpc_api.prepared import Lately, Prepared
from millet.edge.grpc_api.refusals import Refusal, answering, bad, missing, unmet
from millet.ports import ReaderLog, SeriesKey, SeriesStatus, Worklist, WorklistQuery
from millet.proto.millet.v1 import analysis_service_pb2 as pb

ENTRIES_PER_PAGE, MOST_ENTRIES_PER_PAGE = 1000, 5000
SERIES_PER_PAGE, MOST_SERIES_PER_PAGE = 100, 1000
SERIES_BYTES = 2 * 1024 * 1024
"""Of one page of the worklist, whatever senders write into their tags."""
EXPECTED = ("patient_id", "issuer", "study_uid", "accession")


class OfSeries(Protocol):
    """A request about one series."""

    site: str
    series_uid: str

    @property
    def expected(self) -> Message:
        """What the caller takes it for: an `Expected`, or one with the same fields."""


def key_of(request: OfSeries) -> SeriesKey:
    """Which series; raises Refusal where that is not said."""
    for field in ("site", "series_uid"):
        if not getattr(request, field):
            raise bad(field, "site and series_uid are both required")
    return SeriesKey(site=request.site, series_uid=request.series_uid)


class Reading:
    """Every answer that takes one look. Blocks; raises Refusal."""

    def __init__(self, worklist: Worklist, readers: ReaderLog) -> None:
        self._worklist = worklist
        self._lately = Lately(worklist)
        self._readers = readers

    def get(self, request: pb.GetAnalysisRequest) -> pb.GetAnalysisResponse:
        """One page of an analysis."""
        with answering():
            size = listing.page_size(request.page_size, ENTRIES_PER_PAGE, MOST_ENTRIES_PER_PAGE)
            analysis = self.analysis(request)
            part = pages.page(analysis, _first_entry(request.page_token, analysis), size)
        made = pages.base(analysis)
        made.nodules.extend(part.nodules)
        made.change.nodules.extend(part.changes) if part.changes else None
        return pb.GetAnalysisResponse(
            analysis=made,
            total_nodules=len(analysis.nodules),
            next_page_token=listing.token("nodules", _mark(analysis), part.after) if part.after else "",
            total_changes=pages.total_changes(analysis),
        )

    def stream(self, request: pb.StreamAnalysisRequest) -> Iterator[Sequence[pb.StreamAnalysisResponse]]:
        """An analysis in messages; it is looked up at once, messages that are not there made one by one."""
        with answering():
            return self._prepared(request).streamed()

    def list(self, request: pb.ListAnalysesRequest) -> pb.ListAnalysesResponse:
        """One page of the worklist."""
        mark = listing.filter_mark(request.filter)
        with answering():
            size = listing.page_size(request.page_size, SERIES_PER_PAGE, MOST_SERIES_PER_PAGE)
            first = _first_of(request.page_token, "series", mark)
            revision = self._worklist.revision()
            found = self._worklist.series(listing.query_of(request.filter, size + 1, first))
        lines = listing.fitting([listing.status_to_wire(one) for one in found[:size]], SERIES_BYTES)
        more = len(found) > len(lines)
        return pb.ListAnalysesResponse(
            series=lines,
            next_page_token=listing.token("series", mark, first + len(lines)) if more else "",
            watch_token=listing.token("watch", "", revision),
        )

    def feedback(self, request: pb.ListFeedbackRequest) -> pb.ListFeedbackResponse:
        """What was said of the nodules of a series."""
        with answering():
            size = listing.page_size(request.page_size, ENTRIES_PER_PAGE, MOST_ENTRIES_PER_PAGE)
            first = _first_of(request.page_token, "feedback", "")
            self.line(request)
            found = self._readers.feedback(key_of(request))[first:]
        told = listing.fitting([_feedback(one) for one in found[:size]], SERIES_BYTES)
        more = len(found) > len(told)
        return pb.ListFeedbackResponse(
            feedback=told, next_page_token=listing.token("feedback", "", first + len(told)) if more else ""
        )

    def analysis(self, request: OfSeries) -> Analysis:
        """The newest analysis of a series that is what the caller takes it for."""
        return self._prepared(request).analysis

    def _prepared(self, request: OfSeries) -> Prepared:
        key = key_of(request)
        if request.expected.ByteSize():
            self.line(request)
        if found := self._lately.newest(key):
            return found
        why = f"this series has no analysis yet: it is {self.line(request).state}"
        raise missing("Analysis", "NOT_ANALYSED_YET", why)

    def line(self, request: OfSeries) -> SeriesStatus:
        """How a series stands that is what the caller takes it for."""
        key = key_of(request)
        known = self._worklist.series(WorklistQuery(site=key.site, series_uid=key.series_uid, limit=1))
        if not known:
            raise missing("Series", "NO_SUCH_SERIES", "no such series at this site")
        expected = request.expected
        asked = [name for name in EXPECTED if expected.HasField(name)]
        if wrong := [name for name in asked if getattr(expected, name) != getattr(known[0], name)]:
            why = f"the series is not the expected one: {', '.join(wrong)} differ"
            raise unmet("NOT_AS_EXPECTED", why, wrong)
        return known[0]


def _mark(analysis: Analysis) -> str:
    """What makes two analyses of a series different ones."""
    provenance = analysis.provenance
    return f"{analysis.generation}-{provenance.model_digest[:12]}-{provenance.configuration_digest[:12]}"


def _first_entry(given: str, analysis: Analysis) -> int:
    if not given:
        return 0
    mark, first = listing.untoken(given, "nodules", "page_token")
    if mark != _mark(analysis):
        why = "the series was analysed anew; start again without page_token"
        raise Refusal(grpc.StatusCode.ABORTED, "ANALYSED_ANEW", why)
    return first


def _first_of(given: str, kind: str, mark: str) -> int:
    if not given:
        return 0
    made_for, first = listing.untoken(given, kind, "page_token")
    if made_for != mark:
        raise bad("page_token", "page_token belongs to another filter")
    return first


def _feedback(said: Feedback) -> pb.Feedback:
    place = said.place_mm
    return pb.Feedback(
        by=listing.person_to_wire(said.by),
        time=wire.time_to_wire(said.at_utc),
        generation=said.generation,
        opinion=pb.Opinion.Value(f"OPINION_{Opinion(said.opinion).name}"),
        nodule_id=said.nodule_id,
        place_mm=None if place is None else pb.PointMm(x=place.x, y=place.y, z=place.z),
        comment=text(said.comment),
    )
