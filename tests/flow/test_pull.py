from __future__ import annotations

from itertools import count

import pytest
from archives import NAME, MemoryArchive, uid
from fakes import HandClock
from instances import ct_file, received

from millet.errors import ArchiveError, RefusedInstance, StoreError
from millet.flow.pull import Door, Puller
from millet.ports import SeriesName


class Intake:
    """What is durable here, and when the journal sees it."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.came = {}
        self.visible_after_s = 0.0
        self.ended = []
        self.sources = set()
        self.full = False

    def admit(self, received, association):
        """As the receiver's."""
        if self.full:
            raise StoreError("full")
        if received.sop_class_uid == "1.2.3":
            raise RefusedInstance(0x0122, "no")
        self.came[received.sop_instance_uid] = self.clock.now_s + self.visible_after_s
        self.sources.add((received.source.site, association))

    def kept(self, site, uids):
        """As the journal's."""
        assert site == "here"
        return frozenset(u for u in uids if self.came.get(u, 1e9) <= self.clock.now_s)

    def wait(self, seconds):
        """Time passes."""
        self.clock.now_s += seconds

    def puller(self, archive, **more):
        """Over this intake."""
        numbers = count(7)
        door = Door(site="here", admit=self.admit, ended=self.ended.append, number=lambda: next(numbers))
        return Puller({"pacs": archive}, self, door, self.clock, self.wait, **more)


@pytest.fixture
def intake():
    """An empty one."""
    return Intake()


def test_a_series_is_fetched_whole(intake):
    """All of it at once, under our site and one number, whose end is told."""
    archive = MemoryArchive()
    told = intake.puller(archive).pull("pacs", NAME)
    assert (told.wanted, told.here, told.new, told.complete) == (3, 3, 3, True)
    assert archive.asked == [frozenset()]
    assert intake.sources == {("here", 7)}
    assert intake.ended == [7]


def test_what_is_here_is_not_fetched_again(intake):
    """A pull that is repeated does nothing, not even a retrieval."""
    archive = MemoryArchive()
    puller = intake.puller(archive)
    puller.pull("pacs", NAME)
    told = puller.pull("pacs", NAME)
    assert (told.here, told.new, told.complete) == (3, 0, True)
    assert len(archive.asked) == 1


def test_a_pull_that_broke_off_goes_on(intake):
    """It says how many of how many came and why no more; the next one asks for the rest alone."""
    archive = MemoryArchive(numbers=range(1, 6), breaks_after=2)
    puller = intake.puller(archive)
    told = puller.pull("pacs", NAME)
    assert (told.wanted, told.here, told.complete, told.why) == (5, 2, False, "it broke")
    archive.breaks_after = 100
    assert puller.pull("pacs", NAME).complete
    assert archive.asked[1] == {uid(n) for n in (3, 4, 5)}


@pytest.mark.parametrize(
    "sent",
    [
        received(2, series_uid="1.2.826.0.1.3680043.8.498.2"),
        received(9),
        received(2, encoded=ct_file(3)),
        received(2, encoded=b"no DICOM"),
    ],
    ids=["another series", "not listed", "other than it says", "no object"],
)
def test_what_was_not_asked_for_is_refused(intake, sent):
    """Whatever the archive sends, only missing instances of the series come in."""
    told = intake.puller(MemoryArchive(sends=[received(1), sent])).pull("pacs", NAME)
    assert set(intake.came) == {uid(1)}
    assert (told.here, told.refused, told.complete) == (1, 1, False)


def test_an_instance_that_was_there_before_is_not_taken_again(intake):
    """An archive that sends the whole series when asked for the rest: what is here stays as it is."""
    archive = MemoryArchive()
    intake.came[uid(1)] = 0.0
    archive.sends = [received(n) for n in (1, 2, 3)]
    told = intake.puller(archive).pull("pacs", NAME)
    assert (told.new, told.refused, told.complete) == (2, 1, True)


def test_what_comes_by_another_way_is_waited_for(intake):
    """By C-MOVE instances come to our SCP: what is durable counts, not what the archive says."""
    archive = MemoryArchive(sends=[], elsewhere=True)
    intake.came = {uid(n): 5.0 for n in (1, 2, 3)}
    told = intake.puller(archive, settle_s=30.0).pull("pacs", NAME)
    assert (told.here, told.complete) == (3, True)
    assert 5.0 <= intake.clock.now_s < 6.0
    archive.numbers = (1, 2, 3, 4)
    told = intake.puller(archive, settle_s=30.0).pull("pacs", NAME)
    assert (told.here, told.wanted, told.complete) == (3, 4, False)
    assert intake.clock.now_s >= 35.0


def test_rows_may_come_later_than_bytes(intake):
    """What was taken is counted once the journal has it."""
    intake.visible_after_s = 2.0
    assert intake.puller(MemoryArchive()).pull("pacs", NAME).complete


def test_what_cannot_be_made_durable_is_said(intake):
    """A full disk is no success."""
    intake.full = True
    told = intake.puller(MemoryArchive()).pull("pacs", NAME)
    assert (told.here, told.refused, told.why) == (0, 3, "an instance could not be made durable")
    assert intake.ended == [7]


def test_an_archive_without_the_series_gives_none(intake):
    """Nothing wanted, nothing complete, nothing retrieved."""
    archive = MemoryArchive(numbers=())
    told = intake.puller(archive).pull("pacs", NAME)
    assert (told.wanted, told.complete, archive.asked) == (0, False, [])


def test_only_configured_archives_and_real_names(intake):
    """Anything else is refused before anything is asked."""
    puller = intake.puller(MemoryArchive())
    with pytest.raises(ArchiveError, match="no archive is named 'x'"):
        puller.pull("x", NAME)
    with pytest.raises(ValueError, match="two UIDs"):
        puller.pull("pacs", SeriesName("1.2", "../1"))
