"""Metrics of arrivals, of the work, of devices and of the canary."""

from __future__ import annotations

import math

import pytest
from analyses import analysis
from prometheus_client import CollectorRegistry

from millet.core.canary import NAME
from millet.core.makes import Kernel, Make
from millet.core.retention import LARGE
from millet.edge.telemetry import Attempt, Devices, Nvml, Rpc, Sent, Telemetry


class Metrics:
    """Telemetry with its registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.telemetry = Telemetry(self.registry, "0.1.0", ("folder", NAME))

    def value(self, name: str, **labels: str) -> float | None:
        """One sample."""
        return self.registry.get_sample_value(f"millet_{name}", labels)


@pytest.fixture
def metrics() -> Metrics:
    """Fresh metrics."""
    return Metrics()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        *(("series_scanner_total", {"scanner": make.value}) for make in Make),
        *(("series_kernel_total", {"kernel": kernel.value}) for kernel in Kernel),
        *(("analysis_attempts_total", {"result": result.value}) for result in Attempt),
        *(("canary_sent_total", {"result": result.value}) for result in Sent),
        *(("instances_known_total", {"content": content}) for content in ("same", "other")),
        *(("jobs_oldest_wait_seconds", {"priority": one}) for one in ("routine", "emergency")),
        *(("queue_wait_seconds_count", {"priority": one}) for one in ("routine", "emergency")),
        *(("delivery_duration_seconds_count", {"destination": one}) for one in ("folder", "other")),
        *(("grpc_handling_seconds_count", {"method": rpc.value}) for rpc in Rpc),
        *(("objects_removed_total", {"kind": kind}) for kind in LARGE),
        ("spool_removed_bytes_total", {}),
        ("series_reopened_total", {}),
        ("work_recovered_total", {}),
        ("spool_flush_duration_seconds_count", {}),
        ("canary_latency_seconds_count", {}),
    ],
)
def test_every_label_is_there_before_the_first_event(metrics, name, labels):
    """A rate or an absence alert works from the start."""
    assert metrics.value(name, **labels) == 0


def test_what_arrives_is_counted(metrics):
    """Each event moves its own metric."""
    arrivals = metrics.telemetry.arrivals
    arrivals.flushed(0.003)
    arrivals.space(0.25, 2_000_000_000)
    arrivals.known(same=False)
    arrivals.reopened()
    arrivals.complete(2.5, Make.CANON, Kernel.SHARP)
    assert metrics.value("spool_flush_duration_seconds_sum") == 0.003
    assert metrics.value("spool_used_ratio") == 0.25
    assert metrics.value("spool_reserve_bytes") == 2_000_000_000
    assert metrics.value("instances_known_total", content="other") == 1
    assert metrics.value("series_reopened_total") == 1
    assert metrics.value("series_assembly_seconds_sum") == 2.5
    assert metrics.value("series_scanner_total", scanner="canon") == 1
    assert metrics.value("series_kernel_total", kernel="sharp") == 1


def test_what_waits_no_more_is_zero_again(metrics):
    """An urgency that is not named has nothing that waits; whatever is above an emergency is one."""
    working = metrics.telemetry.working
    working.oldest_waits({0: 90.0, 1: 4.0, 7: 8.0})
    assert metrics.value("jobs_oldest_wait_seconds", priority="routine") == 90
    assert metrics.value("jobs_oldest_wait_seconds", priority="emergency") == 8
    working.oldest_waits({})
    assert metrics.value("jobs_oldest_wait_seconds", priority="routine") == 0


def test_a_model_that_fails_is_not_ready_until_it_answers(metrics):
    """1 and 0, by its name."""
    working = metrics.telemetry.working
    working.ready("millet/1", answers=True)
    assert metrics.value("model_ready", model="millet/1") == 1
    working.ready("millet/1", answers=False)
    assert metrics.value("model_ready", model="millet/1") == 0


def test_scores_of_reported_nodules_are_kept(metrics):
    """As many as there are nodules, which a drift of a model or of scanners moves."""
    made = analysis(3)
    metrics.telemetry.analysed(made)
    assert metrics.value("nodule_score_count") == 3
    assert metrics.value("nodule_score_sum") == pytest.approx(sum(one.score for one in made.nodules))


def test_batches_and_their_windows_are_counted_together(metrics):
    """The sum are windows, the count batches."""
    metrics.telemetry.working.batch(8, 0.2)
    metrics.telemetry.working.batch(2, 0.1)
    assert metrics.value("batch_windows_sum") == 10
    assert metrics.value("batch_windows_count") == 2
    assert metrics.value("batch_duration_seconds_sum") == pytest.approx(0.3)


def test_the_canary_has_seen_nothing_before_it_came_back(metrics):
    """NaN alerts nobody; what came back is told, and a success with its time."""
    canary = metrics.telemetry.canary
    assert math.isnan(metrics.value("canary_sensitivity_ratio"))
    canary.planned(900.0)
    canary.came_back(0.9, 2)
    canary.latency(4.0)
    canary.succeeded(1_800_000_000.0)
    assert metrics.value("canary_interval_seconds") == 900
    assert metrics.value("canary_sensitivity_ratio") == 0.9
    assert metrics.value("canary_other_marks") == 2
    assert metrics.value("canary_latency_seconds_sum") == 4
    assert metrics.value("canary_last_success_timestamp_seconds") == 1_800_000_000


def test_a_gpu_that_does_not_answer_is_down(metrics):
    """Where there is no driver, or no such GPU, it counts as gone."""
    Devices(metrics.registry, (0, 63), Nvml("libthereisnone.so.1")).measure()
    assert metrics.value("gpu_up", gpu="0") == 0
    assert metrics.value("gpu_up", gpu="63") == 0
    assert math.isnan(metrics.value("gpu_memory_used_bytes", gpu="0"))


@pytest.mark.gpu
def test_a_gpu_that_answers_is_up(metrics):
    """Its memory and how busy it is are told."""
    Devices(metrics.registry, (0, 63), Nvml()).measure()
    assert metrics.value("gpu_up", gpu="0") == 1
    assert metrics.value("gpu_up", gpu="63") == 0
    assert (
        0 < metrics.value("gpu_memory_used_bytes", gpu="0") < metrics.value("gpu_memory_total_bytes", gpu="0")
    )
    busy = metrics.value("gpu_utilization_ratio", gpu="0")
    assert math.isnan(busy) or 0 <= busy <= 1
