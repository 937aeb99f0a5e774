"""An earlier exam analysed again: the same as if it had been analysed here, once, and nowhere to be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import MemorySpool
from prior_logs import MemoryPriorLog
from studies import MemoryStudies

from millet import app
from millet.codec.ct import read_header
from millet.core.followup import Followed
from millet.core.prior import Facts, Origin
from millet.core.turns import BEHIND
from millet.errors import ArchiveError, Interrupted, StoreError
from millet.flow.again import Again, Asked, is_alike
from millet.flow.ahead import Ahead, Haste
from millet.flow.batcher import Batcher
from millet.flow.elsewhere import Offer, PriorArchive
from millet.flow.precedence import Precedence
from millet.phantom import dicom, presets
from millet.ports import SeriesName
from millet.settings import Settings

SMALL = {"nodules": 70, "scale": 0.32, "seed": 2, "scan": presets.Scan(pixel_mm=0.9, slice_mm=1.25)}


@pytest.fixture(scope="module")
def model():
    """The analytic detector."""
    return app.load_model(Settings(model="log/1"))


@pytest.fixture(scope="module")
def files():
    """The slices of an earlier exam."""
    return list(dicom.encoded(presets.make("miliary", **SMALL)))


@pytest.fixture(scope="module")
def old(files):
    """What that exam is known by."""
    return Facts.of(read_header(files[0])).read_by("ab" * 32, analysed=True)


class Bench:
    """Who analyses again, with nothing kept yet."""

    def __init__(self, model, files):
        self.model, self.batcher, self.begun = model, Batcher(), []
        self.spool, self.log = MemorySpool(), MemoryPriorLog()
        self.paths = [self.spool.write(one).path for one in files]
        self.again = Again(log=self.log, spool=self.spool, apart=self._apart, precedence=Precedence())

    def _apart(self, title):
        self.begun.append(title)
        return Ahead(("apart", len(self.begun)), self.model.readers, self.batcher, Haste(urgency=BEHIND))

    def asked(self, old):
        """On behalf of an exam a year later."""
        own = replace(old, series_uid="1.9", study_uid="1.90", date=f"{int(old.date[:4]) + 1}{old.date[4:]}")
        return Asked(site="default", own=own, model=self.model, model_title="")


@pytest.fixture
def bench(model, files):
    """One."""
    made = Bench(model, files)
    yield made
    made.batcher.stop()


def offer(files, **facts):
    """An archive that has the exam."""
    archive = MemoryStudies(files, **facts)
    head = read_header(files[0])
    name = SeriesName(head.study_uid, head.series_uid)
    return Offer(PriorArchive(reports=archive, images=archive, again=True), [name], {Origin.IMAGES: [name]})


def test_spool_and_archive_give_the_same_and_each_is_read_once(bench, files, old, model):
    """Every nodule, lungs and conditions; the second time it is only looked up."""
    ours = bench.again.ours(old, None, bench.paths, bench.asked(old))
    theirs = bench.again.theirs(offer(files), None, bench.asked(old))
    assert (ours.source, len(ours.study.nodules) > 3) == ("images", True)
    assert is_alike(ours.study, model)
    assert theirs.study.nodules == ours.study.nodules
    assert theirs.study.how == ours.study.how
    assert bench.again.ours(old, None, bench.paths, bench.asked(old)).study.nodules == ours.study.nodules
    assert bench.begun == ["", ""]
    named = tuple(
        Followed(
            number=one.number,
            tracking_uid=f"2.25.{one.number}",
            centre_mm=one.centre_mm,
            diameter_mm=one.diameter_mm,
            volume_mm3=one.volume_mm3,
        )
        for one in ours.study.nodules
    )
    before = replace(ours.study, nodules=named)
    again = bench.again.ours(old, before, bench.paths, bench.asked(old))
    assert [one.tracking_uid for one in again.study.nodules] == [one.tracking_uid for one in named]


def test_an_exam_that_is_not_to_be_analysed_is_not_tried_twice(bench, old):
    """Too few slices; that is kept as well."""
    few = bench.paths[:4]
    for _ in range(2):
        assert bench.again.ours(old, None, few, bench.asked(old)).why_not == "not-analysed"
    assert bench.begun == [""]


def test_what_does_not_come_whole_is_not_read(bench, files, old):
    """A segment that retention removed, an archive that breaks off: faults, and nothing is kept."""
    with pytest.raises(StoreError):
        bench.again.ours(old, None, ["spool/gone"], bench.asked(old))
    holed = offer(files)
    whole = holed.archive.images.retrieve
    holed.archive.images.retrieve = lambda name, only, into: whole(
        name, only or sorted(holed.archive.images.instances(name))[1:], into
    )
    with pytest.raises(ArchiveError, match="not all"):
        bench.again.theirs(holed, None, bench.asked(old))
    assert bench.log.readings == {}


def test_series_that_cannot_be_a_prior_are_not_fetched(bench, files, old):
    """A topogram, and somebody else's; only one instance of each is looked at."""
    assert bench.again.theirs(offer(files[:3]), None, bench.asked(old)).why_not == "no-prior"
    others = offer(files)
    asked = bench.asked(old)
    stranger = replace(asked, own=replace(asked.own, sex="X"))
    assert bench.again.theirs(others, None, stranger).why_not == "identity-disagrees"
    assert [len(only) for _, only in others.archive.images.retrieved] == [1]
    assert bench.begun == []


def test_a_stop_breaks_it_off(bench, old):
    """Between two steps; nothing is kept."""
    bench.again.stop()
    with pytest.raises(Interrupted):
        bench.again.ours(old, None, bench.paths, bench.asked(old))
    assert bench.log.readings == {}
