"""Masks and pictures over a real channel: what a viewer gets, in which parts, and why it gets nothing."""

from __future__ import annotations

import threading

import grpc
import numpy as np
import pytest
from dense_masks import dense_of
from gates import MemoryGate
from grpc_bench import Bench, refused
from reports import analysis, ct_series, dense, labels, nodules, sop_uid
from worklists import status, waiting

from millet.codec import nodule_masks, png
from millet.codec.ct import read_header
from millet.codec.keys import key_images
from millet.codec.slice_picture import WINDOWS, picture
from millet.codec.source import Source
from millet.core.key_slices import MOST
from millet.errors import Removed, StoreError
from millet.ports import SeriesKey, StoredSlice
from millet.proto.millet.v1 import picture_service_pb2 as pb
from millet.proto.millet.v1.picture_service_pb2_grpc import PictureServiceStub

FOUND = nodules(12, mass=True)
FILES = ct_series()
SOURCE = Source.read(FILES)
CORONAL = png.encode(np.random.default_rng(1).integers(0, 256, (900, 900, 3), np.uint8))
"""As large as a picture that does not fit into one message of ours."""
OF = {"site": "default", "series_uid": "1.2.826.0.1.1"}


class MemorySlices:
    """A `SliceLog` of one series, whose paths are numbers."""

    def __init__(self, key: SeriesKey, files: list[bytes]) -> None:
        headers = [read_header(one) for one in files]
        self.stored = {
            (key, header.sop_instance_uid): StoredSlice(str(number), header)
            for number, header in enumerate(headers)
        }

    def remove(self, sop_instance_uid: str) -> None:
        """Retention has removed one."""
        for (key, uid), one in self.stored.items():
            if uid == sop_instance_uid:
                self.stored[key, uid] = one._replace(path="")

    def slices(self, key: SeriesKey) -> list[StoredSlice]:
        """See the port."""
        return [one for (of, _), one in self.stored.items() if of == key]

    def slice(self, key: SeriesKey, sop_instance_uid: str) -> StoredSlice | None:
        """See the port."""
        return self.stored.get((key, sop_instance_uid))


def read(path: str) -> bytes:
    """An instance; of those above the chest the last is removed, and the one before it out of reach."""
    if int(path) == len(FILES) - 2:
        raise StoreError("the disk failed")
    if int(path) == len(FILES) - 1:
        raise Removed("the segment is gone")
    return FILES[int(path)]


@pytest.fixture
def bench() -> Bench:
    """As `bench_of` makes it."""
    return bench_of(read)


def bench_of(read, slices: MemorySlices | None = None) -> Bench:
    """A server with one analysed series of 12 nodules, in its second generation."""
    made = Bench(slices=slices or MemorySlices(SeriesKey(**OF), FILES), read=read)
    found = analysis(FOUND, generation=2)
    line = made.worklist.put(status(1, generation=2, analysed_generation=2), found)
    made.worklist.objects |= {
        (line.key, nodule_masks.KIND): nodule_masks.encode(found, labels(FOUND), SOURCE),
        (line.key, "mip-coronal.png"): CORONAL,
        (line.key, "mip-axial.png"): b"an axial one",
    }
    made.worklist.put(waiting(2, "receiving"))
    return made


def run(bench, test) -> None:
    """A test with the stub of the service."""
    bench.run(lambda _: test(PictureServiceStub(bench.channel)))


async def masks(stub, **asked) -> list[pb.StreamMasksResponse]:
    """All messages of a stream."""
    return [part async for part in stub.StreamMasks(pb.StreamMasksRequest(**OF, **asked))]


async def got(stub, **asked) -> tuple[pb.GetPictureResponse, bytes, int]:
    """The first message, all bytes, and the largest message."""
    parts = [part async for part in stub.GetPicture(pb.GetPictureRequest(**OF, **asked))]
    return parts[0], b"".join(part.png for part in parts), max(part.ByteSize() for part in parts)


