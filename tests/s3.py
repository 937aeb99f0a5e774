"""A real S3 server for tests: moto's, as a process of its own on loopback, gone at the end.

What it keeps it keeps in memory. Each test takes a bucket of its own from it, and may put a wire between
that can be cut.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from itertools import count

import pytest
from faults.proxy import Proxy
from ports import free_port

from millet.edge.store import Bucket

SECRET = "sesame-4711"
START_S = 60.0


class S3:
    """One server, with a wire to it."""

    def __init__(self) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        silent = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=silent, stderr=silent)
        self._number = count()
        until_s = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, "the S3 server ended"
            assert time.monotonic() < until_s, "the S3 server does not answer"
            time.sleep(0.05)
        self.wire = Proxy(self.port)

    def environment(self, port: int | None = None) -> Mapping[str, str]:
        """By which a client finds it; through another port, if there is a wire."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}",
            "NO_PROXY": "127.0.0.1",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def fresh(self) -> str:
        """The URL of a place in a new bucket."""
        name = f"spool-{next(self._number)}"
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/{name}", method="PUT")
        with urllib.request.urlopen(asked, timeout=20):
            return f"s3://{name}/site/north"

    def keys(self, url: str, below: str) -> list[str]:
        """What is stored below a folder of a bucket."""
        return [one.key for one in Bucket(url).items(below)]

    def end(self) -> None:
        """Stop it."""
        self.wire.close()
        self._process.terminate()
        self._process.wait(20)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5):
                return True
        except OSError:
            return False


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A server for all tests."""
    server = S3()
    yield server
    server.end()


@pytest.fixture
def bucket_url(s3: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place in a new bucket, which this process finds by its environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    return s3.fresh()


@pytest.fixture
def wire(s3: S3, monkeypatch: pytest.MonkeyPatch, bucket_url: str) -> Iterator[Proxy]:
    """A wire between this process and the server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3.wire.port}")
    yield s3.wire
    s3.wire.heal()
