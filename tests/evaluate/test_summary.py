import json

from findings import candidate, case, mark

from millet.evaluate.case import at_least, best_at, judge
from millet.evaluate.froc import curve
from millet.evaluate.report import froc_csv, summary_json
from millet.evaluate.summary import summarise
from millet.evaluate.sweep import sweep

CASES = (
    case(
        true=(mark(0, 1.8), mark(10, 4.0, "ground_glass")),
        found=(candidate(0, 0.9), candidate(50, 0.8), candidate(10.5, 0.2)),
        ignored=(mark(50),),
        name="one",
    ),
    case(found=(candidate(0, 0.6),), name="two"),
)
ESTIMATE = ["value", "low", "high", "n", "cases", "method"]


def summary(*cases):
    """Cases at a threshold of one half."""
    return summarise([judge(one, at_least(0.5)) for one in cases], [sweep(one) for one in cases])


def test_the_counts_of_each_case_by_hand():
    """True, found, hits, false, ignored and candidates; found is hits and false together."""
    rows = [
        (c.name, c.true, c.found, c.hits, c.false, c.ignored, c.candidates) for c in summary(*CASES).cases
    ]
    assert rows == [("one", 2, 1, 1, 0, 1, 3), ("two", 0, 1, 0, 1, 0, 1)]


def test_the_document_has_its_keys_and_figures():
    """A stable interface: the keys in their order, and what is known of the two cases."""
    text = summary_json(summary(*CASES), {"table": "x.csv"}, {"three": "no truth.csv"})
    document = json.loads(text)
    assert list(document) == [
        "format", "about", "matching", "confidence", "scans", "nodules", "failed", "sensitivity",
        "false_per_scan", "false_per_empty_scan", "false_discovery_rate", "count_error",
        "diameter_bias_mm", "diameter_rmse_mm", "centre_error_mm", "found_against_true", "by_size",
        "by_kind", "froc", "cpm", "cases",
    ]  # fmt: skip
    assert list(document["sensitivity"]) == ESTIMATE
    assert list(document["by_size"][0]) == ["name", "hits", *ESTIMATE]
    assert list(document["froc"][0]) == ["false_per_scan", *ESTIMATE]
    assert (document["scans"], document["nodules"]) == (2, 2)
    assert document["sensitivity"]["value"] == document["false_per_scan"]["value"] == 0.5
    assert [one["value"] for one in document["froc"]] == [0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert document["failed"] == [{"name": "three", "reason": "no truth.csv"}]


def test_nothing_at_all_is_a_document_too():
    """No case: every figure null, none a NaN, which JSON does not know."""
    document = json.loads(summary_json(summary(), {}, {}))
    assert (document["scans"], document["cpm"]["value"], document["found_against_true"]["slope"]["n"]) == (
        0,
        None,
        0,
    )


def test_the_table_of_the_curve():
    """The thresholds at which a nodule is won, exact, and the last one."""
    assert froc_csv(curve([sweep(one) for one in CASES])).splitlines() == [
        "threshold,false_per_scan,sensitivity",
        "0.9,0,0.5",
        "0.2,0.5,1",
    ]
    assert froc_csv(curve([])) == "threshold,false_per_scan,sensitivity\n"


def test_why_a_nodule_was_missed():
    """The best candidate within its reach, reported or not."""
    assert best_at(CASES[0], CASES[0].truth[1]).score == 0.2
    assert best_at(CASES[1], mark(5)) is None