def test_masks_come_as_they_were_made(bench):
    """The grid first, of the newest generation; then every voxel."""

    async def test(stub):
        first, *rest = await masks(stub)
        assert (first.generation, first.total_masks, len(first.masks)) == (2, 12, 0)
        whole = pb.StreamMasksResponse(grid=first.grid, masks=[mask for part in rest for mask in part.masks])
        assert np.array_equal(dense_of(whole), dense(labels(FOUND)))
        assert {mask.number: mask.nodule_id for mask in whole.masks} == {n.number: n.nodule_id for n in FOUND}

    run(bench, test)
    assert bench.handled("StreamMasks", "OK") == 1


def test_masks_of_some_nodules_are_asked_for(bench):
    """By their IDs, of the generation that was seen."""

    async def test(stub):
        wanted = [FOUND[8].nodule_id, FOUND[2].nodule_id]
        first, rest = await masks(stub, nodule_ids=wanted, generation=2)
        assert (first.total_masks, [mask.number for mask in rest.masks]) == (2, [3, 9])

    run(bench, test)


def test_the_pictures_to_begin_with_are_listed(bench):
    """Both projections, and the slices that are the key images of the report, with what each cuts."""

    async def test(stub):
        told = await stub.ListPictures(pb.ListPicturesRequest(**OF))
        assert told.generation == 2
        first, second, *slices = told.pictures
        assert [first.projection, second.projection] == [pb.PROJECTION_CORONAL, pb.PROJECTION_AXIAL]
        assert first.words.startswith("Coronal: 11 nodules, 1 mass")
        chosen = key_images(analysis(FOUND), SOURCE)
        assert [one.sop_instance_uid for one in slices] == [one.image.sop_instance_uid for one in chosen]
        assert [[cut.number for cut in one.cuts] for one in slices] == [
            [nodule.number for nodule in one.nodules] for one in chosen
        ]
        assert 0 < len(slices) <= MOST
        assert "Mass 1" in slices[0].words

    run(bench, test)


def test_a_projection_is_the_one_that_is_kept(bench):
    """Byte for byte, in messages of a bounded size."""

    async def test(stub):
        first, whole, largest = await got(stub, projection=pb.PROJECTION_CORONAL)
        assert (first.generation, first.total_bytes, whole) == (2, len(CORONAL), CORONAL)
        assert first.picture.projection == pb.PROJECTION_CORONAL
        assert largest < 1_100_000 < len(CORONAL)

    run(bench, test)


@pytest.mark.parametrize(
    ("window", "name"),
    [(pb.WINDOW_UNSPECIFIED, "lung"), (pb.WINDOW_LUNG, "lung"), (pb.WINDOW_SOFT_TISSUE, "soft")],
)
def test_a_slice_is_the_picture_that_the_page_shows(bench, window, name):
    """Of any instance of the series, with what it cuts where it lies."""
    nodule = FOUND[4]
    uid = nodule.source_sop_instance_uid
    number = [sop_uid(n) for n in range(len(FILES))].index(uid)

    async def test(stub):
        first, whole, _ = await got(stub, sop_instance_uid=uid, window=window)
        assert whole == picture(FILES[number], read_header(FILES[number]), WINDOWS[name])
        (cut,) = [one for one in first.picture.cuts if one.number == nodule.number]
        assert cut.nodule_id == nodule.nodule_id
        assert (cut.column, cut.row) == pytest.approx([(at + 160) / 5 for at in nodule.centre_mm[:2]])
        assert cut.radius_columns == pytest.approx(nodule.diameter_mm / 10)

    run(bench, test)


def test_a_series_that_was_not_analysed_has_no_pictures(bench):
    """The list is empty; what is asked for by name is not there, nor are masks."""
    bench.worklist.objects.clear()

    async def test(stub):
        assert not (await stub.ListPictures(pb.ListPicturesRequest(**OF))).pictures
        assert await refused(masks(stub)) == ("NOT_FOUND", "NO_MASKS")
        assert await refused(got(stub, projection=pb.PROJECTION_AXIAL)) == ("NOT_FOUND", "NO_SUCH_PICTURE")

    run(bench, test)


