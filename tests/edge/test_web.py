"""The page, asked as a browser asks: over HTTP from the running server."""

import asyncio
import io
import json
import os
import re
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from analyses import analysis, checked, refused, spread
from logging_state import put_back
from PIL import Image
from worklists import MemoryWorklist, status, waiting

from millet.core.analysis import Effusion, Outcome, Triage, TriageLevel
from millet.core.job import State
from millet.core.nodule import Side
from millet.core.reasons import Reason, Remark, Weight
from millet.edge.telemetry import configure
from millet.edge.web import Sources, WebServer
from millet.edge.web.application import ROWS

FORBIDDEN = re.compile(r"normal|negative", re.IGNORECASE)
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Site:
    """A running server on a free port, and what it shows."""

    def __init__(self) -> None:
        self.worklist = MemoryWorklist()
        self.reasons = {"journal": "", "model": ""}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.url = ""

    def start(self, *, show_patient: bool = False) -> None:
        """Serve from a thread of its own."""
        self.server = WebServer(
            Sources(
                worklist=self.worklist,
                ready=lambda: self.reasons,
                metrics=lambda: b"millet_x 1\n",
                show_patient=show_patient,
                destination="folder",
            )
        )
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.wait(self.server.start('127.0.0.1', 0))}"

    def wait(self, coroutine):
        """Run on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def stop(self) -> None:
        """Stop the server and its thread."""
        if self.url:
            self.wait(self.server.stop())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
        self.loop.close()

    def get(self, path: str) -> Answer:
        """Ask for a page."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that is not started yet."""
    made = Site()
    yield made
    made.stop()


def page_of(line) -> str:
    """The path of a series."""
    return f"/series/{line.key.site}/{line.key.series_uid}"


def filled(site: Site) -> None:
    """One series of every kind."""
    worklist = site.worklist
    mass = replace(spread(1)[0], number=1, diameter_mm=41.0, score=0.99)
    nodules = (mass, *(replace(n, number=n.number + 1) for n in spread(220)))
    critical = replace(
        analysis(2),
        nodules=nodules,
        effusions=(Effusion(side=Side.LEFT, volume_ml=180.0),),
        triage=Triage(
            level=TriageLevel.CRITICAL,
            reasons=("220 small nodules, evenly in both lungs: probable miliary pattern", "41 mm mass, left"),
        ),
    )
    line = worklist.put(status(1, triage=TriageLevel.CRITICAL, nodules=221, deliveries_pending=1), critical)
    for kind, size in (("mip-axial.png", (512, 380)), ("mip-coronal.png", (512, 420))):
        stream = io.BytesIO()
        Image.linear_gradient("L").resize(size).save(stream, "PNG")
        worklist.objects[line.key, kind] = stream.getvalue()
    worklist.put(status(2, triage=TriageLevel.URGENT, nodules=1, sex="F"), analysis(1))
    worklist.put(status(3, triage=TriageLevel.NOTABLE), analysis(2))
    none = {"triage": TriageLevel.UNFLAGGED, "nodules": 0, "outcome": Outcome.NONE_FOUND}
    worklist.put(status(4, **none), analysis(0))
    worklist.put(
        status(
            5,
            triage=TriageLevel.NOT_ASSESSED,
            outcome=Outcome.NOT_ANALYSED,
            state="not-analysed",
            reason_code="gantry-tilt",
            nodules=None,
        ),
        refused(),
    )
    worklist.put(waiting(6, "receiving"))
    worklist.put(waiting(7, "queued"))
    worklist.put(waiting(8, "analysing"))
    worklist.put(waiting(9, "parked"))


def test_the_worklist_shows_each_kind_of_series_in_its_own_way(site):
    """Unflagged, pending, not analysed and failed never look alike, by word as well as by colour."""
    filled(site)
    site.start()
    html = site.get("/").text
    rows = re.findall(
        r'<tr class="(\w+)">.*?class="badge (\w+)".*?</span>\s*(.*?)\s*</span>', html, re.DOTALL
    )
    assert {label: style for style, _, label in rows} == {
        "Critical": "critical",
        "Urgent": "urgent",
        "Notable": "notable",
        "Unflagged": "unflagged",
        "Not analysed": "refused",
        "Receiving": "pending",
        "Waiting": "pending",
        "Analysing": "pending",
        "Failed": "failed",
    }
    assert "Tilted gantry" in html
    assert "ACC0001" in html
    assert "…0001" in html
    assert "1961" in html


