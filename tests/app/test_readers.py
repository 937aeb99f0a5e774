from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from prometheus_client import CollectorRegistry
from readers import MemoryReaders, missed, rejected, seen, taken_back

from millet.app.readers import AuditedReaders, CountedReaders
from millet.core.analysis import TriageLevel
from millet.core.audit import Event, Kind
from millet.edge.telemetry import ReaderMetrics
from millet.ports import About, SeriesKey, Taken

KEY = SeriesKey(site="default", series_uid="1.2.3")


def test_what_is_said_is_in_the_audit_trail_once():
    """Who, what and of which series; no comment and no place; nothing of what was refused or repeated."""
    kept: list[Event] = []
    log = AuditedReaders(log=MemoryReaders({KEY: (1, TriageLevel.URGENT)}), record=kept.append)
    said = seen(TriageLevel.URGENT)
    assert log.acknowledge(About(KEY, "a"), seen(TriageLevel.NOTABLE)).taken is Taken.CHANGED
    for _ in range(2):
        log.acknowledge(About(KEY, "a"), said)
    log.acknowledge(About(KEY, "b"), taken_back(said))
    log.give_feedback(About(KEY, "a"), rejected())
    log.give_feedback(About(KEY, "b"), missed())
    assert {(one.kind, one.series_uid) for one in kept} == {(Kind.ANSWERED, "1.2.3")}
    assert [(one.who, one.what) for one in kept] == [
        ("Dr Anna Weiß", "has seen urgent of generation 1"),
        ("Dr Anna Weiß", "took back having seen urgent of generation 1"),
        ("Dr Anna Weiß", "rejected a nodule of generation 1"),
        ("Ben", "missed a nodule of generation 1 (named by the caller)"),
    ]
    assert log.acknowledgements(KEY) == [said, taken_back(said)]
    assert log.feedback(KEY) == [rejected(), missed()]


def test_each_series_that_counts_as_seen_is_in_the_audit_trail():
    """Who acknowledges a study has seen all of them, and took back all of them."""
    kept: list[Event] = []
    levels = {KEY: (1, TriageLevel.URGENT), replace(KEY, series_uid="1.2.4"): (2, TriageLevel.NOTABLE)}
    log = AuditedReaders(log=MemoryReaders(levels), record=kept.append)
    for request, said in (("a", seen(TriageLevel.URGENT)), ("b", taken_back(seen(TriageLevel.URGENT)))):
        log.acknowledge(About(KEY, request), said)
    assert [(one.series_uid, one.what) for one in kept] == [
        ("1.2.3", "has seen urgent of generation 1"),
        ("1.2.4", "has seen notable of generation 2"),
        ("1.2.3", "took back having seen urgent of generation 1"),
        ("1.2.4", "took back having seen notable of generation 2"),
    ]


def test_what_is_said_is_counted_once_with_how_long_it_took():
    """Not what was refused, repeated or taken back; all labels are there before the first word."""
    registry = CollectorRegistry()
    said = seen(TriageLevel.URGENT)
    asked = []

    def told_utc(key, generation):
        asked.append((key, generation))
        return said.at_utc - timedelta(minutes=7)

    log = CountedReaders(
        log=MemoryReaders({KEY: (1, TriageLevel.URGENT)}), told_utc=told_utc, metrics=ReaderMetrics(registry)
    )
    delay = "millet_acknowledgement_delay_seconds"
    assert registry.get_sample_value(f"{delay}_count", {"level": "critical"}) == 0
    assert registry.get_sample_value("millet_feedback_total", {"opinion": "accepted"}) == 0
    assert log.acknowledge(About(KEY, "a"), seen(TriageLevel.NOTABLE)).taken is Taken.CHANGED
    for _ in range(2):
        log.acknowledge(About(KEY, "a"), said)
    log.acknowledge(About(KEY, "b"), taken_back(said))
    for _ in range(2):
        log.give_feedback(About(KEY, "a"), rejected())
    log.give_feedback(About(KEY, "b"), missed())
    assert registry.get_sample_value(f"{delay}_count", {"level": "urgent"}) == 1
    assert registry.get_sample_value(f"{delay}_sum", {"level": "urgent"}) == 420
    assert registry.get_sample_value(f"{delay}_count", {"level": "notable"}) == 0
    counted = {
        opinion: registry.get_sample_value("millet_feedback_total", {"opinion": opinion})
        for opinion in ("accepted", "rejected", "missed")
    }
    assert counted == {"accepted": 0, "rejected": 1, "missed": 1}
    assert set(asked) == {(KEY, 1)}
    assert log.acknowledgements(KEY) == [said, taken_back(said)]
    assert log.feedback(KEY) == [rejected(), missed()]
