"""What is left of a series when retention has removed what it may: all that people look at but its slices."""

from __future__ import annotations

import urllib.error

import grpc
import pydicom
from peers import Millet, http, storescu, until

from millet.core.retention import LARGE
from millet.proto.millet.v1 import picture_service_pb2 as pb
from millet.proto.millet.v1.picture_service_pb2_grpc import PictureServiceStub

SOON_DAYS = 1e-6
PICTURES = ("mip-coronal.png", "mip-axial.png")


def listed(service: Millet, series_uid: str) -> list[pb.Picture]:
    """The pictures that gRPC offers of a series."""
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        request = pb.ListPicturesRequest(site="default", series_uid=series_uid)
        return list(PictureServiceStub(channel).ListPictures(request, timeout=60).pictures)


def shown(service: Millet, series_uid: str) -> list[bytes]:
    """The projections of the page, and the voxels of every nodule that gRPC tells."""
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        request = pb.StreamMasksRequest(site="default", series_uid=series_uid)
        masks = [
            one.SerializeToString() for one in PictureServiceStub(channel).StreamMasks(request, timeout=60)
        ]
    return [*(http(f"{page_of(service, series_uid)}/{name}") for name in PICTURES), *masks]


def page_of(service: Millet, series_uid: str) -> str:
    """Where the page of a series is."""
    return f"http://127.0.0.1:{service.web_port}/series/default/{series_uid}"


def removed(service: Millet) -> dict[str, float]:
    """How many objects of each kind the service has removed since it started."""
    begin = 'millet_objects_removed_total{kind="'
    lines = (line for line in service.page("metrics").splitlines() if line.startswith(begin))
    parted = (line.removeprefix(begin).split('"} ') for line in lines)
    return {kind: float(value) for kind, value in parted}


def has_no_slices(service: Millet, series_uid: str) -> bool:
    """Whether the page is told that the slices of a series were removed."""
    try:
        http(f"{page_of(service, series_uid)}/slices.json")
    except urllib.error.HTTPError as answer:
        return answer.code == 410
    return False


def test_what_people_look_at_outlives_what_retention_removes(millet, small_case):
    """Large objects and slices go after a restart; page, gRPC and reports tell the rest as before."""
    service = millet()
    storescu(small_case, service.dicom_port)
    head = pydicom.dcmread(next(small_case.glob("*.dcm")), stop_before_pixels=True)
    status = service.ended(head.SeriesInstanceUID)
    state, uid = service.folder / "state", status.series_uid
    before, offered = shown(service, uid), listed(service, uid)
    assert len(before) > len(PICTURES)
    assert len(offered) > len(PICTURES)
    made = sum(path.stat().st_size for path in (state / "objects").rglob("*.bin"))
    reports = {path: path.read_bytes() for path in (state / "reports").rglob("*.dcm")}
    assert removed(service) == dict.fromkeys(LARGE, 0.0)
    assert not has_no_slices(service, uid)
    assert service.terminate() == 0

    service.configure({"keep_objects_days": SOON_DAYS, "keep_days": SOON_DAYS})
    service.start()
    gone = dict.fromkeys(LARGE, 1.0)
    until("the objects are removed", lambda: removed(service) == gone or None, 60, service.process)
    until("the slices are removed", lambda: has_no_slices(service, uid) or None, 60, service.process)
    assert sum(path.stat().st_size for path in (state / "objects").rglob("*.bin")) < made / 3
    assert shown(service, uid) == before
    assert {path: path.read_bytes() for path in (state / "reports").rglob("*.dcm")} == reports
    assert listed(service, uid) == offered[: len(PICTURES)]
