"""The ledger accepts what is whole, and sees each way in which a promise may be broken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from faults.books import AnalysisLine, Books, InstanceLine, ReportLine, SeriesLine
from faults.ledger import LOST, Evidence, judge
from faults.modality import Acked
from faults.pacs import Kept

SERIES = SeriesLine("1.2", "analysed", 2)
FIRST, LATE = InstanceLine("1.2", "1.2.1", 1, "a"), InstanceLine("1.2", "1.2.2", 2, "b")
OLD, NEW = AnalysisLine("1.2", 1, "findings"), AnalysisLine("1.2", 2, "findings")
OLD_SR = ReportLine("1.2", 1, "sr", "9.1", "p", "done")
NEW_SR = ReportLine("1.2", 2, "sr", "9.2", "q", "done")
BOOKS = Books(series=[SERIES], instances=[FIRST, LATE], analyses=[OLD, NEW], reports=[OLD_SR, NEW_SR])
WHOLE = Evidence(
    acked={Acked("1.2", "1.2.1", "A"), Acked("1.2", "1.2.2", "B")},
    books=BOOKS,
    stored={"a": "A", "b": "B"},
    made={"p": "P", "q": "Q"},
    kept=[Kept("9.1", "P"), Kept("9.2", "Q"), Kept("9.2", "Q")],
)


def books(**lines: list) -> Evidence:
    """The whole evidence, with some lines of the books changed."""
    return replace(WHOLE, books=replace(BOOKS, **lines))


BROKEN: dict[str, tuple[Evidence, str]] = {
    "no row": (books(instances=[LATE]), "lost"),
    "in another series": (books(instances=[FIRST._replace(series_uid="1.3"), LATE]), "lost"),
    "no bytes": (replace(WHOLE, stored={"a": LOST, "b": "B"}), "lost"),
    "other bytes": (replace(WHOLE, stored={"a": "X", "b": "B"}), "lost"),
    "a row of nothing": (books(instances=[FIRST, LATE, LATE._replace(path="c")]), "half"),
    "two rows of one": (books(instances=[FIRST, LATE, FIRST]), "half"),
    "a report of nothing": (replace(WHOLE, made={"p": LOST, "q": "Q"}), "half"),
    "no series": (books(series=[]), "outcome"),
    "still receiving": (books(series=[SERIES._replace(state="receiving")]), "outcome"),
    "still analysing": (books(series=[SERIES._replace(state="analysing")]), "outcome"),
    "parked": (books(series=[SERIES._replace(state="parked")]), "outcome"),
    "no outcome": (books(analyses=[OLD]), "outcome"),
    "two outcomes": (books(analyses=[OLD, NEW, NEW]), "outcome"),
    "two outcomes of an old one": (books(analyses=[OLD, OLD, NEW]), "outcome"),
    "a late slice is left out": (books(series=[SERIES._replace(generation=1)]), "outcome"),
    "no report": (books(reports=[OLD_SR]), "report"),
    "not delivered": (books(reports=[OLD_SR, NEW_SR._replace(state="pending")]), "report"),
    "given up": (books(reports=[OLD_SR, NEW_SR._replace(state="dead")]), "report"),
    "not there": (replace(WHOLE, kept=[Kept("9.1", "P")]), "report"),
    "altered": (replace(WHOLE, kept=[Kept("9.1", "P"), Kept("9.2", "X")]), "report"),
    "once whole, once not": (replace(WHOLE, kept=[*WHOLE.kept, Kept("9.2", "X")]), "report"),
    "two names": (books(reports=[OLD_SR, NEW_SR, NEW_SR._replace(sop_instance_uid="9.3")]), "double"),
    "never committed": (replace(WHOLE, kept=[*WHOLE.kept, Kept("9.9", "X")]), "double"),
}


def test_what_is_whole_is_accepted() -> None:
    """Two generations, each with its report, one of them sent twice with equal bytes."""
    assert judge(WHOLE) == []


def test_two_instances_of_one_uid_are_both_kept() -> None:
    """Other bytes under a known UID are an instance of their own; the first stays what it was."""
    both = replace(
        books(instances=[FIRST, LATE, LATE._replace(path="c")]),
        acked={*WHOLE.acked, Acked("1.2", "1.2.2", "C")},
        stored={"a": "A", "b": "B", "c": "C"},
    )
    assert judge(both) == []


@pytest.mark.parametrize(("evidence", "rule"), BROKEN.values(), ids=BROKEN)
def test_a_broken_promise_is_seen(evidence: Evidence, rule: str) -> None:
    """One thing is wrong: the rule that it breaks says so."""
    assert rule in {violation.rule for violation in judge(evidence)}
