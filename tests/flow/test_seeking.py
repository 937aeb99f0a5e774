"""The search for a prior: what wins, what is settled, and that no archive can hold up or break a report."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import analyses
import exams
import pytest
from characters import characterised
from fakes import HandClock
from prior_logs import MemoryPriorLog
from reports import analysis, as_file, ct_series, ct_slice
from studies import MemoryStudies
from worklists import MemoryWorklist, status

from millet.codec import lung_outline as outlines
from millet.codec import sr
from millet.codec.source import Source
from millet.core.followup import Prior
from millet.core.prior import Facts, Origin
from millet.edge import models as bundled
from millet.errors import ArchiveError, Interrupted, StoreError
from millet.flow import followup
from millet.flow.elsewhere import PriorArchive
from millet.flow.model import Model
from millet.flow.seeking import Seeking
from millet.ports import PatientExams, SeriesKey, UnderWay, Work

KEY, BEFORE = SeriesKey(site="default", series_uid="1.9"), SeriesKey(site="default", series_uid="1.1")
OWN = Facts(
    series_uid="1.9",
    study_uid="1.90",
    patient_id="12345",
    issuer="HOSP",
    birth_date="19600101",
    sex="F",
    date="20260401",
)
OLD = replace(OWN, series_uid="1.1", study_uid="1.10", date="20250601", model_digest="ab" * 32)
HERE = UnderWay(1, 1, KEY, "")
WORK = Work(
    series_id=1,
    generation=1,
    key=KEY,
    study_uid="1.90",
    closed_utc=analyses.analysis().created_utc,
    urgency=0,
    paths=(),
)


class Journal(MemoryWorklist):
    """Satisfies `ports.Priors`: one exam of a patient, and those before."""

    def __init__(self, *others: Facts) -> None:
        super().__init__()
        self.others = others
        for one in others:
            key = SeriesKey(site="default", series_uid=one.series_uid)
            self.put(status(1, key=key), analyses.analysis(3))
            self.objects[key, outlines.KIND] = KEPT

    def exams(self, key: SeriesKey) -> PatientExams | None:
        """See the port."""
        self._check()
        return PatientExams(own=OWN, others=self.others)

    def paths(self, key: SeriesKey):
        """See the port."""
        return [f"spool/{key.series_uid}"]


KEPT = followup.kept(exams.made(5).prior.lungs, exams.CONDITIONS)


class Readings:
    """Who reads exams again: `flow.again.Again`, without reading anything."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()
        self.go.set()
        self.fails = False

    def ours(self, facts, before, paths, asked):
        """One from the spool."""
        return self._read(facts, before, str(paths))

    def theirs(self, offer, before, asked):
        """One from an archive."""
        return self._read(replace(OLD, series_uid=offer.series[0].series_uid), before, "archive")

    def stop(self):
        """Nothing to be done."""

    def _read(self, facts, before, how):
        self.go.wait(20)
        self.asked.append(how)
        if self.fails:
            raise StoreError("the segment is gone")
        found = followup.study(analyses.analysis(4), facts, exams.CONDITIONS, outlines.decode(KEPT)[0])
        return Prior(study=found, source="images")


@pytest.fixture(scope="module")
def models():
    """A model that nothing is run of, under the usual title."""
    detector = SimpleNamespace(provider="CPU", precision="fp32", device="cpu")
    manifest = bundled.manifest(bundled.find(bundled.bundled(), "log/1"))
    return {"": Model(manifest=manifest, detectors={"candidates": detector})}


class Bench:
    """A search, and all that it asks."""

    def __init__(self, models, journal, *archives, again=None, within_s=600.0):
        self.clock, self.log, self.faults = HandClock(), MemoryPriorLog(HERE), []
        self.journal, self.cut = journal, False
        self.seeking = Seeking(
            name="one",
            site="default",
            priors=journal,
            log=self.log,
            archives=[PriorArchive(reports=one, images=one, again=bool(again)) for one in archives],
            models=models,
            again=again,
            within_s=within_s,
            clock=self.clock,
            faulty=self.faults.append,
            check=self._check,
        )

    def _check(self):
        if self.cut:
            raise Interrupted
        self.clock.now_s += 1.0  # each look at whether work is cut off takes a second


@pytest.fixture
def benches(models):
    """Make benches; all are stopped at the end."""
    made = []

    def make(journal, *archives, **facts):
        made.append(Bench(models, journal, *archives, **facts))
        return made[-1]

    yield make
    for one in made:
        one.seeking.stop()