def test_an_alarm_stays_while_a_series_is_analysed_anew(site):
    """A late instance re-opens a critical series: the page says both, and which generation it shows."""
    line = site.worklist.put(status(1, triage=TriageLevel.CRITICAL, state="receiving"), analysis(2))
    site.start()
    for path in ("/", page_of(line)):
        html = site.get(path).text
        assert html.index("Critical") < html.index("Receiving")
    assert "of generation 1, before the latest instances came" in html


def test_the_worklist_says_how_far_a_series_has_come(site):
    """Instances while it arrives, windows as soon as there are any, and neither once it has ended."""
    site.worklist.put(waiting(1, "receiving"))
    windows = {"windows_done": 3, "windows_total": 7}
    site.worklist.put(replace(waiting(2, "receiving"), instances=120, stage="arriving", **windows))
    site.worklist.put(replace(waiting(3, "analysing"), stage="detect", **windows))
    site.worklist.put(replace(status(4), **windows), analysis(2))
    site.start()
    html = site.get("/").text
    assert html.count("400 instances so far") == html.count("120 instances so far") == 1
    assert html.count("120 instances so far, 3 of 7 windows looked at") == 1
    assert html.count("3 of 7 windows looked at") == 2


def test_a_changed_level_and_the_best_series_are_said(site):
    """The row says what the level was before late instances came, the series' page where it stands."""
    facts = {"best_series_uid": "1.2.826.0.1.1", "best_reason": "best of 2: thin slices"}
    line = site.worklist.put(status(1, triage_before=TriageLevel.CRITICAL, **facts), analysis(2))
    site.start()
    assert "2 nodules; was critical before late instances" in site.get("/").text
    assert "best of 2: thin slices" in site.get(page_of(line)).text


def test_a_count_that_is_not_reliable_is_said_beside_the_count(site):
    """Worklist and series page never show such a number by itself, and tell what speaks against it."""
    doubted = checked(analysis(2), Reason.READERS_DISAGREE)
    line = site.worklist.put(status(1, count_reliable=False), doubted)
    site.start()
    assert "2 nodules, count not reliable" in site.get("/").text
    page = site.get(page_of(line)).text
    assert "count not reliable" in page
    assert "a second reader counts otherwise: 18 and 204" in page
    assert "log/1: 204 small opacities, 2 reported" in page


def test_a_report_that_was_given_up_is_in_plain_sight(site):
    """An undelivered report never looks delivered, neither in the list nor on its page."""
    lost = site.worklist.put(status(1, deliveries_dead=2), analysis(2))
    sent = site.worklist.put(status(2), analysis(2))
    site.start()
    assert site.get("/").text.count("! 2 undelivered") == 1
    assert "! 2 undelivered, given up" in site.get(page_of(lost)).text
    assert "<dd>delivered" in site.get(page_of(sent)).text


def test_nothing_on_any_page_says_that_a_study_is_free_of_disease(site):
    """The words that a reader might trust too much are on no page."""
    filled(site)
    site.start()
    for path in ("/", "/nothing", *(page_of(line) for line in site.worklist.statuses.values())):
        assert not FORBIDDEN.search(site.get(path).text)
    for name in ("millet.css", "poll.js"):
        assert not FORBIDDEN.search(site.get(f"/static/{name}").text)


@pytest.mark.parametrize("show_patient", [False, True])
def test_a_name_is_on_the_pages_only_if_the_settings_say_so(site, show_patient):
    """Names in any script are shown when wanted, and whole IDs and birth dates never."""
    line = site.worklist.put(status(1, patient_name="王^小东=山田^太郎=김^희중"), analysis(2))
    site.start(show_patient=show_patient)
    for path in ("/", page_of(line)):
        html = site.get(path).text
        assert ("王^小东=山田^太郎=김^희중" in html) is show_patient
        assert line.patient_id not in html
        assert line.birth_date not in html


