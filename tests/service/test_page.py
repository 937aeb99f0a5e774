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
from playwright.sync_api import expect

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
    expect(page.locator("main")).to_contain_text("No series has arrived")
    storescu(small_case, service.dicom_port)
    page.locator("tbody tr", has_text=head.AccessionNumber).wait_for(timeout=30_000)
    page.locator("tbody tr.critical, tbody tr.urgent, tbody tr.notable").wait_for(timeout=120_000)
    window.keep("service-worklist")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    expect(page.locator(".facts").first).to_contain_text(
        "delivered · folder"
    )  # what comes later loads the page
    page.wait_for_selector("#axial canvas[data-drawn]")
    window.keep("service-series")
    assert window.overflow() <= 0
    assert window.barriers() == []
    slices_follow_the_nodules(window)
    page.keyboard.press("a")
    page.get_by_label("Your name").fill("Dr Anna Weiß")
    page.keyboard.press("Enter")
    expect(page.locator(".acknowledged")).to_contain_text("Dr Anna Weiß (as typed)", timeout=30_000)
    assert window.faults == []
    slices_are_the_scanner_s(service, head, small_case)
    viewers_get_the_same_pictures(service, head)


def slices_follow_the_nodules(window) -> None:
    """A chosen nodule is circled in its own planes; leafing and the other window change the picture."""
    page = window.page
    for view, key in (("axial", "."), ("coronal", "b")):
        canvas = page.locator(f"#{view} canvas")
        canvas.scroll_into_view_if_needed()
        expect(canvas).to_have_attribute("data-drawn", re.compile(r"\d"), timeout=60_000)
        page.keyboard.press("k")
        at = canvas.get_attribute("data-at")
        expect(canvas).to_have_attribute("data-drawn", at, timeout=30_000)
        window.keep(f"service-chosen-{view}")
        seen = canvas.screenshot()
        pixels = np.asarray(Image.open(io.BytesIO(seen)).convert("RGB")).astype(int)
        assert (pixels > 245).all(axis=2).sum() > 50
        page.keyboard.press(key)
        expect(canvas).to_have_attribute("data-drawn", str(int(at) + 1), timeout=30_000)
        assert canvas.screenshot() != seen
    page.keyboard.press("w")
    for view in ("axial", "coronal"):
        canvas = page.locator(f"#{view} canvas")
        expect(canvas).to_have_attribute("data-window", "soft", timeout=60_000)
    assert window.overflow() <= 0


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
