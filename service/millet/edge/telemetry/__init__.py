"""What the service tells its operators: metrics and logs."""

from millet.core.tag import series_tag
from millet.edge.telemetry.doors import ApiDoor, CertificateOf, DoorMetrics, SecretFile
from millet.edge.telemetry.events import Events
from millet.edge.telemetry.leaving import OTHER, Delivered, Leaving
from millet.edge.telemetry.logs import configure
from millet.edge.telemetry.metrics import (
    CONTENT_TYPE,
    Association,
    GrpcCode,
    Peer,
    Rpc,
    Stage,
    Storing,
    Telemetry,
)

__all__ = [
    "CONTENT_TYPE",
    "OTHER",
    "ApiDoor",
    "Association",
    "CertificateOf",
    "Delivered",
    "DoorMetrics",
    "Events",
    "GrpcCode",
    "Leaving",
    "Peer",
    "Rpc",
    "SecretFile",
    "Stage",
    "Storing",
    "Telemetry",
    "configure",
    "series_tag",
]
