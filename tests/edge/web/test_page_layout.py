"""How the room of a page is used in a real headless Chromium, in each language."""

from __future__ import annotations

import pytest
import shown
from browsers import DESK, PHONE, Looker, chromium
from sites import Site, page_of
from worklists import status

from millet.core.language import Language
from millet.edge.web import Voice

SERIES = page_of(status(1))


@pytest.fixture(scope="module", params=list(Language), ids=str)
def site(request):
    """A site with one series of every look."""
    made = Site()
    shown.filled(made)
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
    assert lines == pytest.approx([1.0] * 10, abs=0.1)