def report(count=5, **changes):
    """Somebody's report of an earlier exam."""
    source = Source.read([as_file(ct_slice(number, **changes)) for number in range(30)])
    return sr.encode(analysis(characterised(count)), source)


def test_a_later_report_of_an_archive_goes_before_our_own_exam(benches):
    """The newest study is the prior, whoever read it."""
    bench = benches(Journal(OLD), MemoryStudies([report()]))
    found = bench.seeking.asked(WORK)()
    assert (found.source, len(found.study.nodules), found.archive) == ("report", 5, "")


def test_our_own_later_exam_is_not_asked_elsewhere_for(benches):
    """What is older than that is not even looked into."""
    archive = MemoryStudies([report()])
    found = benches(Journal(replace(OLD, date="20260201")), archive).seeking.asked(WORK)()
    assert (found.source, found.study.series_uid, archive.retrieved) == ("ours", "1.1", [])


def test_a_search_begins_with_the_first_instance_and_is_forgotten_with_the_last(benches):
    """Asked for by nobody yet, and once only."""
    archive = MemoryStudies([report()])
    bench = benches(Journal(), archive)
    bench.seeking.step()
    bench.seeking.step()
    assert bench.seeking.asked(WORK)().source == "report"
    assert len(archive.retrieved) == 1
    bench.log.series = ()
    bench.seeking.step()
    assert bench.seeking._searches == {}


def test_what_is_settled_stays_whatever_comes_later(benches):
    """A second run, on another machine, compares with the same."""
    first = benches(Journal(OLD))
    found = first.seeking.asked(WORK)()
    second = benches(Journal(), MemoryStudies([report()]))
    second.log.priors = first.log.priors
    again = second.seeking.asked(WORK)()
    assert (again.study.nodules, again.source) == (found.study.nodules, "ours")
    first.log.priors[1, 1] = "{}"
    assert first.seeking.asked(WORK)() == Prior(why_not="unreadable")


@pytest.mark.parametrize("others", [(), (OLD,)])
def test_a_slow_archive_is_waited_for_no_longer_than_that(benches, others):
    """The report is made with what we have ourselves, and says what is not known."""
    slow, held = MemoryStudies([report()]), threading.Event()
    slow.find_studies = lambda _: held.wait(60) and ()
    bench = benches(Journal(*others), slow, within_s=2.0)
    found = bench.seeking.asked(WORK)()
    held.set()
    assert found.archive == "archive-late"
    assert (found.source, found.why_not) == (("ours", "") if others else ("", "no-prior"))
    assert bench.clock.now_s >= 2.0


@pytest.mark.parametrize("archive", [{"dead": True}, {"mute": True}])
def test_a_dead_archive_is_a_reason_and_the_others_are_asked(benches, archive):
    """Whether it does not answer or sends nothing."""
    bench = benches(Journal(), MemoryStudies([report()], **archive), MemoryStudies([report(7)]))
    found = bench.seeking.asked(WORK)()
    assert (found.source, found.archive) == ("report", "archive-silent")
    assert [type(one) for one in bench.faults] == [ArchiveError]


def test_of_two_archives_with_the_same_study_the_other_answers(benches):
    """A mirror; the reason stays told."""
    bench = benches(Journal(), MemoryStudies([report()], mute=True), MemoryStudies([report()]))
    found = bench.seeking.asked(WORK)()
    assert (found.source, found.archive) == ("report", "archive-silent")


def test_one_that_sends_nonsense_is_a_reason_too(benches):
    """An error of ours in between costs the search and not the report."""
    broken = MemoryStudies([report()])
    broken.find_studies = lambda _: 1 / 0
    bench = benches(Journal(OLD), broken)
    assert bench.seeking.asked(WORK)().source == "ours"
    assert [type(one) for one in bench.faults] == [ZeroDivisionError]


@pytest.mark.parametrize(
    ("files", "why"),
    [([report(PatientSex="M")], "identity-disagrees"), ([report(0)], "no-lesions"), ([], "no-prior")],
)
def test_why_nothing_was_found_is_told(benches, files, why):
    """As of our own exams."""
    assert benches(Journal(), MemoryStudies(files)).seeking.asked(WORK)().why_not == why


def test_nobody_is_asked_about_nobody(benches):
    """Without a patient ID."""
    archive, journal = MemoryStudies([report()], dead=True), Journal()
    journal.exams = lambda _: PatientExams(own=replace(OWN, patient_id=" "), others=())
    found = benches(journal, archive).seeking.asked(WORK)()
    assert (found.why_not, found.archive) == ("no-patient-id", "")


