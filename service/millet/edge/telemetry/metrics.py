"""Every metric, declared once: prefix `millet_`, base units, labels from closed sets only.

All label sets exist from the start, so that rates and absence alerts work before the first event.
`docs/reference/metrics.md` says what each one means; a test keeps it complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from millet.core.alert import TriageChange
from millet.core.analysis import Analysis, Outcome, TriageLevel
from millet.core.assembler import ClosedBy
from millet.core.job import State
from millet.core.reasons import UNRELIABLE_COUNT, Reason, Weight
from millet.edge.telemetry.arrivals import Arrivals
from millet.edge.telemetry.canary import CanaryMetrics
from millet.edge.telemetry.doors import DoorMetrics
from millet.edge.telemetry.leaving import Leaving
from millet.edge.telemetry.notices import NoticeMetrics
from millet.edge.telemetry.readers import ReaderMetrics
from millet.edge.telemetry.room import RoomMetrics
from millet.edge.telemetry.waiting import WaitingMetrics
from millet.edge.telemetry.working import Working

CLINIC_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
"""Buckets for what a person waits for."""
STAGE_S = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
STORE_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)
CALL_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 60)
NODULES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Peer(StrEnum):
    """Who talks to us; an AE title is chosen by its sender and therefore no label."""

    KNOWN = "known"
    OTHER = "other"
    CANARY = "canary"


class Association(StrEnum):
    """How an association request ended."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Storing(StrEnum):
    """How a C-STORE ended, by the class of its DIMSE status (PS3.4 B.2.3, PS3.7 annex C)."""

    SUCCESS = "success"
    OUT_OF_RESOURCES = "out-of-resources"
    WRONG_OBJECT = "wrong-object"
    NOT_UNDERSTOOD = "not-understood"
    OTHER = "other"


class Stage(StrEnum):
    """The stages of one analysis."""

    READ = "read"
    LUNGS = "lungs"
    DETECT = "detect"
    SECOND_READER = "second-reader"
    MEASURE = "measure"
    REPORT = "report"


class Rpc(StrEnum):
    """The calls of our services."""

    GET_ANALYSIS = "GetAnalysis"
    LIST_ANALYSES = "ListAnalyses"
    WATCH_ANALYSES = "WatchAnalyses"
    STREAM_ANALYSIS = "StreamAnalysis"
    WATCH_SERIES = "WatchSeries"
    ACKNOWLEDGE_SERIES = "AcknowledgeSeries"
    WITHDRAW_ACKNOWLEDGEMENT = "WithdrawAcknowledgement"
    GIVE_FEEDBACK = "GiveFeedback"
    LIST_FEEDBACK = "ListFeedback"
    EVALUATE_CRITERIA = "EvaluateCriteria"
    SUBMIT_INSTANCES = "SubmitInstances"
    PULL_SERIES = "PullSeries"
    STREAM_MASKS = "StreamMasks"
    LIST_PICTURES = "ListPictures"
    GET_PICTURE = "GetPicture"


class GrpcCode(StrEnum):
    """The status codes of gRPC, as `grpc.StatusCode` names them."""

    OK = "OK"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"


_WRONG_OBJECT = frozenset({0x0117, 0x0122, 0x0124})


def storing_of(dimse_status: int) -> Storing:
    """The class of a DIMSE status."""
    if dimse_status == 0 or dimse_status >> 12 == 0xB:
        return Storing.SUCCESS
    if dimse_status >> 8 == 0xA7:
        return Storing.OUT_OF_RESOURCES
    if dimse_status >> 8 == 0xA9 or dimse_status in _WRONG_OBJECT:
        return Storing.WRONG_OBJECT
    return Storing.NOT_UNDERSTOOD if dimse_status >> 12 == 0xC else Storing.OTHER


