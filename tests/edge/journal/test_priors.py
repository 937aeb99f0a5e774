from __future__ import annotations

from dataclasses import replace

import analyses
import pytest
from characters import JUDGEMENT
from fakes import MemoryObjects
from instances import START_UTC, entry
from pydicom.uid import Comprehensive3DSRStorage

from millet.core.analysis import Outcome
from millet.core.prior import Origin, choose
from millet.core.reasons import Reason
from millet.edge.journal import SqlJournal, open_engine
from millet.ports import SeriesKey, Site


class Bench:
    """Series of one patient (P1 of ISS), or of others."""

    def __init__(self, url):
        self.engine = open_engine(url)
        self.journal = SqlJournal(self.engine, lambda *_: None, MemoryObjects())

    def receive(self, number, date, site="north", patient=None, **facts):
        """One instance of a series in a study of its own, closed."""
        told = entry(number, source=Site(site, "CT", "MILLET"), series_uid=f"1.2.{number}")
        own = {"study_uid": f"1.3.{number}", "study_date": date, "sop_instance_uid": f"1.4.{number}.{site}"}
        who = replace(told.header.patient, **patient or {})
        header = replace(told.header, patient=who, **own | facts)
        came = self.journal.record(replace(told, header=header))
        assert self.journal.close(came.series_id, came.generation, START_UTC)
        return came

    def analyse(self, came, made=None, digest="ab" * 32):
        """Commit an analysis of it."""
        work = self.journal.claim(came.series_id, came.generation)
        by = replace(analyses.PROVENANCE, model_digest=digest)
        made = replace(made or analyses.analysis(), generation=work.generation, provenance=by)
        assert self.journal.commit(work, made, [], [])

    def exams(self, number, site="north"):
        """What a series may be compared with."""
        return self.journal.exams(SeriesKey(site=site, series_uid=f"1.2.{number}"))


@pytest.fixture
def bench(journal_url):
    """An empty journal."""
    made = Bench(journal_url)
    yield made
    made.engine.dispose()


def test_the_analysed_exams_of_the_same_patient_are_listed_newest_first(bench):
    """Not those of another site, issuer or ID, nor one that is not analysed yet."""
    for number, date in ((1, "20240101"), (2, "20251231"), (3, "20250601")):
        bench.analyse(bench.receive(number, date))
    bench.analyse(bench.receive(4, "20250101", site="south"))
    bench.analyse(bench.receive(5, "20250101", patient={"issuer": "OTHER"}))
    bench.analyse(bench.receive(6, "20250101", patient={"patient_id": "P2"}))
    bench.receive(7, "20250101")
    bench.receive(8, "20260101")
    found = bench.exams(8)
    assert [one.series_uid for one in found.others] == ["1.2.2", "1.2.3", "1.2.1"]
    assert (found.own.series_uid, found.own.date) == ("1.2.8", "20260101")
    assert choose(found.own, found.others).series_uid == "1.2.2"


def test_how_and_when_an_exam_was_taken_comes_from_its_header(bench):
    """The acquisition, where it differs from the study; kernel and slices."""
    taken = {"acquisition_date": "20250102", "acquisition_time": "0930", "kernel": "B70f"}
    bench.analyse(bench.receive(1, "20250101", **taken, slice_thickness_mm=2.5))
    bench.receive(2, "20260101")
    (one,) = bench.exams(2).others
    assert (one.date, one.time, one.kernel, one.slice_mm) == ("20250102", "0930", "B70f", 2.5)
    assert (one.study_uid, one.patient_id, one.birth_date, one.sex) == ("1.3.1", "P1", "19600101", "F")


def test_of_each_series_the_newest_analysis_counts(bench):
    """Another generation, by another model, that refused."""
    first = bench.receive(1, "20250101")
    bench.analyse(first)
    bench.receive(2, "20260101")
    assert [(one.model_digest, one.analysed) for one in bench.exams(2).others] == [("ab" * 32, True)]
    told = entry(9, source=Site("north", "CT", "MILLET"), series_uid="1.2.1")
    again = bench.journal.record(told)
    assert bench.journal.close(again.series_id, again.generation, START_UTC)
    bench.analyse(again, analyses.refused(Reason.GANTRY_TILT), digest="cd" * 32)
    assert [(one.model_digest, one.analysed) for one in bench.exams(2).others] == [("cd" * 32, False)]


def test_a_judged_report_is_no_prior(bench):
    """Nobody looked for nodules there."""
    judged = replace(analyses.analysis(0), outcome=Outcome.JUDGED, judgements=(JUDGEMENT,))
    bench.analyse(bench.receive(1, "20250101", sop_class_uid=str(Comprehensive3DSRStorage)), judged)
    bench.receive(2, "20260101")
    assert [(one.analysed, one.origin) for one in bench.exams(2).others] == [(False, Origin.REPORT)]
    assert (bench.exams(1).own.origin, bench.exams(2).own.origin) == (Origin.REPORT, Origin.OURS)


def test_nobody_and_nothing_have_no_other_exams(bench):
    """Series without a patient ID are not of one patient; an unknown one is None."""
    bench.analyse(bench.receive(1, "20250101", patient={"patient_id": ""}))
    bench.receive(2, "20260101", patient={"patient_id": ""})
    assert list(bench.exams(2).others) == []
    assert bench.exams(3) is None


def test_who_disagrees_in_birth_date_is_listed_for_the_reason_to_be_told(bench):
    """Identity is judged in one place, which is not this one."""
    bench.analyse(bench.receive(1, "20250101", patient={"birth_date": "19700101"}))
    bench.receive(2, "20260101")
    found = bench.exams(2)
    assert choose(found.own, found.others).why_not == "identity-disagrees"
