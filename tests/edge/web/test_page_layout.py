"""How the room of a page is used in a real headless Chromium, in each language."""

from __future__ import annotations

from dataclasses import replace

import pytest
import shown
from analyses import analysis
from browsers import DESK, PHONE, Looker, chromium
from playwright.sync_api import expect
from sites import Site, page_of
from worklists import status

from millet.core import triage
from millet.core.analysis import Analysis, Outcome
from millet.core.brought import Brought, judgements, sets_for
from millet.core.geometry import PointMm
from millet.core.language import Language
from millet.core.lesion import Exam, Lesion
from millet.core.worded import worded
from millet.edge.web import Voice

SERIES = page_of(status(1))
UNKNOWN = status(11, study_uid="1.2.826.0.2.11", nodules=0, outcome=Outcome.JUDGED)
"""A report of others that says of its lesions neither side nor region, so that little can be judged."""


def unknown(language: Language) -> Analysis:
    """What becomes of it."""
    found = tuple(Lesion(centre_mm=PointMm(3.0 * at, 0.0, 2.0 * at), diameter_mm=3.0) for at in range(60))
    brought = Brought(exam=Exam(organ="lung", modality="CT", lesions=found), left_out=12)
    judged = judgements(brought, sets_for("lung"))
    facts = {"judgements": judged, "triage": triage.judged(judged, brought.told), "language": language}
    return worded(replace(analysis(0), outcome=Outcome.JUDGED, pattern=None, lungs=None, **facts))


@pytest.fixture(scope="module", params=list(Language), ids=str)
def site(request):
    """A site with one series of every look, and a judged report."""
    made = Site()
    shown.filled(made)
    told = unknown(request.param)
    made.put(replace(UNKNOWN, triage=told.triage.level, triage_reason=told.triage.reasons[0]), told)
    made.start(voice=Voice(request.param))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all."""
    with chromium() as made:
        yield made


@pytest.fixture
def look(browser, site):
    """A way to open windows."""
    opened = []

    def window(size) -> Looker:
        opened.append(Looker(browser, site.url, size))
        return opened[-1]

    yield window
    for one in opened:
        one.close()


COLUMNS = """(held, parts) => {
  const ends = {}, top = held.getBoundingClientRect().top;
  for (const one of held.querySelectorAll(parts)) {
    const box = one.getBoundingClientRect();
    if (box.height) ends[box.left] = Math.max(ends[box.left] ?? 0, box.bottom - top);
  }
  return Object.values(ends);
}"""
"""Where each column of a part of the page ends, in pixels from its top."""


@pytest.mark.parametrize(
    ("held", "parts"), [(".views", ".view, .panel"), (".exam", ".panel")], ids=["views", "exam"]
)
def test_no_column_of_a_series_is_left_half_empty(look, held, parts):
    """On a desk's screen there are two, and the shorter one is filled to two thirds."""
    page = look(DESK).open(SERIES, until="body[data-ready]")
    ends = page.locator(held).evaluate(COLUMNS, parts)
    assert len(ends) == 2
    assert min(ends) > max(ends) * 2 / 3


def test_a_phone_has_one_column(look):
    """Views and panels one below the other, each as wide as the page."""
    page = look(PHONE).open(SERIES, until="body[data-ready]")
    for held, parts in ((".views", ".view, .panel"), (".exam", ".panel")):
        assert len(page.locator(held).evaluate(COLUMNS, parts)) == 1


def test_a_row_of_the_worklist_is_as_high_as_its_reason(look):
    """Date and description of a study stand in one line; they make no row higher."""
    page = look(DESK).open("/")
    lines = page.locator("table.worklist td:nth-child(4) .soft").evaluate_all(
        "all => all.map((one) => one.offsetHeight / parseFloat(getComputedStyle(one).lineHeight))"
    )
    assert lines == pytest.approx([1.0] * 11, abs=0.1)


def test_a_report_that_could_not_be_judged_takes_two_lines_and_says_all_on_its_page(site, look):
    """Its row begins with how many lesions it tells of and keeps its level; nothing is said not to hold."""
    reason = site.worklist.statuses[UNKNOWN.key].triage_reason
    assert len(reason) > 400
    window = look(DESK)
    page = window.open("/")
    row = page.locator("tr.notable").filter(has_text="ACC0011")
    link = row.locator("a.open")
    expect(link).to_have_text(reason)
    expect(link).to_have_attribute("title", reason)
    assert link.evaluate("one => one.offsetHeight / parseFloat(getComputedStyle(one).lineHeight)") < 2.1
    window.keep(f"judged-unknown-{site.sources.voice.language}")
    assert window.barriers() == []
    page = window.open(page_of(UNKNOWN))
    expect(page.locator(".verdict li")).to_have_text([reason])
    verdict = {"en": "not evaluated", "de": "nicht beurteilbar"}[site.sources.voice.language]
    expect(page.locator("summary strong")).to_have_text([verdict])
    window.keep(f"judged-unknown-page-{site.sources.voice.language}")
    assert window.barriers() == []
