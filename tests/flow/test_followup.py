"""The prior from the journal, and a phantom's patient who comes again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import analyses
import exams
import numpy as np
import pytest
import reports
from worklists import MemoryWorklist, status

from millet.codec import lung_outline as outlines
from millet.codec import sr, sr_reading
from millet.codec.source import Source
from millet.core import prior as priors
from millet.core.change import Fate
from millet.core.lungs import lungs
from millet.core.prior import Facts
from millet.core.second_look import shows
from millet.edge import models
from millet.errors import StoreError
from millet.flow import followup
from millet.flow.followup import Prior
from millet.flow.offline import read_series
from millet.phantom import dicom, presets
from millet.phantom.after import After
from millet.ports import PatientExams, SeriesKey

NOW, BEFORE = SeriesKey(site="default", series_uid="1.9"), SeriesKey(site="default", series_uid="1.1")
OWN = Facts(
    series_uid="1.9",
    study_uid="1.90",
    patient_id="P1",
    issuer="I",
    birth_date="19600101",
    sex="F",
    date="20260701",
)
OLD = replace(OWN, series_uid="1.1", study_uid="1.10", date="20260101", model_digest="ab" * 32)
MODEL = analyses.PROVENANCE.model_digest


class Journal(MemoryWorklist):
    """Satisfies `ports.Priors`: one exam of a patient, and those before."""

    def __init__(self, *others: Facts) -> None:
        super().__init__()
        self.others = others

    def exams(self, key: SeriesKey) -> PatientExams | None:
        """See the port."""
        self._check()
        return PatientExams(own=OWN, others=self.others) if key == NOW else None


def journal(kept: bytes | None, *others: Facts) -> Journal:
    """One with an analysis of the earlier exam, and what was kept of its lungs."""
    made = Journal(*others or (OLD,))
    made.put(status(1, key=BEFORE), analyses.analysis(3))
    if kept is not None:
        made.objects[BEFORE, outlines.KIND] = kept
    return made


@pytest.fixture(scope="module")
def kept():
    """What is kept of an exam's lungs."""
    return followup.kept(exams.made(5).prior.lungs, exams.CONDITIONS)


def test_the_prior_is_found_with_its_nodules_and_lungs(kept):
    """Whole, as it was kept."""
    found = followup.find(journal(kept), NOW, MODEL)
    assert found.why_not == ""
    assert (found.study.series_uid, len(found.study.nodules)) == ("1.1", 3)
    assert found.study.taken.isoformat() == "2026-01-01"
    assert (found.study.how.conditions, found.study.how.model_digest) == (exams.CONDITIONS, MODEL)
    assert len(found.study.outline.side) > 400


def test_a_prior_whose_lungs_were_not_kept_is_one_all_the_same():
    """As of an older version; what can be said of it is limited."""
    found = followup.find(journal(None), NOW, MODEL)
    assert (len(found.study.outline.side), found.study.how.conditions) == (0, None)


@pytest.mark.parametrize(
    ("others", "code"),
    [((replace(OLD, sex="M"),), "identity-disagrees"), ((replace(OLD, date="20270101"),), "not-earlier")],
)
def test_why_there_is_no_prior_is_told(kept, others, code):
    """As a code; so it is for a series that the journal does not know."""
    assert followup.find(journal(kept, *others), NOW, MODEL) == Prior(why_not=code)
    assert followup.find(journal(kept), BEFORE, MODEL) == Prior(why_not=priors.NO_PRIOR)


@pytest.mark.parametrize("damaged", [b"", b"{}", b"\x00\x01"])
def test_damaged_lungs_are_a_reason_not_an_error(damaged):
    """The rest of the report is intact."""
    assert followup.find(journal(damaged), NOW, MODEL) == Prior(why_not=priors.UNREADABLE)


def test_a_journal_that_cannot_be_read_is_a_fault_of_ours(kept):
    """To be tried again, not to be reported as having no prior."""
    broken = journal(kept)
    broken.broken = True
    with pytest.raises(StoreError):
        followup.find(broken, NOW, MODEL)


def test_a_report_from_elsewhere_is_a_prior_of_an_unknown_model():
    """Its lesions with their names and volumes; one that does not say where it is, is passed over."""
    report = sr_reading.read(
        sr.encode(reports.analysis(reports.nodules(20)), Source.read(reports.ct_series()))
    )
    nowhere = replace(report.lesions[0], centre_mm=None)
    sizeless = replace(report.lesions[1], diameter_mm=None)
    changed = replace(report, lesions=(nowhere, sizeless, *report.lesions[2:]))
    study = followup.reported(changed, "1.7", exams.FIRST).study
    assert [one.number for one in study.nodules] == list(range(3, 21))
    assert [one.tracking_uid for one in study.nodules] == [one.tracking_uid for one in report.lesions[2:]]
    assert study.nodules[0].volume_mm3 == report.lesions[2].volume_mm3
    assert (study.series_uid, study.taken, study.how.conditions) == ("1.7", exams.FIRST, None)


