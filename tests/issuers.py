"""An OpenID Connect issuer over HTTPS that signs everybody in: real keys, real PKCE, codes that work once."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import ssl
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import jwt
from certificates import Authority
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from millet.edge.tls import client_context

KEY = ec.generate_private_key(ec.SECP256R1())


class SigningIssuer:
    """Answers discovery, keys, authorization and tokens; `claims` and `refuses` change what it says."""

    def __init__(self, folder: Path, client_id: str, client_secret: str = "") -> None:
        authority = Authority(folder)
        pair = authority.issue("id")
        self.client_id, self.client_secret = client_id, client_secret
        self.claims: dict[str, object] = {"roles": ["millet-reader"]}
        self.refuses = False
        self.codes: dict[str, dict[str, str]] = {}
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Bound", (_Handler,), {"of": self})
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"
        self.context = client_context(authority.roots, None, None)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def published(self) -> dict[str, str]:
        """Discovery 3."""
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.url, **{name: f"{self.url}/{path}" for name, path in places.items()}}

    def authorized(self, asked: dict[str, str]) -> str:
        """Where a person is sent back to."""
        if self.refuses:
            return f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> str | None:
        """The ID token for a code, once; None for what is wrong."""
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or authorization != self._expected():
            return None
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        if (form["redirect_uri"], form["client_id"]) != (asked["redirect_uri"], self.client_id):
            return None
        usual = {"iss": self.url, "aud": self.client_id, "sub": "u-17", "exp": int(time.time()) + 300}
        claims = {**usual, "nonce": asked["nonce"], **self.claims}
        return jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "e1"})

    def _expected(self) -> str:
        if not self.client_secret:
            return ""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


class _Handler(http.server.BaseHTTPRequestHandler):
    of: SigningIssuer

    def do_GET(self) -> None:
        """Discovery, keys, and the page on which nobody has to type anything."""
        asked = urlsplit(self.path)
        if asked.path == "/authorize":
            self.send_response(303)
            given = {name: values[0] for name, values in parse_qs(asked.query).items()}
            self.send_header("Location", self.of.authorized(given))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif asked.path == "/keys":
            key = ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
            self._answer({"keys": [{**key, "kid": "e1", "use": "sig"}]})
        else:
            self._answer(self.of.published())

    def do_POST(self) -> None:
        """A token for a code."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        token = self.of.token(form, self.headers.get("Authorization", ""))
        self._answer(
            {"error": "invalid_grant"} if token is None else {"id_token": token}, well=token is not None
        )

    def _answer(self, told: object, *, well: bool = True) -> None:
        body = json.dumps(told).encode()
        self.send_response(200 if well else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
