"""The chain of the audit trail: whatever is done to it, the first wrong line is named."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from millet.core.audit import (
    NOTHING_BEFORE,
    Event,
    Head,
    Kind,
    Line,
    Repeats,
    Result,
    check,
    digest,
    line_of,
    pseudonym,
)

KEY = bytes(range(32))
START = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def chain(count: int = 6) -> list[bytes]:
    """Lines that hold together."""
    made: list[bytes] = []
    for n in range(count):
        before = Head(n - 1, digest(made[-1])) if made else None
        event = Event(kind=Kind.RETRIEVED, who=f"reader {n}", series_uid=f"1.2.{n}")
        made.append(line_of(event, START + timedelta(seconds=n), "host-0", KEY, before))
    return made


def checked(lines, heads=None):
    """Look at lines of one file."""
    return check((Line("audit-a-000001.jsonl", n, line) for n, line in enumerate(lines, 1)), heads or {})


def test_a_line_tells_who_did_what_when_from_where_and_to_which_series():
    """As DICOM's audit messages: event, outcome, participant; the UID only as a pseudonym."""
    event = Event(
        kind=Kind.REFUSED,
        result=Result.REFUSED,
        who="CT1",
        role="viewer",
        address="10.1.2.3",
        what="association",
        series_uid="1.2.840.99",
    )
    line = line_of(event, START, "host-0", KEY, None)
    told = json.loads(line)
    assert told == {
        "n": 0,
        "before": NOTHING_BEFORE,
        "time": "2026-11-22T04:00:00.000+00:00",
        "source": "host-0",
        "event": "110113",
        "meaning": "Security Alert",
        "outcome": "8",
        "who": "CT1",
        "role": "viewer",
        "from": "10.1.2.3",
        "what": "association",
        "series": pseudonym("1.2.840.99", KEY),
    }
    assert b"1.2.840.99" not in line


def test_a_pseudonym_needs_the_key():
    """The same for each mention, another with another key, none for no UID."""
    assert pseudonym("1.2.3", KEY) == pseudonym("1.2.3", KEY)
    assert pseudonym("1.2.3", KEY) != pseudonym("1.2.3", bytes(32))
    assert pseudonym("", KEY) == ""


def test_a_sender_cannot_write_a_line_of_its_own():
    """Ends of lines, quotes and endless texts stay inside one bounded line."""
    event = Event(kind=Kind.RETRIEVED, who='x"}\n{"n":1', what="y" * 100_000)
    line = line_of(event, START, "s", KEY, None)
    assert b"\n" not in line
    assert len(line) < 1000
    assert json.loads(line)["who"] == 'x"}\n{"n":1'


def test_a_whole_chain_holds_up_to_its_head():
    """All lines, all noted heads."""
    lines = chain()
    assert checked(lines, {3: digest(lines[3])}) == (0, Head(5, digest(lines[5])), "")
    assert checked([]) == (-1, None, "")


@pytest.mark.parametrize("at", range(5))
def test_a_changed_line_is_found_by_its_successor(at):
    """Whatever is changed in it, if only a letter."""
    lines = chain()
    lines[at] = lines[at].replace(b"reader", b"Reader")
    assert f":{at + 2}: the line before it, n={at}, is not what it was" in checked(lines).broken


@pytest.mark.parametrize("at", range(1, 5))
def test_a_line_that_is_left_out_is_found(at):
    """The number that follows tells where."""
    lines = chain()
    del lines[at]
    assert f"n={at + 1} follows n={at - 1}" in checked(lines).broken


def test_lines_that_changed_places_are_found():
    """Moved, repeated or put in."""
    lines = chain()
    swapped = [*lines[:2], lines[3], lines[2], *lines[4:]]
    assert ":3: n=3 follows n=1" in checked(swapped).broken
    assert ":4: n=2 follows n=2" in checked([*lines[:3], lines[2], *lines[3:]]).broken
    assert ":3: it is no line" in checked([*lines[:2], b"rubbish", *lines[2:]]).broken


@pytest.mark.parametrize("kept", range(6))
def test_a_chain_that_was_cut_off_is_found_by_a_head_that_was_noted(kept):
    """Without the note, what is left holds; with it the missing end is told."""
    lines = chain()
    assert checked(lines[:kept]).broken == ""
    broken = checked(lines[:kept], {5: digest(lines[5])}).broken
    assert f"ends with line n={kept - 1}, but had come to n=5" in broken


def test_a_chain_that_was_written_anew_is_found_by_a_head_that_was_noted():
    """Hashes that fit together do not help whoever cannot change the note."""
    old = chain()
    new = [line.replace(b"reader 2", b"nobody") for line in old]
    forged: list[bytes] = []
    for n, line in enumerate(new):
        fields = json.loads(line) | {"before": digest(forged[-1]) if n else NOTHING_BEFORE}
        forged.append(json.dumps(fields, separators=(",", ":")).encode())
    assert checked(forged).broken == ""
    assert "n=4 is not what was noted" in checked(forged, {4: digest(old[4])}).broken


def test_the_changed_last_line_is_found_by_a_head_that_was_noted():
    """It has no successor that would tell."""
    lines = chain()
    lines[-1] = lines[-1].replace(b"reader 5", b"nobody")
    assert checked(lines).broken == ""
    assert "n=5 is not what was noted" in checked(lines, {5: digest(chain()[5])}).broken


def test_a_chain_whose_beginning_was_put_away_begins_where_it_does():
    """Old files may be archived: the first number is told, the rest must hold."""
    assert checked(chain()[2:]) == (2, Head(5, digest(chain()[5])), "")
    fields = json.loads(chain()[2]) | {"before": NOTHING_BEFORE}
    assert "begins the chain" in checked([json.dumps(fields).encode()]).broken


def test_what_repeats_is_new_again_after_its_time_or_when_it_was_forgotten():
    """A reader that asks every two seconds is one line in ten minutes."""
    repeats = Repeats(600.0, 2)
    times = [0.0, 2.0, 599.0, 600.0, 602.0]
    assert [repeats.is_new("a", s) for s in times] == [True, False, False, True, False]
    assert [repeats.is_new(one, 700.0) for one in "bca"] == [True, True, True]
