"""One bucket of an S3 store: how long it may take to answer, and what its faults are called in our words.

Where the store is and who we are comes from the environment, by the names that all programs for S3 share:
AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_CA_BUNDLE. Answers of the store are never quoted, nor
chained to our errors: some hold the name of a key, or what was signed with it.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, NamedTuple

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from millet.core.bucket import BucketUrl
from millet.errors import Removed, StoreError

PART_BYTES = 8 << 20
"""What is larger is sent in parts of this size, and read in pieces of it."""
PARTS_AT_ONCE = 2
DELETED_AT_ONCE = 1000
"""Most that one request may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an answer of the store is waited for."""

    connect_s: float
    request_s: float
    """For one request, to the end of its answer."""
    retries: int
    retry_s: float
    """After this no further try is begun."""


PATIENT = Patience(connect_s=3.0, request_s=20.0, retries=3, retry_s=8.0)
"""For instances: a store that stutters costs a sender nothing, of one that is away it hears in time."""
BRISK = Patience(connect_s=2.0, request_s=3.0, retries=0, retry_s=3.0)
"""For leases and look-ups, which are repeated anyway."""


class Item(NamedTuple):
    """An object as a listing tells it."""

    key: str
    size_bytes: int
    etag: str


class Found(NamedTuple):
    """A small object that was read as a whole."""

    body: bytes
    etag: str


class Bucket:
    """Objects by key below the prefix of a URL. Thread-safe. Blocks; raises StoreError, Removed for none."""

    def __init__(self, url: str, patience: Patience = PATIENT) -> None:
        self._url = url
        try:
            place = BucketUrl.parse(url)
        except ValueError as mistake:
            raise StoreError(f"spool_url: {mistake}") from None
        endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
        options: dict[str, object] = {
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=patience.connect_s),
            "timeout": timedelta(seconds=patience.request_s),
        }
        if roots := os.environ.get("AWS_CA_BUNDLE"):
            try:
                options["root_certificate"] = Path(roots).read_bytes()
            except OSError as error:
                raise StoreError(f"AWS_CA_BUNDLE cannot be read: {error.strerror}") from None
        with _told():
            self._store = S3Store(
                place.bucket,
                prefix=place.prefix or None,
                client_options=options,  # type: ignore[arg-type] # built up from its fields
                retry_config={
                    "max_retries": patience.retries,
                    "retry_timeout": timedelta(seconds=patience.retry_s),
                    "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=2)},
                },
            )

    def brisk(self) -> Bucket:
        """The same bucket for what is asked again soon anyway."""
        return Bucket(self._url, BRISK)

    def check(self) -> None:
        """Whether it is there and may be looked at; the StoreError says what is wrong.

        A web server may have a page for every address: it is asked for what is not there.
        """
        next(self.items("lease/"), None)
        if self.find(f"nothing/{uuid.uuid4().hex}") is not None:
            raise StoreError(f"the bucket failed: {_STRANGER}")

    def put(self, key: str, body: bytes | memoryview | IO[bytes], size_bytes: int) -> None:
        """Make an object durable before returning: whole, or not there."""
        with _told():
            obstore.put(
                self._store,
                key,
                body,
                use_multipart=size_bytes > PART_BYTES,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )

    def create(self, key: str, body: bytes) -> str | None:
        """Make an object that is not there yet; its ETag, or None where there is one."""
        with _told():
            try:
                return obstore.put(self._store, key, body, mode="create", use_multipart=False)["e_tag"] or ""
            except (AlreadyExistsError, PreconditionError):
                return None

    def replace(self, key: str, body: bytes, etag: str) -> str | None:
        """Write an object if it still is the one of this ETag; its new ETag, or None where it is not."""
        with _told():
            try:
                made = obstore.put(self._store, key, body, mode={"e_tag": etag}, use_multipart=False)
                return made["e_tag"] or ""
            except (PreconditionError, FileNotFoundError) as error:
                if _code(error) == "NoSuchBucket":
                    raise
                return None

    def find(self, key: str) -> Found | None:
        """Read a small object; None where there is none."""
        with _told():
            try:
                got = obstore.get(self._store, key)
                return Found(bytes(got.bytes()), got.meta["e_tag"] or "")
            except FileNotFoundError as error:
                if _code(error) == "NoSuchBucket":
                    raise
                return None

    def whole(self, key: str) -> bytes:
        """All of an object, however long."""
        with _told():
            size_bytes = obstore.head(self._store, key)["size"]
        return self.first(key, size_bytes)

    def first(self, key: str, length: int) -> bytes:
        """The first bytes of an object; fewer where it is shorter."""
        read = bytearray()
        with _told():
            while len(read) < length:
                size = min(length - len(read), PART_BYTES)
                piece = obstore.get_range(self._store, key, start=len(read), length=size)
                read += memoryview(piece)
                if len(piece) < size:
                    break
        return bytes(read)

    def last(self, key: str, length: int) -> bytes:
        """The last bytes of an object; fewer where it is shorter."""
        with _told():
            return bytes(obstore.get(self._store, key, options={"range": {"suffix": length}}).bytes())

    def items(self, below: str, after: str = "") -> Iterator[Item]:
        """Every object whose key begins with `below`, a whole folder, and comes after `after`."""
        with _told():
            for page in obstore.list(self._store, below.rstrip("/"), offset=after or None, chunk_size=1000):
                for one in page:
                    yield Item(one["path"], one["size"], one["e_tag"] or "")

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; one that is not there is nothing to do."""
        left = list(keys)
        with _told():
            for begin in range(0, len(left), DELETED_AT_ONCE):
                some: Sequence[str] = left[begin : begin + DELETED_AT_ONCE]
                obstore.delete(self._store, some)


_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_AWAY = "the store cannot be reached, or does not answer in time"
_STRANGER = "it answers as no S3 store does: is the address right?"
_UNKNOWN = "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_REGION = "the bucket is of another region: set AWS_REGION"
_WORDS = {
    "NoSuchBucket": "there is no bucket of this name",
    "NoSuchKey": "an object is missing",
    "AccessDenied": "access is denied",
    "InvalidAccessKeyId": "it does not know the access key",
    "SignatureDoesNotMatch": "the secret access key is not the one that it knows",
    "ExpiredToken": "the session token has expired",
    "RequestTimeTooSkewed": "the clock of this host is too far from the store's",
    "NotImplemented": "it does not know a request that is needed",
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
}


def _code(error: Exception) -> str:
    """The store's own code of a fault, a word of S3's; empty where it told none."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


_SIGNS = (
    ("nstance metadata", _UNKNOWN),
    ("/latest/", _UNKNOWN),
    ("/security-credentials", _UNKNOWN),
    ("status code: 403", _WORDS["AccessDenied"]),
    ("status code: ", _STRANGER),
    ("rror sending request", _AWAY),
    ("timed out", _AWAY),
    ("timeout", _AWAY),
)
"""What an error says that tells more than its type."""


def _words(error: Exception) -> str:
    if code := _code(error):
        return _WORDS.get(code, f"it answers {code}")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return _WORDS["AccessDenied"]
    if isinstance(error, FileNotFoundError):
        return _WORDS["NoSuchKey"]
    text = str(error)
    return next(
        (words for sign, words in _SIGNS if sign in text), "an address or a setting of AWS_* is wrong"
    )


@contextmanager
def _told() -> Iterator[None]:
    """Say it in our words when the store fails."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        words = _words(error)
        kind = Removed if words == _WORDS["NoSuchKey"] else StoreError
        raise kind(f"the bucket failed: {words}") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise StoreError(f"the bucket failed: {why or type(error).__name__}") from None
