"""Every alert fires where it must, is silent where it must be, and tells a person what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from millet.edge.telemetry import Devices, Nvml, Telemetry

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DAY = 1440
"""Minutes."""
EVALUATED = {"1m": "1m", "5m": "1h", "1d": "2h"}
"""How often rules are evaluated, by how far apart samples lie; those of a rule hold for five minutes."""
Samples = Mapping[str, str]
"""Series and their values a minute, in promtool's notation."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """When an alert fires and when it does not; `since` is when a clock that starts in 1970 is looked at."""

    alert: str
    fires: Samples
    quiet: Samples
    labels: Mapping[str, str] = field(default_factory=dict)
    minute: int = 30
    every: str = "1m"
    """Between two samples."""


def late(share: float) -> Samples:
    """Series of which so many in a hundred are later than the goal."""
    return {
        'millet_turnaround_seconds_bucket{le="300.0"}': f"0+{100 - share:g}x1500",
        'millet_turnaround_seconds_bucket{le="+Inf"}': "0+100x1500",
        'millet_turnaround_seconds_bucket{le="600.0"}': "0+100x1500",
        "millet_turnaround_seconds_count": "0+100x1500",
    }


def outcomes(refused: int, found: int) -> Samples:
    """So many series of each outcome a minute."""
    return {
        'millet_series_outcomes_total{outcome="not-analysed"}': f"0+{refused}x480",
        'millet_series_outcomes_total{outcome="findings"}': f"0+{found}x480",
    }


def few(refused: int) -> Samples:
    """So many series in six hours, none of them analysed."""
    return {
        'millet_series_outcomes_total{outcome="not-analysed"}': f"0x200 {refused}x280",
        'millet_series_outcomes_total{outcome="findings"}': "0x480",
    }


def nodules(before: int, now: int) -> Samples:
    """A series every five minutes: nodules of each, for ten days and then for another; scores stay."""
    ten, one = 10 * 288, 288
    return {
        "millet_nodules_per_series_count": f"0+1x{ten + one + 20}",
        "millet_nodules_per_series_sum": f"0+{before}x{ten} {before * ten + now}+{now}x{one + 20}",
        "millet_nodule_score_count": f"0+2x{ten + one + 20}",
        "millet_nodule_score_sum": f"0+1x{ten + one + 20}",
    }


