"""A site's key: it signs what the site vouches for, and makes pseudonyms that only the site can make again.

Ed25519 (RFC 8032). The key is a file in PEM (PKCS #8) that its owner alone may read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import stat
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from millet.errors import ServiceError

ALGORITHM = "Ed25519"
_RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
_PURPOSE = b"millet: pseudonyms of cases"
LONGEST_BYTES = 10_000
"""Of a file with a key."""


class Signature(NamedTuple):
    """A signature and who made it, both in base64."""

    public_key: str
    value: str


class SigningKey:
    """A private key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        raw = private.private_bytes_raw()
        self._secret = hmac.digest(raw, _PURPOSE, "sha256")

    @property
    def public_key(self) -> str:
        """In base64."""
        return base64.b64encode(self._private.public_key().public_bytes(*_RAW)).decode()

    def sign(self, message: bytes) -> Signature:
        """Sign; the same message has the same signature."""
        return Signature(self.public_key, base64.b64encode(self._private.sign(message)).decode())

    def pseudonym(self, message: bytes) -> str:
        """HMAC with SHA-256 (RFC 2104) in hex: tells nothing of what it names to who has not the key."""
        return hmac.digest(self._secret, message, "sha256").hex()


def fingerprint(public_key: str) -> str:
    """SHA-256 in hex of a public key in base64, to be compared by people."""
    return hashlib.sha256(base64.b64decode(public_key)).hexdigest()


def verified(message: bytes, signature: Signature) -> bool:
    """Whether a message is signed by the key that the signature names; False for one that is none."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature.public_key, validate=True))
        key.verify(base64.b64decode(signature.value, validate=True), message)
    except (ValueError, InvalidSignature):
        return False
    return True


def read_or_make(file: Path) -> SigningKey:
    """The key of a file, which is made with mode 0600 if need be. Raises ServiceError or OSError."""
    if not file.exists():
        _make(file)
    return read(file)


def read(file: Path) -> SigningKey:
    """The key of a file. Raises ServiceError or OSError, where others may read it as well."""
    with file.open("rb") as opened:
        mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
        encoded = opened.read(LONGEST_BYTES)
    if mode & 0o077:
        raise ServiceError(f"{file} may be read by others (mode {mode:04o}): chmod 600 it")
    try:
        found = serialization.load_pem_private_key(encoded, password=None)
    except (ValueError, TypeError) as error:
        raise ServiceError(f"{file} holds no unencrypted private key in PEM") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise ServiceError(f"{file} holds a key that is not for {ALGORITHM}")
    return SigningKey(found)


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    encoded = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(encoded)
        opened.flush()
        os.fsync(opened.fileno())
