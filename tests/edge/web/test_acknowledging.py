"""Acknowledging over HTTP: what is taken, what is asked for again, and what counts as seen with it."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from analyses import analysis
from sites import NOW, Site, page_of
from worklists import status, waiting

from millet.core.analysis import TriageLevel
from millet.edge.web.acknowledging import local

LINE = status(1, triage=TriageLevel.URGENT)
FORM = f"{page_of(LINE)}/acknowledge"


@pytest.fixture
def site():
    """A study: urgent, critical, notable, one that is being received; and a series of another one."""
    made = Site()
    made.put(LINE, analysis(2))
    made.put(status(2, triage=TriageLevel.CRITICAL), analysis(2))
    made.put(status(3, triage=TriageLevel.NOTABLE), analysis(2))
    made.put(waiting(4, "receiving"))
    made.put(status(5, study_uid="1.2.9"), analysis(2))
    made.start()
    yield made
    made.stop()


def sent(site, **changes):
    """The form as it is, filled in and with changes, posted."""
    html = site.get(f"{FORM}?back=/%3Fdays%3D1").text
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', html))
    return site.post(FORM, urlencode({**fields, "by": "Dr Anna Weiß", **changes}).encode())


def seen(site) -> list[int]:
    """The numbers of the series that are acknowledged."""
    lines = enumerate(site.worklist.statuses.values(), start=1)
    return [number for number, line in lines if line.is_acknowledged]


def test_what_is_no_more_urgent_in_the_study_is_seen_with_it(site):
    """The critical series of the study is not, nor one without an analysis, nor another study's."""
    answer = sent(site)
    assert (answer.status, answer.headers["location"]) == (303, "/?days=1")
    assert seen(site) == [1, 3]
    said = site.worklist.statuses[LINE.key].acknowledgement
    assert (said.by.name, said.by.recognised, said.at_utc) == ("Dr Anna Weiß", False, NOW)
    assert (said.generation, said.level) == (1, TriageLevel.URGENT)


def test_a_form_that_is_sent_twice_is_one_acknowledgement(site):
    """A double click changes nothing."""
    first = sent(site, request="r1")
    again = site.worklist.statuses[LINE.key].acknowledgement
    assert (first.status, sent(site, request="r1", by="Somebody Else").status) == (303, 303)
    assert site.worklist.statuses[LINE.key].acknowledgement == again


def test_a_level_that_has_changed_meanwhile_is_shown_and_asked_for_again(site):
    """Nobody has seen the new one."""
    site.put(replace(LINE, triage=TriageLevel.CRITICAL, analysed_generation=2), analysis(2))
    answer = sent(site, generation="1", level="urgent")
    assert answer.status == 409
    assert "The analysis has changed since you saw it" in answer.text
    assert "<strong>Critical</strong>" in answer.text
    assert seen(site) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"by": ""},
        {"by": "x" * 101},
        {"by": "a\x00b"},
        {"generation": "0"},
        {"generation": "one"},
        {"generation": "9" * 5000},
        {"level": "harmless"},
        {"request": "x" * 129},
    ],
    ids=["nobody", "too-long", "unprintable", "no-generation", "no-number", "huge", "no-level", "long-key"],
)
def test_what_is_no_acknowledgement_is_refused_with_its_reason(site, changes):
    """400, and nothing is kept."""
    answer = sent(site, **changes)
    assert answer.status == 400
    assert answer.text.startswith("This is no acknowledgement")
    assert seen(site) == []


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=" + b"&a=" * 20, b""])
def test_a_body_that_is_no_form_is_refused(site, body):
    """400."""
    assert site.post(FORM, body).status == 400


def test_only_what_has_an_analysis_is_acknowledged(site):
    """Of a series that is being received nobody can have seen anything, nor of one that is not there."""
    for line in (waiting(4, "receiving"), status(99)):
        assert site.get(f"{page_of(line)}/acknowledge").status == 404
    missing = urlencode({"by": "Anna", "generation": 1, "level": "urgent"}).encode()
    assert site.post(f"{page_of(status(99))}/acknowledge", missing).status == 404


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("/?page=2", "/?page=2"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nb", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
    ],
)
def test_the_way_back_leads_to_this_server(address, kept):
    """A link that somebody else made leads nowhere else."""
    assert local(address) == kept