class Telemetry:
    """The metrics of one process, in a registry of the caller's. Thread-safe; never blocks."""

    def __init__(
        self, registry: CollectorRegistry, version: str, destinations: Sequence[str] = ("folder",)
    ) -> None:
        self._registry = registry
        self._stages: dict[str, tuple[Stage, float]] = {}
        ProcessCollector(namespace="millet", registry=registry)
        self._declare_receiving()
        self._declare_series()
        self._declare_leaving()
        self.doors = DoorMetrics(registry)
        self.waiting = WaitingMetrics(registry)
        self.readers = ReaderMetrics(registry)
        self.leaving = Leaving(registry, destinations)
        self.notices = NoticeMetrics(registry)
        self.arrivals = Arrivals(registry)
        self.working = Working(registry)
        self.room = RoomMetrics(registry)
        self.canary = CanaryMetrics(registry)
        self._gauge("build_info", "The running version.", "version").labels(version).set(1)

    def _declare_receiving(self) -> None:
        self._associations = self._counter("dicom_associations", "Association requests.", "peer result")
        _start(self._associations, Peer, Association)
        self._associations_active = self._gauge("dicom_associations_active", "Associations that are open.")
        self._instances = self._counter(
            "dicom_instances_received", "C-STORE requests answered.", "peer status"
        )
        _start(self._instances, Peer, Storing)
        self._bytes = self._counter(
            "dicom_received_bytes", "Bytes of C-STORE requests answered.", "peer status"
        )
        _start(self._bytes, Peer, Storing)
        self._store_s = self._histogram(
            "dicom_store_duration_seconds", "From an instance's last byte to its C-STORE response.", STORE_S
        )
        self._spool_free = self._gauge("spool_free_bytes", "Free space where instances are kept.")
        self._clock_skew = self._gauge(
            "clock_skew_seconds", "An executor's clock minus the journal's.", "executor"
        )

    def _declare_series(self) -> None:
        self._windows_waiting = self._gauge("windows_waiting", "Windows that wait for a device")
        self._streaming = self._gauge(
            "streaming_bytes", "Memory of series that are worked on while they arrive or wait"
        )
        self._series_open = self._gauge("series_open", "Series that are being received.")
        self._completed = self._counter("series_completed", "Series taken for complete.", "by")
        _start(self._completed, ClosedBy)
        self._outcomes = self._counter("series_outcomes", "Series ended.", "outcome")
        _start(self._outcomes, Outcome)
        self._refused = self._counter("series_not_analysed", "Series not analysed.", "reason")
        _start(self._refused, Reason)
        self._remarks = self._counter("series_remarks", "Remarks made on series.", "reason weight")
        _start(self._remarks, Reason, Weight)
        self._unreliable = self._counter(
            "count_not_reliable", "Series whose number of nodules is not reliable.", "reason"
        )
        _start(self._unreliable, sorted(UNRELIABLE_COUNT))
        self._jobs = self._gauge("jobs", "Series in each state.", "state")
        _start(self._jobs, State)
        self._stage_s = self._histogram("stage_duration_seconds", "Time in a stage.", STAGE_S, "stage")
        _start(self._stage_s, Stage)
        self._nodules = self._histogram("nodules_per_series", "Nodules of each analysed series.", NODULES)
        self._levels = self._counter("triage_level", "Series by triage level.", "level")
        _start(self._levels, TriageLevel)
        self._changes = self._gauge(
            "triage_changes", "Generations that changed the triage level of their series.", "before after"
        )
        _start(self._changes, TriageLevel, TriageLevel)
        self._model = self._gauge(
            "model_info", "The models that run.", "model version digest provider precision"
        )

    def _declare_leaving(self) -> None:
        self._turnaround_s = self._histogram(
            "turnaround_seconds", "From a series' last instance to its SR being accepted.", CLINIC_S
        )
        self._grpc = self._counter("grpc_handled", "Calls of our services that ended.", "method code")
        _start(self._grpc, Rpc, GrpcCode)
        self._grpc_s = self._histogram("grpc_handling_seconds", "Calls from first to last.", CALL_S, "method")
        _start(self._grpc_s, Rpc)
        self._watchers = self._gauge("grpc_watchers", "WatchAnalyses and WatchSeries streams that are open.")

    def _counter(self, name: str, meaning: str, labels: str = "") -> Counter:
        return Counter(f"millet_{name}", meaning, labels.split(), registry=self._registry)

    def _gauge(self, name: str, meaning: str, labels: str = "") -> Gauge:
        return Gauge(f"millet_{name}", meaning, labels.split(), registry=self._registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], labels: str = "") -> Histogram:
        return Histogram(f"millet_{name}", meaning, labels.split(), buckets=buckets, registry=self._registry)

    def exposition(self) -> bytes:
        """Everything, in Prometheus' text format (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)

    def association(self, peer: Peer, result: Association) -> None:
        """An association was requested and answered."""
        self._associations.labels(peer, result).inc()

    def associations_open(self, count: int) -> None:
        """So many associations are open."""
        self._associations_active.set(count)

    def stored(self, peer: Peer, dimse_status: int, size_bytes: int, duration_s: float) -> None:
        """A C-STORE was answered."""
        ended = storing_of(dimse_status)
        self._instances.labels(peer, ended).inc()
        self._bytes.labels(peer, ended).inc(size_bytes)
        self._store_s.observe(duration_s)

    def streaming(self, windows_waiting: Callable[[], int], held_bytes: Callable[[], int]) -> None:
        """Ask these whenever metrics are read."""
        self._windows_waiting.set_function(windows_waiting)
        self._streaming.set_function(held_bytes)

    def spool_free(self, free_bytes: float) -> None:
        """Free space was measured."""
        self._spool_free.set(free_bytes)

    def clock_skews(self, skews_s: Mapping[str, float]) -> None:
        """Executors' clocks were compared with the database's; those that are not named are gone."""
        self._clock_skew.clear()
        for executor, skew_s in skews_s.items():
            self._clock_skew.labels(executor).set(skew_s)

    def series_open(self, count: int) -> None:
        """Open series were counted."""
        self._series_open.set(count)

    def series_completed(self, by: ClosedBy) -> None:
        """A series was taken for complete."""
        self._completed.labels(by).inc()

    def analysed(self, analysis: Analysis) -> None:
        """An analysis was committed (for the first time): its outcome, remarks, level and nodules."""
        self._outcomes.labels(analysis.outcome).inc()
        self._levels.labels(analysis.triage.level).inc()
        for remark in analysis.remarks:
            self._remarks.labels(remark.reason, remark.weight).inc()
        for doubt in analysis.doubts:
            self._unreliable.labels(doubt.reason).inc()
        if analysis.outcome is Outcome.NOT_ANALYSED:
            self._refused.labels(Reason(analysis.reason_code)).inc()
        if analysis.looked:
            self._nodules.observe(len(analysis.nodules))
            self.working.scored(nodule.score for nodule in analysis.nodules)

    def jobs(self, counts: Mapping[State, int]) -> None:
        """Series were counted by state; a state that is not named has none."""
        for state in State:
            self._jobs.labels(state).set(counts.get(state, 0))

    def triage_changes(self, counts: Mapping[TriageChange, int]) -> None:
        """Alerts in the journal were counted; a change that is not named there happened never."""
        for change, number in counts.items():
            self._changes.labels(change.before, change.after).set(number)

    def stage_began(self, work: str, stage: Stage) -> bool:
        """A piece of work is in a stage, which may be told often; the stage before it is over.

        Returns whether the piece itself is new.
        """
        if (running := self._stages.get(work)) is None or running[0] is not stage:
            self.work_ended(work)
            self._stages[work] = (stage, perf_counter())
        return running is None

    def work_ended(self, work: str) -> None:
        """A piece of work is over, well or not, and with it its last stage."""
        if running := self._stages.pop(work, None):
            stage, began_s = running
            self._stage_s.labels(stage).observe(perf_counter() - began_s)

    def turnaround(self, seconds: float) -> None:
        """An SR was accepted so long after the last instance of its series."""
        self._turnaround_s.observe(seconds)

    def model(self, model: str, version: str, digest: str, provider: str, precision: str) -> None:
        """A model runs."""
        self._model.labels(model, version, digest, provider, precision).set(1)

    def rpc(self, method: Rpc, code: GrpcCode) -> None:
        """A call ended."""
        self._grpc.labels(method, code).inc()

    def rpc_took(self, method: Rpc, seconds: float) -> None:
        """A call, or a stream, took so long from its request to its end."""
        self._grpc_s.labels(method).observe(seconds)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """A watcher's stream is open."""
        with self._watchers.track_inprogress():
            yield


def _start(metric: MetricWrapperBase, *label_sets: Iterable[str]) -> None:
    """Create every combination of labels."""
    combinations: list[tuple[str, ...]] = [()]
    for values in label_sets:
        combinations = [(*made, value) for made in combinations for value in list(values)]
    for labels in combinations:
        metric.labels(*labels)
