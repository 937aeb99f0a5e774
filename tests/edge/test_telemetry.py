"""Metrics and logs."""

import io
import json
import logging
import shutil
import subprocess
import sys
import threading
import warnings
from dataclasses import replace

import pydicom
import pytest
from analyses import analysis, checked, refused
from characters import JUDGEMENT
from logging_state import put_back
from prometheus_client import CollectorRegistry

from millet.core.analysis import Outcome, TriageLevel
from millet.core.breaker import Position
from millet.core.job import State
from millet.core.reasons import Reason, Weight
from millet.edge.telemetry import (
    Association,
    Delivered,
    GrpcCode,
    Peer,
    Rpc,
    Stage,
    Storing,
    Telemetry,
    configure,
    series_tag,
)
from millet.edge.telemetry.metrics import storing_of
from millet.errors import UnfitSeries

SECRETS = ("Müller", "Jürgen", "PID-4711", "19610203", "ACC-0815", "王小东")
NAME = "Müller^Jürgen"


class Metrics:
    """Telemetry with its registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.telemetry = Telemetry(self.registry, "0.1.0")

    def value(self, name: str, **labels: str) -> float | None:
        """One sample."""
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def metrics() -> Metrics:
    """Fresh metrics."""
    return Metrics()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        *(("millet_series_not_analysed_total", {"reason": reason.value}) for reason in Reason),
        *(("millet_series_remarks_total", {"reason": "gantry-tilt", "weight": w.value}) for w in Weight),
        *(("millet_series_outcomes_total", {"outcome": outcome.value}) for outcome in Outcome),
        *(("millet_triage_level_total", {"level": level.value}) for level in TriageLevel),
        *(("millet_jobs", {"state": state.value}) for state in State),
        *(("millet_stage_duration_seconds_count", {"stage": stage.value}) for stage in Stage),
        *(("millet_dicom_instances_received_total", {"peer": "known", "status": s.value}) for s in Storing),
        *(("millet_deliveries_total", {"destination": "folder", "result": r.value}) for r in Delivered),
        *(("millet_grpc_handled_total", {"method": rpc.value, "code": "OK"}) for rpc in Rpc),
    ],
)
def test_every_label_is_there_before_the_first_event(metrics, name, labels):
    """A rate or an absence alert works from the start."""
    assert metrics.value(name, **labels) == 0


def test_events_are_counted_where_they_belong(metrics):
    """Each event moves its own metric."""
    told = metrics.telemetry
    told.association(Peer.KNOWN, Association.ACCEPTED)
    told.association(Peer.OTHER, Association.REJECTED)
    told.associations_open(1)
    told.stored(Peer.KNOWN, 0x0000, 524_288, 0.002)
    told.stored(Peer.KNOWN, 0xA700, 100, 0.001)
    told.jobs({State.QUEUED: 2})
    told.leaving.delivery("folder", Delivered.DELIVERED)
    told.turnaround(4.0)
    told.rpc(Rpc.GET_ANALYSIS, GrpcCode.NOT_FOUND)
    told.model("log", "1", "ab", "CPU", "fp32")
    value = metrics.value
    assert value("millet_dicom_associations_active") == 1
    assert value("millet_dicom_associations_total", peer="other", result="rejected") == 1
    assert value("millet_dicom_received_bytes_total", peer="known", status="success") == 524_288
    assert value("millet_dicom_instances_received_total", peer="known", status="out-of-resources") == 1
    assert value("millet_jobs", state="queued") == 2
    assert value("millet_deliveries_total", destination="folder", result="delivered") == 1
    assert value("millet_turnaround_seconds_bucket", le="5.0") == 1
    assert value("millet_turnaround_seconds_bucket", le="2.0") == 0
    assert value("millet_grpc_handled_total", method="GetAnalysis", code="NOT_FOUND") == 1
    assert (
        value("millet_model_info", model="log", version="1", digest="ab", provider="CPU", precision="fp32")
        == 1
    )


def test_what_waits_is_told_for_each_destination_that_is_configured(metrics):
    """Others, which somebody took out of the settings, are one; what has gone is 0 again."""
    leaving, value = metrics.telemetry.leaving, metrics.value
    leaving.backlog({"folder": (3, 12.5, 1), "OLD@a:1": (2, 90.0, 0), "OLD@b:1": (1, 70.0, 4)})
    assert value("millet_outbox_deliveries", destination="folder") == 3
    assert value("millet_outbox_oldest_age_seconds", destination="folder") == 12.5
    assert value("millet_dead_letters", destination="folder") == 1
    assert value("millet_outbox_deliveries", destination="other") == 3
    assert value("millet_outbox_oldest_age_seconds", destination="other") == 90
    assert value("millet_dead_letters", destination="other") == 4
    leaving.backlog({})
    for name in ("outbox_deliveries", "outbox_oldest_age_seconds", "dead_letters"):
        assert {value(f"millet_{name}", destination=one) for one in ("folder", "other")} == {0}


def test_each_host_has_a_skew_while_it_lives(metrics):
    """Whoever is named no more has none."""
    metrics.telemetry.clock_skews({"one-0": 0.25, "two-0": -300.0})
    assert metrics.value("millet_clock_skew_seconds", executor="two-0") == -300.0
    metrics.telemetry.clock_skews({"one-0": 0.5})
    assert metrics.value("millet_clock_skew_seconds", executor="one-0") == 0.5
    assert metrics.value("millet_clock_skew_seconds", executor="two-0") is None


def test_a_breaker_stands_in_one_place(metrics):
    """1 for where it stands, 0 for the others, from the start."""

    def stands():
        name = "millet_destination_breaker"
        return [metrics.value(name, destination="folder", position=one.value) for one in Position]

    assert stands() == [1, 0, 0]
    metrics.telemetry.leaving.breaker("folder", Position.OPEN)
    assert stands() == [0, 0, 1]


def test_a_delivery_to_nobody_knows_whom_is_counted_as_other(metrics):
    """The label's set stays closed."""
    metrics.telemetry.leaving.delivery("OLD@a:1", Delivered.DEAD)
    assert metrics.value("millet_deliveries_total", destination="other", result="dead") == 1


