"""What the service tells its operators: metrics and logs."""

from millet.core.tag import series_tag
from millet.edge.telemetry.canary import CanaryMetrics, Sent
from millet.edge.telemetry.devices import Devices, Nvml
from millet.edge.telemetry.doors import ApiDoor, DoorMetrics, SecretFile
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
from millet.edge.telemetry.readers import ReaderMetrics
from millet.edge.telemetry.room import RoomMetrics
from millet.edge.telemetry.traces import Traces
from millet.edge.telemetry.working import Attempt

__all__ = [
    "CONTENT_TYPE",
    "OTHER",
    "ApiDoor",
    "Association",
    "Attempt",
    "CanaryMetrics",
    "Delivered",
    "Devices",
    "DoorMetrics",
    "Events",
    "GrpcCode",
    "Leaving",
    "Nvml",
    "Peer",
    "ReaderMetrics",
    "RoomMetrics",
    "Rpc",
    "SecretFile",
    "Sent",
    "Stage",
    "Storing",
    "Telemetry",
    "Traces",
    "configure",
    "series_tag",
]
