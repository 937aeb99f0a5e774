"""Why a call was not answered, by what its caller does next.

    MilletError
    ├── WrongRequest   mend the request
    ├── NotFound       wait, or look it up
    ├── Unmet          the series is not as you take it to be: look again
    ├── KeyTaken       choose an idempotency key for each request
    ├── StartAgain     start again without a token
    ├── Denied         show a token or certificate, of another role
    ├── TooMuch        ask for less, or when others ask for less
    ├── NotOffered     ask another process: this one does not do that
    ├── Unavailable    was tried again until the time was over; try later
    ├── TooLate        the time was over
    └── Incomplete     an answer broke off: ask again

`reason` is the stable one of the service's reference, such as NO_SUCH_SERIES; empty where gRPC itself failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure
from google.rpc.status_pb2 import Status

DETAILS = "grpc-status-details-bin"


class MilletError(Exception):
    """A call ended with another status than OK."""

    def __init__(
        self,
        words: str,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        fields: tuple[str, ...] = (),
    ) -> None:
        self.code = code
        self.reason = reason
        self.fields = fields
        """Of the request that are wrong, or that the series differs in."""
        super().__init__(words)


class WrongRequest(MilletError):  # noqa: N818 - named by what its caller does next, as all of them
    """A field makes no sense, or the request is no message of its call."""


class NotFound(MilletError):  # noqa: N818 - as above
    """There is no such series, nodule, picture or archive, or no analysis yet."""


class Unmet(MilletError):  # noqa: N818 - as above
    """The series is another patient's than was expected, or has changed since it was seen."""


class KeyTaken(MilletError):  # noqa: N818 - as above
    """The idempotency key stands for another request."""


class StartAgain(MilletError):  # noqa: N818 - as above
    """A token leads nowhere any more: the series was analysed anew, or the journal put back."""


class Denied(MilletError):  # noqa: N818 - as above
    """Nobody was recognised, or the role may not do this."""


class TooMuch(MilletError):  # noqa: N818 - as above
    """As many callers as are taken are at it, or a message is larger than 4 MiB."""


class NotOffered(MilletError):  # noqa: N818 - as above
    """The process does not receive, or is configured not to do this."""


class Unavailable(MilletError):  # noqa: N818 - as above
    """The service, or its store, does not answer."""


class TooLate(MilletError):  # noqa: N818 - as above
    """The deadline is over."""


class Incomplete(MilletError):  # noqa: N818 - as above
    """Less came than was told."""


Code = grpc.StatusCode
KINDS: Mapping[grpc.StatusCode, type[MilletError]] = {
    Code.INVALID_ARGUMENT: WrongRequest,
    Code.NOT_FOUND: NotFound,
    Code.FAILED_PRECONDITION: Unmet,
    Code.ALREADY_EXISTS: KeyTaken,
    Code.ABORTED: StartAgain,
    Code.OUT_OF_RANGE: StartAgain,
    Code.UNAUTHENTICATED: Denied,
    Code.PERMISSION_DENIED: Denied,
    Code.RESOURCE_EXHAUSTED: TooMuch,
    Code.UNIMPLEMENTED: NotOffered,
    Code.UNAVAILABLE: Unavailable,
    Code.DEADLINE_EXCEEDED: TooLate,
}


def error_of(failed: Any) -> MilletError:
    """What a `grpc.RpcError` of a call stands for."""
    code, words = failed.code(), failed.details() or ""
    reason, fields = _told(dict(failed.trailing_metadata() or ()).get(DETAILS, b""))
    kind = KINDS.get(code, MilletError)
    return kind(f"{code.name}: {words}", code, reason, fields)


def _told(details: Any) -> tuple[str, tuple[str, ...]]:
    """The reason and the fields of a status."""
    info, request, unmet = ErrorInfo(), BadRequest(), PreconditionFailure()
    try:
        for one in Status.FromString(details).details:
            _ = one.Unpack(info) or one.Unpack(request) or one.Unpack(unmet)
    except DecodeError:
        return "", ()
    named = [field.field for field in request.field_violations]
    return info.reason, (*named, *(violation.subject for violation in unmet.violations))
