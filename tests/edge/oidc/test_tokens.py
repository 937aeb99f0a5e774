"""Tokens of an OpenID Connect issuer: real signatures, real forgeries, and a real issuer over HTTPS."""

import http.server
import json
import os
import queue
import ssl
import threading
import time
from pathlib import Path

import jwt
import pytest
from certificates import Authority
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from millet.core.roles import Role, Who
from millet.edge.oidc import Issuer, Oidc
from millet.edge.oidc.tokens import AGAIN_S, KEEP_S
from millet.edge.tls import client_context

ISSUER, AUDIENCE = "https://id.hospital.example", "millet"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
NOWHERE = ssl.create_default_context()


def jwk(key, kid: str) -> dict:
    """A public key as an issuer publishes it."""
    kind = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    return kind.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"}


def keys(**named) -> str:
    """A JWKS."""
    return json.dumps({"keys": [jwk(key, kid) for kid, key in named.items()]})


def claims(**changed) -> dict:
    """Claims of a viewer's token, with changes; None takes one out."""
    now = int(time.time())
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "u-17",
        "exp": now + 300,
        "nbf": now - 5,
        "roles": ["millet-viewer"],
    }
    return {name: value for name, value in (usual | changed).items() if value is not None}


def token(key=EC_KEY, kid="e1", algorithm="ES256", **changed) -> str:
    """A signed token."""
    return jwt.encode(claims(**changed), key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture
def oidc(tmp_path):
    """An issuer whose keys lie in a file."""
    path = tmp_path / "jwks.json"
    path.write_text(keys(e1=EC_KEY, r1=RSA_KEY))
    return Oidc(Issuer(issuer=ISSUER, audience=AUDIENCE, keys=str(path)), NOWHERE)


@pytest.mark.parametrize(
    ("made", "role"),
    [
        (token, Role.VIEWER),
        (lambda: token(RSA_KEY, "r1", "RS256"), Role.VIEWER),
        (lambda: token(roles=["millet-ops", "millet-viewer", "admin"]), Role.OPS),
        (lambda: token(roles="openid millet-admin"), Role.ADMIN),
        (lambda: token(aud=["other", AUDIENCE]), Role.VIEWER),
        (lambda: token(exp=int(time.time()) - 10), Role.VIEWER),
    ],
    ids=["EC", "RSA", "highest role", "as words", "several audiences", "within the leeway"],
)
def test_a_good_token_is_of_its_subject_in_the_highest_role_it_names(oidc, made, role):
    """Either kind of key, either form of claim."""
    assert oidc.who(made()) == Who(name="u-17", role=role)


def forged_with_the_public_key() -> str:
    """HMAC under the public key that everybody can read (RFC 8725 2.1), signed by hand."""
    import base64
    import hashlib
    import hmac

    public = json.dumps(jwk(RSA_KEY, "r1")).encode()
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "r1", "typ": "JWT"}, claims())
    )
    signature = hmac.new(public, head + b"." + body, hashlib.sha256).digest()
    return b".".join((head, body, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


@pytest.mark.parametrize(
    "made",
    [
        lambda: token(exp=int(time.time()) - 60),
        lambda: token(nbf=int(time.time()) + 60),
        lambda: token(aud="other"),
        lambda: token(iss="https://id.evil.example"),
        lambda: token(exp=None),
        lambda: token(aud=None),
        lambda: token(iss=None),
        lambda: token(sub=None),
        lambda: token(roles=None),
        lambda: token(roles=["admin", "viewer"]),
        lambda: token(roles={"millet-admin": True}),
        lambda: token(OTHER_KEY),
        lambda: token(kid="unknown"),
        lambda: token(kid="r1"),
        lambda: jwt.encode(claims(), None, algorithm="none", headers={"kid": "e1"}),
        lambda: jwt.encode(claims(), "0" * 64, algorithm="HS256", headers={"kid": "e1"}),
        forged_with_the_public_key,
        lambda: token()[:-4] + "AAAA",
        lambda: "a.b.c",
        lambda: "",
        lambda: "é" * 40,
        lambda: token(sub="x" * 20_000),
    ],
    ids=[
        "expired",
        "not yet",
        "another audience",
        "another issuer",
        "no expiry",
        "no audience",
        "no issuer",
        "no subject",
        "no role",
        "roles of others",
        "roles of another form",
        "another's key",
        "unknown key",
        "key of another kind",
        "alg none",
        "alg HS256",
        "HMAC with the public key",
        "changed signature",
        "no token",
        "empty",
        "no ASCII",
        "endless",
    ],
)
def test_no_other_token_is_taken(oidc, made, caplog):
    """Each is refused without an error, and the log repeats nothing of it."""
    given = made()
    assert oidc.who(given) is None
    assert len(caplog.records) >= 1
    assert "u-17" not in caplog.text


def test_a_role_may_lie_deeper_in_the_claims(tmp_path):
    """Dots lead into nested claims, as Keycloak has them."""
    path = tmp_path / "jwks.json"
    path.write_text(keys(e1=EC_KEY))
    nested = Issuer(issuer=ISSUER, audience=AUDIENCE, keys=str(path), role_claim="realm_access.roles")
    made = token(roles=None, realm_access={"roles": ["millet-ops"]})
    assert Oidc(nested, NOWHERE).who(made).role is Role.OPS


def test_a_symmetric_key_among_the_issuer_s_is_not_used(tmp_path):
    """Even if it is there, HMAC stays closed."""
    secret = {"kty": "oct", "kid": "s1", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ"}
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [secret, jwk(EC_KEY, "e1")]}))
    oidc = Oidc(Issuer(issuer=ISSUER, audience=AUDIENCE, keys=str(path)), NOWHERE)
    made = jwt.encode(claims(), b"secret-secret-secret-secret-1234", "HS256", headers={"kid": "s1"})
    assert oidc.who(made) is None
    assert oidc.who(token()) is not None


