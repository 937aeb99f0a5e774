"""A viewer with two thousand nodules: OHIF over Orthanc in headless Chromium, and how long it stands still.

Everything is drawn in software here, so that a viewer on a graphics card does better than this.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

sys.path += [str(Path(__file__).resolve().parents[2] / "tests" / part) for part in ("", "service")]

import ohif
from peers import Orthanc
from playwright.sync_api import sync_playwright
from table import Row

from millet import app
from millet.codec.ct import read_header
from millet.core.media import is_instance
from millet.flow.analyse import Made, Order
from millet.flow.offline import analyse
from millet.phantom import dicom, presets
from millet.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

DRAWN, SEED = 2200, 321
"""Nodules of the phantom: some are missed, two thousand are wanted."""
STALL_S = 5.0
WAIT_MS = 300_000
DICOM_WEB = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
ON_REQUEST = ("labelmap", "cad")
STALLS = """
window.longest_ms = 0;
new PerformanceObserver(list => list.getEntries().forEach(
  entry => { window.longest_ms = Math.max(window.longest_ms, entry.duration); }
)).observe({ type: 'longtask', buffered: true });
"""
LETTERED = "[...document.querySelectorAll('text')].length"
SHOWN: Mapping[str, tuple[str, str]] = {
    "summary SR": ("Millet summary SR", f"{LETTERED} > 0"),
    "SR with every nodule": ("Millet SR", "true"),
    "SEG": ("Millet SEG, unverified", "true"),
    "axial picture": ("Millet axial MIP", "true"),
}
"""What is opened: its series' words, and what says that it is there."""


def rows() -> list[Row]:
    """The longest that the viewer did not answer while an object was opened, each."""
    if not (ohif.DIST / "index.html").is_file() or not Path(DICOM_WEB).is_file():
        return [Row(name="OHIF", unit="s", note="needs OHIF and Orthanc's DICOMweb plugin (make test)")]
    instances, made = _exam()
    with tempfile.TemporaryDirectory() as folder, _study(Path(folder), instances, made) as page:
        return list(_opened(page, len(made.analysis.nodules)))


def _exam() -> tuple[list[bytes], Made]:
    """A phantom's series, and what is made of it."""
    instances = dicom.encoded(presets.make("case", nodules=DRAWN, seed=SEED))
    head = read_header(instances[0])
    order = Order(
        site="bench",
        study_uid=head.study_uid,
        series_uid=head.series_uid,
        generation=1,
        created_utc=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return instances, analyse(order, instances, app.load_model(Settings()), lambda *_: None)


@contextmanager
def _study(folder: Path, instances: list[bytes], made: Made) -> Iterator[Page]:
    """The viewer on the study."""
    plugin = {"Enable": True, "Root": "/dicom-web/"}
    pacs = Orthanc(folder / "pacs", Plugins=[DICOM_WEB], DicomWeb=plugin)
    try:
        sent = [held for kind, held in made.objects.items() if is_instance(kind) and kind not in ON_REQUEST]
        for encoded in (*instances, *sent):
            pacs.post("instances", encoded)
        with ohif.Viewer(f"http://127.0.0.1:{pacs.http_port}") as viewer, sync_playwright() as play:
            browser = play.chromium.launch(executable_path=ohif.chromium(), args=list(ohif.FLAGS))
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.add_init_script(STALLS)
            page.goto(f"{viewer.url}/viewer?StudyInstanceUIDs={made.analysis.study_uid}")
            page.get_by_text("Millet summary SR").wait_for(timeout=WAIT_MS)
            page.get_by_text("Skip all").click(timeout=WAIT_MS)
            yield page
            browser.close()
    finally:
        pacs.stop()


def _opened(page: Page, found: int) -> Iterator[Row]:
    """Open one object after the other."""
    for name, (words, there) in SHOWN.items():
        page.wait_for_timeout(5000)
        page.evaluate("window.longest_ms = 0")
        begun = time.monotonic()
        page.get_by_text(words).first.dblclick(timeout=WAIT_MS)
        if name == "SEG":
            page.get_by_text("Yes", exact=True).click(timeout=WAIT_MS)
        page.wait_for_function(there, timeout=WAIT_MS)
        page.wait_for_timeout(20_000)
        took_s = time.monotonic() - begun - 20
        page.screenshot(path=f"build/bench/viewer-{name.split()[0]}.png")
        stall_s = float(page.evaluate("window.longest_ms")) / 1000
        note = f"{found:,} nodules; there after {took_s:.1f} s"
        yield Row(
            name=f"OHIF opens the {name}: longest stall", unit="s", value=stall_s, target=STALL_S, note=note
        )
