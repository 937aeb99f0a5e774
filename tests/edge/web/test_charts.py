"""Figures behind the charts of a series."""

from __future__ import annotations

from dataclasses import replace

import pytest
import shown
from analyses import analysis, nodule

from millet.core.change import Fate
from millet.core.character import Lobe
from millet.edge.web import charts


def test_each_nodule_is_in_one_bar_of_its_size():
    """A limit belongs to the bar above it; the highest bar is a hundred."""
    sizes_mm = (1.0, 2.0, 2.9, 5.9, 6.0, 29.9, 30.0, 80.0)
    bars = charts.sizes([replace(nodule(k + 1), diameter_mm=mm) for k, mm in enumerate(sizes_mm)])
    counts = {bar.label: bar.nodules for bar in bars if bar.nodules}
    assert counts == {"0-2": 1, "2-3": 2, "5-6": 1, "6-8": 1, "20-30": 1, "> 30": 2}
    assert max(bar.height for bar in bars) == 100.0
    assert next(bar.label for bar in bars if bar.large) == "6-8"


def test_the_densest_lobe_is_the_brightest():
    """By nodules in 100 ml, not by their number."""
    exam = shown.exam(120)
    regions = charts.lobes(exam)
    assert [region.name for region in regions] == [lobe.value for lobe in Lobe]
    brightest = max(regions, key=lambda region: region.opacity)
    assert brightest.per_100_ml == max(region.per_100_ml for region in regions)
    assert brightest.opacity == pytest.approx(0.9)


def test_zones_stand_in_where_no_fissure_was_found():
    """Three rows of two, from the top, the patient's right on the left; none where nothing was counted."""
    exam = shown.exam(10)
    lobeless = replace(exam, spread=replace(exam.spread, lobes=()))
    assert charts.lobes(lobeless) == []
    names = [[region.name for region in row] for row in charts.zones(lobeless)]
    assert names[0] == ["right-upper", "left-upper"]
    assert len(names) == 3
    assert charts.zones(analysis(2)) == charts.lobes(analysis(2)) == []


def test_every_course_is_counted():
    """Those that nothing became of too."""
    exam = shown.exam(39)
    assert charts.courses(exam.change) == {
        Fate.NEW: 10,
        Fate.GONE: 0,
        Fate.GROWN: 10,
        Fate.SHRUNK: 0,
        Fate.STABLE: 20,
        Fate.UNCERTAIN: 0,
    }
