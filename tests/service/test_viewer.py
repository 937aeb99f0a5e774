"""What a reader sees: our objects in a web viewer over a PACS, judged by the pixels on the screen."""

from __future__ import annotations

import io
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import ohif
import pydicom
import pytest
from peers import Orthanc, storescu, until
from PIL import Image

DICOM_WEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
WINDOW = {"width": 1400, "height": 900}
IMAGE_BOX = (300, 160, 1340, 840)
"""Where the viewer shows the image, clear of its own buttons."""
SENT = 9
"""Series: summary, sr, seg, gsps, kos, three pictures, and the CT itself."""


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    """Orthanc with DICOMweb."""
    if not DICOM_WEB.is_file():
        pytest.skip("Orthanc's DICOMweb plugin is not installed (Debian package orthanc-dicomweb)")
    plugin = {"Enable": True, "Root": "/dicom-web/"}
    made = Orthanc(tmp_path_factory.mktemp("viewer") / "pacs", Plugins=[str(DICOM_WEB)], DicomWeb=plugin)
    yield made
    made.stop()


@pytest.fixture
def page(pacs, millet, small_case):
    """The viewer on a study that a scanner sent to PACS and Millet, and Millet's objects with it."""
    service = millet(destination=f"ORTHANC@127.0.0.1:{pacs.dicom_port}")
    storescu(small_case, pacs.dicom_port)
    storescu(small_case, service.dicom_port)
    head = pydicom.dcmread(next(iter(sorted(small_case.glob("*.dcm")))), stop_before_pixels=True)
    assert service.ended(head.SeriesInstanceUID).state == "analysed"
    until("all is in the PACS", lambda: len(pacs.get("series")) == SENT or None, 180, service.process)
    from playwright.sync_api import sync_playwright

    with ohif.Viewer(f"http://127.0.0.1:{pacs.http_port}") as viewer, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=ohif.chromium(), args=list(ohif.FLAGS))
        opened = browser.new_page(viewport=WINDOW)
        opened.goto(f"{viewer.url}/viewer?StudyInstanceUIDs={head.StudyInstanceUID}")
        opened.get_by_text("Millet summary SR").wait_for(timeout=120_000)
        opened.get_by_text("Skip all").click(timeout=60_000)
        yield opened
        browser.close()


def shown(page, name) -> np.ndarray:
    """The pixels of the image, as the viewer shows them now; kept where MILLET_TEST_PICTURES says."""
    picture = page.screenshot()
    if kept := os.environ.get("MILLET_TEST_PICTURES"):
        (Path(kept) / f"viewer-{name}.png").write_bytes(picture)
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB").crop(IMAGE_BOX)).astype(int)


def coloured(pixels, low, high) -> int:
    """How many pixels have a colour between two."""
    return int(((pixels >= low) & (pixels <= high)).all(axis=2).sum())


def wait_for(page, name, enough, *, scrolling=False) -> None:
    """Look again and again until enough is seen, frame by frame; rendering is in software, and slow."""
    until_s = time.monotonic() + 120
    page.mouse.move(IMAGE_BOX[0] + 500, IMAGE_BOX[1] + 300)
    while not enough(shown(page, name)):
        assert time.monotonic() < until_s, f"{name}: not seen"
        page.wait_for_timeout(1000)
        if scrolling:
            page.mouse.wheel(0, 100)


def open_series(page, words) -> None:
    """Put a series into the viewport."""
    page.get_by_text(words).first.dblclick()


@pytest.mark.viewer
def test_summary_masks_and_pictures_show(page):
    """The summary's outline is green with its figures, the mask is orange on the CT, rings are amber."""
    wait_for(page, "ct", lambda seen: coloured(seen, (90, 90, 90), (255, 255, 255)) > 50_000)
    assert coloured(shown(page, "ct"), (0, 200, 0), (60, 255, 60)) == 0
    open_series(page, "Millet summary SR")
    wait_for(page, "summary", lambda seen: coloured(seen, (0, 200, 0), (60, 255, 60)) > 300)
    open_series(page, "Millet SEG, unverified")
    page.get_by_text("Yes", exact=True).click(timeout=60_000)
    wait_for(page, "seg", lambda seen: coloured(seen, (200, 90, 20), (255, 190, 140)) > 20)
    for view in ("axial", "coronal", "rotating"):
        open_series(page, f"Millet {view} MIP")
        rings = partial(coloured, low=(200, 130, 20), high=(255, 210, 110))
        wait_for(page, view, lambda seen, rings=rings: rings(seen) > 100, scrolling=True)
