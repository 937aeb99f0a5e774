"""The triage page in a real headless Chromium: what a reader does with it, and what it does by itself."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
import shown
from analyses import analysis
from browsers import DESK, PHONE, Looker, chromium
from characters import JUDGEMENT
from playwright.sync_api import expect
from sites import NOW, Site, page_of
from worklists import status, waiting

from millet.core.analysis import Outcome, Triage, TriageLevel
from millet.core.language import Language
from millet.core.worded import worded
from millet.edge.web import Voice

CRITICAL, URGENT, UNFLAGGED, REFUSED = (status(number) for number in (1, 2, 4, 5))


@pytest.fixture
def site():
    """A site with one series of every look."""
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
def look(browser, site):
    """A way to open windows; none may complain."""
    opened = []

    def window(size=DESK, **context) -> Looker:
        opened.append(Looker(browser, site.url, size, **context))
        return opened[-1]

    yield window
    for one in opened:
        one.close()


def numbers(page):
    """Where the accession numbers of the list stand, from the top."""
    return page.locator("table.worklist td strong").filter(has_text="ACC")


def order(page) -> list[str]:
    """The accession numbers of a list that has been loaded, from the top."""
    return numbers(page).all_inner_texts()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("worklist", "/"),
        ("series", page_of(CRITICAL)),
        ("unflagged", page_of(UNFLAGGED)),
        ("refused", page_of(REFUSED)),
        ("pending", page_of(status(8))),
        ("acknowledge", f"{page_of(CRITICAL)}/acknowledge?back=/"),
        ("nothing", "/nothing"),
    ],
)
def test_each_page_fits_and_has_no_barrier(site, look, name, path, size):
    """Nothing is wider than a desk's or a phone's window, nothing fails, and axe finds nothing to say."""
    for kind in ("mip-axial.png", "mip-coronal.png"):
        site.worklist.objects[UNFLAGGED.key, kind] = site.worklist.objects[CRITICAL.key, kind]
    fits(look(size), name, path)


def fits(window, name: str, path: str):
    """Open a page, keep its picture, and hold it to what every page is held to."""
    page = window.open(path, until="h1")
    if name.startswith("series"):
        page.wait_for_selector("body[data-ready]")
    window.keep(name)
    assert window.overflow() <= 0
    assert window.barriers() == []
    assert [fault for fault in window.faults if "404" not in fault] == []
    return page


@pytest.fixture
def german(browser):
    """A way to open windows on a site that speaks German, with one series of every look in German."""
    made, opened = Site(), []
    shown.filled(made)
    words = worded(replace(made.worklist.analyses[CRITICAL.key], language=Language.GERMAN))
    made.put(made.worklist.statuses[CRITICAL.key], words)
    made.start(voice=Voice(Language.GERMAN))

    def window(size) -> Looker:
        opened.append(Looker(browser, made.url, size))
        return opened[-1]

    yield window
    for one in opened:
        one.close()
    made.stop()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_each_page_fits_in_german(german, size):
    """Where words are longer: the list, a series, what was not analysed, and the form."""
    window = german(size)
    page = fits(window, "worklist-de", "/")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("#line")).to_have_text("Live")
    expect(page.locator("tr.critical").first).to_contain_text("02.01.2026")
    fits(window, "refused-de", page_of(REFUSED))
    fits(window, "acknowledge-de", f"{page_of(CRITICAL)}/acknowledge?back=/")
    page = fits(window, "series-de", page_of(CRITICAL))
    expect(page.locator("#nodules tbody")).to_contain_text("34,0")
    expect(page.locator("#nodules tbody")).to_contain_text("gewachsen")
    expect(page.locator("#seen-from")).to_have_text("von vorn")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_contain_text("nächster Rundherd")


ENGLISH = {"notable", "nodule", "nodules", "the", "of", "and", "is", "not", "to", "left", "right", "prior"}
"""Words that no German sentence has."""


def test_a_german_page_says_nothing_in_english(german):
    """Neither in the list nor on the page of a series, but for what came in and what was kept in English."""
    window, exam = german(DESK), shown.exam(220)
    judged, *_ = exam.judgements
    kept = [
        *(*exam.triage.reasons, *exam.not_assessed, judged.source, judged.meaning),
        *(text for volume in exam.volumes for text in (volume.label, volume.why)),
    ]
    for path in (page_of(CRITICAL), page_of(status(8)), f"{page_of(CRITICAL)}/acknowledge"):
        said = window.open(path, until="h1").locator("body").inner_text()
        for text in kept:
            said = said.replace(text, "")
        assert not ENGLISH & set(re.findall(r"[a-z]+", said)), path


def test_a_row_is_opened_by_keys_alone(look):
    """J and k walk, Enter opens, u comes back; the focus is to be seen."""
    window = look()
    page = window.open("/")
    first, second = order(page)[:2]
    for key in "jjk":
        page.keyboard.press(key)
    focused = page.locator("tr:focus-within")
    expect(focused).to_contain_text(first)
    assert focused.evaluate("row => getComputedStyle(row).outlineStyle") == "solid"
    page.keyboard.press("j")
    expect(focused).to_contain_text(second)
    page.keyboard.press("Enter")
    expect(page.locator(".facts").first).to_contain_text(second)
    page.wait_for_selector('body[data-state="live"]')
    page.keyboard.press("u")
    expect(numbers(page)).to_have_count(10)


def test_single_keys_can_be_turned_off(look):
    """Who speaks to the machine would trigger them (WCAG 2.1.4): the choice is kept."""
    page = look().open("/")
    page.keyboard.press("?")
    page.get_by_label("Single keys do this").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.wait_for_selector('body[data-state="live"]')
    page.keyboard.press("j")
    expect(page.locator("tr:focus-within")).to_have_count(0)


def test_the_list_is_filtered_by_level_state_and_text(look):
    """Each filter narrows by itself, f leads to the text, and one link shows all again."""
    window = look()
    page = window.open("/")
    page.get_by_label("Level").select_option("urgent")
    page.wait_for_url("**level=urgent**")
    expect(numbers(page)).to_have_text(["ACC0002"])
    page.get_by_role("link", name="Show all").click()
    page.wait_for_url(window.url + "/")
    page.get_by_label("State").select_option("failed")
    page.wait_for_url("**state=failed**")
    expect(numbers(page)).to_have_text(["ACC0009"])
    window.open("/")
    page.keyboard.press("f")
    page.keyboard.type("acc0003")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=acc0003**")
    expect(numbers(page)).to_have_text(["ACC0003"])
    page.keyboard.press("f")
    page.keyboard.press("Control+a")
    page.keyboard.type("0004")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=0004**")
    expect(numbers(page)).to_have_text(["ACC0004"])


def test_a_person_acknowledges_a_study_by_name(site, look):
    """The form names the study; who and when stand in the row, and what was overdue is no more."""
    window = look()
    page = window.open("/")
    expect(page.locator("#alarms")).to_contain_text("1 critical, not acknowledged within 15 min")
    page.keyboard.press("j")
    page.keyboard.press("a")
    form = page.locator("dialog form.acknowledge")
    form.wait_for()
    said = form.inner_text()
    assert all(word in said for word in ("ACC0001", "2026-01-02", "…0001", "1961", "Critical"))
    window.keep("acknowledging")
    assert window.barriers() == []
    page.keyboard.type("Dr Anna Weiß")
    page.keyboard.press("Enter")
    expect(page.locator("tr.done")).to_contain_text("Dr Anna Weiß (as typed)")
    expect(numbers(page).last).to_have_text("ACC0001")
    expect(page.locator("#alarms")).not_to_contain_text("critical")
    kept = site.worklist.statuses[CRITICAL.key].acknowledgement
    assert (kept.by.name, kept.by.recognised, kept.at_utc) == ("Dr Anna Weiß", False, NOW)


@pytest.mark.parametrize(
    ("language", "said"),
    [(Language.ENGLISH, "No series is chosen"), (Language.GERMAN, "Keine Serie ist gewählt")],
    ids=str,
)
def test_no_study_is_acknowledged_that_nobody_chose(site, german, look, language, said):
    """Without a chosen row `a` opens nothing and says so, to screen readers too; with one it does."""
    window = look() if language is Language.ENGLISH else german(DESK)
    page = window.open("/")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "acknowledge" in request.url else None)
    page.keyboard.press("a")
    expect(page.get_by_role("status").filter(has_text=said)).to_be_visible()
    window.keep(f"unchosen-{language}")
    assert asked == []
    assert window.barriers() == []
    page.keyboard.press("j")
    expect(page.locator("#hint")).to_be_empty()
    page.keyboard.press("a")
    expect(page.locator("dialog form.acknowledge")).to_contain_text("ACC0001")


def test_the_page_follows_by_itself(site, look):
    """A series that becomes critical comes to the top without a key, and the focus stays on its row."""
    page = look().open("/")
    page.locator('a.open[href$="1.8"]').focus()
    told = Triage(level=TriageLevel.CRITICAL, reasons=("probable miliary pattern",))
    line = status(8, triage=TriageLevel.CRITICAL, triage_reason=told.reasons[0], analysed_utc=NOW)
    early = replace(line, first_received_utc=NOW - timedelta(days=1))
    site.put(early, replace(analysis(2), triage=told))
    expect(page.locator("tbody tr:first-child")).to_contain_text("ACC0008")
    expect(page.locator("tr:focus-within")).to_contain_text("probable miliary pattern")


def test_progress_is_written_into_the_row(site, look):
    """A series that has only come further does not load the page anew."""
    page = look().open("/")
    loads = []
    page.on("request", lambda request: loads.append(request.url))
    site.put(replace(waiting(6, "receiving"), instances=123))
    page.get_by_text("123 instances so far").wait_for()
    assert loads == []


def test_nothing_is_asked_for_while_nothing_changes(look):
    """The page waits to be told: there is no polling."""
    page = look().open("/")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(5000)
    assert asked == []


def test_a_lost_connection_is_said_and_mended(site, look):
    """Across the top while the service is away; afterwards what was missed is there."""
    window = look()
    page = window.open("/")
    site.close()
    page.wait_for_selector('body[data-state="lost"]')
    expect(page.locator("#line")).to_contain_text("Connection lost at")
    window.keep("lost")
    told = Triage(level=TriageLevel.CRITICAL, reasons=("while nobody listened",))
    line = status(9, triage=TriageLevel.CRITICAL, triage_reason=told.reasons[0])
    site.worklist.put(replace(line, revision=site.worklist.revision() + 1), replace(analysis(2), triage=told))
    site.open()
    page.wait_for_selector('body[data-state="live"]')
    page.get_by_text("while nobody listened").wait_for()


def test_a_store_that_does_not_answer_is_said(site, look):
    """The page keeps what it shows and says that it may be old, until the store is back."""
    page = look().open("/")
    site.worklist.broken = True
    page.get_by_text("The store does not answer").wait_for()
    expect(page.locator("table.worklist tbody tr")).to_have_count(10)
    site.worklist.broken = False
    page.get_by_text("The store does not answer").wait_for(state="detached")


def test_the_lungs_turn_by_hand_and_by_key(look):
    """Dragging and arrow keys turn them, what is drawn changes, and words say from where they are seen."""
    window = look()
    page = window.open(page_of(CRITICAL), until="body[data-ready]")
    canvas = page.locator("#lungs")
    canvas.scroll_into_view_if_needed()
    expect(canvas).to_have_attribute("data-round", re.compile(r"\d"))
    before, front = canvas.screenshot(), canvas.get_attribute("data-round")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 200, steps=6)
    page.mouse.up()
    page.locator(f'#lungs:not([data-round="{front}"])').wait_for()
    window.keep("turned")
    assert canvas.screenshot() != before
    expect(page.locator("#seen-from")).to_have_text("from the front and the patient's right")
    canvas.focus()
    for _ in range(24):
        page.keyboard.press("ArrowLeft")
    page.get_by_text("from the patient's left", exact=True).wait_for()
    page.keyboard.press("0")
    page.locator("#seen-from").get_by_text("from the front", exact=True).wait_for()


def test_who_wants_less_motion_gets_steps(look):
    """`t` turns by itself, or by one step where motion is not wanted."""
    page = look().open(page_of(CRITICAL), until="body[data-ready]")
    page.keyboard.press("t")
    page.get_by_text("from the patient's left", exact=True).wait_for()
    page.keyboard.press("t")
    still = look(reduced_motion="reduce").open(page_of(CRITICAL), until="body[data-ready]")
    still.keyboard.press("t")
    still.locator('#lungs[data-round="0.524"]').wait_for()
    still.wait_for_timeout(500)
    assert still.locator("#lungs").get_attribute("data-round") == "0.524"


def test_a_nodule_is_chosen_in_the_table_and_all_around(look):
    """Walked to by j and k, the row says that it is chosen; a head sorts, and sorts the other way."""
    page = look().open(page_of(CRITICAL), until="body[data-ready]")
    for _ in range(3):
        page.keyboard.press("j")
    expect(page.locator('tr[aria-current="true"] td').first).to_have_text("3")
    page.get_by_role("button", name="Diameter mm").click()
    page.get_by_role("button", name="Diameter mm").click()
    expect(page.locator("tr[data-index] td:nth-child(5)").first).to_have_text("34.0")


def test_the_table_shows_every_nodule_of_thousands(site, look):
    """Scrolled to its end the last one is there, while only those that are seen are rows of the page."""
    exam = shown.exam(4999)
    site.put(status(1, triage=TriageLevel.CRITICAL, nodules=5000), exam)
    page = look().open(page_of(CRITICAL), until="body[data-ready]")
    table = page.locator("#nodules")
    assert table.locator("table").get_attribute("aria-rowcount") == "5001"
    table.evaluate("held => { held.scrollTop = held.scrollHeight; }")
    page.locator('tr[aria-rowindex="5001"]').wait_for()
    assert page.locator("tr[data-index]").count() < 100


def test_a_judged_report_shows_its_criteria_and_no_images(site, look):
    """What somebody else's report came to, condition by condition, and nothing of a CT."""
    judged = replace(analysis(0), outcome=Outcome.JUDGED, judgements=(JUDGEMENT,), pattern=None, lungs=None)
    site.put(status(2, triage=TriageLevel.URGENT, nodules=0, outcome=Outcome.JUDGED), judged)
    window = look()
    page = window.open("/")
    expect(page.locator("tr").filter(has_text="ACC0002")).to_contain_text(
        "a report of others, judged by criteria"
    )
    page = window.open(page_of(URGENT), until="h1")
    expect(page.locator("section.panel").first).to_contain_text(JUDGEMENT.criteria)
    expect(page.locator("section.view, section.found")).to_have_count(0)
    window.keep("judged")
    assert window.barriers() == []
    assert window.faults == []


def test_the_worklist_is_read_without_scripts(look):
    """List, filters and acknowledging work where scripts are off; the page comes anew by itself."""
    window = look(java_script_enabled=False)
    page = window.open("/", until="table.worklist")
    expect(numbers(page)).to_have_count(10)
    page.get_by_label("Level").select_option("critical")
    page.get_by_role("button", name="Filter").click()
    expect(numbers(page)).to_have_text(["ACC0001"])
    page.locator("a.acknowledge").click()
    page.get_by_label("Your name").fill("Dr Ben Roth")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("table.worklist")).to_contain_text("Dr Ben Roth")
    page.goto(window.url + page_of(CRITICAL))
    page.locator("nav.parts a").last.click()
    expect(page.locator("table.nodules tbody tr td").first).to_have_text("101")
