import io

import highdicom
import pytest
from pydicom import dcmread
from reports import STUDY, analysis, ct_series, nodules

from millet.codec import gsps, key_images, keys
from millet.codec.source import Source


@pytest.fixture(scope="module")
def source():
    """A series of slices, read once."""
    return Source.read(ct_series())


@pytest.mark.parametrize("count", [1, 18, 220, 2000])
def test_highdicom_reads_the_selection(count, source):
    """The key images in their order, each resolved by the evidence, observed by a device."""
    found = analysis(nodules(count))
    ds = dcmread(io.BytesIO(key_images.encode(found, source)))
    read = highdicom.ko.KeyObjectSelectionDocument.from_dataset(ds)
    got = [item.referenced_sop_instance_uid for item in read.content.get_references()]
    assert got == [one.image.sop_instance_uid for one in keys.key_images(found, source)]
    assert {read.resolve_reference(uid)[0] for uid in got} == {STUDY}
    (observer,) = read.content.get_observer_contexts()
    assert observer.observer_type.meaning == "Device"


def test_each_image_refers_to_the_presentation_state(source):
    """Which is the one that is sent, and is among the evidence."""
    found = analysis(nodules(18))
    ds = dcmread(io.BytesIO(key_images.encode(found, source)))
    state = dcmread(io.BytesIO(gsps.encode(found, source)))
    images = [item for item in ds.ContentSequence if item.ValueType == "IMAGE"]
    for item in images:
        (by,) = item.ReferencedSOPSequence[0].ReferencedSOPSequence
        assert (by.ReferencedSOPClassUID, by.ReferencedSOPInstanceUID) == (
            state.SOPClassUID,
            state.SOPInstanceUID,
        )
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    series = {one.SeriesInstanceUID: one.ReferencedSOPSequence for one in study.ReferencedSeriesSequence}
    assert [one.ReferencedSOPInstanceUID for one in series[state.SeriesInstanceUID]] == [state.SOPInstanceUID]


def test_it_says_how_little_it_shows(source):
    """How many of the findings, and what every object says of itself."""
    ds = dcmread(io.BytesIO(key_images.encode(analysis(nodules(220)), source)))
    words = next(
        i.TextValue for i in ds.ContentSequence if i.get("ConceptNameCodeSequence")[0].CodeValue == "113012"
    )
    assert words.startswith("5 slices through ")
    assert " of 220 findings" in words
    for needed in ("not reviewed", "Unverified", "Research use", "model log 1", "lymph nodes"):
        assert needed in words


def test_without_a_nodule_there_is_none(source):
    """A selection of nothing is none by TID 2010."""
    assert key_images.encode(analysis(), source) is None


def test_the_same_analysis_gives_the_same_bytes():
    """Encoding twice gives one object."""
    once, again = (key_images.encode(analysis(nodules(9)), Source.read(ct_series())) for _ in range(2))
    assert once == again
