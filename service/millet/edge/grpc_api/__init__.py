"""The worklist and its analyses over gRPC, with health and reflection."""

from millet.edge.grpc_api.arriving import Submissions
from millet.edge.grpc_api.gate import credentials, shown
from millet.edge.grpc_api.server import GrpcServer, GrpcSources
from millet.edge.grpc_api.submission import Inward

__all__ = ["GrpcServer", "GrpcSources", "Inward", "Submissions", "credentials", "shown"]
