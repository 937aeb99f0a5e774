"""What the flow asks of the world: small protocols, each method stating blocking and errors."""

from millet.ports.archive import Archive, FoundSeries, KeptLog, Retrieved, SeriesName, SeriesQuery, Take
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
from millet.ports.commitment import Commitment, Promise, PromiseLog, QuestionLog, Requester
from millet.ports.detector import Detector, Peaks
from millet.ports.stores import Clock, Spool, Stored
from millet.ports.verification import Verifier
from millet.ports.work import Delivery, DeliveryQueue, Destination, JobQueue, KeptObject, Work
from millet.ports.worklist import SeriesKey, SeriesStatus, Worklist, WorklistQuery

__all__ = [
    "Archive",
    "ArrivalLog",
    "Arrived",
    "Clock",
    "Commitment",
    "Delivery",
    "DeliveryQueue",
    "Destination",
    "Detector",
    "Entry",
    "FoundSeries",
    "InstanceLog",
    "JobQueue",
    "KeptLog",
    "KeptObject",
    "OpenSeries",
    "Peaks",
    "ProgressLog",
    "Promise",
    "PromiseLog",
    "QuestionLog",
    "Received",
    "Recorded",
    "Requester",
    "Retrieved",
    "SeriesKey",
    "SeriesName",
    "SeriesQuery",
    "SeriesStatus",
    "Site",
    "Spool",
    "Stored",
    "Take",
    "Verifier",
    "Work",
    "Worklist",
    "WorklistQuery",
]
