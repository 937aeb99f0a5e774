"""Slices and coronal planes of a series, asked for over HTTP and looked at in a real headless Chromium."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import ct
import numpy as np
import pytest
from analyses import analysis
from browsers import Looker, chromium
from PIL import Image
from playwright.sync_api import expect
from sites import Site, page_of
from slice_logs import MemorySlices
from worklists import status

from millet.core.geometry import PointMm
from millet.errors import Removed

LINE = status(1)
PAGE = page_of(LINE)
PLACES = (PointMm(-36.0, -146.5, 310.0), PointMm(-34.0, -143.5, 318.0))
"""Of two nodules: in the 3rd and the 5th of five coronal planes, in the 11th and the 19th of 24 slices."""


@pytest.fixture
def site():
    """A site with one series whose instances are there, and two nodules in it."""
    made = Site()
    found = analysis(2)
    nodules = [replace(one, centre_mm=at) for one, at in zip(found.nodules, PLACES, strict=True)]
    made.put(LINE, replace(found, nodules=tuple(nodules)))
    made.log = MemorySlices()
    made.start(slices=made.log, read=made.log.read)
    yield made
    made.stop()


def told(site) -> dict:
    """What the page is told of both views."""
    return json.loads(site.get(f"{PAGE}/slices.json").body)


def grey(answer) -> np.ndarray:
    """The pixels of an answer."""
    return np.asarray(Image.open(io.BytesIO(answer.body))).astype(float)


def test_a_coronal_plane_is_where_it_is_said_to_be(site):
    """A voxel of the body is at the pixel that geometry tells, in an axial slice and in a coronal plane."""
    views = told(site)
    assert [len(views[name]["slices"]) for name in ("axial", "coronal")] == [24, 5]
    z, y, x = 10, 5, 4
    mean_hu = ct.HU[z, 4:6, x].astype(float).mean()
    view = views["coronal"]
    name, place = view["slices"][y // 2]
    off = np.add(ct.ORIGIN_MM, (x * 0.7, 0.0, z * 1.0)) - place
    row, column = off @ view["column"] / view["spacing_mm"][0], off @ view["row"] / view["spacing_mm"][1]
    seen = grey(site.get(f"{PAGE}/coronal/{name}"))
    assert abs(seen[round(row), round(column)] - np.clip((mean_hu + 1350) * 255 / 1500, 0, 255)) <= 1


def test_one_reformat_serves_all_planes_of_a_window(site):
    """The instances are read once for each window, however long somebody leafs."""
    names = [name for name, _ in told(site)["coronal"]["slices"]]
    before = site.log.reads
    for name in names * 3:
        assert site.get(f"{PAGE}/coronal/{name}").status == 200
    assert site.log.reads - before == 24
    assert site.get(f"{PAGE}/coronal/{names[0]}?window=soft").status == 200
    assert site.log.reads - before == 48


def test_planes_of_what_was_analysed_before_are_not_shown(site):
    """A late slice makes another volume: the old addresses lead nowhere, the new ones to it."""
    name, _ = told(site)["coronal"]["slices"][0]
    site.log.encoded = site.log.encoded[1:]
    assert site.get(f"{PAGE}/coronal/{name}").status == 404
    assert site.get(f"{PAGE}/coronal/{told(site)['coronal']['slices'][0][0]}").status == 200


@pytest.mark.parametrize("plane", ["5", "-1", "x", "99999999999999999999", "%00"])
def test_a_plane_that_is_none_is_not_there(site, plane):
    """404, whatever is asked."""
    volume = told(site)["coronal"]["slices"][0][0].split("/")[0]
    assert site.get(f"{PAGE}/coronal/{volume}/{plane}").status == 404


def test_pixels_that_cannot_be_read_are_no_fault_of_the_server(site):
    """404; the other slices are shown."""
    name, _ = told(site)["coronal"]["slices"][0]
    broken = ct.series()[3]
    broken.PixelData = broken.PixelData[:50]
    site.log.encoded[3] = ct.encoded(broken)
    assert site.get(f"{PAGE}/coronal/{name}").status == 404
    assert site.get(f"{PAGE}/slices/{ct.ROOT}.1").status == 200


def test_slices_that_retention_removed_are_told_as_such(site):
    """410 with a sentence, which the page says too, in place of views that would stay empty."""
    name, _ = told(site)["coronal"]["slices"][0]
    site.log.removed = True
    answer = site.get(f"{PAGE}/slices.json")
    assert (answer.status, "no longer kept" in json.loads(answer.body)["error"]) == (410, True)
    assert site.get(f"{PAGE}/slices/{ct.ROOT}.1").status == 410
    assert site.get(f"{PAGE}/slices/1.2.3").status == 404
    assert site.get(f"{PAGE}/coronal/{name}").status == 404
    with chromium() as browser:
        window = Looker(browser, site.url)
        page = window.open(PAGE, until="body[data-ready]")
        expect(page.locator("#removed")).to_be_visible()
        for view in ("axial", "coronal"):
            expect(page.locator(f"#{view}")).to_be_hidden()
        window.close()


def at(page, view: str):
    """Which plane of a view is drawn."""
    expect(page.locator(f"#{view} canvas")).to_have_attribute("data-drawn", re.compile(r"\d+"))
    return page.locator(f"#{view} canvas")


def click(canvas, across: float, down: float) -> None:
    """At a place of a picture, told by its shares."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    canvas.click(position={"x": across * box["width"], "y": down * box["height"]})


