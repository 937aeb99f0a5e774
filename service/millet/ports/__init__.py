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
from millet.ports.detector import Detector, Peaks
from millet.ports.habits import Habits, Sender
from millet.ports.stores import Clock, Spool, Stored
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
    "Habits",
    "InstanceLog",
    "JobQueue",
    "KeptObject",
    "OpenSeries",
    "Peaks",
    "ProgressLog",
    "Received",
    "Recorded",
    "Sender",
    "SeriesKey",
    "SeriesStatus",
    "Site",
    "Spool",
    "Stored",
    "Work",
    "Worklist",
    "WorklistQuery",
]
