"""Which role may call what over gRPC and HTTP. What is not in these tables nobody may call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Role(IntEnum):
    """Each may do what those before it may."""

    VIEWER = 1
    """Reads worklist and analyses."""
    READER = 2
    """Acknowledges what it has seen, says what it thinks of a nodule, has series pulled from an archive."""
    OPS = 3
    """Reads metrics, replays, sends instances: what keeps the service going."""
    ADMIN = 4
    """Changes what the service does."""

    @classmethod
    def parse(cls, text: str) -> Role:
        """Read `viewer`, `reader`, `ops` or `admin`. Raises ValueError."""
        found = {role.name.lower(): role for role in cls}.get(text)
        if found is None:
            raise ValueError(f"{text!r} is none of {', '.join(role.name.lower() for role in cls)}")
        return found

    def __str__(self) -> str:
        return self.name.lower()


class Open(StrEnum):
    """For what needs no role."""

    TO_ALL = "open"


Needed = Role | Open | None
"""A role, nothing, or (None) what no role is enough for, since it is in no table."""

RPCS: Mapping[str, Role | Open] = {
    "/millet.v1.AnalysisService/GetAnalysis": Role.VIEWER,
    "/millet.v1.AnalysisService/ListAnalyses": Role.VIEWER,
    "/millet.v1.AnalysisService/WatchAnalyses": Role.VIEWER,
    "/millet.v1.AnalysisService/StreamAnalysis": Role.VIEWER,
    "/millet.v1.AnalysisService/WatchSeries": Role.VIEWER,
    "/millet.v1.AnalysisService/ListFeedback": Role.VIEWER,
    "/millet.v1.AnalysisService/AcknowledgeSeries": Role.READER,
    "/millet.v1.AnalysisService/WithdrawAcknowledgement": Role.READER,
    "/millet.v1.AnalysisService/GiveFeedback": Role.READER,
    "/millet.v1.CriteriaService/EvaluateCriteria": Role.VIEWER,
    "/millet.v1.SubmissionService/SubmitInstances": Role.OPS,
    "/millet.v1.SubmissionService/PullSeries": Role.READER,
    "/millet.v1.PictureService/StreamMasks": Role.VIEWER,
    "/millet.v1.PictureService/ListPictures": Role.VIEWER,
    "/millet.v1.PictureService/GetPicture": Role.VIEWER,
    "/inference.GRPCInferenceService/ServerLive": Open.TO_ALL,
    "/inference.GRPCInferenceService/ServerReady": Open.TO_ALL,
    "/inference.GRPCInferenceService/ServerMetadata": Role.VIEWER,
    "/inference.GRPCInferenceService/ModelReady": Role.VIEWER,
    "/inference.GRPCInferenceService/ModelMetadata": Role.VIEWER,
    "/inference.GRPCInferenceService/ModelInfer": Role.VIEWER,
    "/grpc.health.v1.Health/Check": Open.TO_ALL,
    "/grpc.health.v1.Health/Watch": Open.TO_ALL,
    "/grpc.health.v1.Health/List": Open.TO_ALL,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Role.VIEWER,
}
"""By full method name. Health is asked by machines that hold no token."""

ROUTES: Mapping[str, Role | Open] = {
    "/": Role.VIEWER,
    "/series/{site}/{series_uid}": Role.VIEWER,
    "/events": Role.VIEWER,
    "/signin": Open.TO_ALL,
    "/signin/issuer": Open.TO_ALL,
    "/signin/back": Open.TO_ALL,
    "/signout": Role.VIEWER,
    "/series/{site}/{series_uid}/found.json": Role.VIEWER,
    "/series/{site}/{series_uid}/slices.json": Role.VIEWER,
    "/series/{site}/{series_uid}/slices/{sop_instance_uid}": Role.VIEWER,
    "/series/{site}/{series_uid}/coronal/{volume}/{plane}": Role.VIEWER,
    "/series/{site}/{series_uid}/acknowledge": Role.READER,
    "/series/{site}/{series_uid}/{picture}": Role.VIEWER,
    "/studies": Role.OPS,
    "/studies/{study_uid}": Role.OPS,
    "/metrics": Role.OPS,
    "/healthz": Open.TO_ALL,
    "/readyz": Open.TO_ALL,
    "/startupz": Open.TO_ALL,
    "/openapi.json": Open.TO_ALL,
    "/static/{file}": Open.TO_ALL,
}
"""By path, a part in braces standing for one segment. What is static tells nothing of anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Somebody that was recognised."""

    name: str
    """As the access file or the issuer names them; goes into the audit trail."""
    role: Role


class Verdict(StrEnum):
    """What becomes of a call."""

    ALLOWED = "allowed"
    UNKNOWN = "unauthenticated"
    """Nobody was recognised: ask for credentials."""
    DENIED = "denied"
    """Somebody was, and may not."""


def needed_by_rpc(method: str) -> Needed:
    """What a gRPC method needs."""
    return RPCS.get(method)


def is_rpc(path: str) -> bool:
    """Whether an HTTP path is the full name of a gRPC method, `/package.Service/Method`, of us or not."""
    return _RPC.fullmatch(path) is not None


def route_of(path: str) -> str:
    """Which of `ROUTES` or `RPCS` an HTTP path is of; empty for none. Names no series, unlike the path.

    What cannot be printed is in none: a router may take a path with a line feed at its end for another's.
    """
    if path in RPCS:
        return path
    if not path.isprintable():
        return ""
    return next((route for pattern, route in _ROUTES if pattern.fullmatch(path)), "")


def series_in(path: str) -> str:
    """The series that an HTTP path asks for, as the caller wrote it; empty for none."""
    return path.split("/")[3] if route_of(path).startswith("/series/{site}/{series_uid}") else ""


def verdict(who: Who | None, needed: Needed) -> Verdict:
    """Whether somebody, or nobody known, may call what needs a role."""
    if needed is Open.TO_ALL:
        return Verdict.ALLOWED
    if who is None:
        return Verdict.UNKNOWN
    if needed is None or who.role < needed:
        return Verdict.DENIED
    return Verdict.ALLOWED


def _pattern(route: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", route)
    return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts))


_RPC = re.compile(r"/[A-Za-z]\w*(\.\w+)+/\w+", re.ASCII)
_ROUTES = tuple((_pattern(route), route) for route in ROUTES)
