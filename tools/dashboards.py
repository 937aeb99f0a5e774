"""Write the Grafana dashboards of deploy/grafana from what stands here: python tools/dashboards.py.

What the journal knows every process tells alike, so such metrics are taken by their maximum; what a process
counts itself is summed.
"""

from pathlib import Path

from panels import Dashboard, Panel, counts, quantiles, rates, rendered, shares

FOLDER = Path(__file__).parents[1] / "deploy" / "grafana"

WAY = Dashboard(
    uid="millet-way",
    title="Millet: a series' way",
    rows={
        "The goal": (
            Panel(title="Last slice to SR accepted", unit="s", asks=quantiles("millet_turnaround_seconds")),
            Panel(
                title="Reports later than five minutes",
                unit="percentunit",
                asks={
                    "of an hour": "millet:turnaround_late:ratio_1h",
                    "of a day": "millet:turnaround_late:ratio_1d",
                },
            ),
            Panel(title="Series now", unit="short", asks={"{{state}}": "max by (state) (millet_jobs)"}),
        ),
        "Receiving": (
            Panel(
                title="Instances",
                unit="reqps",
                asks=rates("millet_dicom_instances_received_total", "peer, status"),
            ),
            Panel(title="Storing one", unit="s", asks=quantiles("millet_dicom_store_duration_seconds")),
            Panel(title="Flushing one", unit="s", asks=quantiles("millet_spool_flush_duration_seconds")),
            Panel(
                title="Associations",
                unit="short",
                asks={
                    "open": "sum(millet_dicom_associations_active)",
                    **counts("millet_dicom_associations_total", "peer, result"),
                },
            ),
            Panel(title="Last slice to complete", unit="s", asks=quantiles("millet_series_assembly_seconds")),
            Panel(
                title="Complete by",
                unit="short",
                asks=counts("millet_series_completed_total", "by"),
            ),
        ),
        "Working": (
            Panel(
                title="Waiting to be begun", unit="s", asks=quantiles("millet_queue_wait_seconds", "priority")
            ),
            Panel(
                title="Longest wait now",
                unit="s",
                asks={"{{priority}}": "max by (priority) (millet_jobs_oldest_wait_seconds)"},
            ),
            Panel(title="Stages", unit="s", asks=quantiles("millet_stage_duration_seconds", "stage")),
            Panel(
                title="Windows",
                unit="reqps",
                asks={"windows": "sum(rate(millet_batch_windows_sum[$__rate_interval]))"},
            ),
            Panel(
                title="Windows in a batch",
                unit="short",
                asks={
                    "mean": "sum(rate(millet_batch_windows_sum[$__rate_interval]))"
                    " / sum(rate(millet_batch_windows_count[$__rate_interval]))",
                    "waiting": "sum(millet_windows_waiting)",
                },
            ),
            Panel(
                title="Attempts an hour",
                unit="short",
                asks={
                    **counts("millet_analysis_attempts_total", "result"),
                    "put back": "sum(increase(millet_work_recovered_total[1h]))",
                },
            ),
        ),
        "Leaving": (
            Panel(title="Tries", unit="reqps", asks=rates("millet_deliveries_total", "destination, result")),
            Panel(
                title="One try", unit="s", asks=quantiles("millet_delivery_duration_seconds", "destination")
            ),
            Panel(
                title="Waiting and given up",
                unit="short",
                asks={
                    "{{destination}} waiting": "max by (destination) (millet_outbox_deliveries)",
                    "{{destination}} given up": "max by (destination) (millet_dead_letters)",
                },
            ),
            Panel(
                title="Oldest that waits",
                unit="s",
                asks={"{{destination}}": "max by (destination) (millet_outbox_oldest_age_seconds)"},
            ),
            Panel(
                title="Breakers that are open, and who answers",
                unit="short",
                asks={
                    "{{destination}} answers": "max by (destination) (millet_destination_answers)",
                    "{{destination}}": 'max by (destination) (millet_destination_breaker{position="open"})',
                },
            ),
        ),
    },
)

