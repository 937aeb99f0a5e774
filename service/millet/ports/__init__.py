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
from millet.ports.doors import Answer, Ask, Gate, Pems, Shown
from millet.ports.habits import Habits, Sender
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
    "Answer",
    "ArrivalLog",
    "Arrived",
    "Ask",
    "Clock",
    "Delivery",
    "DeliveryQueue",
    "Destination",
    "Detector",
    "Entry",
    "Gate",
    "Habits",
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
    "Pems",
    "ProgressLog",
    "Received",
    "Reception",
    "Recorded",
    "Sender",
    "SeriesKey",
    "SeriesStatus",
    "Shown",
    "Site",
    "Spool",
    "SpoolWriter",
    "Stored",
    "Work",
    "Worklist",
    "WorklistQuery",
]
