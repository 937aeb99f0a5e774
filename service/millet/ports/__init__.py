"""What the flow asks of the world: small protocols, each method stating blocking and errors."""

from millet.ports.arrivals import (
    ArrivalLog,
    Arrived,
    Entry,
    InstanceIndex,
    InstanceLog,
    Known,
    OpenSeries,
    ProgressLog,
    Received,
    Reception,
    Recorded,
)
from millet.ports.detector import Detector, Peaks
from millet.ports.stores import (
    Clock,
    Kept,
    ObjectStore,
    Offer,
    Site,
    Spool,
    SpoolWriter,
    Stored,
)
from millet.ports.work import Delivery, DeliveryQueue, Destination, JobQueue, KeptObject, Work
from millet.ports.worklist import SeriesKey, SeriesStatus, Worklist, WorklistQuery

__all__ = [
    "ArrivalLog",
    "Arrived",
    "Clock",
    "Delivery",
    "DeliveryQueue",
    "Destination",
    "Detector",
    "Entry",
    "InstanceIndex",
    "InstanceLog",
    "JobQueue",
    "Kept",
    "KeptObject",
    "Known",
    "ObjectStore",
    "Offer",
    "OpenSeries",
    "Peaks",
    "ProgressLog",
    "Received",
    "Reception",
    "Recorded",
    "SeriesKey",
    "SeriesStatus",
    "Site",
    "Spool",
    "SpoolWriter",
    "Stored",
    "Work",
    "Worklist",
    "WorklistQuery",
]
