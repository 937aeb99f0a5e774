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
from millet.ports.deliveries import DeadLetters, DeliveryQueue, Later, Selection
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
from millet.ports.verification import Verifier
from millet.ports.work import Delivery, Destination, JobQueue, KeptObject, Work
from millet.ports.worklist import SeriesKey, SeriesStatus, Worklist, WorklistQuery

__all__ = [
    "ArrivalLog",
    "Arrived",
    "Clock",
    "DeadLetters",
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
    "Later",
    "ObjectStore",
    "Offer",
    "OpenSeries",
    "Peaks",
    "ProgressLog",
    "Received",
    "Reception",
    "Recorded",
    "Selection",
    "SeriesKey",
    "SeriesStatus",
    "Site",
    "Spool",
    "SpoolWriter",
    "Stored",
    "Verifier",
    "Work",
    "Worklist",
    "WorklistQuery",
]
