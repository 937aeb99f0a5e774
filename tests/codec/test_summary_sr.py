import io
from dataclasses import replace

import numpy as np
import pytest
from characters import characterised, whole
from highdicom.sr import srread
from highdicoms import planar, told
from pydicom import dcmread
from reports import LEFT_EFFUSION, REFUSED, analysis, ct_series, nodules, sop_uid

from millet.codec import codes, summary_sr
from millet.codec.outline import Planes, outline, planes
from millet.codec.seg import SEGMENTATION
from millet.codec.source import Source
from millet.codec.sr import COMPREHENSIVE_3D_SR
from millet.core.representatives import MOST, representatives
from millet.core.uids import object_uid


@pytest.fixture(scope="module")
def source():
    """A series of slices, read once."""
    return Source.read(ct_series())


def _read(made, source, *, masks=True):
    return dcmread(io.BytesIO(summary_sr.encode(made, source, masks=masks)))


def _container(ds, concept):
    return next(
        (i for i in ds.ContentSequence if i.ConceptNameCodeSequence[0].get("CodeValue") == concept.value),
        None,
    )


def _texts(ds, concept):
    said = _container(ds, codes.EVALUATIONS).ContentSequence
    named = [(item, item.ConceptNameCodeSequence[0]) for item in said if item.ValueType == "TEXT"]
    return [item.TextValue for item, name in named if name.get("CodeValue") == concept.value]


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (10, 10), (11, 10), (220, 10)])
def test_up_to_ten_representatives_are_shown(count, shown, source):
    """In their order, and how many there are in all is said."""
    made = whole(count)
    ds = _read(made, source)
    groups = _container(ds, codes.MEASUREMENTS).ContentSequence
    assert [g.ContentTemplateSequence[0].TemplateIdentifier for g in groups] == ["1410"] * shown
    names = [group.ContentSequence[0].TextValue.split()[1] for group in groups]
    assert names == [str(nodule.number) for nodule in representatives(made.nodules, MOST)]
    assert _texts(ds, codes.LESIONS) == [str(count)]
    assert f"all {count}" in _texts(ds, codes.CHOSEN_BY)[0].lower()


def test_a_group_is_the_one_that_highdicom_builds(source):
    """Item for item, with its outline."""
    made = whole(3)
    groups = _container(_read(made, source), codes.MEASUREMENTS).ContentSequence
    changes = {change.number: change for change in made.change.nodules}
    for group, nodule in zip(groups, representatives(made.nodules), strict=True):
        drawn = outline(nodule, Planes(planes(source)))
        assert told(group) == told(planar(nodule, drawn, changes[nodule.number]))


def test_highdicom_reads_the_outlines(source):
    """A closed polyline around the nodule's centre, on the slice that holds it."""
    found = characterised(5)
    encoded = summary_sr.encode(analysis(found), source, masks=True)
    groups = srread(io.BytesIO(encoded)).content.get_planar_roi_measurement_groups()
    by_uid = {nodule.tracking_uid: nodule for nodule in found}
    assert len(groups) == 5
    for group in groups:
        nodule = by_uid[group.tracking_uid]
        points = group.roi.value
        assert (points[0] == points[-1]).all()
        centre_mm = (points[:-1].mean(axis=0) - 0.5) * 5.0 - 160.0
        assert np.abs(centre_mm - nodule.centre_mm[:2]).max() < 0.05
        image = group.roi.ContentSequence[0].ReferencedSOPSequence[0]
        assert image.ReferencedSOPInstanceUID == sop_uid(round((nodule.centre_mm.z + 75) / 5))


def test_every_group_has_an_outline(source):
    """Effusion and exam are told in words: a viewer stops at a group that it cannot draw."""
    ds = _read(whole(30), source)
    for group in _container(ds, codes.MEASUREMENTS).ContentSequence:
        assert [item.ValueType for item in group.ContentSequence].count("SCOORD") == 1


def test_it_refers_to_the_full_report_and_the_masks(source):
    """Both by UID, in words and as evidence, beside the images."""
    made = whole(3)
    ds = _read(made, source)
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    told_of = {
        (instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID): series.SeriesInstanceUID
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    report = (COMPREHENSIVE_3D_SR, object_uid(made, "sr"))
    assert told_of[report] == object_uid(made, "sr-series")
    assert told_of[SEGMENTATION, object_uid(made, "seg")] == object_uid(made, "seg-series")
    assert _texts(ds, codes.FULL_REPORT) == [report[1]]
    assert _texts(ds, codes.MASKS) == [object_uid(made, "seg")]
    assert not _texts(_read(made, source, masks=False), codes.MASKS)


def test_it_is_a_series_of_its_own(source):
    """Viewers show one report of a series."""
    made = whole(3)
    ds = _read(made, source)
    assert ds.SOPInstanceUID == object_uid(made, "summary")
    assert ds.SeriesInstanceUID == object_uid(made, "summary-series")
    assert "unverified, research use" in ds.SeriesDescription


@pytest.mark.parametrize(
    "made", [analysis(), analysis(remarks=[REFUSED]), analysis(effusions=[LEFT_EFFUSION])], ids=str
)
def test_without_nodules_it_is_a_report_all_the_same(made, source):
    """Nothing is measured, and what became of the series is said."""
    ds = _read(made, source, masks=False)
    assert _container(ds, codes.MEASUREMENTS) is None
    assert _texts(ds, codes.COMPLETENESS)
    assert "Research use" in _texts(ds, codes.COMMENT)[0]


def test_the_dominant_lesion_is_named(source):
    """With its size and place; where none stands out, that is said."""
    assert _texts(_read(whole(30), source), codes.DOMINANT) == ["Mass 1, 41.5 mm, left lower lobe."]
    (said,) = _texts(_read(analysis(characterised(30)), source), codes.DOMINANT)
    assert said.startswith("None:")


def test_a_series_without_positions_is_told_of_without_outlines():
    """The summary says that none is shown, and why."""
    bare = Source.read(ct_series(2, ImagePositionPatient=None))
    ds = _read(analysis(nodules(3)), bare)
    assert _container(ds, codes.MEASUREMENTS) is None
    assert "0 of 3 are shown" in _texts(ds, codes.CHOSEN_BY)[0]
    assert "no slice whose position is known" in _texts(ds, codes.CHOSEN_BY)[0]


def test_the_same_analysis_gives_the_same_bytes(source):
    """Encoding twice gives one object; another generation another."""
    made = whole(12)
    once, again = (summary_sr.encode(made, source, masks=True) for _ in range(2))
    assert once == again
    assert _read(replace(made, generation=2), source).SOPInstanceUID != _read(made, source).SOPInstanceUID