OPEN = 'millet_destination_breaker{destination="PACS", position="open"}'
CASES = (
    Case(
        alert="MilletDown",
        fires={'up{job="millet", instance="a:1"}': "1x20 0x20"},
        quiet={'up{job="millet", instance="a:1"}': "1x28 0x20"},
        labels={"job": "millet", "instance": "a:1"},
    ),
    Case(
        alert="MilletRefusesInstances",
        fires={'millet_dicom_instances_received_total{peer="known", status="out-of-resources"}': "0x28 3x9"},
        quiet={
            'millet_dicom_instances_received_total{peer="known", status="out-of-resources"}': "3x40",
            'millet_dicom_instances_received_total{peer="known", status="success"}': "0+9x40",
        },
    ),
    Case(
        alert="MilletDiskFills",
        fires={"millet_spool_free_bytes": "3e9x40", "millet_spool_reserve_bytes": "2e9x40"},
        quiet={"millet_spool_free_bytes": "9e9x40", "millet_spool_reserve_bytes": "2e9x40"},
    ),
    Case(
        alert="MilletDiskFills",
        fires={"millet_spool_free_bytes": "90e9-50e6x400", "millet_spool_reserve_bytes": "2e9x400"},
        quiet={"millet_spool_free_bytes": "+Inf " * 400, "millet_spool_reserve_bytes": "0x400"},
        minute=390,
    ),
    Case(
        alert="MilletSenderRefused",
        fires={'millet_dicom_associations_refused_total{reason="address"}': "0x28 1x9"},
        quiet={'millet_dicom_associations_refused_total{reason="address"}': "1x40"},
        labels={"reason": "address"},
    ),
    Case(
        alert="MilletNothingReceived",  # 1 January 1970 was a Thursday
        fires={
            'millet_dicom_instances_received_total{peer="known", status="success"}': "0+5x400 2000x500",
            'millet_dicom_instances_received_total{peer="canary", status="success"}': "0+5x900",
        },
        quiet={'millet_dicom_instances_received_total{peer="known", status="success"}': "0+5x900"},
        minute=600,
    ),
    Case(
        alert="MilletNothingReceived",
        fires={'millet_dicom_instances_received_total{peer="known", status="success"}': f"7x{DAY}"},
        quiet={'millet_dicom_instances_received_total{peer="known", status="success"}': "7x980 8+1x60"},
        minute=1000,
    ),
    Case(
        alert="MilletNobodyAnalyses",
        fires={'millet_model_ready{model="millet/1"}': "1x15 _x30"},
        quiet={'millet_model_ready{model="millet/1"}': "1x40"},
    ),
    Case(
        alert="MilletModelNotReady",
        fires={'millet_model_ready{model="millet/1"}': "1x9 0x30"},
        quiet={'millet_model_ready{model="millet/1"}': "1x28 0x30"},
        labels={"model": "millet/1"},
    ),
    Case(
        alert="MilletGpuGone",
        fires={'millet_gpu_up{gpu="0"}': "1x9 0x30"},
        quiet={'millet_gpu_up{gpu="0"}': "1x40"},
        labels={"gpu": "0"},
    ),
    Case(
        alert="MilletQueueStalls",
        fires={'millet_jobs_oldest_wait_seconds{priority="emergency"}': "0+10x40"},
        quiet={'millet_jobs_oldest_wait_seconds{priority="routine"}': "0+10x40"},
    ),
    Case(
        alert="MilletQueueStalls",
        fires={'millet_jobs_oldest_wait_seconds{priority="routine"}': "0+60x40"},
        quiet={'millet_jobs_oldest_wait_seconds{priority="routine"}': "800x40"},
    ),
    Case(
        alert="MilletAnalysisFails",
        fires={'millet_series_not_analysed_total{reason="detector-failed"}': "0x20 1x20"},
        quiet={'millet_series_not_analysed_total{reason="not-ct"}': "0x20 9x20"},
        labels={"reason": "detector-failed"},
    ),
    Case(
        alert="MilletSeriesParked",
        fires={'millet_jobs{state="parked"}': "1x40"},
        quiet={'millet_jobs{state="parked"}': "0x40", 'millet_jobs{state="queued"}': "9x40"},
    ),
    Case(
        alert="MilletManyNotAnalysed",
        fires=outcomes(6, 4),
        quiet=outcomes(4, 6),
        minute=480,
    ),
    Case(
        alert="MilletManyNotAnalysed",
        fires=few(12),
        quiet=few(8),
        minute=480,
    ),
    Case(
        alert="MilletWorkRecovered",
        fires={"millet_work_recovered_total": "0x28 2x9"},
        quiet={"millet_work_recovered_total": "2x40"},
    ),
    Case(
        alert="MilletClockSkew",
        fires={'millet_clock_skew_seconds{executor="a-0"}': "-40x40"},
        quiet={'millet_clock_skew_seconds{executor="a-0"}': "0.2x40"},
        labels={"executor": "a-0"},
    ),
    Case(
        alert="MilletDestinationAway",
        fires={OPEN: "0x9 1x30"},
        quiet={OPEN: "0x9 1x2 0x30"},
        labels={"destination": "PACS"},
    ),
    Case(
        alert="MilletDestinationSilent",
        fires={'millet_destination_answers{destination="PACS"}': "1x9 0x30"},
        quiet={'millet_destination_answers{destination="PACS"}': "NaN NaN 1x40"},
        labels={"destination": "PACS"},
    ),
    Case(
        alert="MilletDeliveryStalled",
        fires={'millet_outbox_oldest_age_seconds{destination="PACS"}': "0+60x40"},
        quiet={'millet_outbox_oldest_age_seconds{destination="PACS"}': "800x40"},
        labels={"destination": "PACS"},
    ),
    Case(
        alert="MilletDeadLetter",
        fires={'millet_dead_letters{destination="PACS"}': "0x9 1x30"},
        quiet={'millet_dead_letters{destination="PACS"}': "0x40"},
        labels={"destination": "PACS"},
    ),
    Case(alert="MilletSlow", fires=late(10), quiet=late(1), minute=60),
    Case(alert="MilletGoalMissed", fires=late(60), quiet=late(4), minute=120),
    Case(alert="MilletGoalMissed", fires=late(6), quiet=late(4), minute=DAY),
    Case(
        alert="MilletCanaryBlind",
        fires={"millet_canary_sensitivity_ratio": "1x28 0x9"},
        quiet={"millet_canary_sensitivity_ratio": "NaN NaN 0.9x40"},
    ),
    Case(
        alert="MilletCanaryMissing",
        fires={
            "millet_canary_last_success_timestamp_seconds": "0x40",
            "millet_canary_interval_seconds": "300x40",
        },
        quiet={
            "millet_canary_last_success_timestamp_seconds": "0+60x40",
            "millet_canary_interval_seconds": "300x40",
        },
    ),
    Case(
        alert="MilletCanaryMissing",
        fires={
            'millet_canary_last_success_timestamp_seconds{instance="deliverer"}': "0+60x9 540x40",
            'millet_canary_last_success_timestamp_seconds{instance="receiver"}': "0x40",
            'millet_canary_interval_seconds{instance="receiver"}': "300x40",
        },
        quiet={
            "millet_canary_last_success_timestamp_seconds": "0x40",
            "millet_canary_interval_seconds": "0x40",
        },
    ),
    Case(
        alert="MilletCanaryNotTaken",
        fires={'millet_canary_sent_total{instance="a:1", result="refused"}': "0x28 1x9"},
        quiet={'millet_canary_sent_total{instance="a:1", result="sent"}': "0+1x40"},
        labels={"instance": "a:1"},
    ),
    Case(
        alert="MilletCountsUnreliable",
        fires={
            'millet_count_not_reliable_total{reason="readers-disagree"}': "0+4x600",
            "millet_nodules_per_series_count": "0+10x600",
        },
        quiet={
            'millet_count_not_reliable_total{reason="readers-disagree"}': "0+2x600",
            "millet_nodules_per_series_count": "0+10x600",
        },
        minute=DAY + 120,
        every="5m",
    ),
    Case(alert="MilletDrift", fires=nodules(2, 9), quiet=nodules(2, 3), minute=11 * DAY + 60, every="5m"),
    Case(
        alert="MilletNewScanner",
        fires={'millet_series_scanner_total{scanner="canon"}': "0x31 9x3"},
        quiet={'millet_series_scanner_total{scanner="canon"}': "0+9x40"},
        labels={"scanner": "canon"},
        minute=32 * DAY,
        every="1d",
    ),
    Case(
        alert="MilletCriticalUnseen",
        fires={
            'millet_series_overdue{level="critical"}': "0x20 1x20",
            'millet_acknowledgement_delay_seconds_count{level="urgent"}': "0x9 3x40",
        },
        quiet={
            'millet_series_overdue{level="critical"}': "0x20 1x20",
            'millet_acknowledgement_delay_seconds_count{level="urgent"}': "0x40",
        },
        labels={"level": "critical"},
    ),
    Case(
        alert="MilletCriticalUnseen",
        fires={
            'millet_series_overdue{level="critical", instance="a:1"}': "2x40",
            'millet_series_overdue{level="critical", instance="b:1"}': "2x40",
            'millet_acknowledgement_delay_seconds_count{level="critical"}': "0+1x40",
        },
        quiet={
            'millet_series_overdue{level="critical"}': "1x3 0x40",
            'millet_series_overdue{level="urgent"}': "5x40",
            'millet_acknowledgement_delay_seconds_count{level="critical"}': "0+1x40",
        },
        labels={"level": "critical"},
    ),
    Case(
        alert="MilletCertificateExpires",
        fires={'millet_certificate_left_seconds{certificate="server"}': f"{13 * 86400}x40"},
        quiet={
            'millet_certificate_left_seconds{certificate="server"}': f"{15 * 86400}x40",
            'millet_certificate_left_seconds{certificate="peer CT1"}': "NaN " * 40,
        },
        labels={"certificate": "server"},
    ),
    Case(
        alert="MilletCertificateExpired",
        fires={'millet_certificate_left_seconds{certificate="destination PACS theirs"}': "0x40"},
        quiet={'millet_certificate_left_seconds{certificate="server"}': f"{2 * 86400}x40"},
        labels={"certificate": "destination PACS theirs"},
    ),
    Case(
        alert="MilletRenewalFails",
        fires={'millet_renewals_failed_total{file="tls"}': "0x20 1x20"},
        quiet={'millet_renewals_failed_total{file="tls"}': "1x40"},
        labels={"file": "tls"},
    ),
    Case(
        alert="MilletCallersTurnedAway",
        fires={'millet_api_turned_away_total{door="grpc", verdict="unauthenticated"}': "0+3x40"},
        quiet={'millet_api_turned_away_total{door="grpc", verdict="unauthenticated"}': "0+1x40"},
        labels={"door": "grpc", "verdict": "unauthenticated"},
    ),
    Case(
        alert="MilletAuditLost",
        fires={"millet_audit_events_lost_total": "0x20 4x20"},
        quiet={"millet_audit_events_lost_total": "4x80"},
        minute=70,
    ),
)


