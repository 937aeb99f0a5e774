"""A client of Millet for viewers: the worklist, one series live, analyses whole, what readers say.

It needs grpcio, protobuf and googleapis-common-protos, and nothing else that Millet needs. What comes and
goes are the messages of the contract, `millet_client.messages`.
"""

from millet.proto.millet.v1 import analysis_service_pb2 as messages
from millet.proto.millet.v1.analysis_service_pb2 import AnalysisFilter, Expected, TriageLevel
from millet_client.client import Client, Series
from millet_client.errors import (
    Denied,
    Incomplete,
    KeyTaken,
    MilletError,
    NotFound,
    StartAgain,
    TooLate,
    Unavailable,
    Unmet,
    WrongRequest,
)
from millet_client.transport import Tls

__all__ = [
    "AnalysisFilter",
    "Client",
    "Denied",
    "Expected",
    "Incomplete",
    "KeyTaken",
    "MilletError",
    "NotFound",
    "Series",
    "StartAgain",
    "Tls",
    "TooLate",
    "TriageLevel",
    "Unavailable",
    "Unmet",
    "WrongRequest",
    "messages",
]
