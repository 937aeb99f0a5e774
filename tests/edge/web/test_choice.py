"""What an address of the worklist asks for."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from sites import NOW, PATIENCE

from millet.core.analysis import TriageLevel
from millet.edge.web.choice import ROWS, Choice

CHOICES = [
    {},
    {"level": TriageLevel.URGENT, "page": 3},
    {"state": "not-analysed", "seen": "no", "days": 0},
    {"text": "A&B=?#/ü", "overdue": True, "days": 14},
]


@pytest.mark.parametrize("facts", CHOICES)
def test_an_address_is_read_back_as_the_choice_that_it_was_made_of(facts):
    """Whatever is in it."""
    choice = Choice(**facts)
    assert Choice.read(dict(parse_qsl(urlsplit(choice.address()).query))) == choice


@pytest.mark.parametrize(
    "given",
    [
        {"level": "harmless"},
        {"state": "asleep"},
        {"seen": "maybe"},
        {"days": "-1"},
        {"days": "9" * 400},
        {"page": "0"},
        {"page": "-3"},
        {"page": "9" * 400},
        {"page": "٣"},
        {"overdue": "yes"},
    ],
)
def test_what_is_said_wrongly_is_as_if_it_were_not_said(given):
    """A list is shown in any case."""
    assert Choice.read(given) == Choice()


def test_a_page_asks_for_one_row_more_than_it_shows():
    """Which tells whether there is another page; ageing and what was seen are always in the order."""
    query = Choice(page=3).query(PATIENCE, NOW, whole_id=False)
    assert (query.limit, query.offset) == (ROWS + 1, 2 * ROWS)
    assert query.since_utc == NOW - timedelta(days=3)
    assert query.aged_before_utc == NOW - timedelta(hours=4)
    assert query.acknowledged_last


def test_who_looks_for_a_study_looks_at_all_of_them():
    """Neither a text nor what is overdue is sought among the newest alone."""
    assert Choice(text="ACC").query(PATIENCE, NOW, whole_id=False).since_utc is None
    late = Choice(overdue=True).query(PATIENCE, NOW, whole_id=False)
    assert late.since_utc is None
    assert late.overdue_before_utc[TriageLevel.CRITICAL] == NOW - timedelta(minutes=15)


@pytest.mark.parametrize(
    ("text", "whole_id", "tail"), [("0001", False, "0001"), ("00001", False, ""), ("00001", True, "00001")]
)
def test_a_patient_is_found_by_as_much_of_the_id_as_is_shown(text, whole_id, tail):
    """The last four characters, or more for those who see more."""
    query = Choice(text=text).query(PATIENCE, NOW, whole_id=whole_id)
    assert (query.text, query.id_tail) == (text, tail)