def test_everything_that_came_from_outside_is_escaped(site):
    """Whatever a sender writes into a header stays text."""
    evil = "<script>alert(1)</script>\"'&"
    facts = dict.fromkeys(("accession", "patient_name", "sex", "description", "sender", "study_date"), evil)
    remark = Remark(reason=Reason.GANTRY_TILT, weight=Weight.NOTE, detail=evil)
    found = replace(
        analysis(2),
        remarks=(remark,),
        triage=Triage(level=TriageLevel.NOTABLE, reasons=(evil,)),
        volumes=(replace(analysis(2).volumes[0], label=evil, why=evil),),
        not_assessed=(evil,),
    )
    line = site.worklist.put(status(1, **facts), found)
    site.start(show_patient=True)
    for path in ("/", page_of(line)):
        html = site.get(path).text
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;" in html


def test_a_name_that_utf8_cannot_carry_does_not_break_the_page(site):
    """Undecodable bytes of a name become marks; the row is there."""
    site.worklist.put(status(1, patient_name="M\udcfcller"), analysis(2))
    site.start(show_patient=True)
    answer = site.get("/")
    assert answer.status == 200
    assert "M?ller" in answer.text


def test_a_series_page_has_a_row_for_every_nodule(site):
    """2,500 nodules are 2,500 rows."""
    line = site.worklist.put(status(1, nodules=2500), replace(analysis(2), nodules=tuple(spread(2500))))
    site.start()
    html = site.get(page_of(line)).text
    numbers = re.findall(r"<tr><td>(\d+)</td><td>nodule</td>", html)
    assert [int(n) for n in numbers] == list(range(1, 2501))
    assert "Nodules: 2500" in html


def test_a_series_page_tells_level_reasons_remarks_and_provenance(site):
    """A reader sees why, what to mind, and what made it."""
    filled(site)
    site.start()
    html = site.get(page_of(status(1))).text
    assert html.index("Critical") < html.index("220 small nodules, evenly in both lungs")
    assert "Age of the patient unknown" in html
    assert "analysed, outside validated use" in html
    assert "Effusion left: 180 ml" in html
    assert "ab" * 32 in html
    assert "1 to deliver" in html
    refusal = site.get(page_of(status(5))).text
    assert "Tilted gantry" in refusal
    assert "Nodules:" not in refusal


def test_pictures_come_from_the_store_and_no_other_object_does(site):
    """Only the two pictures are served; the SR is not, nor what is not there."""
    filled(site)
    site.worklist.objects[status(1).key, "sr"] = b"DICM"
    site.start()
    picture = site.get(f"{page_of(status(1))}/mip-coronal.png")
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.body)).size == (512, 420)
    assert site.get(f"{page_of(status(1))}/sr").status == 404
    assert site.get(f"{page_of(status(2))}/mip-axial.png").status == 404


def test_a_page_polls_only_while_something_may_change(site):
    """A series in work refreshes itself; one that ended lies still."""
    filled(site)
    site.start()
    assert 'data-poll-s="2"' in site.get(page_of(status(8))).text
    assert 'data-poll-s="0"' in site.get(page_of(status(3))).text


def test_a_long_worklist_comes_in_pages_that_lose_nothing(site):
    """Every series is on one of the pages; a page number that is none shows the first."""
    for number in range(1, ROWS + 6):
        site.worklist.put(status(number), analysis(2))
    site.start()
    first, second = site.get("/?page=x").text, site.get("/?page=2").text
    found = re.findall(r"ACC\d{4}", first), re.findall(r"ACC\d{4}", second)
    assert [len(f) for f in found] == [ROWS, 5]
    assert len({*found[0], *found[1]}) == ROWS + 5
    assert "/?page=2" in first


def test_every_answer_forbids_foreign_content(site):
    """Pages, pictures, probes and errors carry the same security headers."""
    filled(site)
    site.start()
    for path in ("/", "/nothing", "/healthz", "/static/millet.css", "/series/default/9.9"):
        headers = {name.lower(): value for name, value in site.get(path).headers.items()}
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_pages_are_read_only(site):
    """There is nothing to post to."""
    site.start()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(f"{site.url}/", data=b"x", method="POST"), timeout=30)
    with caught.value:
        assert caught.value.code == 405


