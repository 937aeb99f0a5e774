from __future__ import annotations

import threading

import pytest
from instances import header

from millet.core.assembler import ArchiveSays, Arrival, Waits
from millet.errors import StoreError
from millet.flow.asking import Asking, Named, Question

WAITS = Waits(settle_s=2.0, quiet_s=10.0, gap_wait_s=60.0)
NAME = Named(header(1).study_uid, header(1).series_uid)


def question(series_id=1, came=8):
    """A whole stack whose last instance came at 100 s, its association open."""
    headers = tuple(header(n) for n in range(1, came + 1))
    arrival = Arrival(headers=headers, last_instance_s=100.0, open_associations=1, released_s=None)
    return Question(series_id=series_id, arrival=arrival, waits=WAITS)


class Archive:
    """An archive that holds so many instances."""

    def __init__(self, holds):
        self.holds = holds
        self.asked = []
        self.pulled = []

    def count(self, named):
        """How many."""
        self.asked.append(named)
        if isinstance(self.holds, Exception):
            raise self.holds
        return self.holds

    def asking(self):
        """The worker, at 105 s."""
        return Asking(self.count, lambda: 105.0, self.pulled.append)


@pytest.mark.parametrize(
    ("holds", "meaning"),
    [(8, ArchiveSays.ALL), (9, ArchiveSays.MORE), (5, ArchiveSays.NOTHING), (None, ArchiveSays.NOTHING),
     (StoreError("away"), ArchiveSays.NOTHING)],
)  # fmt: skip
def test_a_question_is_answered_in_a_later_step(holds, meaning):
    """Who asks is told at once what is known by then; the worker asks once, and pulls what is missing."""
    archive = Archive(holds)
    asking = archive.asking()
    assert asking.says(question(), 105.0) is ArchiveSays.NOTHING
    assert asking.says(question(), 105.0) is ArchiveSays.NOTHING
    assert archive.asked == []
    asking.step()
    assert asking.says(question(), 105.0) is meaning
    asking.step()
    assert archive.asked == [NAME]
    assert archive.pulled == ([NAME] if meaning is ArchiveSays.MORE else [])


def test_nobody_waits_for_an_archive_that_hangs():
    """While one question is out, the answers to all others are still at hand at once."""
    began, go_on = threading.Event(), threading.Event()

    def count(_named):
        began.set()
        assert go_on.wait(20)
        return 8

    asking = Asking(count, lambda: 105.0)
    asking.says(question(), 105.0)
    worker = threading.Thread(target=asking.step)
    worker.start()
    assert began.wait(20)
    assert asking.says(question(), 106.0) is ArchiveSays.NOTHING
    assert asking.says(question(2), 106.0) is ArchiveSays.NOTHING
    go_on.set()
    worker.join(20)
    assert asking.says(question(), 107.0) is asking.says(question(2), 107.0) is ArchiveSays.ALL


def test_a_series_that_is_closed_is_forgotten():
    """Before it was asked about, while it is, and after."""
    archive = Archive(8)
    asking = archive.asking()
    asking.says(question(), 105.0)
    asking.forget(1)
    asking.step()
    assert archive.asked == []
    archive.count = lambda _named: asking.forget(1) or 8
    closing = Asking(archive.count, lambda: 105.0)
    asking = closing
    closing.says(question(), 105.0)
    closing.step()
    assert closing.says(question(), 100.0) is ArchiveSays.NOTHING


def test_a_question_wakes_the_worker():
    """It does not wait for the worker's next turn."""
    woken = []
    asking = Asking(lambda _named: 8, lambda: 105.0, wake=lambda: woken.append(1))
    asking.says(question(), 101.0)
    assert woken == []
    asking.says(question(), 105.0)
    asking.says(question(), 105.0)
    assert woken == [1]


def test_an_archive_that_cannot_send_holds_up_no_question():
    """The failure is told, and what else waits is asked in the next step."""
    archive = Archive(9)

    def fails(_named):
        raise StoreError("no route")

    asking = Asking(archive.count, lambda: 105.0, fails)
    for series_id in (1, 2):
        asking.says(question(series_id), 105.0)
    for _ in range(2):
        with pytest.raises(StoreError):
            asking.step()
    assert len(archive.asked) == 2
    assert asking.says(question(2), 106.0) is ArchiveSays.MORE