def proportion(canvas) -> float:
    """Height by width, as it is seen."""
    box = canvas.bounding_box()
    return box["height"] / box["width"]


def test_a_slice_that_was_removed_is_not_there():
    """Neither as it was sent nor in another direction; the store is not away for that."""

    def removed(_path):
        raise Removed("the instance was removed from the spool")

    site = Site()
    site.put(LINE, analysis(2))
    site.start(slices=MemorySlices(), read=removed)
    try:
        views = told(site)
        for folder, view in (("slices", "axial"), ("coronal", "coronal")):
            assert site.get(f"{PAGE}/{folder}/{views[view]['slices'][0][0]}").status == 404
    finally:
        site.stop()


def test_slices_are_shown_where_no_nodule_is_reported():
    """Who doubts that there is none can look; nothing turns, for nothing is there to be turned."""
    site = Site()
    site.put(LINE, analysis(0))
    log = MemorySlices()
    site.start(slices=log, read=log.read)
    try:
        with chromium() as browser:
            window = Looker(browser, site.url)
            page = window.open(PAGE, until="body[data-ready]")
            expect(at(page, "axial")).to_have_attribute("data-drawn", "12")
            expect(at(page, "coronal")).to_have_attribute("data-drawn", "2")
            page.keyboard.press(".")
            expect(at(page, "axial")).to_have_attribute("data-drawn", "13")
            expect(page.locator("#lungs")).to_be_hidden()
            window.keep("no-nodule")
            assert [fault for fault in window.faults if "404" not in fault] == []
    finally:
        site.stop()


def test_axial_and_coronal_follow_each_other(site):
    """A nodule that is chosen moves both; a place that is clicked in one is looked at in the other."""
    with chromium() as browser:
        window = Looker(browser, site.url)
        page = window.open(PAGE, until="body[data-ready]")
        axial, coronal = at(page, "axial"), at(page, "coronal")
        for number, (slice_at, plane_at) in enumerate(((10, 2), (18, 4)), start=1):
            page.keyboard.press("j")
            expect(page.locator('tr[aria-current="true"] td').first).to_have_text(str(number))
            expect(axial).to_have_attribute("data-drawn", str(slice_at))
            expect(coronal).to_have_attribute("data-drawn", str(plane_at))
        click(coronal, 0.9, 1 - 2.5 / 24)
        expect(axial).to_have_attribute("data-drawn", "2")
        click(axial, 0.9, 0.1)
        expect(coronal).to_have_attribute("data-drawn", "0")
        expect(axial).to_have_attribute("data-cut", "0")
        for key, view, drawn in ((".", axial, 3), (",", axial, 2), ("b", coronal, 1), ("v", coronal, 0)):
            page.keyboard.press(key)
            expect(view).to_have_attribute("data-drawn", str(drawn))
        coronal.focus()
        page.keyboard.press("ArrowUp")
        expect(coronal).to_have_attribute("data-drawn", "1")
        page.keyboard.press("w")
        expect(coronal).to_have_attribute("data-window", "soft")
        expect(axial).to_have_attribute("data-window", "soft")
        assert proportion(axial) == pytest.approx(10 * 0.8 / (12 * 0.7), abs=0.05)
        assert proportion(coronal) == pytest.approx(24 / (12 * 0.7), abs=0.05)
        expect(page.locator("#removed")).to_be_hidden()
        assert [fault for fault in window.faults if "404" not in fault] == []
        window.close()
