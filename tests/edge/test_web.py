"""The page, asked as a browser asks: over HTTP from the running server."""

import io
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from analyses import analysis, checked, spread
from logging_state import put_back
from PIL import Image
from shown import filled
from sites import Site, page_of
from worklists import status, waiting

from millet.core.analysis import Triage, TriageLevel
from millet.core.job import State
from millet.core.reasons import Reason, Remark, Weight
from millet.edge import web
from millet.edge.telemetry import configure
from millet.edge.web import WebServer
from millet.edge.web.choice import ROWS

FORBIDDEN = re.compile(r"normal|negative", re.IGNORECASE)


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that is not started yet."""
    made = Site()
    yield made
    made.stop()


def test_the_worklist_shows_each_kind_of_series_in_its_own_way(site):
    """Unflagged, pending, not analysed and failed never look alike, by word as well as by colour."""
    filled(site)
    site.start()
    html = site.get("/").text
    rows = re.findall(
        r'<tr class="(\w+)[^>]*>.*?class="badge (\w+)".*?</span>\s*(.*?)\s*</span>', html, re.DOTALL
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
    ended = site.worklist.put(status(3, deliveries_dismissed=1), analysis(2))
    site.start()
    assert site.get("/").text.count("! 2 undelivered") == 1
    assert "! 2 undelivered, given up" in site.get(page_of(lost)).text
    page = site.get(page_of(ended)).text
    assert "<dd>not all delivered" in page
    assert "1 undelivered, dismissed by an operator" in page
    assert "<dd>delivered" in site.get(page_of(sent)).text


def test_nothing_on_any_page_says_that_a_study_is_free_of_disease(site):
    """The words that a reader might trust too much are on no page."""
    filled(site)
    site.start()
    for path in ("/", "/nothing", *(page_of(line) for line in site.worklist.statuses.values())):
        assert not FORBIDDEN.search(site.get(path).text)
    for file in (Path(web.__file__).parent / "static").iterdir():
        assert not FORBIDDEN.search(site.get(f"/static/{file.name}").text)


@pytest.mark.parametrize("show_patient", [False, True])
def test_a_patient_is_named_on_the_pages_only_if_the_settings_say_so(site, show_patient):
    """Names in any script when wanted; whole ID and birth date on the page of a series alone."""
    line = site.worklist.put(status(1, patient_name="王^小东=山田^太郎=김^희중"), analysis(2))
    site.start(show_patient=show_patient)
    for path in ("/", page_of(line), f"{page_of(line)}/acknowledge"):
        html = site.get(path).text
        assert ("王^小东=山田^太郎=김^희중" in html) is show_patient
        assert (line.patient_id in html) is (show_patient and path == page_of(line))
        assert ("1961-02-03" in html) is (show_patient and path == page_of(line))
        assert line.birth_date not in html


def test_a_whole_id_is_looked_for_by_those_who_may_see_it(site):
    """Nobody else can find out by asking whether a patient was here; the last four characters are enough."""
    line = site.worklist.put(status(1), analysis(2))
    site.start()
    assert "ACC0001" in site.get(f"/?q={line.patient_id[-4:]}").text
    assert "ACC0001" not in site.get(f"/?q={line.patient_id}").text


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
    for path in ("/", page_of(line), f"{page_of(line)}/acknowledge?back=/%3Fq=%3Cscript%3Ealert(1)"):
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


def test_a_series_page_shows_every_nodule_part_by_part(site):
    """2,500 nodules are 2,500 rows behind links, and 2,500 in what the script gets."""
    line = site.worklist.put(status(1, nodules=2500), replace(analysis(2), nodules=tuple(spread(2500))))
    site.start()
    numbers, path = [], page_of(line)
    while path:
        html = site.get(path).text
        numbers += [
            int(n) for n in re.findall(r"<tr><td>(\d+)</td><td>(?:left|right)</td><td>nodule</td>", html)
        ]
        further = re.search(r'<a href="([^"#]+)#found-head">\d+ and further', html)
        path = further and further[1]
    assert numbers == list(range(1, 2501))
    assert "Nodules: 2500" in html
    columns = json.loads(site.get(f"{page_of(line)}/found.json").body)["nodules"]
    assert {len(column) for column in columns.values()} == {2500}
    assert columns["number"] == numbers


def test_the_script_gets_the_lungs_where_they_were_kept(site):
    """Points with directions and sides; none for an exam without them, or where they are damaged."""
    filled(site)
    site.start()
    path, key = page_of(status(1)), status(1).key
    lungs = json.loads(site.get(f"{path}/found.json").body)["lungs"]
    assert len(lungs["points_mm"]) == len(lungs["outward"]) == len(lungs["side"]) == 500
    site.worklist.objects[key, "outline.json"] = b"{}"
    assert json.loads(site.get(f"{path}/found.json").body)["lungs"] is None
    assert site.get(f"{page_of(status(8))}/found.json").status == 404


def test_a_series_page_tells_level_reasons_remarks_and_provenance(site):
    """A reader sees why, what to mind, and what made it."""
    filled(site)
    site.start()
    html = site.get(page_of(status(1))).text
    assert html.index("Critical") < html.index("definite miliary pattern (LMP-3, a proposal): 221 nodules")
    assert "miliary pattern: clinical evaluation now" in html
    assert "94 days before" in html
    assert "lymph nodes" in html
    assert "Age of the patient unknown" in html
    assert "analysed, outside validated use" in html
    assert "Effusion left: 180 mL" in html
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


def test_a_long_worklist_comes_in_pages_that_lose_nothing(site):
    """Every series is on one of the pages; a page number that is none shows the first."""
    for number in range(1, ROWS + 6):
        site.worklist.put(status(number), analysis(2))
    site.start()
    first, second = site.get("/?page=x").text, site.get("/?page=2").text
    found = [re.findall(r"<strong>(ACC\d{4})</strong>", html) for html in (first, second)]
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
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers


def test_nothing_but_an_acknowledgement_is_taken(site):
    """There is nothing else to post to."""
    filled(site)
    site.start()
    for path in ("/", page_of(status(1)), "/events", "/openapi.json"):
        assert site.post(path, b"x").status == 405


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


def test_that_nothing_was_compared_is_said_once(site):
    """Under the prior, and not again among what was not assessed."""
    left_out = ("lymph nodes", "change since a prior study")
    site.put(status(1), replace(analysis(2), not_assessed=left_out))
    site.start()
    html = site.get(page_of(status(1))).text
    assert "No prior was asked for" in html
    assert "lymph nodes" in html
    assert "change since a prior study" not in html
