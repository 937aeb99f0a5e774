"""Traces and spans are numbered by what they are of."""

from __future__ import annotations

from datetime import UTC, datetime

from millet.core.trace import ROOT, Span, trace_of

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def span(name, **facts) -> Span:
    """A span of one trace."""
    return Span(trace=trace_of("a", "1.2.3", 1), name=name, began_utc=NOW, ended_utc=NOW, **facts)


def test_a_trace_is_of_one_generation_of_one_series_of_one_site():
    """Equal for equal arguments, on every machine; else another. A UID cannot be read from it."""
    assert trace_of("a", "1.2.3", 1) == trace_of("a", "1.2.3", 1)
    others = {
        trace_of("b", "1.2.3", 1),
        trace_of("a", "1.2.4", 1),
        trace_of("a", "1.2.3", 2),
        trace_of("a1", ".2.3", 1),
    }
    assert len(others | {trace_of("a", "1.2.3", 1)}) == 5
    assert all(len(one) == 32 and int(one, 16) for one in others)


def test_a_span_knows_its_parent_without_having_seen_it():
    """Told by one process, found below what another has told."""
    root = span(ROOT, parent="")
    assert root.parent_number == ""
    assert span("analyse").parent_number == root.number
    assert span("lungs", key="1", parent="analyse").parent_number == span("analyse").number
    assert span("deliver", key="1").number != span("deliver", key="2").number
    assert len(root.number) == 16
