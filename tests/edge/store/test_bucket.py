"""What goes wrong with a bucket is told in our words, and no secret with it."""

from __future__ import annotations

import http.server
import threading
import traceback

import pytest
from faults.proxy import BACK

from millet.edge.store.bucket import BRISK, PART_BYTES, Bucket
from millet.errors import StoreError

SECRET, KEY = "sesame-4711", "AKIA0815"


class Answering:
    """A server that says the same to everybody."""

    def __init__(self, status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                """Say it."""
                length = int(self.headers.get("Content-Length", 0))
                self.rfile.read(length)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_PUT = do_POST = do_GET  # noqa: N815 - names of http.server

            def log_message(self, *_):
                """Say nothing of it."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self):
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def at(monkeypatch):
    """A way to have the store somewhere, with credentials."""

    def put(url, **more):
        told = {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1", "NO_PROXY": "127.0.0.1"}
        secrets = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        for name, value in (told | secrets | more).items():
            monkeypatch.setenv(name, value)

    return put


def fault(code):
    """An answer of S3 that quotes what it should not."""
    text = f"<Error><Code>{code}</Code><AWSAccessKeyId>{KEY}</AWSAccessKeyId><StringToSign>{SECRET}"
    return f'<?xml version="1.0"?>{text}</StringToSign></Error>'.encode()


SAID = [
    (403, fault("AccessDenied"), "access is denied"),
    (403, fault("InvalidAccessKeyId"), "does not know the access key"),
    (403, fault("SignatureDoesNotMatch"), "secret access key is not the one"),
    (404, fault("NoSuchBucket"), "no bucket of this name"),
    (400, fault("AuthorizationHeaderMalformed"), "set AWS_REGION"),
    (400, fault("SomethingElse"), "it answers SomethingElse"),
    (404, b"<html>nothing here</html>", "no S3 store|is missing"),
    (200, b"<html>welcome</html>", "AWS_|no S3 store"),
    (403, b"", "access is denied"),
]


@pytest.mark.parametrize(("status", "body", "words"), SAID)
def test_a_refusal_is_told_in_our_words(status, body, words, at):
    """Whatever the store says, nothing of it is quoted, nor chained for a log to show."""
    server = Answering(status, body)
    at(server.url)
    bucket = Bucket("s3://north/spool", BRISK)
    with pytest.raises(StoreError, match=words) as raised:
        bucket.check()
    told = "".join(traceback.format_exception(raised.value))
    assert SECRET not in told
    assert KEY not in told
    assert raised.value.__cause__ is None
    server.end()


@pytest.mark.parametrize("do", ["put", "create", "replace", "find", "first"])
def test_a_bucket_that_is_not_there_is_told_by_all(do, bucket_url, s3):
    """Not taken for an object that is not there."""
    bucket = Bucket("s3://nothing-here")
    given = {
        "put": ("a/b", b"x", 1),
        "create": ("a/b", b"x"),
        "replace": ("a/b", b"x", '"0"'),
        "find": ("a/b",),
        "first": ("a/b", 1),
    }
    with pytest.raises(StoreError, match="no bucket of this name"):
        getattr(bucket, do)(*given[do])


def test_a_store_that_is_away_is_told_soon(at):
    """Nobody listens: no retry goes on for ever."""
    server = Answering(200, b"")
    server.end()
    at(server.url)
    with pytest.raises(StoreError, match="cannot be reached"):
        Bucket("s3://north").check()


def test_http_is_spoken_only_where_the_address_says_so(s3, at):
    """An https:// endpoint is never tried without TLS."""
    url = s3.fresh()
    at(f"https://127.0.0.1:{s3.port}")
    with pytest.raises(StoreError, match="cannot be reached"):
        Bucket(url, BRISK).check()
    at(f"http://127.0.0.1:{s3.port}")
    Bucket(url, BRISK).check()


@pytest.mark.parametrize(
    "url", ["north", "s3://", "s3://n", "https://s3/north", f"s3://{KEY}:{SECRET}@north/x", "s3://north/../x"]
)
def test_a_wrong_url_is_refused_without_it(url):
    """It may hold a secret."""
    with pytest.raises(StoreError, match="s3://BUCKET/PREFIX") as raised:
        Bucket(url)
    assert SECRET not in str(raised.value)


def test_roots_that_are_not_there_are_told(at, tmp_path):
    """A file of certificates that cannot be read is a mistake, not a store without them."""
    at("https://127.0.0.1:9", AWS_CA_BUNDLE=str(tmp_path / "roots.pem"))
    with pytest.raises(StoreError, match="AWS_CA_BUNDLE cannot be read: No such file"):
        Bucket("s3://north")


def test_an_answer_that_was_cut_is_asked_for_again(bucket_url, wire):
    """A connection that breaks in the middle of an answer costs a try, not an instance."""
    bucket = Bucket(bucket_url)
    wire.cut_after(BACK, 20)
    bucket.put("a/b", b"durable", 7)
    assert wire.cuts
    assert bucket.whole("a/b") == b"durable"


@pytest.mark.parametrize("size_bytes", [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES])
def test_objects_of_any_size_are_whole(bucket_url, size_bytes):
    """In one piece, and in parts that are sent and read one after the other."""
    bucket, body = Bucket(bucket_url), bytes(range(251)) * (size_bytes // 251 + 1)
    bucket.put("a/b", body[:size_bytes], size_bytes)
    assert bucket.whole("a/b") == body[:size_bytes]
    assert bucket.last("a/b", 100) == body[:size_bytes][-100:]
    assert bucket.first("a/b", 5) == body[:5]
