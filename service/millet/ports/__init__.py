"""What the flow asks of the world: small protocols, each method stating blocking and errors."""

from millet.ports.arrivals import (
    ArrivalLog,
    Arrived,
    Entry,
    InstanceLog,
    OpenSeries,
    ProgressLog,
    Received,
    Recorded,
    Site,
)
from millet.ports.deliveries import DeadLetters, DeliveryQueue, Later, Selection
from millet.ports.detector import Detector, Peaks
from millet.ports.stores import Clock, Spool, Stored
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
    "InstanceLog",
    "JobQueue",
    "KeptObject",
    "Later",
    "OpenSeries",
    "Peaks",
    "ProgressLog",
    "Received",
    "Recorded",
    "Selection",
    "SeriesKey",
    "SeriesStatus",
    "Site",
    "Spool",
    "Stored",
    "Verifier",
    "Work",
    "Worklist",
    "WorklistQuery",
]
