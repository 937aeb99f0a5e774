"""Signing in with a browser: over HTTP, and in a real headless Chromium."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
import shown
from browsers import DESK, PHONE, Looker, chromium
from gates import MemoryGate
from issuers import SigningIssuer
from playwright.sync_api import expect
from sites import Site, page_of
from starlette.responses import Response
from worklists import status

from millet.core.attempts import MOST
from millet.core.language import Language
from millet.core.roles import Role, verdict
from millet.edge.oidc import Code, Issuer, Oidc
from millet.edge.web import Voice, WebDoor
from millet.edge.web.cookie import LONGEST_TOKEN, keep, token_of
from millet.edge.web.elsewhere import ASKED_AT_ONCE
from millet.ports import Answer, Ask, Begun

PAGE = page_of(status(1))
HTML = {"accept": "text/html,*/*"}


@pytest.fixture
def site():
    """A site whose gate knows three tokens."""
    made = Site()
    made.gate = MemoryGate()
    shown.filled(made)
    yield made
    made.stop()


def start(site, **facts) -> None:
    """Serve."""
    site.start(WebDoor(gate=site.gate), **facts)


def ask(site, path, method="GET", body="", **headers):
    """One request: status, headers and text."""
    line = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    line.request(method, path, body=body or None, headers=named)
    answer = line.getresponse()
    text = answer.read().decode()
    line.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


def sign_in(site, token, back="/"):
    """What becomes of a token."""
    return ask(site, "/signin", "POST", urlencode({"token": token, "back": back}))


def test_a_person_is_asked_for_a_token_and_a_program_told_to_show_one(site):
    """The answer to the page itself, 401 for both, with the address in the form."""
    start(site)
    code, headers, text = ask(site, f"{PAGE}?from=101", **HTML)
    assert (code, headers["www-authenticate"]) == (401, "Bearer")
    assert f'name="back" value="{PAGE}?from=101"' in text
    assert 'http-equiv="refresh"' not in text
    code, headers, text = ask(site, PAGE)
    assert (code, headers["content-type"].split(";")[0]) == (401, "text/plain")


def test_a_token_becomes_a_cookie_that_opens_the_pages_of_its_role(site):
    """Unreadable for scripts, never sent from other sites; with it the page greets whom the gate knows."""
    start(site)
    code, headers, _ = sign_in(site, " viewer-token\n", PAGE)
    assert (code, headers["location"]) == (303, PAGE)
    cookie, *facts = headers["set-cookie"].split("; ")
    assert {fact.lower() for fact in facts} == {"httponly", "samesite=strict", "path=/", "max-age=43200"}
    assert "viewer-token" not in cookie
    code, _, text = ask(site, PAGE, cookie=cookie)
    assert code == 200
    assert "Signed in as viewer (viewer)" in text
    assert "/signout" in text
    assert ask(site, f"{PAGE}/acknowledge", cookie=cookie)[0] == 403
    assert ask(site, "/", cookie=cookie, authorization="Bearer nobody's")[0] == 401
    assert ("viewer", "POST /signin", "") in site.gate.given


def test_who_came_by_a_token_of_a_program_has_nothing_to_sign_out_of(site):
    """The page says who it is, and offers no button that would do nothing."""
    start(site)
    text = ask(site, PAGE, authorization="Bearer reader-token")[2]
    assert "Signed in as reader" in text
    assert "Sign out" not in text


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil", "", "/signin?back=/"])
def test_nobody_is_led_elsewhere(site, back):
    """An address of another server, or none, leads to the worklist."""
    start(site)
    headers = sign_in(site, "viewer-token", back)[1]
    assert headers["location"] in {"/", "/signin?back=/"}
    assert 'name="back" value="/"' in ask(site, f"/signin?{urlencode({'back': back})}")[2]


@pytest.mark.parametrize("token", ["", "nobody's", "viewer-token2", "é\u2028", "x" * (LONGEST_TOKEN + 1)])
def test_a_token_that_is_not_known_opens_nothing(site, token):
    """The form comes again and says why; nothing is kept in the browser."""
    start(site)
    code, headers, text = sign_in(site, token, PAGE)
    assert code == 401
    assert "set-cookie" not in headers
    assert 'role="alert"' in text
    assert f'value="{PAGE}"' in text


def test_who_fails_too_often_has_to_wait(site):
    """Even with the right token, and is told for how long; who is signed in goes on."""
    start(site)
    cookie = sign_in(site, "viewer-token")[1]["set-cookie"].split(";")[0]
    assert [sign_in(site, f"guess {k}")[0] for k in range(MOST)] == [401] * MOST
    code, headers, _ = sign_in(site, "viewer-token")
    assert code == 429
    assert 0 < int(headers["retry-after"]) <= 300
    assert ask(site, "/", cookie=cookie)[0] == 200


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"}])
def test_nobody_is_signed_in_or_out_from_another_site_s_page(site, headers):
    """Neither as somebody else."""
    start(site)
    for path in ("/signin", "/signout"):
        assert ask(site, path, "POST", "token=viewer-token", **headers)[0] == 403


@pytest.mark.parametrize("body", ["token=%ff%fe\xff", "&".join(f"a{k}=1" for k in range(20))])
def test_what_is_no_form_is_refused(site, body):
    """400."""
    start(site)
    assert ask(site, "/signin", "POST", body.encode("latin-1"))[0] == 400


@pytest.mark.parametrize("held", ["millet=%%%", "millet=w6k", "millet==", "millet=gICA", "x"])
def test_a_cookie_that_is_none_is_nobody_s(site, held):
    """401, as without one."""
    start(site)
    assert ask(site, "/", cookie=held)[0] == 401


def test_over_tls_the_cookie_is_bound_to_the_host():
    """Its name says so, and browsers hold it to that; the one of plain HTTP is not taken there."""
    answer = Response()
    keep(answer, "tökén", "https")
    held = answer.headers["set-cookie"]
    assert held.startswith("__Host-millet=")
    assert "Secure" in held
    assert "Domain" not in held
    assert token_of(held.split(";")[0], "https") == "tökén"
    assert token_of(held.split(";")[0].removeprefix("__Host-"), "https") == ""


def test_where_nobody_is_asked_for_the_form_leads_on(site):
    """Without a gate there is nothing to sign in to."""
    site.start()
    assert sign_in(site, "anything", PAGE)[1]["location"] == PAGE


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all."""
    with chromium() as made:
        yield made


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_form_fits_and_has_no_barrier(site, browser, size, language):
    """As every page."""
    start(site, voice=Voice(language))
    window = Looker(browser, site.url, size)
    page = window.open(PAGE, until="h1")
    expect(page.locator("input[name=token]")).to_be_focused()
    window.keep(f"signin-{language}")
    assert window.overflow() <= 0
    assert window.barriers() == []
    window.close()


