"""What is left of a series when its large objects are gone: everything that somebody looks at."""

from __future__ import annotations

import grpc
import pydicom
from peers import Millet, http, storescu, until

from millet.core.retention import LARGE
from millet.proto.millet.v1 import picture_service_pb2 as pb
from millet.proto.millet.v1.picture_service_pb2_grpc import PictureServiceStub

SOON_DAYS = 1e-6
PICTURES = ("mip-coronal.png", "mip-axial.png")


def shown(service: Millet, series_uid: str) -> list[bytes]:
    """What page and gRPC show of a series: projections, their list, and the voxels of every nodule."""
    base = f"http://127.0.0.1:{service.web_port}/series/default/{series_uid}"
    about = {"site": "default", "series_uid": series_uid}
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        stub = PictureServiceStub(channel)
        listed = stub.ListPictures(pb.ListPicturesRequest(**about), timeout=60)
        masks = [one.SerializeToString() for one in stub.StreamMasks(pb.StreamMasksRequest(**about))]
    assert len(listed.pictures) > len(PICTURES)
    assert masks
    return [*(http(f"{base}/{name}") for name in PICTURES), listed.SerializeToString(), *masks]


def removed(service: Millet) -> dict[str, float]:
    """How many objects of each kind the service has removed since it started."""
    begin = "millet_objects_removed_total{kind="
    lines = (line for line in service.page("metrics").splitlines() if line.startswith(begin))
    parted = (line.removeprefix(begin).rpartition(" ") for line in lines)
    return {name.strip('"}'): float(value) for name, _, value in parted}


def test_what_people_look_at_outlives_the_large_objects(millet, small_case):
    """Masks and secondary captures that arrived are removed; page, gRPC and reports stay the same."""
    service = millet()
    storescu(small_case, service.dicom_port)
    series_uid = str(
        pydicom.dcmread(next(small_case.glob("*.dcm")), stop_before_pixels=True).SeriesInstanceUID
    )
    status = service.ended(series_uid)
    state = service.folder / "state"
    before = shown(service, series_uid)
    sizes = {path.name: path.stat().st_size for path in (state / "objects").rglob("*.bin")}
    delivered = {path: path.read_bytes() for path in (state / "reports").rglob("*.dcm")}
    assert set(removed(service).values()) == {0.0}
    assert service.terminate() == 0

    service.configure({"keep_objects_days": SOON_DAYS})
    service.start()
    gone = until(
        "they are removed", lambda: sum((now := removed(service)).values()) and now, 60, service.process
    )
    assert gone == dict.fromkeys(LARGE, 1.0)
    left = sum(path.stat().st_size for path in (state / "objects").rglob("*.bin"))
    assert left < sum(sizes.values()) / 3
    assert shown(service, series_uid) == before
    assert service.analysis(status).nodules
    assert {path: path.read_bytes() for path in (state / "reports").rglob("*.dcm")} == delivered
