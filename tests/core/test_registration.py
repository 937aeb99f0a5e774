from __future__ import annotations

from dataclasses import replace

import exams
import numpy as np
import pytest

from millet.core.lung_outline import DENSE, Outline, outline
from millet.core.registration import Exam, register
from millet.phantom.after import After

BREATHS = [After(volume=0.87), After(volume=1.14)]


def laid(made):
    """A pair's prior laid over its current exam."""
    prior = Exam(outline(made.prior.lungs), made.prior.centres_mm)
    return register(prior, Exam(outline(made.current.lungs, DENSE), made.current.centres_mm))


def errors(found, made):
    """How far every nodule, found or not, is off, in mm along each axis."""
    return found.there(made.nodules_mm) - made.way.there(made.nodules_mm)


@pytest.mark.parametrize("after", BREATHS, ids=["less", "more"])
@pytest.mark.parametrize(("count", "mean_mm"), [(5, 4.0), (200, 1.5), (1000, 0.7)])
def test_many_nodules_are_laid_over_each_other_to_a_millimetre(after, count, mean_mm):
    """Another breath, waves of 4 mm besides, three fifths gone: few are off by millimetres, many by less."""
    made = exams.made(count, after)
    found = laid(made)
    assert not found.failed
    assert np.linalg.norm(errors(found, made), axis=1).mean() < mean_mm
    moved = np.linalg.norm(made.way.there(made.nodules_mm) - made.nodules_mm, axis=1).mean()
    assert moved > 6


@pytest.mark.parametrize("count", [20, 1000])
def test_the_doubt_is_as_large_as_the_errors_are(count):
    """Three squares over their variances are three in the mean, where nothing is too sure of itself."""
    made = exams.made(count, BREATHS[1])
    found = laid(made)
    off, doubt = errors(found, made), found.doubt(made.nodules_mm)
    squares = np.einsum("na,nab,nb->n", off, np.linalg.inv(doubt), off)
    assert 0.1 < squares.mean() < 6
    assert np.quantile(squares, 0.95) < 20


def test_a_table_that_was_moved_changes_nothing():
    """Two exams have two frames of reference."""
    made, off = exams.made(200), np.asarray([30.0, -40.0, 150.0])
    lungs = outline(made.prior.lungs)
    prior = Exam(replace(lungs, points_mm=lungs.points_mm - off), made.prior.centres_mm - off)
    current = Exam(outline(made.current.lungs, DENSE), made.current.centres_mm)
    assert np.allclose(
        register(prior, current).there(made.nodules_mm - off), laid(made).there(made.nodules_mm), atol=0.2
    )


def test_a_prior_without_lungs_is_laid_over_by_its_nodules():
    """Of another frame of reference, as a report from elsewhere may be."""
    made, off = exams.made(200, After(gone=0.3)), np.asarray([10.0, -20.0, 60.0])
    current = Exam(outline(made.current.lungs, DENSE), made.current.centres_mm)
    found = register(Exam(Outline.nothing(), made.prior.centres_mm - off), current)
    off_mm = np.linalg.norm(found.there(made.nodules_mm - off) - made.way.there(made.nodules_mm), axis=1)
    assert np.median(off_mm) < 1.5


def test_a_prior_that_ends_early_is_laid_over_what_both_show():
    """The lower third of the earlier lungs was not scanned."""
    made = exams.made(1000)
    lungs = outline(made.prior.lungs)
    seen = lungs.points_mm[:, 2] > -40
    part = Outline(points_mm=lungs.points_mm[seen], outward=lungs.outward[seen], side=lungs.side[seen])
    above = made.prior.centres_mm[:, 2] > -40
    found = register(
        Exam(part, made.prior.centres_mm[above]),
        Exam(outline(made.current.lungs, DENSE), made.current.centres_mm),
    )
    both = made.nodules_mm[:, 2] > -30
    assert not found.failed
    assert np.median(np.linalg.norm(errors(found, made)[both], axis=1)) < 1.0


def test_lungs_that_no_breath_makes_alike_are_not_laid_over():
    """A body upside down, and one half as large."""
    made = exams.made(20)
    lungs, current = outline(made.prior.lungs), Exam(outline(made.current.lungs, DENSE), np.zeros((0, 3)))
    flipped = np.asarray([1.0, 1.0, -1.0])
    upside = replace(lungs, points_mm=lungs.points_mm * flipped, outward=lungs.outward * flipped)
    for wrong in (upside, replace(lungs, points_mm=lungs.points_mm * 0.5)):
        assert register(Exam(wrong, np.zeros((0, 3))), current).failed
    with pytest.raises(ValueError, match="in common"):
        register(Exam(Outline.nothing(), np.zeros((1, 3))), current)