def test_an_analysis_moves_outcome_level_nodules_and_remarks(metrics):
    """What was not analysed is counted by its reason and not as a series without nodules."""
    metrics.telemetry.analysed(analysis(2))
    metrics.telemetry.analysed(refused(Reason.GANTRY_TILT))
    metrics.telemetry.analysed(checked(analysis(1), Reason.READERS_DISAGREE))
    assert metrics.value("millet_series_outcomes_total", outcome="findings") == 2
    assert metrics.value("millet_nodules_per_series_sum") == 3
    assert metrics.value("millet_nodules_per_series_count") == 2
    assert metrics.value("millet_count_not_reliable_total", reason="readers-disagree") == 1
    assert metrics.value("millet_count_not_reliable_total", reason="low-detectability") == 0
    assert metrics.value("millet_series_not_analysed_total", reason="gantry-tilt") == 1
    assert metrics.value("millet_series_remarks_total", reason="age-unknown", weight="outside-use") == 2
    assert metrics.value("millet_triage_level_total", level="not-assessed") == 1


def test_a_judged_report_is_no_series_without_nodules(metrics):
    """Nobody looked for any: the distribution of nodules, which shows drift, does not move."""
    metrics.telemetry.analysed(replace(analysis(0), outcome=Outcome.JUDGED, judgements=(JUDGEMENT,)))
    assert metrics.value("millet_series_outcomes_total", outcome="judged") == 1
    assert metrics.value("millet_nodules_per_series_count") == 0


def test_stages_are_timed_from_one_to_the_next(metrics):
    """Each stage of each piece of work counts once, however often it is told, and the last ends with it."""
    told = metrics.telemetry
    for work in ("a", "b"):
        for stage in (Stage.READ, Stage.DETECT, Stage.DETECT, Stage.REPORT):
            told.stage_began(work, stage)
    told.work_ended("a")
    told.work_ended("a")

    def count(stage: Stage) -> float | None:
        return metrics.value("millet_stage_duration_seconds_count", stage=stage.value)

    assert [count(stage) for stage in (Stage.READ, Stage.DETECT, Stage.REPORT)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("dimse_status", "ended"),
    [
        (0x0000, Storing.SUCCESS),
        (0xB000, Storing.SUCCESS),
        (0xA700, Storing.OUT_OF_RESOURCES),
        (0xA900, Storing.WRONG_OBJECT),
        (0x0122, Storing.WRONG_OBJECT),
        (0xC123, Storing.NOT_UNDERSTOOD),
        (0x0110, Storing.OTHER),
    ],
    ids=lambda value: f"{value:04x}" if isinstance(value, int) else None,
)
def test_a_dimse_status_falls_into_one_class(dimse_status, ended):
    """Sixty thousand statuses make five labels."""
    assert storing_of(dimse_status) is ended


