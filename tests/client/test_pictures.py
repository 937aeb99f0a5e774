"""Masks, pictures and criteria as a client gets them from a real server, and that it has every call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dense_masks import dense_of
from grpc_served import Service
from reports import analysis, ct_series, dense, labels, nodules
from slice_logs import MemorySlices
from worklists import status

import millet_client
from millet.codec import nodule_masks, png
from millet.codec.source import Source
from millet_client import EvaluateCriteriaRequest, Expected, Picture, Series, messages
from millet_client import picture_messages as pb
from millet_client import submission_messages as submission
from millet_client.errors import Incomplete
from millet_client.whole import analysis_of, masks_of, picture_of

FOUND = nodules(12, mass=True)
OF = Series("default", "1.2.826.0.1.1")
CORONAL = png.encode(np.random.default_rng(1).integers(0, 256, (900, 900, 3), np.uint8))
"""As large as a picture that comes in several messages."""
CLIENT = (Path(millet_client.__file__).parent / "client.py").read_text("utf-8")


@pytest.fixture(scope="module")
def service():
    """One series of 12 nodules in its second generation, with masks and pictures."""
    slices = MemorySlices(ct_series())
    made = Service(slices=slices, read=slices.read)
    found = analysis(FOUND, generation=2)
    line = made.worklist.put(status(1, generation=2, analysed_generation=2), found)
    made.worklist.objects |= {
        (line.key, nodule_masks.KIND): nodule_masks.encode(found, labels(FOUND), Source.read(slices.encoded)),
        (line.key, "mip-coronal.png"): CORONAL,
        (line.key, "mip-axial.png"): b"an axial one",
    }
    yield made
    made.stop()


@pytest.fixture
def millet(service):
    """A client of it."""
    with service.client() as made:
        yield made


def test_masks_come_whole_or_of_some_nodules(millet):
    """On the grid of their series, of the analysis that is given."""
    found = millet.analysis(OF)
    whole = millet.masks(found)
    assert (whole.generation, whole.total_masks) == (2, 12)
    assert np.array_equal(dense_of(whole), dense(labels(FOUND)))
    some = millet.masks(found, [found.nodules[4].nodule_id])
    assert [one.nodule_id for one in some.masks] == [found.nodules[4].nodule_id]
    assert some.grid == whole.grid


def test_each_picture_of_the_list_is_had_and_any_other_slice(millet):
    """The same bytes as are kept, or the pixels of the slice; what it shows comes with it."""
    found = millet.analysis(OF)
    listed = millet.pictures(found)
    assert [one.projection for one in listed[:2]] == [pb.PROJECTION_CORONAL, pb.PROJECTION_AXIAL]
    shown = [millet.picture(found, one) for one in listed]
    assert [one.picture for one in shown] == listed
    assert shown[0].png == CORONAL
    other = found.nodules[4].source_sop_instance_uid
    soft = millet.picture(found, Picture(sop_instance_uid=other, window=pb.WINDOW_SOFT_TISSUE))
    assert 5 in {cut.number for cut in soft.picture.cuts}
    assert soft.png != millet.picture(OF, Picture(sop_instance_uid=other)).png


def test_pictures_of_an_analysis_that_is_not_the_newest_are_refused(millet):
    """Of another patient's series, too; whoever names a series alone gets the newest."""
    old = millet.analysis(OF)
    old.generation = 1
    for call in (millet.masks, millet.pictures, lambda of: millet.picture(of, Picture(projection=1))):
        with pytest.raises(millet_client.Unmet) as caught:
            call(old)
        assert caught.value.reason == "CHANGED_SINCE"
    with pytest.raises(millet_client.Unmet) as caught:
        millet.masks(OF, expected=Expected(patient_id="P2"))
    assert caught.value.fields == ("patient_id",)
    (line,) = millet.worklist()
    assert len(millet.pictures(line)) > 2


def test_a_picture_that_is_none_is_a_wrong_request(millet):
    """And one that is not there is not found."""
    with pytest.raises(millet_client.WrongRequest) as caught:
        millet.picture(OF, Picture())
    assert caught.value.reason == "INVALID_FIELD"
    with pytest.raises(millet_client.NotFound) as caught:
        millet.picture(OF, Picture(sop_instance_uid="1.2.3"))
    assert caught.value.reason == "NO_SUCH_PICTURE"


@pytest.mark.parametrize(
    ("joined", "parts"),
    [
        (analysis_of, [messages.StreamAnalysisResponse(total_nodules=1)]),
        (masks_of, [pb.StreamMasksResponse(total_masks=2), pb.StreamMasksResponse(masks=[pb.NoduleMask()])]),
        (picture_of, [pb.GetPictureResponse(total_bytes=9), pb.GetPictureResponse(png=b"a picture"[:8])]),
    ],
)
def test_what_broke_off_is_never_taken_for_whole(joined, parts):
    """Fewer nodules, masks or bytes than were told, or nothing at all."""
    for came in (parts, []):
        with pytest.raises(Incomplete, match="broke off"):
            joined(came)


def test_lesions_of_somebody_else_are_judged(millet):
    """By the criteria of their organ; an organ without any is a wrong request."""
    lesion = messages.Lesion(
        centre_mm=messages.PointMm(x=30, y=5, z=41), diameter_mm=4, side=messages.SIDE_LEFT
    )
    answer = millet.evaluate(EvaluateCriteriaRequest(organ="brain", modality="MR", lesions=[lesion]))
    assert "brain-miliary-mr" in {one.criteria for one in answer.judgements}
    with pytest.raises(millet_client.WrongRequest):
        millet.evaluate(EvaluateCriteriaRequest(organ="elsewhere"))


def test_the_client_makes_every_call_of_the_contract():
    """But GetAnalysis, whose pages StreamAnalysis sends at once."""
    services = [
        service
        for file in (messages, pb, submission)
        for service in file.DESCRIPTOR.services_by_name.values()
    ]
    names = {method.name for service in services for method in service.methods}
    assert {name for name in names if f".{name}" not in CLIENT} == {"GetAnalysis"}