GROUPS = yaml.safe_load((DEPLOY / "alerts.yml").read_text("utf-8"))["groups"]
ALERTS: Mapping[str, Mapping[str, Any]] = {
    rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule
}


def _tests(case: Case) -> list[Mapping[str, Any]]:
    """The case as promtool reads it: once with the alert, once without."""
    rule = ALERTS[case.alert]
    told = {"exp_labels": {**rule["labels"], **case.labels}, "exp_annotations": rule["annotations"]}
    return [
        {
            "interval": case.every,
            "input_series": [{"series": name, "values": values} for name, values in samples.items()],
            "alert_rule_test": [
                {"eval_time": f"{case.minute}m", "alertname": case.alert, "exp_alerts": expected}
            ],
        }
        for samples, expected in ((case.fires, [told]), (case.quiet, []))
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_where_it_must_and_nowhere_else(tmp_path, case):
    """As promtool evaluates it, with every label and annotation."""
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian package prometheus)")
    shutil.copy(DEPLOY / "alerts.yml", tmp_path)
    told = {
        "rule_files": ["alerts.yml"],
        "evaluation_interval": EVALUATED[case.every],
        "group_eval_order": [group["name"] for group in GROUPS],
        "tests": _tests(case),
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(told), "utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_its_case():
    """None can be added without saying when it fires and when it does not."""
    assert {case.alert for case in CASES} == set(ALERTS)


def test_every_alert_says_how_urgent_it_is_and_where_help_is():
    """Two severities; a summary of one sentence; the address of its entry in the runbook."""
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert rule["annotations"]["summary"].endswith("."), name
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


def test_the_runbook_has_one_entry_an_alert():
    """Each with what it means, where to look first and what to do; no entry of an alert that is no more."""
    text = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    entries = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    named = {entry.splitlines()[0]: entry for entry in entries if entry.startswith("Millet")}
    assert set(named) == set(ALERTS)
    for name, entry in named.items():
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert part in entry, f"{name} lacks {part}"


def test_every_expression_names_metrics_that_exist():
    """What is asked for is told by the service, with these labels; a misspelt one would never fire."""
    registry = CollectorRegistry()
    telemetry = Telemetry(registry, "0", ("PACS",))
    telemetry.clock_skews({"": 0.0})
    telemetry.working.ready("", answers=True)
    telemetry.doors.certificate_left("", 0)
    Devices(registry, (0,), Nvml()).measure()
    samples = {sample.name: set() for metric in registry.collect() for sample in metric.samples}
    for metric in registry.collect():
        for sample in metric.samples:
            samples[sample.name] |= {*sample.labels.items()}
    text = (DEPLOY / "alerts.yml").read_text("utf-8")
    used = re.findall(r"\b(millet_\w+)(?:\{([^}]*)\})?", text)
    assert len(used) > 40
    for name, selector in used:
        assert name in samples, name
        for label, value in re.findall(r'(\w+)="([^"]*)"', selector):
            assert (label, value) in samples[name], f"{name}{{{label}={value}}}"
