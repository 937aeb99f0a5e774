"""A client of Millet: series submitted and pulled, the worklist, analyses and pictures, what readers say.

It needs grpcio, protobuf and googleapis-common-protos, and nothing else that Millet needs. What comes and
goes are the messages of the contract, `millet_client.messages`, and of pictures and what comes in
`picture_messages` and `submission_messages`.
"""

from millet.proto.millet.v1 import analysis_service_pb2 as messages
from millet.proto.millet.v1 import picture_service_pb2 as picture_messages
from millet.proto.millet.v1 import submission_service_pb2 as submission_messages
from millet.proto.millet.v1.analysis_service_pb2 import (
    AnalysisFilter,
    EvaluateCriteriaRequest,
    Expected,
    TriageLevel,
)
from millet.proto.millet.v1.picture_service_pb2 import Picture
from millet.proto.millet.v1.submission_service_pb2 import PullSeriesRequest
from millet_client.client import Client, Series
from millet_client.errors import (
    Denied,
    Incomplete,
    KeyTaken,
    MilletError,
    NotFound,
    NotOffered,
    StartAgain,
    TooLate,
    TooMuch,
    Unavailable,
    Unmet,
    WrongRequest,
)
from millet_client.transport import Tls

__all__ = [
    "AnalysisFilter",
    "Client",
    "Denied",
    "EvaluateCriteriaRequest",
    "Expected",
    "Incomplete",
    "KeyTaken",
    "MilletError",
    "NotFound",
    "NotOffered",
    "Picture",
    "PullSeriesRequest",
    "Series",
    "StartAgain",
    "Tls",
    "TooLate",
    "TooMuch",
    "TriageLevel",
    "Unavailable",
    "Unmet",
    "WrongRequest",
    "messages",
    "picture_messages",
    "submission_messages",
]
