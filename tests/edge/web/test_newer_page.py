"""A page that is open while the service is restarted with another release, in a real headless Chromium."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import shown
from browsers import DESK, Looker, chromium
from playwright.sync_api import expect
from sites import Site

from millet.core.language import Language
from millet.edge.web import Voice
from millet.edge.web.release import HERE, PARTS, release

OURS, OTHER = Voice(), Voice(Language.GERMAN)
"""A service that speaks another language has other words for its scripts: another release."""


@pytest.fixture
def site():
    """A site with one series of every look, in English."""
    made = Site()
    shown.filled(made)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all."""
    with chromium() as made:
        yield made


@pytest.fixture
def window(browser, site):
    """A window that may complain of nothing but the connection that was lost."""
    made = Looker(browser, site.url, DESK)
    yield made
    assert [fault for fault in made.faults if "ERR_" not in fault] == []
    made.close()


def restart(site, voice: Voice) -> None:
    """Be away, and come back as the release with these words."""
    site.close()
    site.sources = replace(site.sources, voice=voice)
    site.open()


def is_of(page, voice: Voice) -> None:
    """Wait until a page is of a release, words and scripts, and hears of changes."""
    expect(page.locator("body")).to_have_attribute("data-release", release(voice))
    expect(page.locator("html")).to_have_attribute("lang", voice.language.value)
    page.wait_for_selector('body[data-state="live"]')


def test_an_open_page_comes_anew_with_the_scripts_of_another_release(site, window):
    """By itself, with filters and the chosen row; what lies still is asked for again and kept nowhere."""
    page = window.open("/?days=14")
    page.keyboard.press("j")
    page.keyboard.press("j")
    chosen = page.locator("tr:focus-within").get_attribute("data-series")
    asked = []
    page.on("response", lambda answer: asked.append(answer) if "/static/" in answer.url else None)
    restart(site, OTHER)
    is_of(page, OTHER)
    assert page.url.endswith("/?days=14")
    expect(page.locator("tr:focus-within")).to_have_attribute("data-series", chosen)
    scripts = {answer.url.rpartition("/")[2]: answer for answer in asked}
    assert {"live.js", "worklist.js", "millet.css"} <= set(scripts)
    assert {(one.status, one.headers["cache-control"]) for one in scripts.values()} == {(200, "no-store")}


def test_the_same_release_that_comes_back_loads_no_page_anew(site, window):
    """A restart, or a connection that was lost, takes nothing from whoever reads."""
    page = window.open("/")
    page.evaluate("window.kept = true")
    site.close()
    page.wait_for_selector('body[data-state="lost"]')
    site.open()
    page.wait_for_selector('body[data-state="live"]')
    assert page.evaluate("window.kept")
    expect(page.locator("#newer")).to_be_empty()


def open_form(page) -> None:
    """The form of an acknowledgement, with half a name in it."""
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.get_by_label("Your name").fill("Dr An")


def search(page) -> None:
    """Half a number in the filter."""
    page.keyboard.press("f")
    page.keyboard.type("ACC0")


@pytest.mark.parametrize(
    ("begin", "held"), [(open_form, "input[name=by]"), (search, "input[name=q]")], ids=["form", "filter"]
)
def test_what_is_being_typed_is_not_taken_away(site, window, begin, held):
    """The page says that there is a newer one, and loads it when a person says so."""
    page = window.open("/")
    begin(page)
    typed = page.locator(held).input_value()
    restart(site, OTHER)
    newer = page.get_by_role("status").filter(has_text="There is a newer version of this page")
    newer.wait_for(state="attached")
    window.keep(f"newer-{begin.__name__}")
    assert (page.locator(held).input_value(), page.locator("html").get_attribute("lang")) == (typed, "en")
    assert window.barriers() == []
    if page.locator("dialog[open]").count():
        page.keyboard.press("Escape")
    newer.get_by_role("button", name="Load it").click()
    is_of(page, OTHER)


def test_two_releases_at_one_address_do_not_load_a_page_for_ever(site, window):
    """After it came anew it asks before it does so again."""
    page = window.open("/")
    restart(site, OTHER)
    is_of(page, OTHER)
    restart(site, OURS)
    page.get_by_role("button", name="Laden").click()
    is_of(page, OURS)


def test_any_file_of_the_page_makes_another_release(tmp_path):
    """A byte of a script or a template is enough; the same files are the same release."""
    for part in PARTS:
        shutil.copytree(HERE / part, tmp_path / part)
    assert release(OURS, tmp_path) == release(OURS) != release(OTHER)
    for path in ("static/live.js", "pages/worklist.html"):
        before = release(OURS, tmp_path)
        with (tmp_path / path).open("ab") as file:
            file.write(b"\n")
        assert release(OURS, tmp_path) != before
