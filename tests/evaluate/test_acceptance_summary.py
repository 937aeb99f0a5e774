"""A site's studies summed up: levels, reasons, groups, disagreements, and what must be said beside them."""

from acceptances import NEGATIVE, POSITIVE, case, of_series, report, series, site
from instances import header

from millet.core.analysis import TriageLevel
from millet.core.assembler import ClosedBy, Waits
from millet.core.best import Candidate
from millet.evaluate.acceptance import groups, words
from millet.evaluate.acceptance.caveats import Beside, caveats
from millet.evaluate.acceptance.groups import Asked
from millet.evaluate.acceptance.study import closes
from millet.evaluate.acceptance.summary import Sort, summarise
from millet.evaluate.acceptance.truth import Told

ASKED = Asked(alert=TriageLevel.URGENT)
WAITS = Waits(settle_s=2.0, quiet_s=10.0, gap_wait_s=60.0)


def test_a_studys_level_is_the_highest_of_its_series():
    """While the series to open first, by whose scanner it is counted, is another one."""
    thin = series(1, TriageLevel.NOTABLE, scanner="thin")
    thick = series(
        2,
        TriageLevel.CRITICAL,
        scanner="thick",
        standing=Candidate(series_uid="1.2.2", extent_mm=300.0, slice_mm=5.0, slices=60),
    )
    study = of_series(1, [thin, thick]).study
    assert (study.best, study.shown, study.deciding) == (thin, thin, thick)
    assert (study.level, study.is_alert(TriageLevel.CRITICAL)) == (TriageLevel.CRITICAL, True)
    assert summarise([of_series(1, [thin, thick])], ASKED).decided_elsewhere == 1


def test_a_study_is_analysed_when_any_series_is():
    """One of which none is has the reason of its largest series, and stands for that one's scanner."""
    refused = series(1, reason_code="localizer-only", instances=2)
    other = series(2, reason_code="missing-slices", instances=200, scanner="big")
    none = of_series(1, [refused, other]).study
    assert (none.analysed, none.reason_code, none.shown.scanner) == (False, "missing-slices", "big")
    assert none.level is TriageLevel.NOT_ASSESSED
    some = of_series(1, [refused, series(3)]).study
    assert (some.analysed, some.reason_code) == (True, "")


def test_rates_are_of_what_was_analysed():
    """Of ten studies two are not; of the other eight one is critical, two are urgent, one is notable."""
    levels = [TriageLevel.CRITICAL, TriageLevel.URGENT, TriageLevel.URGENT, TriageLevel.NOTABLE]
    cases = [case(n, level) for n, level in enumerate(levels, 1)] + [case(n) for n in range(5, 9)]
    cases += [case(9, reason_code="under-age"), case(10, reason_code="under-age")]
    found = summarise(cases, ASKED)
    assert (found.analysed.value, found.alerts.value, found.alerts.n) == (0.8, 3 / 8, 8)
    assert [one.value for one in found.levels.values()] == [4 / 8, 1 / 8, 2 / 8, 1 / 8]
    assert [one.value for one in found.from_level.values()] == [4 / 8, 3 / 8, 1 / 8]
    assert (found.studies_by_reason, found.series_by_reason) == ({"under-age": 2}, {"under-age": 2})
    # Wilson's interval of 3 in 8, by hand: (.375 + 3.841459 / 16 -+ ...) / (1 + 3.841459 / 8)
    alone = groups.share([case(n, patient="one") for n in range(8)], lambda each: each.number < 3)
    assert [round(alone.low, 4), round(alone.high, 4)] == [0.1368, 0.6943]


def test_groups_are_told_apart():
    """By scanner, kernel and slices; what is in none of the bins has one of its own."""
    cases = [
        case(1, TriageLevel.URGENT, scanner="B", thickness_mm=1.0),
        case(2, scanner="A", thickness_mm=1.004),
        case(3, scanner="A", thickness_mm=1.25, kernel="B60f (sharp)"),
        case(4, scanner="A", thickness_mm=3.0),
        case(5, scanner="A", thickness_mm=5.0, reason_code="missing-slices"),
        case(6, scanner="A", thickness_mm=None),
    ]
    found = summarise(cases, ASKED)
    assert [(one.name, one.studies, one.analysed, one.alerts.value) for one in found.by_scanner] == [
        ("A", 5, 4, 0.0),
        ("B", 1, 1, 1.0),
    ]
    assert [(one.name, one.studies) for one in found.by_thickness] == [
        ("up to 1 mm", 2),
        ("over 1 to 1.5 mm", 1),
        ("over 1.5 to 3 mm", 1),
        ("over 3 mm", 1),
        ("not stated", 1),
    ]
    assert [one.name for one in found.by_kernel] == ["B30f (usual)", "B60f (sharp)"]
    assert all(one.few for one in found.by_scanner)


