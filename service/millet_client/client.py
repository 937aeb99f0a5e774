"""What a viewer, or whoever has series, asks of Millet, call by call."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, Self, TypeVar

import grpc

from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1 import analysis_service_pb2_grpc as rpc
from millet.proto.millet.v1 import picture_service_pb2 as picture_pb
from millet.proto.millet.v1 import submission_service_pb2 as submission_pb
from millet.proto.millet.v1.picture_service_pb2_grpc import PictureServiceStub
from millet.proto.millet.v1.submission_service_pb2_grpc import SubmissionServiceStub
from millet_client.submitting import Instance, RefusedForNow, Submission
from millet_client.transport import Tls, Token, Transport
from millet_client.whole import analysis_of, masks_of, picture_of

PAGE = 500
BUILT_IN = Tls()
"""The roots that come with gRPC."""


class OfSeries(Protocol):
    """What names a series: a line of the worklist, an analysis, the answer to an instance, or `Series`."""

    @property
    def site(self) -> str:
        """The hospital."""

    @property
    def series_uid(self) -> str:
        """Series Instance UID."""


@dataclass(frozen=True, slots=True)
class Series:
    """The name of a series."""

    site: str
    series_uid: str


class Client:
    """A connection to one Millet, opened when it is first used. Thread-safe; a context manager.

    Every method raises MilletError (`millet_client.errors`). `expected` of a call is compared with the series
    before anything is told or kept; where a line of the worklist is given, its patient and study are.

    Args:
        address: host:port of the gRPC port.
        tls: how the connection is secured; None sends everything in the clear, for loopback alone.
        token: bearer token, or what gives the newest one; empty where a certificate is shown, or none asked.
        timeout_s: for each call that is no watch; while the service is away it is tried again until then.
            Submitting and pulling may take longer: they are given up when nothing went on for so long.
    """

    def __init__(
        self, address: str, *, tls: Tls | None = BUILT_IN, token: Token = "", timeout_s: float = 30.0
    ) -> None:
        self.transport = Transport(address, tls=tls, token=token, timeout_s=timeout_s)
        """For what has no method here: `client.transport.ask(Stub(client.channel).Method, request)`."""
        self._stub = rpc.AnalysisServiceStub(self.channel)
        self._criteria = rpc.CriteriaServiceStub(self.channel)
        self._pictures = PictureServiceStub(self.channel)
        self._submission = SubmissionServiceStub(self.channel)

    @property
    def channel(self) -> grpc.Channel:
        """The channel, for stubs of other services of the contract."""
        return self.transport.channel

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every call, from any thread; watches end as if there were no more."""
        self.transport.close()

    def worklist(self, which: pb.AnalysisFilter | None = None) -> list[pb.SeriesStatus]:
        """Every series that matches, most urgent first, then longest waiting."""
        found, token = [], ""
        while True:
            request = pb.ListAnalysesRequest(filter=which, page_size=PAGE, page_token=token)
            page = self.transport.ask(self._stub.ListAnalyses, request)
            found += page.series
            if not (token := page.next_page_token):
                return found

    def watch(
        self, which: pb.AnalysisFilter | None = None, *, resume_token: str = "", tell_left: bool = False
    ) -> Iterator[pb.WatchAnalysesResponse]:
        """Every series that matches, then each change, across lost connections, without a gap or a double.

        Args:
            which: a filter; None for all.
            resume_token: that of the last message that was seen, to go on after it.
            tell_left: whether to tell (`left`) of a series that does not match any more.
        """
        request = pb.WatchAnalysesRequest(filter=which, resume_token=resume_token, tell_left=tell_left)
        return self.transport.followed(self._stub.WatchAnalyses, request)

    def watch_series(
        self, series: OfSeries, *, expected: pb.Expected | None = None, resume_token: str = ""
    ) -> Iterator[pb.WatchSeriesResponse]:
        """How one series arrives and is analysed, across lost connections; what it finds is provisional."""
        request = pb.WatchSeriesRequest(
            site=series.site,
            series_uid=series.series_uid,
            expected=_expected(series, expected),
            resume_token=resume_token,
        )
        return self.transport.followed(self._stub.WatchSeries, request)

    def analysis(self, series: OfSeries, *, expected: pb.Expected | None = None) -> pb.Analysis:
        """The newest analysis of a series, whole, of any size."""
        request = pb.StreamAnalysisRequest(
            site=series.site, series_uid=series.series_uid, expected=_expected(series, expected)
        )
        return analysis_of(self.transport.whole(self._stub.StreamAnalysis, request))

    def masks(
        self, of: OfSeries, nodule_ids: Iterable[str] = (), *, expected: pb.Expected | None = None
    ) -> picture_pb.StreamMasksResponse:
        """The voxels of nodules on the pixels of their series; `Unmet` where an analysis is not the newest.

        Args:
            of: an analysis; the newest one where it is something else that names the series.
            nodule_ids: whose; none for all.
            expected: as for every call.
        """
        request = picture_pb.StreamMasksRequest(
            site=of.site,
            series_uid=of.series_uid,
            expected=_origin(picture_pb.ExpectedOwner, _expected(of, expected)),
            generation=_generation(of),
            nodule_ids=nodule_ids,
        )
        return masks_of(self.transport.whole(self._pictures.StreamMasks, request))

    def pictures(self, of: OfSeries, *, expected: pb.Expected | None = None) -> list[picture_pb.Picture]:
        """Which there are to begin with: projections, then slices, the most telling one first."""
        request = picture_pb.ListPicturesRequest(
            site=of.site,
            series_uid=of.series_uid,
            expected=_origin(picture_pb.ExpectedOwner, _expected(of, expected)),
            generation=_generation(of),
        )
        return list(self.transport.ask(self._pictures.ListPictures, request).pictures)

    def picture(
        self, of: OfSeries, which: picture_pb.Picture, *, expected: pb.Expected | None = None
    ) -> picture_pb.GetPictureResponse:
        """A picture as PNG (`png`), and what it shows.

        Args:
            of: as for `masks`.
            which: one of `pictures`, or any slice: `Picture(sop_instance_uid=..., window=...)`.
            expected: as for every call.
        """
        request = picture_pb.GetPictureRequest(
            site=of.site,
            series_uid=of.series_uid,
            expected=_origin(picture_pb.ExpectedOwner, _expected(of, expected)),
            generation=_generation(of),
            window=which.window,
        )
        if which.sop_instance_uid:
            request.sop_instance_uid = which.sop_instance_uid
        else:
            request.projection = which.projection
        return picture_of(self.transport.whole(self._pictures.GetPicture, request))

    def acknowledge(
        self, line: pb.SeriesStatus, *, person: str = "", key: str = ""
    ) -> pb.AcknowledgeSeriesResponse:
        """A person has seen the level that a line of the worklist has.

        Args:
            line: as it was shown; if the series has changed since, `Unmet` is raised.
            person: who; empty for whoever the token or certificate names.
            key: idempotency key, by default a new one; the same for a request that is made again.
        """
        request = pb.AcknowledgeSeriesRequest(
            site=line.site,
            series_uid=line.series_uid,
            generation=line.analysed_generation,
            level=line.triage,
            person=person,
            idempotency_key=key or uuid.uuid4().hex,
            expected=_expected(line, None),
        )
        answer: pb.AcknowledgeSeriesResponse = self.transport.ask(self._stub.AcknowledgeSeries, request)
        return answer

    def withdraw(
        self, line: pb.SeriesStatus, *, person: str = "", key: str = ""
    ) -> pb.WithdrawAcknowledgementResponse:
        """Take back what `line.acknowledgement` says."""
        seen = line.acknowledgement
        request = pb.WithdrawAcknowledgementRequest(
            site=line.site,
            series_uid=line.series_uid,
            generation=seen.generation,
            level=seen.level,
            person=person,
            idempotency_key=key or uuid.uuid4().hex,
            expected=_expected(line, None),
        )
        answer: pb.WithdrawAcknowledgementResponse = self.transport.ask(
            self._stub.WithdrawAcknowledgement, request
        )
        return answer

    def accept(
        self, of: pb.Analysis, nodule: pb.Nodule, *, person: str = "", comment: str = "", key: str = ""
    ) -> pb.GiveFeedbackResponse:
        """A nodule of the newest analysis is one."""
        said = pb.GiveFeedbackRequest(opinion=pb.OPINION_ACCEPTED, nodule_id=nodule.nodule_id)
        return self._give(of, said, person, comment, key)

    def reject(
        self, of: pb.Analysis, nodule: pb.Nodule, *, person: str = "", comment: str = "", key: str = ""
    ) -> pb.GiveFeedbackResponse:
        """A nodule of the newest analysis is none."""
        said = pb.GiveFeedbackRequest(opinion=pb.OPINION_REJECTED, nodule_id=nodule.nodule_id)
        return self._give(of, said, person, comment, key)

    def missed(
        self, of: pb.Analysis, place_mm: pb.PointMm, *, person: str = "", comment: str = "", key: str = ""
    ) -> pb.GiveFeedbackResponse:
        """There is a nodule that the analysis lacks, in LPS mm of its frame of reference."""
        said = pb.GiveFeedbackRequest(opinion=pb.OPINION_MISSED, place_mm=place_mm)
        return self._give(of, said, person, comment, key)

    def feedback(self, series: OfSeries) -> list[pb.Feedback]:
        """What was said of the nodules of a series, oldest first."""
        found, token = [], ""
        while True:
            request = pb.ListFeedbackRequest(
                site=series.site,
                series_uid=series.series_uid,
                page_size=PAGE,
                page_token=token,
                expected=_expected(series, None),
            )
            page = self.transport.ask(self._stub.ListFeedback, request)
            found += page.feedback
            if not (token := page.next_page_token):
                return found

    def evaluate(self, exam: pb.EvaluateCriteriaRequest) -> pb.EvaluateCriteriaResponse:
        """What the criteria of an organ say of lesions that somebody else found."""
        answer: pb.EvaluateCriteriaResponse = self.transport.ask(self._criteria.EvaluateCriteria, exam)
        return answer

    def submit(
        self, instances: Iterable[Instance], *, expected: pb.Expected | None = None
    ) -> Iterator[submission_pb.SubmitInstancesResponse]:
        """Submit instances while answers are taken: what became of each, in the order in which that is known.

        `number` says which one an answer is of, from 1. What was not answered when a call broke off, or was
        refused and may come again, is sent again; each is answered once. What an answer accepts is durable.

        Args:
            instances: DICOM files, as bytes or where they lie; may yield them as they come. Asked in another
                thread; what it raises is raised here when the instances before it are answered.
            expected: what all are taken for; another one's are refused.
        """
        expected_origin = _origin(submission_pb.ExpectedOrigin, expected)
        call = partial(self.transport.stream, self._submission.SubmitInstances)
        sending = Submission(call, instances, expected_origin)
        try:
            yield from self.transport.persisted(sending.answers)
        except RefusedForNow as refused:
            yield from refused.answers

    def pull(
        self, wanted: submission_pb.PullSeriesRequest, *, expected: pb.Expected | None = None
    ) -> Iterator[submission_pb.PullSeriesResponse]:
        """Have series fetched from an archive: how far each is, until all of them are durable there.

        Args:
            wanted: the archive, and a study, series or accession; without an idempotency key, a new one.
            expected: asked of the archive before anything is fetched.
        """
        request = submission_pb.PullSeriesRequest(
            idempotency_key=uuid.uuid4().hex, expected=_origin(submission_pb.ExpectedOrigin, expected)
        )
        request.MergeFrom(wanted)
        seen: set[tuple[str, int, int, int]] = set()

        def news() -> Iterator[submission_pb.PullSeriesResponse]:
            for one in self.transport.stream(self._submission.PullSeries, request):
                how_far = (one.series_uid, one.wanted, one.here, one.series)
                if how_far not in seen:
                    seen.add(how_far)
                    yield one

        return self.transport.persisted(news)

    def _give(
        self, of: pb.Analysis, said: pb.GiveFeedbackRequest, person: str, comment: str, key: str
    ) -> pb.GiveFeedbackResponse:
        said.site, said.series_uid, said.generation = of.site, of.series_uid, of.generation
        said.person, said.comment, said.idempotency_key = person, comment, key or uuid.uuid4().hex
        answer: pb.GiveFeedbackResponse = self.transport.ask(self._stub.GiveFeedback, said)
        return answer


def _expected(series: OfSeries, given: pb.Expected | None) -> pb.Expected | None:
    """What was given, or the patient and study of a line of the worklist."""
    if given is not None or not isinstance(series, pb.SeriesStatus):
        return given
    return pb.Expected(patient_id=series.patient_id, issuer=series.issuer, study_uid=series.study_uid)


Origin = TypeVar("Origin", picture_pb.ExpectedOwner, submission_pb.ExpectedOrigin)


def _origin(kind: type[Origin], expected: pb.Expected | None) -> Origin | None:
    """The same for another service of the contract."""
    return None if expected is None else kind(**{one.name: value for one, value in expected.ListFields()})


def _generation(of: OfSeries) -> int:
    """That of an analysis; 0 for the newest one."""
    return of.generation if isinstance(of, pb.Analysis) else 0
