"""A webhook: each notification in a signed POST, as Standard Webhooks 1.0.0 has it (standardwebhooks.com).

The signature is an HMAC-SHA256 of id, time and body. The id is the same for every try, so that a receiver
knows what it has; the time is that of the try, so that nobody else can send it again later.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from millet.core.media import media_type
from millet.core.refusal import of_http
from millet.edge.destinations.answers import judge
from millet.edge.destinations.http import key_of
from millet.edge.destinations.posting import Door, Poster
from millet.errors import DeliveryError
from millet.ports import Delivery

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)


class WebhookDestination:
    """A `Destination`. Thread-safe."""

    def __init__(self, door: Door, key_file: Path, now_utc: Callable[[], datetime]) -> None:
        self._poster = Poster(door)
        self._key_file = key_file
        self._now_utc = now_utc
        self.limit_s = door.limit_s

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Post one notification; see `ports.Destination`."""
        name, sent = f"msg_{key_of(delivery)}", str(int(self._now_utc().timestamp()))
        signed = b".".join([name.encode(), sent.encode(), encoded])
        signatures = [f"v1,{_signature(key, signed)}" for key in keys(self._key_file)]
        headers = {
            "Content-Type": media_type(delivery.kind),
            "webhook-id": name,
            "webhook-timestamp": sent,
            "webhook-signature": " ".join(signatures),
        }
        answer = self._poster.post("", headers, [encoded])
        judge(of_http(answer.status), f"HTTP {answer.status}", answer.after_s)


def keys(path: Path) -> Sequence[bytes]:
    """The keys of a file, one a line, `whsec_` and 24 to 64 bytes in base64; of two, each signs.

    It is read each time, so that a new key is used at once. Raises DeliveryError.
    """
    try:
        lines = path.read_text("ascii").split()
        found = [base64.b64decode(line.removeprefix(PREFIX), validate=True) for line in lines]
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        why = f"the signing key cannot be read: {type(error).__name__}"
        raise DeliveryError(why, retryable=True, away=True) from None
    if not found or any(len(key) not in KEY_BYTES for key in found):
        why = "the signing key must be of 24 to 64 bytes in base64"
        raise DeliveryError(why, retryable=True, away=True)
    return found


def _signature(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
