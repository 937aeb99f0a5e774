"""The authorization code flow, against a real issuer over HTTPS."""

from __future__ import annotations

import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest
from issuers import SigningIssuer

from millet.core.roles import Role
from millet.edge.oidc import Code, Issuer, Oidc

BACK = "https://millet.hospital.example/signin/back"


@pytest.fixture(params=["", "s3cret/+ %"], ids=["public", "with a secret"])
def provider(tmp_path, request):
    """A running issuer, and we its client, with and without a secret."""
    made = SigningIssuer(tmp_path / "id", "millet-page", request.param)
    yield made
    made.stop()


def client(provider, **facts) -> tuple[Code, Oidc]:
    """Who sends people there, and who judges its tokens."""
    issuer = Issuer(
        issuer=provider.url,
        audience="millet",
        client_id=provider.client_id,
        client_secret=facts.get("secret", provider.client_secret),
    )
    tokens = Oidc(issuer, provider.context)
    return Code(issuer, tokens, provider.context), tokens


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args):
        """Follow none: where it leads is what is wanted."""


def answered(provider, begun) -> dict[str, str]:
    """What a browser brings back."""
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=provider.context))
    with pytest.raises(urllib.error.HTTPError) as led:
        opener.open(begun.address, timeout=30)
    with led.value as answer:
        query = urlsplit(answer.headers["location"]).query
    return {name: values[0] for name, values in parse_qs(query).items()}


def test_a_code_becomes_a_token_of_who_signed_in(provider):
    """For our client alone, in the role that the issuer gave; what is secret is not in the address."""
    code, tokens = client(provider)
    begun = code.begin(BACK)
    assert begun.verifier not in begun.address
    back = answered(provider, begun)
    assert back["state"] == begun.state
    token = code.end(begun, back["code"], BACK)
    who = tokens.who(token)
    assert (who.name, who.role) == ("u-17", Role.READER)
    assert code.end(begun, back["code"], BACK) == ""


def test_nothing_that_was_begun_is_like_another(provider):
    """State, nonce and verifier are of one sign-in."""
    code, _ = client(provider)
    once, again = code.begin(BACK), code.begin(BACK)
    assert not {once.state, once.nonce, once.verifier} & {again.state, again.nonce, again.verifier}


def test_a_code_is_of_use_to_who_began_alone(provider, caplog):
    """Neither with another verifier, nor another nonce, nor for another address."""
    code, _ = client(provider)
    for wrong in ({"verifier": "x" * 43}, {"nonce": "another"}):
        begun = code.begin(BACK)
        assert code.end(begun._replace(**wrong), answered(provider, begun)["code"], BACK) == ""
    begun = code.begin(BACK)
    assert code.end(begun, answered(provider, begun)["code"], "https://evil.example/") == ""
    assert "u-17" not in caplog.text


@pytest.mark.parametrize(
    "claims", [{"aud": "another"}, {"roles": ["admin"]}, {"exp": 1}, {"iss": "https://x"}]
)
def test_a_token_is_judged_as_any_other(provider, claims):
    """Audience, role, time and issuer."""
    code, _ = client(provider)
    provider.claims |= claims
    begun = code.begin(BACK)
    assert code.end(begun, answered(provider, begun)["code"], BACK) == ""


def test_an_issuer_that_is_away_is_said(provider, caplog):
    """Before somebody is sent there, and after."""
    code, _ = client(provider)
    begun = code.begin(BACK)
    provider.stop()
    assert code.begin(BACK).address.startswith(provider.url)
    assert code.end(begun, "code", BACK) == ""
    assert client(provider)[0].begin(BACK) is None
    assert "nobody can sign in at the issuer" in caplog.text
