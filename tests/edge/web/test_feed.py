"""What open pages are told, read from the stream as a browser reads it."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from dataclasses import replace

import pytest
import shown
from analyses import analysis
from sites import Site, page_of
from worklists import status, waiting

from millet.core.analysis import TriageLevel


class Listener:
    """One page that listens."""

    def __init__(self, port: int) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.line.request("GET", "/events")
        self.answer = self.line.getresponse()

    def next(self, event: str = "worklist") -> str:
        """What comes with the next event of a name."""
        while (line := self.answer.readline().decode()) != "":
            if line == f"event: {event}\n":
                return self.answer.readline().decode().removeprefix("data: ").strip()
        raise EOFError

    def message(self) -> dict[str, object]:
        """The next message."""
        return json.loads(self.next())


@pytest.fixture
def site():
    """A site with one series of every look."""
    made = Site()
    shown.filled(made)
    made.start()
    yield made
    made.stop()


@contextmanager
def listening(site):
    """A listener."""
    made = Listener(site.port)
    yield made
    made.line.close()


def test_a_stream_begins_with_the_release_that_pages_are_told(site):
    """So a page knows whether it is of the service that it hears."""
    with listening(site) as page:
        assert f'data-release="{page.next("release")}"' in site.get("/").text


def test_who_comes_is_told_how_it_stands(site):
    """The newest revision and what is to be said across the top, at once."""
    with listening(site) as page:
        assert page.answer.headers["content-type"].startswith("text/event-stream")
        told = page.message()
    assert told["revision"] == site.worklist.revision()
    assert [kind for kind, _, _ in told["alarms"]] == ["overdue", "behind", "failed"]


def test_every_listener_is_told_of_each_change(site):
    """Which series, how it is marked, how far it has come; after which revision, and which it makes."""
    with listening(site) as one, listening(site) as other:
        first = one.message()
        other.message()
        line = site.put(status(3, triage=TriageLevel.URGENT), analysis(2))
        for page in (one, other):
            told = page.message()
            assert (told["after"], told["revision"]) == (first["revision"], line.revision)
            ((address, place, said),) = told["changed"]
            assert (address, said) == (page_of(line), "2 nodules")
            assert place.startswith("analysed urgent")


def test_progress_keeps_the_place_of_a_row(site):
    """Only what it says of itself is another."""
    with listening(site) as page:
        page.message()
        places = set()
        for instances in (100, 200):
            site.put(replace(waiting(6, "receiving"), instances=instances))
            ((_, place, said),) = page.message()["changed"]
            places.add(place)
            assert said == f"{instances} instances so far"
    assert len(places) == 1


def test_no_patient_is_in_the_stream(site):
    """A series is named by its UID alone."""
    with listening(site) as page:
        page.message()
        site.put(status(3, triage=TriageLevel.URGENT), analysis(2))
        told = json.dumps(page.message())
    assert not [word for word in ("Müller", "PID-", "ACC0", "1961") if word in told]


def test_a_store_that_fails_is_told_once_and_its_return_too(site):
    """Nothing is said to have changed while nobody knows."""
    with listening(site) as page:
        page.message()
        site.worklist.broken = True
        assert [kind for kind, _, _ in page.message()["alarms"]] == ["away"]
        site.worklist.broken = False
        assert "away" not in [kind for kind, _, _ in page.message()["alarms"]]


def test_a_stop_ends_the_streams(site):
    """Nobody waits for a minute."""
    with listening(site) as page:
        page.message()
        site.close()
        with pytest.raises(EOFError):
            page.message()
        site.open()
