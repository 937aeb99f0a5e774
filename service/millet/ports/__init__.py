"""What the flow asks of the world: small protocols, each method stating blocking and errors."""

from millet.ports.archive import Archive, FoundSeries, KeptLog, Retrieved, SeriesName, SeriesQuery, Take
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
from millet.ports.commitment import Commitment, Promise, PromiseLog, QuestionLog, Requester
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
    "Archive",
    "ArrivalLog",
    "Arrived",
    "Clock",
    "Commitment",
    "DeadLetters",
    "Delivery",
    "DeliveryQueue",
    "Destination",
    "Detector",
    "Entry",
    "FoundSeries",
    "InstanceIndex",
    "InstanceLog",
    "JobQueue",
    "Kept",
    "KeptLog",
    "KeptObject",
    "Known",
    "Later",
    "ObjectStore",
    "Offer",
    "OpenSeries",
    "Peaks",
    "ProgressLog",
    "Promise",
    "PromiseLog",
    "QuestionLog",
    "Received",
    "Reception",
    "Recorded",
    "Requester",
    "Retrieved",
    "Selection",
    "SeriesKey",
    "SeriesName",
    "SeriesQuery",
    "SeriesStatus",
    "Site",
    "Spool",
    "SpoolWriter",
    "Stored",
    "Take",
    "Verifier",
    "Work",
    "Worklist",
    "WorklistQuery",
]
