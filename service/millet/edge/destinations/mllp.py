"""An HL7 listener: each message in an MLLP frame on a connection of its own, and its acknowledgement."""

from __future__ import annotations

import socket

from millet.codec import mllp
from millet.core.refusal import of_ack
from millet.edge.destinations.answers import broken, judge
from millet.edge.destinations.connecting import connect
from millet.edge.destinations.limit import Limit
from millet.edge.destinations.tls import Tls
from millet.errors import DeliveryError
from millet.ports import Delivery

LONGEST_ANSWER = 100_000


class MllpDestination:
    """A `Destination`. Thread-safe."""

    def __init__(
        self, host: str, port: int, tls: Tls | None, timeout_s: float = 30.0, limit_s: float = 60.0
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._timeout_s = timeout_s
        self.limit_s = limit_s

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:  # noqa: ARG002 - the message says all itself
        """Send one message; see `ports.Destination`."""
        try:
            framed, expected = mllp.frame(encoded), mllp.control_id(encoded)
        except ValueError as error:
            raise DeliveryError(f"it cannot be sent as HL7: {error}", retryable=False) from None
        ack = self._exchange(framed)
        if ack.control_id != expected:
            raise broken("acknowledged another message")
        said = f"{ack.code}, {ack.error}" if ack.error else ack.code
        judge(of_ack(ack.code, ack.error), said)

    def _exchange(self, framed: bytes) -> mllp.Ack:
        context = None if self._tls is None else self._tls()
        with (
            Limit(self.limit_s) as limit,
            connect((self._host, self._port), context, self._timeout_s, limit) as connection,
        ):
            try:
                connection.sendall(framed)
                return mllp.read_ack(_receive(connection))
            except ValueError:
                raise broken("did not answer with an acknowledgement") from None
            except OSError as error:
                said = "took too long" if limit.reached else f"broke off ({type(error).__name__})"
                raise broken(said) from None


def _receive(connection: socket.socket) -> bytes:
    received = b""
    while (message := mllp.unframe(received)) is None:
        chunk = connection.recv(65_536)
        if not chunk or len(received) > LONGEST_ANSWER:
            raise ValueError("no frame")
        received += chunk
    return message
