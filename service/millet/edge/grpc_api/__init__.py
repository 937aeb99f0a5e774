"""The worklist and its analyses over gRPC, with health and reflection."""

from millet.edge.grpc_api.gate import credentials, shown
from millet.edge.grpc_api.server import GrpcServer, GrpcSources

__all__ = ["GrpcServer", "GrpcSources", "credentials", "shown"]