def test_a_report_that_was_cut_is_no_prior():
    """What it does not show would count as new."""
    report = sr_reading.read(
        sr.encode(reports.analysis(reports.nodules(3)), Source.read(reports.ct_series()))
    )
    cut = replace(report, whole=False)
    assert followup.reported(cut, "1.7", None) == Prior(why_not=priors.UNREADABLE)


def test_a_report_that_names_the_lungs_nowhere_is_no_prior():
    """It may be of any other part of the patient."""
    report = sr_reading.read(
        sr.encode(reports.analysis(reports.nodules(3)), Source.read(reports.ct_series()))
    )
    nowhere = replace(report, lesions=tuple(replace(one, sites=()) for one in report.lesions))
    assert followup.reported(nowhere, "1.7", None) == Prior(why_not="unknown-site")


WANTED = replace(presets.PRESETS["miliary"], after=None)
SMALL = {"nodules": 70, "scale": 0.32, "seed": 2, "scan": presets.Scan(pixel_mm=0.9, slice_mm=1.25)}


@pytest.fixture(scope="module")
def visits():
    """A patient, and the same after therapy: phantom and series."""
    made = [presets.make(replace(WANTED, after=after), **SMALL) for after in (None, After(change=-0.3))]
    return [(phantom, read_series(dicom.encoded(phantom))) for phantom in made]


def examined(phantom, series):
    """An analysis by a reader who finds all."""
    base = analyses.analysis(len(phantom.truth))
    nodules = tuple(
        replace(
            one,
            centre_mm=mark.centre_mm,
            diameter_mm=mark.diameter_mm,
            volume_mm3=float(np.pi / 6 * mark.diameter_mm**3),
            tracking_uid=f"2.25.{phantom.asked.after is not None:d}{one.number:05}",
        )
        for one, mark in zip(base.nodules, phantom.truth, strict=True)
    )
    mask = lungs(series.volume)
    return replace(base, nodules=nodules, lungs=mask.litres, series_uid=series.headers[0].series_uid), mask


def test_a_patient_after_therapy_is_compared_with_the_time_before(visits):
    """From DICOM to what is kept, found again, and told of each nodule: who is gone and who shrank."""
    manifest = models.manifest(models.find(models.bundled(), "log/1"))
    (first, before), (second, after) = visits
    old, mask = examined(first, before)
    facts = Facts.of(before.headers[0]).read_by(MODEL, analysed=True)
    made = Journal(facts)
    key = SeriesKey(site="default", series_uid=facts.series_uid)
    made.put(status(1, key=key), old)
    made.objects[key, outlines.KIND] = followup.kept(mask, followup.conditions(before, mask, manifest))

    own = Facts.of(after.headers[0])
    made.exams = lambda _: PatientExams(own=own, others=made.others)
    found = followup.find(made, NOW, MODEL)
    new, mask = examined(second, after)
    how = followup.conditions(after, mask, manifest)
    shown = partial(shows, after.volume)
    change = followup.changed(new, after, mask, how, found, shown)

    assert (change.limited, change.not_used, change.interval_days) == ((), "", 90)
    told = {one.prior_number: one for one in change.nodules if one.prior_number}
    fates = [told[row].fate for row in range(1, len(first.truth) + 1)]
    gone = [row is None for row in second.followed]
    assert np.mean([fate in {Fate.GONE, Fate.UNCERTAIN} for fate in fates]) == pytest.approx(np.mean(gone))
    for row, here in enumerate(second.followed, start=1):
        assert told[row].number == (None if here is None else here + 1)
    assert change.gone_share == pytest.approx(np.mean(gone), abs=0.05)
    assert change.median_volume_change == pytest.approx(-0.3, abs=0.05)
    assert not any(one.fate is Fate.NEW for one in change.nodules)


def test_a_patient_seen_twice_by_two_models_shows_no_progression(visits):
    """The same images, read by another model that finds twice as many."""
    manifest = models.manifest(models.find(models.bundled(), "log/1"))
    (first, series), _ = visits
    analysis, mask = examined(first, series)
    few = replace(
        analysis,
        nodules=analysis.nodules[::2],
        provenance=replace(analysis.provenance, model_digest="ef" * 32),
    )
    how = followup.conditions(series, mask, manifest)
    study = followup.study(few, Facts.of(series.headers[0]), how, followup.outline(mask))
    change = followup.changed(analysis, series, mask, how, Prior(study=study))
    assert change.limited == ("model",)
    assert {one.fate for one in change.nodules} == {Fate.UNCERTAIN}
    assert change.gone_share is None


def test_without_a_prior_the_reason_is_the_change(visits):
    """Nothing is compared."""
    _, (second, after) = visits
    analysis, mask = examined(second, after)
    how = exams.CONDITIONS
    change = followup.changed(analysis, after, mask, how, Prior(why_not="no-prior"))
    assert (change.not_used, change.nodules, change.gone_share) == ("no-prior", (), None)