@pytest.mark.parametrize(
    ("facts", "code", "reason"),
    [
        ({"series_uid": "9.9"}, "NOT_FOUND", "NO_SUCH_SERIES"),
        ({"series_uid": "1.2.826.0.1.2"}, "NOT_FOUND", "NOT_ANALYSED_YET"),
        ({"site": ""}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"generation": -1}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"generation": 1}, "FAILED_PRECONDITION", "CHANGED_SINCE"),
        ({"generation": 3}, "FAILED_PRECONDITION", "CHANGED_SINCE"),
        ({"expected": {"patient_id": "PID-000002"}}, "FAILED_PRECONDITION", "NOT_AS_EXPECTED"),
    ],
)
def test_what_cannot_be_told_is_refused_with_its_reason(bench, facts, code, reason):
    """Alike by all three calls."""
    asked = {**OF, **facts}

    async def test(stub):
        calls = [
            stub.StreamMasks(pb.StreamMasksRequest(**asked)).read(),
            stub.ListPictures(pb.ListPicturesRequest(**asked)),
            stub.GetPicture(pb.GetPictureRequest(projection=pb.PROJECTION_AXIAL, **asked)).read(),
        ]
        assert [await refused(call) for call in calls] == [(code, reason)] * 3

    run(bench, test)


@pytest.mark.parametrize(
    ("facts", "code", "reason"),
    [
        ({}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"projection": 0}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"projection": 9}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"sop_instance_uid": sop_uid(3), "window": 9}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"sop_instance_uid": "1.2.3"}, "NOT_FOUND", "NO_SUCH_PICTURE"),
        ({"sop_instance_uid": sop_uid(28)}, "UNAVAILABLE", "STORE_UNAVAILABLE"),
        ({"sop_instance_uid": sop_uid(29)}, "NOT_FOUND", "REMOVED"),
    ],
    ids=["nothing", "no projection", "another projection", "another window", "no slice", "away", "removed"],
)
def test_a_picture_that_is_none_is_refused(bench, facts, code, reason):
    """With which field, or that it is not there."""

    async def test(stub):
        assert await refused(got(stub, **facts)) == (code, reason)

    run(bench, test)


def test_a_slice_that_retention_removed_is_told_as_such():
    """No fault of the store: it is there no longer, and is not offered; projections and masks are."""
    slices = MemorySlices(SeriesKey(**OF), FILES)
    slices.remove(sop_uid(3))
    bench = bench_of(read, slices)

    async def test(stub):
        assert await refused(got(stub, sop_instance_uid=sop_uid(3))) == ("NOT_FOUND", "REMOVED")
        listed = await stub.ListPictures(pb.ListPicturesRequest(**OF))
        assert [one.projection for one in listed.pictures] == [pb.PROJECTION_CORONAL, pb.PROJECTION_AXIAL]
        assert await masks(stub)

    run(bench, test)


def test_an_unknown_nodule_has_no_mask(bench):
    """Also beside one that is known."""

    async def test(stub):
        call = masks(stub, nodule_ids=[FOUND[0].nodule_id, "2.25.7"])
        assert await refused(call) == ("NOT_FOUND", "NO_SUCH_NODULE")

    run(bench, test)


def test_an_expected_owner_and_a_role_are_asked_for(bench):
    """A viewer's token does; without one nobody is told anything."""
    bench.behind(MemoryGate())
    viewer = (("authorization", "Bearer viewer-token"),)
    owner = pb.ExpectedOwner(patient_id="PID-000001", study_uid="1.2.826.0.1")

    async def test(stub):
        request = pb.ListPicturesRequest(**OF, expected=owner)
        assert len((await stub.ListPictures(request, metadata=viewer)).pictures) > 2
        assert await refused(stub.ListPictures(request)) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        assert await refused(masks(stub)) == ("UNAUTHENTICATED", "UNAUTHENTICATED")

    run(bench, test)


def test_a_deadline_that_has_passed_ends_the_call():
    """While its slice is still read; the next one is answered."""
    go = threading.Event()

    def waits(path: str) -> bytes:
        go.wait(60)
        return read(path)

    async def test(stub):
        request = pb.GetPictureRequest(**OF, sop_instance_uid=sop_uid(0))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetPicture(request, timeout=0.5).read()
        go.set()
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert (await got(stub, projection=pb.PROJECTION_AXIAL))[1] == b"an axial one"

    run(bench_of(waits), test)
