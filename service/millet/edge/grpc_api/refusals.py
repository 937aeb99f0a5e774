"""How a call ends that is not answered: a status, a sentence, and google.rpc details for programs.

Nothing here quotes a value that a caller or a series has: a detail names the field, the sentence says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo
from google.rpc.status_pb2 import Status

from millet.edge.grpc_api.behaviours import Context
from millet.errors import StoreError

DOMAIN = "millet.v1"
DETAILS = "grpc-status-details-bin"
"""The trailing metadata that clients of every language look for."""


class Refusal(Exception):  # noqa: N818 - an answer to the caller, not a fault
    """A call ends with a status, a stable reason, a sentence, and what fits beside them."""

    def __init__(self, code: grpc.StatusCode, reason: str, why: str, *details: Message) -> None:
        self.code = code
        self.details = (ErrorInfo(reason=reason, domain=DOMAIN), *details)
        super().__init__(why)

    def packed(self) -> list[Packed]:
        """The details as a status carries them."""
        return [_packed(detail) for detail in self.details]


def bad(field: str, why: str) -> Refusal:
    """A field of the request makes no sense."""
    violation = BadRequest.FieldViolation(field=field, description=why)
    details = BadRequest(field_violations=[violation])
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", why, details)


def missing(kind: str, reason: str, why: str) -> Refusal:
    """There is no such thing."""
    details = ResourceInfo(resource_type=f"{DOMAIN}.{kind}", description=why)
    return Refusal(grpc.StatusCode.NOT_FOUND, reason, why, details)


def unmet(reason: str, why: str, fields: Sequence[str] = ()) -> Refusal:
    """The series is not as the request takes it to be."""
    violations = [PreconditionFailure.Violation(type=reason, subject=field) for field in fields]
    details = [PreconditionFailure(violations=violations)] if fields else []
    return Refusal(grpc.StatusCode.FAILED_PRECONDITION, reason, why, *details)


def not_offered() -> Refusal:
    """This process does not have what the call needs."""
    why = "this process does not receive, or is configured not to take instances in this way"
    return Refusal(grpc.StatusCode.UNIMPLEMENTED, "NOT_OFFERED", why)


def stopped() -> Refusal:
    """The service stops."""
    why = "the service stops; call again with what was not accepted"
    return Refusal(grpc.StatusCode.UNAVAILABLE, "STOPPING", why)


def failed() -> Refusal:
    """We did something wrong."""
    return Refusal(grpc.StatusCode.INTERNAL, "FAILED", "it failed here; the log says how")


@contextmanager
def answering() -> Iterator[None]:
    """Turn what can go wrong while a call is answered into refusals."""
    try:
        yield
    except ValueError as error:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", str(error)) from error
    except StoreError as error:
        why = "the store does not answer; try again"
        raise Refusal(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", why) from error


async def refuse(context: Context, refusal: Refusal) -> NoReturn:
    """End a call."""
    status = Status(code=refusal.code.value[0], message=str(refusal), details=refusal.packed())
    trailing = ((DETAILS, status.SerializeToString()),)
    await context.abort(refusal.code, str(refusal), trailing_metadata=trailing)
    raise AssertionError  # abort does not return


def _packed(detail: Message) -> Packed:
    made = Packed()
    made.Pack(detail)
    return made