def test_promtool_has_nothing_to_say(metrics):
    """Names, units and types follow Prometheus' conventions."""
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian package prometheus)")
    metrics.telemetry.analysed(analysis(2))
    told = subprocess.run(
        ["promtool", "check", "metrics"],
        input=metrics.telemetry.exposition(),
        capture_output=True,
        check=False,
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")


@pytest.fixture
def written():
    """Log lines of this process as they would be written; everything is put back afterwards."""
    stream = io.StringIO()
    with put_back():
        configure("DEBUG", stream)
        yield stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """The lines, parsed, after checking that no secret is in them."""
    text = stream.getvalue()
    decoded = text.encode().decode("unicode_escape")
    leaked = [secret for secret in SECRETS if secret in text or secret in decoded]
    assert not leaked
    return [json.loads(line) for line in text.splitlines()]


def test_our_lines_carry_their_facts(written):
    """A record's message and its known extras are in the line; the time is in UTC."""
    logging.getLogger("millet.edge.scp").info(
        "series %s", "closed", extra={"series": series_tag("1.2.3"), "instances": 400, "patient": NAME}
    )
    (line,) = lines(written)
    assert line["message"] == "series closed"
    assert (line["series"], line["instances"], line["level"]) == (series_tag("1.2.3"), 400, "INFO")
    assert str(line["time"]).endswith("+00:00")
    assert "patient" not in line


@pytest.mark.parametrize("library", ["pynetdicom.events", "pydicom", "dbos", "uvicorn.access", "sqlalchemy"])
def test_a_library_cannot_print_a_patient(written, library):
    """Of another library's record only level, logger and place remain; below WARNING nothing does."""
    logger = logging.getLogger(library)
    logger.debug("PatientName: %s", NAME)
    ready = f"PatientID {SECRETS[2]}, value {NAME!r}"
    logger.info(ready)
    logger.warning(f"{ready} of %s", SECRETS[2])  # noqa: G004 - libraries do that
    logger.error("GET /?accession=ACC-0815", extra={"series": SECRETS[3]})
    told = lines(written)
    assert [line["level"] for line in told] == ["WARNING", "ERROR"]
    assert all(line["logger"] == library and "message" not in line for line in told)
    assert all(str(line["at"]).startswith("test_telemetry.") for line in told)


def test_an_error_tells_its_kind_and_place_but_not_its_words(written):
    """Libraries quote the value they stumbled over; our own errors hold no patient data and are told."""
    log = logging.getLogger("millet.flow")
    try:
        try:
            int(NAME)
        except ValueError as error:
            raise UnfitSeries(Reason.UNREADABLE_OBJECT, "one object") from error
    except UnfitSeries:
        log.exception("not analysed")
    (line,) = lines(written)
    assert line["error"]["type"] == "UnfitSeries"
    assert line["error"]["message"] == "unreadable-object: one object"
    assert line["error"]["cause"]["type"] == "ValueError"
    assert "message" not in line["error"]["cause"]
    assert "test_telemetry.py" in line["error"]["frames"][0]


def test_pydicoms_warnings_about_a_value_do_not_quote_it(written):
    """A real warning with a real value passes through without it."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        dataset = pydicom.Dataset()
        dataset.PatientBirthDate = "19610203-no-date"
        dataset.StudyInstanceUID = "PID-4711"
    told = lines(written)
    assert told
    assert {line["logger"] for line in told} <= {"py.warnings", "pydicom"}


def test_an_error_that_nobody_caught_is_a_line_too(written):
    """Threads and the process itself end in a line without the error's words."""

    def fail() -> None:
        raise RuntimeError(f"cannot read {NAME}")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    told = lines(written)
    assert [line["error"]["type"] for line in told] == ["RuntimeError", "RuntimeError"]


def test_a_library_that_brings_its_own_handler_finds_ours(written):
    """DBOS adds a console handler only where there is none."""
    from dbos import _logger  # the only place that shows whether the rule still holds

    _logger.init_logger()
    logging.getLogger("dbos").error("workflow failed: %s", NAME)
    assert [line["logger"] for line in lines(written)] == ["dbos"]


def test_flagged_studies_are_told_by_level_and_acknowledgement(metrics):
    """Of each there is a number from the start, and none is left over from the last time."""
    name = "millet_flagged_studies"
    for counts, expected in (({(TriageLevel.URGENT, True): 3}, 3), ({}, 0)):
        metrics.telemetry.waiting.flagged(counts)
        assert metrics.value(name, level="urgent", acknowledged="yes") == expected
        assert metrics.value(name, level="critical", acknowledged="no") == 0


def test_what_is_overdue_is_told_by_level(metrics):
    """From the start, and nought again once somebody acknowledged it."""
    assert metrics.value("millet_series_overdue", level="critical") == 0
    metrics.telemetry.waiting.overdue({TriageLevel.CRITICAL: 2})
    assert metrics.value("millet_series_overdue", level="critical") == 2
    metrics.telemetry.waiting.overdue({})
    assert metrics.value("millet_series_overdue", level="critical") == 0