def test_what_was_not_analysed_raised_no_alert():
    """Sensitivity is told twice: 3 of 4 that were analysed, 3 of 5 of all."""
    cases = [case(n, TriageLevel.URGENT, POSITIVE) for n in (1, 2, 3)]
    cases += [case(4, told=POSITIVE), case(5, told=POSITIVE, reason_code="missing-slices")]
    cases += [case(6, TriageLevel.CRITICAL, NEGATIVE), case(7, told=NEGATIVE), case(8)]
    held = summarise(cases, ASKED).held
    assert (held.studies, held.accuracy.sensitivity.value, held.sensitivity_of_all.value) == (7, 0.75, 0.6)
    assert (held.accuracy.specificity.value, held.accuracy.ppv_here.value) == (0.5, 0.75)
    assert [(one.number, one.sort) for one in held.disagreements] == [
        (4, Sort.MISSED),
        (5, Sort.NOT_ANALYSED),
        (6, Sort.FALSE_ALERT),
    ]
    assert held.disagreements[0].said == "unflagged: the reason for unflagged"
    assert held.disagreements[1].said == "not-assessed: missing-slices"
    assert held.disagreements[2].told == "negative"


def test_counts_are_compared():
    """Found less told: 1, -2 and 5, whose middle is 1."""
    told = [Told(positive=True, words="", count=count) for count in (4, 4, 4)]
    cases = [
        case(n, told=one, nodules=found) for n, one, found in zip((1, 2, 3), told, (5, 2, 9), strict=True)
    ]
    assert summarise(cases, ASKED).held.count_difference.value == 1.0


def test_by_what_the_service_would_have_closed_a_series():
    """A whole stack by its geometry; one with a hole only when its patience ends."""
    whole = [header(number) for number in range(30)]
    assert closes(whole, WAITS) is ClosedBy.GEOMETRY
    assert closes([*whole[:10], *whole[14:]], WAITS) is ClosedBy.GAP_TIMEOUT


def test_what_a_report_must_not_be_read_without():
    """Faults first; then few studies, few positives, lines without a study, a prevalence not said."""
    cases = [case(n, told=POSITIVE) for n in range(1, 4)] + [case(4, reason_code="missing-slices")]
    said = caveats(summarise(cases, ASKED), Beside(untold=1, unknown=2, faults=3, unread=4))
    for number, part in enumerate(
        (
            "by a fault of this machine: 3 series",
            "25% of the studies were not analysed",
            "Could not be read, and in no study: 4 files",
            "Analysed: 3 studies. Of fewer than 30",
            "Not in the table of the truth, and in no figure against it: 1 study",
            "no study of the cases: 2 lines",
            "Analysed: 3 positive studies",
            "Analysed: 0 negative studies",
            "hold where 100% of the studies are positive",
            "by scanner, below 30: ACME One (3)",
        )
    ):
        assert part in said[number]


def test_enough_of_everything_needs_no_caveat():
    """But for the lack of a truth."""
    said = caveats(summarise([case(n) for n in range(1, 41)], ASKED), Beside())
    assert said == ("No truth was given: nothing is known of what the alerts are worth.",)


def test_what_it_means_for_the_work():
    """.9 and .8 at .1, of 1,000: 270 alerts, 90 of them right; 10 are missed."""
    cases = [case(n, TriageLevel.URGENT, POSITIVE) for n in range(18)]
    cases += [case(n, told=POSITIVE) for n in range(18, 20)]
    cases += [case(n, TriageLevel.URGENT, NEGATIVE) for n in range(20, 40)]
    cases += [case(n, told=NEGATIVE) for n in range(40, 120)]
    summary = summarise(cases, Asked(alert=TriageLevel.URGENT, prevalence=0.1))
    said = words.in_practice(summary.held.accuracy)
    assert said.startswith("Of 1,000 such studies, 100 of them positive, 270 (")
    assert said.endswith("raise an alert: 90 rightly, 180 not. 10 positive ones raise none.")


def test_a_drawn_site_is_seen_as_it_was_drawn():
    """Alerts .9 and .06 of positives and negatives: both lie in the intervals of 240 studies."""
    accuracy = report(site()).summary.held.accuracy
    assert accuracy.sensitivity.low < 0.9 < accuracy.sensitivity.high
    assert accuracy.specificity.low < 0.94 < accuracy.specificity.high
