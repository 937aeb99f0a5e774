"""What an alert is worth at a prevalence: against numbers that were worked out by hand."""

import math

import pytest

from millet.evaluate.acceptance.predictive import Confusion, Judged, accuracy, npv, npv_at, ppv, ppv_at


def table(true_alerts, false_alerts, missed, true_silences, patient=None):
    """Studies that make this table; each of a patient of its own, or all of one."""
    cells = [(True, True)] * true_alerts + [(True, False)] * false_alerts
    cells += [(False, True)] * missed + [(False, False)] * true_silences
    return [
        Judged(patient=patient or str(number), alert=alert, positive=positive)
        for number, (alert, positive) in enumerate(cells)
    ]


def test_the_cells_are_counted():
    """Each study in the one that it belongs to."""
    found = accuracy(table(4, 3, 2, 1), None)
    assert found.confusion == Confusion(true_alerts=4, false_alerts=3, missed=2, true_silences=1)
    assert (found.confusion.positives, found.confusion.negatives) == (6, 4)
    values = [found.sensitivity.value, found.specificity.value, found.ppv_here.value, found.npv_here.value]
    assert values == pytest.approx([4 / 6, 1 / 4, 4 / 7, 1 / 3])
    assert (found.ppv, found.npv, found.alerts_in_1000) == (None, None, None)


@pytest.mark.parametrize(
    ("prevalence", "right_alert", "right_silence"),
    [(0.5, 9 / 11, 8 / 9), (0.1, 1 / 3, 72 / 73), (0.01, 9 / 207, 792 / 793)],
)
def test_bayes(prevalence, right_alert, right_silence):
    """Sensitivity .9 and specificity .8: of 1,000 at .1 it is 90 of 270 alerts, and 720 of 730 silences."""
    assert ppv(0.9, 0.8, prevalence) == pytest.approx(right_alert)
    assert npv(0.9, 0.8, prevalence) == pytest.approx(right_silence)


def test_without_any_alert_there_is_no_share_of_them():
    """Nor of silences where all is alert."""
    assert math.isnan(ppv(0.0, 1.0, 0.1))
    assert math.isnan(npv(1.0, 0.0, 0.1))
    all_alert = accuracy(table(3, 2, 0, 0), 0.1)
    assert (all_alert.npv.value, all_alert.npv.low, all_alert.npv.n) == (None, None, 5)
    assert all_alert.ppv.value == pytest.approx(0.1)


def test_the_intervals_are_those_of_the_paper():
    """18 of 20 and 80 of 100 at .1: logit of 1/3 and of 72/73, their variances by Mercaldo's formulas.

    PPV: .1 / 18 + .8 / 20 = .045556, so that log(1/2) -+ .418330. NPV: .9 / 2 + .2 / 80 = .4525, so that
    log(72) -+ 1.318430. Alerts: 270 -+ 1,000 x 1.96 x root of (.01 x .09 / 20 + .81 x .16 / 100).
    """
    found = accuracy(table(18, 20, 2, 80, patient="one"), 0.1)
    ends = {
        (found.ppv.value, found.ppv.low, found.ppv.high): (1 / 3, 0.247595, 0.431725),
        (found.npv.value, found.npv.low, found.npv.high): (72 / 73, 0.950651, 0.996298),
    }
    for seen, wanted in ends.items():
        assert seen == pytest.approx(wanted, abs=2e-6)
    alerts = found.alerts_in_1000
    assert (alerts.value, alerts.low, alerts.high) == pytest.approx((270, 198.226, 341.774), abs=1e-3)
    assert (found.ppv.n, found.ppv.cases, found.ppv.method) == (120, 1, "logit")


def test_where_all_was_right_there_still_is_an_interval():
    """5 of 5 and 10 of 10 at .5, by hand with z squared / 2 = 1.920729 added to each cell: from .592 on."""
    found = accuracy(table(5, 0, 0, 10, patient="one"), 0.5)
    assert (found.ppv.value, found.ppv.high) == (1.0, 1.0)
    assert found.ppv.low == pytest.approx(0.592049, abs=2e-5)


def test_studies_of_few_patients_make_it_wider():
    """The same table from six patients, whose studies are alike, says less than from as many as studies."""
    many = table(18, 20, 2, 80)
    few = [
        Judged(patient=str(n % 3 + 3 * one.positive), alert=n % 3 > 0, positive=one.positive)
        for n, one in enumerate(many)
    ]
    spread = ppv_at(few, 0.1).high - ppv_at(few, 0.1).low
    alone = [Judged(patient=str(n), alert=one.alert, positive=one.positive) for n, one in enumerate(few)]
    assert spread > 1.5 * (ppv_at(alone, 0.1).high - ppv_at(alone, 0.1).low)


@pytest.mark.parametrize("cells", [(0, 0, 0, 0), (3, 0, 2, 0), (0, 3, 0, 2)])
def test_without_positives_and_negatives_nothing_is_said(cells):
    """Neither of a prevalence that was stated nor of another."""
    found = accuracy(table(*cells), 0.1)
    assert (found.ppv.value, found.npv.value, found.ppv.low) == (None, None, None)
    assert (ppv_at(table(*cells), 0.5).value, npv_at(table(*cells), 0.5).value) == (None, None)


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, 3.0])
def test_a_prevalence_is_a_share(prevalence):
    """Of neither nobody nor everybody."""
    with pytest.raises(ValueError, match="lies between 0 and 1"):
        accuracy(table(1, 1, 1, 1), prevalence)
