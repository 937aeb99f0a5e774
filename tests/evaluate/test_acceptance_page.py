"""The report of an acceptance: its document, and the page that a person reads."""

import json
import re
from html import escape

import pytest
from acceptances import case, report, site
from browsers import DESK, PHONE, Looker, chromium

from millet.core.analysis import TriageLevel
from millet.evaluate.acceptance import svg
from millet.evaluate.acceptance.groups import Asked
from millet.evaluate.acceptance.page import page
from millet.evaluate.acceptance.report import STATEMENTS, canonical, document, parsed
from millet.evaluate.estimate import Estimate

FINGERPRINT = "cd" * 32


@pytest.fixture(scope="module")
def made():
    """The report of 240 studies, drawn."""
    return report(site())


def test_the_document_can_be_read_again(made):
    """As JSON of the same values, byte by byte."""
    found = document(made)
    assert parsed(canonical(found)) == json.loads(json.dumps(found))
    assert (found["asked"]["prevalence"], len(found["cases"])) == (0.03, 240)
    assert found["groups"]["scanner"][0]["name"] == "SIEMENS SOMATOM Force"


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": [{"b": 1, "b": 1}]}'])
def test_what_readers_would_differ_about_is_no_document(text):
    """A key that is there twice, and what is no number."""
    with pytest.raises(ValueError, match=r"twice|no JSON"):
        parsed(text.encode())


def test_the_page_says_what_the_report_says(made):
    """Figures, reasons, groups, disagreements, digests; and what it is not."""
    shown = page(made, FINGERPRINT)
    wanted = (
        *STATEMENTS,
        *made.caveats,
        "21.2%",
        "under-age",
        "Philips iCT 256",
        "PPV at a prevalence of 0.03",
    )
    for words in (*wanted, made.in_place.model_digest, made.in_place.configuration_digest, FINGERPRINT):
        assert escape(words) in shown
    assert shown.count('<th scope="row">') > 60
    assert page(made, FINGERPRINT) == shown


def test_what_a_tag_says_is_never_markup(made):
    """A scanner's name that would be an element is shown as it is written."""
    shown = page(made, FINGERPRINT)
    assert "&lt;b&gt;Odd&lt;/b&gt; &amp; Co 1" in shown
    assert "<b>Odd" not in shown


def test_the_page_needs_nothing_beside_it(made):
    """No script, no address, nothing to be fetched; and it says so to the browser."""
    shown = page(made, FINGERPRINT)
    assert "default-src 'none'" in shown
    assert re.search(r"<script|<link|<img|https?:|url\(", shown) is None


def test_without_a_truth_there_is_no_word_of_worth():
    """Nor a curve."""
    shown = page(
        report([case(n, TriageLevel.NOTABLE) for n in range(40)], Asked(alert=TriageLevel.URGENT)), ""
    )
    assert "Against the truth" not in shown
    assert "PPV" not in shown
    assert "Every series was analysed." in shown


def test_a_share_is_drawn_where_it_is():
    """A half in the middle, its interval as wide as it is; of nothing there is no dot."""
    half = Estimate(value=0.5, low=0.25, high=0.75, n=8, cases=8, method="wilson")
    none = Estimate(value=None, low=None, high=None, n=0, cases=0, method="")
    drawn = svg.shares("some", [svg.Row(name="half", share=half), svg.Row(name="nothing", share=none)])
    assert drawn.count("<circle") == 1
    (dot,), (bar,) = re.findall(r'cx="([\d.]+)"', drawn), re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", drawn)
    low, high = map(float, bar)
    assert float(dot) == pytest.approx((low + high) / 2)
    assert "none there" in drawn


def test_a_curve_runs_over_a_log_scale():
    """From a prevalence of a thousandth to a half, in even ratios."""
    steps = svg.steps()
    assert (steps[0], steps[-1]) == (pytest.approx(0.001), pytest.approx(0.5))
    assert steps[1] / steps[0] == pytest.approx(steps[-1] / steps[-2])


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_everybody_can_read_it(made, tmp_path, size):
    """In a real browser: no barrier by axe, no word of complaint, nothing wider than the window."""
    (tmp_path / "acceptance.html").write_text(page(made, FINGERPRINT), encoding="utf-8")
    with chromium() as browser:
        window = Looker(browser, tmp_path.as_uri(), size)
        window.open("/acceptance.html", until="main")
        window.keep("acceptance")
        assert (window.barriers(), window.overflow(), window.faults) == ([], 0, [])
        window.close()
