"""A connection to a destination, encrypted or not; every wait of it is bounded."""

from __future__ import annotations

import socket
import ssl

from millet.edge.destinations.answers import away
from millet.edge.destinations.limit import Limit


def connect(
    address: tuple[str, int], context: ssl.SSLContext | None, timeout_s: float, limit: Limit
) -> socket.socket:
    """Connect, and greet by TLS where there is a context. Raises DeliveryError: the destination is away.

    Args:
        address: host name and port; the name is the one that the certificate must bear.
        context: of TLS; None for a connection in the clear.
        timeout_s: for each wait, now and later.
        limit: told of the connection before anything is said on it.
    """
    try:
        plain = socket.create_connection(address, timeout=timeout_s)
    except OSError:
        raise away("cannot be reached") from None
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None:
        limit.watch(plain)
        return plain
    encrypted = context.wrap_socket(plain, server_hostname=address[0], do_handshake_on_connect=False)
    limit.watch(encrypted)
    try:
        encrypted.do_handshake()
    except (OSError, ValueError) as error:
        encrypted.close()
        is_unknown = isinstance(error, ssl.SSLCertVerificationError)
        raise away("cannot be trusted" if is_unknown else "does not agree on TLS") from None
    return encrypted