def test_a_person_signs_in_comes_back_and_signs_out(site, browser):
    """From the page that was asked for to that page; what is read is of the role; out again by a button."""
    start(site, show_patient=True, show_to=Role.READER)
    window = Looker(browser, site.url)
    page = window.open(PAGE, until="h1")
    page.get_by_label("Token").fill("nobody's")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not known")
    page.get_by_label("Token").fill("reader-token")
    page.keyboard.press("Enter")
    expect(page.locator(".who")).to_contain_text("Signed in as reader (reader)")
    assert page.url == site.url + PAGE
    expect(page.locator(".facts").first).to_contain_text("Müller^Jürgen")
    expect(page.locator("body")).to_have_attribute("data-state", "live")
    assert page.evaluate("document.cookie") == ""
    expect(page.locator("body")).to_have_attribute("data-ready", "1")
    window.keep("signed-in")
    assert window.overflow() <= 0
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    assert window.context.cookies() == []
    window.close()


def test_a_link_of_another_site_finds_who_is_signed_in(site, browser):
    """It comes without the cookie, and the page asks again by itself; who is not signed in gets the form."""
    start(site)
    window = Looker(browser, site.url)
    page = window.page
    elsewhere = site.url.replace("127.0.0.1", "localhost")
    for signed_in in (False, True):
        if signed_in:
            page.get_by_label("Token").fill("viewer-token")
            page.keyboard.press("Enter")
            expect(page.locator(".who")).to_be_visible()
        page.goto(f"{elsewhere}/static/icon.svg")
        page.evaluate("address => { location.href = address; }", site.url + PAGE)
        expect(page.locator(".who" if signed_in else "input[name=token]")).to_be_visible()
    window.close()


def test_who_is_no_longer_known_is_asked_again_where_they_are(site, browser):
    """An open page whose token ends leads to the form, and from there back to itself."""
    start(site)
    window = Looker(browser, site.url)
    page = window.open(PAGE, until="h1")
    page.get_by_label("Token").fill("viewer-token")
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_attribute("data-state", "live")
    site.close()
    window.context.clear_cookies()
    site.open()
    expect(page.get_by_label("Token")).to_be_visible()
    page.get_by_label("Token").fill("viewer-token")
    page.keyboard.press("Enter")
    expect(page.locator(".who")).to_be_visible()
    assert page.url == site.url + PAGE
    window.close()


class IssuerGate(MemoryGate):
    """A gate that takes tokens of an issuer."""

    def __init__(self, tokens: Oidc) -> None:
        super().__init__()
        self.tokens = tokens

    def ask(self, asked: Ask) -> Answer:
        """Recognise and judge."""
        who = self.tokens.who(asked.shown.token) if asked.shown.token else None
        return Answer(verdict(who, asked.needed), who)


@pytest.fixture
def provider(tmp_path):
    """A running issuer."""
    made = SigningIssuer(tmp_path / "id", "millet-page")
    yield made
    made.stop()


def with_issuer(site, provider, **facts) -> None:
    """Serve, with a way to the issuer's page."""
    issuer = Issuer(issuer=provider.url, audience="millet", client_id=provider.client_id)
    tokens = Oidc(issuer, provider.context)
    site.gate = IssuerGate(tokens)
    site.start(WebDoor(gate=site.gate, issuer=Code(issuer, tokens, provider.context)), **facts)