def test_a_store_that_fails_gives_a_page_that_says_so(site):
    """503 in words, without the error's own text; the page asks again."""
    site.worklist.broken = True
    site.start()
    answer = site.get("/")
    assert answer.status == 503
    assert "The store does not answer" in answer.text
    assert "PID" not in answer.text


def test_live_ready_and_started_are_three_answers(site):
    """Live from the first moment, ready while nothing is missing, started once ready was seen."""
    site.reasons = {"journal": "", "model": "not loaded yet"}
    site.start()
    probe = {name: f"/{name}z" for name in ("health", "ready", "startup")}
    assert site.get(probe["health"]).status == 200
    for name in ("ready", "startup"):
        answer = site.get(probe[name])
        assert answer.status == 503
        assert json.loads(answer.body)["reasons"] == {"model": "not loaded yet"}
    site.reasons = {"journal": "", "model": ""}
    assert site.get(probe["ready"]).status == 200
    site.reasons = {"journal": "locked"}
    assert site.get(probe["startup"]).status == 200
    assert site.get(probe["ready"]).status == 503


def test_metrics_are_served_as_prometheus_reads_them(site):
    """The exposition goes out as it was given."""
    site.start()
    answer = site.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.body == b"millet_x 1\n"


def test_a_taken_port_is_an_error(site):
    """Two servers never share a port in silence."""
    site.start()
    port = int(site.url.rpartition(":")[2])
    with pytest.raises(OSError, match="ddress already in use"):
        site.wait(WebServer(site.server.sources).start("127.0.0.1", port))


def test_every_state_has_a_mark(site):
    """No state of a series is without words."""
    for number, state in enumerate(State):
        site.worklist.put(waiting(number + 1, state.value))
    site.start()
    assert site.get("/").text.count('class="badge') == len(State)


@pytest.fixture
def browser():
    """A headless Chromium."""
    executable = shutil.which("chromium")
    if not executable:
        pytest.skip("chromium is not installed (Debian package chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=executable, args=FLAGS)
        yield made
        made.close()


def test_the_pages_fit_a_desk_and_a_phone_and_follow_changes(site, browser, tmp_path):
    """In a real browser nothing is wider than the window, nothing fails to load, and progress appears."""
    pictures = Path(os.environ.get("MILLET_TEST_PICTURES", tmp_path))
    filled(site)
    site.start()
    for width, height in ((1280, 900), (390, 844)):
        page = browser.new_page(viewport={"width": width, "height": height})
        faults = []
        page.on("console", lambda message, kept=faults: kept.append(message.text))
        page.on("pageerror", lambda error, kept=faults: kept.append(str(error)))
        for name, path in (("worklist", "/"), ("series", page_of(status(1)))):
            page.goto(site.url + path, wait_until="networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert len(page.screenshot(path=pictures / f"{name}-{width}.png", full_page=True)) > 10_000
        assert page.locator("table.nodules tbody tr").count() == 221
        assert page.evaluate("document.images[1].naturalWidth") == 512
        assert faults == []
        page.close()
    page = browser.new_page()
    page.goto(site.url + page_of(waiting(8, "analysing")))
    assert page.locator(".verdict.pending").count() == 1
    site.worklist.put(status(8), analysis(2))
    page.wait_for_selector("table.nodules", timeout=20_000)
    page.close()


def test_an_answer_names_its_request_and_so_does_the_log(site):
    """The name that the caller gave, or one of ours where that is none; the path is not in the line."""
    site.start()
    with put_back():
        stream = io.StringIO()
        configure("DEBUG", stream)
        asked = urllib.request.Request(f"{site.url}/series/a/1.2.3.4711", headers={"x-request-id": "page-7"})
        with pytest.raises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(asked, timeout=30)
        assert missing.value.headers["x-request-id"] == "page-7"
        odd = urllib.request.Request(f"{site.url}/healthz", headers={"x-request-id": "{no}"})
        with urllib.request.urlopen(odd, timeout=30) as answer:
            assert len(answer.headers["x-request-id"]) == 32
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (told,) = [line for line in lines if line.get("request") == "page-7"]
    assert (told["route"], told["status"]) == ("/series/{site}/{series_uid}", 404)
    assert "1.2.3.4711" not in stream.getvalue()