class Provider:
    """An issuer that answers over HTTPS and counts who asks."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        pair = authority.issue("id")
        self.answers: dict[str, str] = {}
        self.asked: list[str] = []
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                answer = provider.answers.get(self.path)
                self.send_response(200 if answer is not None else 503)
                self.end_headers()
                self.wfile.write((answer or "").encode())

            def log_message(self, *_args) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        self.context = client_context(authority.roots, None, None)
        discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.answers["/.well-known/openid-configuration"] = json.dumps(discovery)
        self.answers["/keys"] = keys(e1=EC_KEY)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def provider(tmp_path):
    """A running issuer."""
    made = Provider(tmp_path / "id")
    yield made
    made.stop()


class Time:
    """Seconds that pass when a test says so."""

    now_s = 1000.0

    def __call__(self) -> float:
        """The seconds."""
        return self.now_s


def test_keys_come_from_the_issuer_and_are_kept(provider):
    """Discovery, then keys, once for many tokens and again after their time."""
    passing = Time()
    oidc = Oidc(Issuer(issuer=provider.url, audience=AUDIENCE), provider.context, passing)
    for _ in range(3):
        assert oidc.who(token(iss=provider.url)).name == "u-17"
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]
    passing.now_s += KEEP_S
    assert oidc.who(token(iss=provider.url)).name == "u-17"
    assert len(provider.asked) == 4


def test_a_new_key_is_fetched_when_it_is_first_met_but_not_for_every_forgery(provider):
    """Rotation works at once; unknown keys ask the issuer at most every half minute."""
    passing = Time()
    oidc = Oidc(Issuer(issuer=provider.url, audience=AUDIENCE), provider.context, passing)
    assert oidc.who(token(iss=provider.url)) is not None
    provider.answers["/keys"] = keys(e2=OTHER_KEY)
    passing.now_s += AGAIN_S
    assert oidc.who(token(OTHER_KEY, "e2", iss=provider.url)) is not None
    assert oidc.who(token(iss=provider.url)) is None  # its key was withdrawn
    asked = len(provider.asked)
    for number in range(20):
        assert oidc.who(token(OTHER_KEY, f"x{number}", iss=provider.url)) is None
    assert len(provider.asked) == asked


def test_the_keys_stay_while_the_issuer_is_away(provider):
    """Its outage locks out nobody whose key is known; when it is back, its keys are asked for again."""
    passing = Time()
    oidc = Oidc(Issuer(issuer=provider.url, audience=AUDIENCE), provider.context, passing)
    assert oidc.who(token(iss=provider.url)) is not None
    kept, provider.answers["/keys"] = provider.answers["/keys"], None
    passing.now_s += KEEP_S
    assert oidc.who(token(iss=provider.url)) is not None
    provider.answers["/keys"] = kept
    passing.now_s += AGAIN_S
    asked = len(provider.asked)
    assert oidc.who(token(iss=provider.url)) is not None
    assert len(provider.asked) == asked + 2


def test_keys_that_come_slowly_hold_up_few(tmp_path):
    """Of those who ask before any is known one reads them and two wait; the rest are told at once."""
    path = tmp_path / "jwks.json"
    os.mkfifo(path)
    oidc = Oidc(Issuer(issuer=ISSUER, audience=AUDIENCE, keys=str(path)), NOWHERE)
    told = queue.SimpleQueue()
    asking = [threading.Thread(target=lambda: told.put(oidc.who(token()))) for _ in range(9)]
    for one in asking:
        one.start()
    assert [told.get(timeout=60) for _ in range(8)] == [None] * 8
    path.write_text(keys(e1=EC_KEY))
    assert told.get(timeout=60).name == "u-17"
    for one in asking:
        one.join()


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example", "jwks_uri": "URL/keys"},
        {"issuer": "URL", "jwks_uri": "http://127.0.0.1/keys"},
        {"issuer": "URL", "jwks_uri": "/etc/hostname"},
        {"issuer": "URL", "jwks_uri": ["URL/keys"]},
        {"issuer": "URL"},
        [],
    ],
    ids=["another issuer", "in the clear", "a file", "a list", "no keys", "no table"],
)
def test_an_issuer_that_answers_otherwise_is_not_believed(provider, discovery):
    """What does not fit, or would come unencrypted, is not used."""
    made = json.dumps(discovery).replace("URL", provider.url)
    provider.answers["/.well-known/openid-configuration"] = made
    oidc = Oidc(Issuer(issuer=provider.url, audience=AUDIENCE), provider.context)
    assert oidc.who(token(iss=provider.url)) is None
    assert "/keys" not in provider.asked


def test_an_issuer_that_proves_to_be_another_is_not_asked(provider):
    """Its certificate is verified."""
    oidc = Oidc(Issuer(issuer=provider.url, audience=AUDIENCE), NOWHERE)
    assert oidc.who(token(iss=provider.url)) is None
    assert provider.asked == []