RESULTS = Dashboard(
    uid="millet-results",
    title="Millet: canary and drift",
    rows={
        "The canary": (
            Panel(
                title="Share of its nodules found",
                unit="percentunit",
                kind="stat",
                asks={"found": "min(millet_canary_sensitivity_ratio)"},
            ),
            Panel(
                title="Since its last success",
                unit="s",
                kind="stat",
                asks={"since": "time() - max(millet_canary_last_success_timestamp_seconds)"},
            ),
            Panel(title="Its way", unit="s", asks=quantiles("millet_canary_latency_seconds", window="6h")),
            Panel(
                title="Sent, an hour",
                unit="short",
                asks=counts("millet_canary_sent_total", "result"),
            ),
            Panel(
                title="Marks that are none", unit="short", asks={"marks": "max(millet_canary_other_marks)"}
            ),
        ),
        "Results of patients": (
            Panel(
                title="Outcomes a day",
                unit="short",
                asks=counts("millet_series_outcomes_total", "outcome", "1d"),
            ),
            Panel(
                title="Triage levels", unit="percentunit", asks=shares("millet_triage_level_total", "level")
            ),
            Panel(
                title="Not analysed a day, by reason",
                unit="short",
                asks={
                    "{{reason}}": "topk(10, sum by (reason) (increase(millet_series_not_analysed_total[1d])))"
                },
            ),
            Panel(
                title="Not reliable",
                unit="short",
                asks=counts("millet_count_not_reliable_total", "reason", "1d"),
            ),
            Panel(
                title="Levels that changed with late slices",
                unit="short",
                asks={"changed": "sum(max by (before, after) (millet_triage_changes))"},
            ),
        ),
        "Readers": (
            Panel(
                title="Studies told of, a day",
                unit="short",
                asks=counts('millet_notifications_total{change="raised"}', "destination, level", "1d"),
            ),
            Panel(
                title="Flagged studies acknowledged, of a day",
                unit="percentunit",
                asks={"{{level}}": "millet:acknowledged_studies:ratio"},
            ),
            Panel(
                title="Not acknowledged in time",
                unit="short",
                asks={"{{level}}": "max by (level) (millet_series_overdue)"},
            ),
            Panel(
                title="Until acknowledged",
                unit="s",
                asks=quantiles("millet_acknowledgement_delay_seconds", "level", "1d"),
            ),
            Panel(
                title="Nodules judged, a day",
                unit="short",
                asks=counts("millet_feedback_total", "opinion", "1d"),
            ),
        ),
        "Drift": (
            Panel(
                title="Nodules a series, mean of a day",
                unit="short",
                asks={"mean": "millet:nodules_per_series:mean_1d"},
            ),
            Panel(title="Score, mean of a day", unit="short", asks={"mean": "millet:nodule_score:mean_1d"}),
            Panel(title="Scores", unit="percentunit", asks=quantiles("millet_nodule_score", window="1d")),
            Panel(
                title="Scanners", unit="percentunit", asks=shares("millet_series_scanner_total", "scanner")
            ),
            Panel(title="Kernels", unit="percentunit", asks=shares("millet_series_kernel_total", "kernel")),
            Panel(
                title="Remarks a day",
                unit="short",
                asks={"{{reason}}": "topk(10, sum by (reason) (increase(millet_series_remarks_total[1d])))"},
            ),
        ),
    },
)

HOUSE = Dashboard(
    uid="millet-house",
    title="Millet: the house",
    rows={
        "Processes": (
            Panel(title="Up", unit="short", asks={"{{instance}}": 'up{job="millet"}'}),
            Panel(
                title="Memory",
                unit="bytes",
                asks={
                    "{{instance}}": "millet_process_resident_memory_bytes",
                    "arriving series": "sum(millet_streaming_bytes)",
                },
            ),
            Panel(
                title="Processor",
                unit="short",
                asks={"{{instance}}": "rate(millet_process_cpu_seconds_total[$__rate_interval])"},
            ),
            Panel(title="Open files", unit="short", asks={"{{instance}}": "millet_process_open_fds"}),
            Panel(
                title="Clock skew",
                unit="s",
                asks={"{{executor}}": "max by (executor) (millet_clock_skew_seconds)"},
            ),
            Panel(
                title="Versions and models",
                unit="short",
                asks={
                    "millet {{version}}": "count by (version) (millet_build_info)",
                    "{{model}} {{precision}}": "count by (model, precision) (millet_model_info)",
                },
            ),
        ),
        "Disk and devices": (
            Panel(title="Spool, used", unit="percentunit", asks={"{{instance}}": "millet_spool_used_ratio"}),
            Panel(
                title="Spool, free above its reserve",
                unit="bytes",
                asks={"{{instance}}": "millet_spool_free_bytes - millet_spool_reserve_bytes"},
            ),
            Panel(
                title="Models that answer",
                unit="short",
                asks={"{{model}}": "min by (model) (millet_model_ready)"},
            ),
            Panel(
                title="GPU memory",
                unit="percentunit",
                asks={"{{gpu}}": "millet_gpu_memory_used_bytes / millet_gpu_memory_total_bytes"},
            ),
            Panel(
                title="GPU use",
                unit="percentunit",
                asks={"{{gpu}}": "millet_gpu_utilization_ratio"},
            ),
        ),
        "Doors": (
            Panel(
                title="Certificates: days left",
                unit="d",
                asks={"{{certificate}}": "min by (certificate) (millet_certificate_left_seconds) / 86400"},
            ),
            Panel(
                title="Not let in over DICOM",
                unit="short",
                asks=counts("millet_dicom_associations_refused_total", "reason"),
            ),
            Panel(
                title="Not answered",
                unit="short",
                asks=counts("millet_api_turned_away_total", "door, verdict"),
            ),
            Panel(title="gRPC calls", unit="reqps", asks=rates("millet_grpc_handled_total", "method, code")),
            Panel(title="gRPC time", unit="s", asks=quantiles("millet_grpc_handling_seconds", "method")),
            Panel(
                title="Watchers, audit events lost, renewals failed",
                unit="short",
                asks={
                    "watchers": "sum(millet_grpc_watchers)",
                    "lost a day": "sum(increase(millet_audit_events_lost_total[1d]))",
                    **counts("millet_renewals_failed_total", "file", "1d", "{{file}} not renewed a day"),
                },
            ),
        ),
    },
)

DASHBOARDS = (WAY, RESULTS, HOUSE)


if __name__ == "__main__":
    for one in DASHBOARDS:
        path = FOLDER / f"{one.uid}.json"
        path.write_text(rendered(one), "utf-8")
        print(path)
