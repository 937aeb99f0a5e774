"""The triage page over the running service: a phantom that arrives while somebody looks."""

from __future__ import annotations

import io
import re

import grpc
import numpy as np
import pydicom
import pytest
from browsers import Looker, chromium
from dense_masks import dense_of
from peers import http, storescu
from PIL import Image

from millet.proto.millet.v1 import picture_service_pb2 as pb
from millet.proto.millet.v1.picture_service_pb2_grpc import PictureServiceStub


@pytest.fixture
def opened(millet, small_case):
    """A service, the page of its worklist in a browser, and the UID of a case that is not sent yet."""
    service = millet()
    head = pydicom.dcmread(next(iter(sorted(small_case.glob("*.dcm")))), stop_before_pixels=True)
    with chromium() as browser:
        window = Looker(browser, f"http://127.0.0.1:{service.web_port}")
        window.open("/")
        yield service, window, head
        window.close()


def test_a_case_appears_is_opened_and_acknowledged(opened, small_case):
    """From the first instance to the name in its row, without a key that loads the page anew."""
    service, window, head = opened
    page = window.page
    assert "No series has arrived" in page.locator("main").inner_text()
    storescu(small_case, service.dicom_port)
    page.locator("tbody tr", has_text=head.AccessionNumber).wait_for(timeout=30_000)
    page.locator("tbody tr.critical, tbody tr.urgent, tbody tr.notable").wait_for(timeout=120_000)
    window.keep("service-worklist")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    page.wait_for_selector("#slice[data-drawn]", timeout=30_000)
    window.keep("service-series")
    assert window.overflow() <= 0
    assert window.barriers() == []
    slices_follow_the_nodules(window)
    page.keyboard.press("a")
    page.get_by_label("Your name").fill("Dr Anna Weiß")
    page.keyboard.press("Enter")
    page.get_by_text("Dr Anna Weiß (as typed)").wait_for()
    assert window.faults == []
    slices_are_the_scanner_s(service, head, small_case)
    viewers_get_the_same_pictures(service, head)


def slices_follow_the_nodules(window) -> None:
    """A chosen nodule is circled in its own slice; leafing and the other window change the picture."""
    page, canvas = window.page, window.page.locator("#slice")
    page.keyboard.press("j")
    at = canvas.get_attribute("data-at")
    page.locator(f'#slice[data-drawn="{at}"]').wait_for()
    window.keep("service-chosen")
    seen = canvas.screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(seen)).convert("RGB")).astype(int)
    white_ring = (pixels > 245).all(axis=2).sum()
    assert white_ring > 50
    page.keyboard.press(".")
    page.locator(f'#slice[data-drawn="{int(at) + 1}"]').wait_for()
    assert canvas.screenshot() != seen
    before = canvas.screenshot()
    page.keyboard.press("w")
    page.wait_for_timeout(1000)
    assert canvas.screenshot() != before


def viewers_get_the_same_pictures(service, head) -> None:
    """Over gRPC, byte for byte; and the masks of every nodule, on the instances of the series."""
    of = {"site": "default", "series_uid": head.SeriesInstanceUID}
    page = f"http://127.0.0.1:{service.web_port}/series/default/{head.SeriesInstanceUID}"
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        stub = PictureServiceStub(channel)
        listed = stub.ListPictures(pb.ListPicturesRequest(**of), timeout=60).pictures
        assert [one.projection for one in listed[:2]] == [pb.PROJECTION_CORONAL, pb.PROJECTION_AXIAL]
        asked = [
            ({"projection": pb.PROJECTION_CORONAL}, "mip-coronal.png"),
            ({"projection": pb.PROJECTION_AXIAL}, "mip-axial.png"),
            *(
                ({"sop_instance_uid": u}, f"slices/{u}")
                for u in (one.sop_instance_uid for one in listed[2:4])
            ),
        ]
        for what, where in asked:
            parts = stub.GetPicture(pb.GetPictureRequest(**of, **what), timeout=60)
            assert b"".join(part.png for part in parts) == http(f"{page}/{where}")
        first, *rest = stub.StreamMasks(pb.StreamMasksRequest(**of), timeout=60)
        whole = pb.StreamMasksResponse(grid=first.grid, masks=[mask for part in rest for mask in part.masks])
        assert first.total_masks == len(set(np.unique(dense_of(whole)).tolist()) - {0}) > 20


def slices_are_the_scanner_s(service, head, folder) -> None:
    """The picture of an instance is that instance in a lung window, and none of another series."""
    url = f"http://127.0.0.1:{service.web_port}/series/default/{head.SeriesInstanceUID}/slices"
    picture = np.asarray(Image.open(io.BytesIO(http(f"{url}/{head.SOPInstanceUID}"))))
    dataset = next(
        one
        for one in map(pydicom.dcmread, sorted(folder.glob("*.dcm")))
        if one.SOPInstanceUID == head.SOPInstanceUID
    )
    hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    expected = np.clip((hu + 1350) * 255 / 1500, 0, 255)
    assert np.abs(picture.astype(float) - expected).max() <= 1
    assert re.search(r'"rows":\d+', http(f"{url}.json").decode())