def test_nothing_is_looked_for_beside_a_report(benches):
    """It is judged as it is: no archive is asked, and nothing is analysed again for it."""
    again, journal = Readings(), Journal(OLD)
    journal.exams = lambda _: PatientExams(own=replace(OWN, origin=Origin.REPORT), others=(OLD,))
    bench = benches(journal, MemoryStudies([report()], dead=True), again=again)
    bench.seeking.step()
    ((_, search),) = bench.seeking._searches.items()
    assert search.ended.wait(30)
    assert (bench.faults, again.asked) == ([], [])


def test_archives_are_asked_about_patients_of_their_own_hospital(benches):
    """Of another site's they know nothing, or other people under the same ID."""
    bench = benches(Journal(), MemoryStudies([report()], dead=True))
    found = bench.seeking.asked(replace(WORK, key=SeriesKey(site="other", series_uid="1.9")))()
    assert (found.why_not, found.archive) == ("no-prior", "")


def test_what_another_model_read_is_read_again(benches):
    """From the spool; the search tells the limited comparison first, should time run out."""
    again = Readings()
    bench = benches(Journal(OLD), again=again)
    found = bench.seeking.asked(WORK)()
    assert (found.source, again.asked) == ("images", ["['spool/1.1']"])
    again.go.clear()
    slow = benches(Journal(OLD), again=again, within_s=2.0)
    assert slow.seeking.asked(WORK)().source == "ours"
    again.go.set()


def test_images_of_a_later_study_go_before_all_that_was_read(benches):
    """What lies in an archive and nobody read."""
    again = Readings()
    found = benches(Journal(OLD), MemoryStudies(ct_series(3)), again=again).seeking.asked(WORK)()
    assert (found.source, again.asked) == ("images", ["archive"])


def test_images_go_before_the_report_of_their_study(benches):
    """The report is what is compared with where they cannot be read."""
    again, files = Readings(), [report(), *ct_series(3)]
    assert benches(Journal(), MemoryStudies(files), again=again).seeking.asked(WORK)().source == "images"
    again.fails = True
    bench = benches(Journal(), MemoryStudies(files), again=again)
    assert bench.seeking.asked(WORK)().source == "report"
    assert [type(one) for one in bench.faults] == [StoreError]


def test_what_the_spool_no_longer_holds_comes_from_the_archive(benches):
    """The images of the very exam that another model of ours read."""
    again = Readings()
    again.ours = lambda *_: (_ for _ in ()).throw(StoreError("the segment is gone"))
    old = replace(OLD, study_uid=ct_slice(1).StudyInstanceUID, date="20260101")
    bench = benches(Journal(old), MemoryStudies(ct_series(3)), again=again)
    assert bench.seeking.asked(WORK)().source == "images"
    assert again.asked == ["archive"]


def test_nothing_is_read_again_for_a_generation_that_is_settled(benches):
    """Its report is made."""
    again = Readings()
    bench = benches(Journal(OLD), again=again)
    bench.log.keep_prior(1, 1, "{}")
    bench.seeking.asked(WORK)()
    bench.seeking._searches[1, 1].ended.wait(20)
    assert again.asked == []


def test_an_exam_of_ours_that_was_analysed_meanwhile_counts(benches):
    """A prior that was imported while the exam arrived."""
    journal = Journal(OLD)
    bench = benches(journal)
    bench.seeking.step()
    bench.seeking._searches[1, 1].ended.wait(20)
    later = replace(OLD, series_uid="1.2", study_uid="1.20", date="20260301")
    bench.journal.others = Journal(OLD, later).others
    bench.journal.put(status(2, key=SeriesKey(site="default", series_uid="1.2")), analyses.analysis(2))
    assert bench.seeking.asked(WORK)().study.series_uid == "1.2"


def test_work_that_is_cut_off_does_not_wait(benches):
    """It is taken up again by the next start, and nothing is settled."""
    slow, held = MemoryStudies(), threading.Event()
    slow.find_studies = lambda _: held.wait(60) and ()
    bench = benches(Journal(), slow)
    bench.cut = True
    with pytest.raises(Interrupted):
        bench.seeking.asked(WORK)()
    held.set()
    assert bench.log.priors == {}


def test_a_journal_that_cannot_be_read_is_a_fault_of_ours(benches):
    """To be tried again, not to be reported as having no prior."""
    bench = benches(Journal(OLD))
    bench.journal.broken = True
    with pytest.raises(StoreError):
        bench.seeking.asked(WORK)()