@pytest.mark.parametrize("language", Language)
def test_a_person_signs_in_at_the_issuer_and_comes_back(site, browser, provider, language):
    """From the page that was asked for, over the issuer's, to that page; and what was begun is forgotten."""
    with_issuer(site, provider, voice=Voice(language))
    window = Looker(browser, site.url, PHONE, ignore_https_errors=True)
    page = window.open(PAGE, until="h1")
    window.keep(f"signin-issuer-{language}")
    assert window.overflow() <= 0
    assert window.barriers() == []
    page.locator("a.primary").click()
    expect(page.locator(".who")).to_contain_text("u-17")
    assert page.url == site.url + PAGE
    assert [one["name"] for one in window.context.cookies()] == ["millet"]
    expect(page.locator("body")).to_have_attribute("data-ready", "1")
    assert window.overflow() <= 0
    window.close()


def test_who_is_refused_there_is_told_here(site, browser, provider):
    """And can try again, or show a token."""
    with_issuer(site, provider)
    provider.refuses = True
    window = Looker(browser, site.url, ignore_https_errors=True)
    page = window.open(PAGE, until="h1")
    page.locator("a.primary").click()
    expect(page.get_by_role("alert")).to_contain_text("came to nothing")
    provider.refuses = False
    page.locator("a.primary").click()
    expect(page.locator(".who")).to_contain_text("u-17")
    window.close()


@pytest.mark.parametrize("query", ["", "?code=c", "?state=s", "?code=c&state=s", "?error=no&state=s"])
@pytest.mark.parametrize(
    "held",
    [
        "",
        "millet-begun=e30=",
        "millet-begun=%",
        "millet-begun=WzEsMiwzLDRd",
        "millet-begun=WyJcdWQ4MDAiLCAiYSIsICJhIiwgImEiXQ==",
        f"millet-begun={'W1tb' * 1000}",
    ],
    ids=["none", "a table", "no text", "numbers", "half a character", "too deep"],
)
def test_what_nobody_began_does_not_end(site, provider, query, held):
    """A code that somebody else's browser brings signs nobody in (RFC 6749 10.12)."""
    with_issuer(site, provider)
    code, headers, _ = ask(site, f"/signin/back{query}", cookie=held)
    assert code == 401
    assert "millet=" not in headers.get("set-cookie", "")


def test_an_issuer_that_is_away_is_said_on_the_form(site, provider):
    """503, and the form for a token; without an issuer there is no such address."""
    with_issuer(site, provider)
    provider.stop()
    code, _, text = ask(site, "/signin/issuer?back=/")
    assert code == 503
    assert "does not answer" in text


def test_without_an_issuer_there_is_no_way_to_it(site):
    """Neither on the form nor at its address."""
    start(site)
    assert "/signin/issuer" not in ask(site, "/signin")[2]
    assert ask(site, "/signin/issuer")[0] == 404


class SlowIssuer:
    """A `SignsIn` that answers no code until it is let, and knows none."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.let = threading.Event()
        self.codes: list[str] = []

    def begin(self, redirect_uri: str) -> Begun | None:
        """Nobody begins here."""
        raise NotImplementedError(redirect_uri)

    def end(self, begun: Begun, code: str, redirect_uri: str) -> str:
        """Never with a token."""
        self.codes.append(f"{begun.state} {code} {redirect_uri}")
        self.asked.release()
        assert self.let.wait(60)
        return ""


def come_back(site):
    """What a browser gets that says of itself that it began."""
    held = base64.urlsafe_b64encode(json.dumps(["s", "n", "v", "/"]).encode()).decode()
    return ask(site, "/signin/back?code=c&state=s", cookie=f"millet-begun={held}")


def test_strangers_that_come_back_leave_threads_to_all_others(site):
    """A slow issuer holds two threads, and after ten failures is not asked for who waits behind."""
    issuer = SlowIssuer()
    site.loop.set_default_executor(ThreadPoolExecutor(ASKED_AT_ONCE + 1))
    site.start(WebDoor(gate=site.gate, issuer=issuer))
    with ThreadPoolExecutor(2 * MOST) as strangers:
        try:
            answers = [strangers.submit(come_back, site) for _ in range(2 * MOST)]
            assert all(issuer.asked.acquire(timeout=60) for _ in range(ASKED_AT_ONCE))
            assert ask(site, "/", authorization="Bearer viewer-token")[0] == 200
        finally:
            issuer.let.set()
        codes = [answer.result()[0] for answer in answers]
    assert set(codes) == {401, 429}
    assert codes.count(401) == len(issuer.codes) < MOST + ASKED_AT_ONCE


def test_who_comes_back_in_vain_too_often_has_to_wait(site):
    """As who shows tokens that nobody knows, and with them: the issuer is not asked meanwhile."""
    issuer = SlowIssuer()
    issuer.let.set()
    site.start(WebDoor(gate=site.gate, issuer=issuer))
    assert [come_back(site)[0] for _ in range(MOST)] == [401] * MOST
    code, headers, _ = come_back(site)
    assert code == 429
    assert 0 < int(headers["retry-after"]) <= 300
    assert sign_in(site, "viewer-token")[0] == 429
    assert len(issuer.codes) == MOST
