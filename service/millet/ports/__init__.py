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
    Policy,
    ProgressLog,
    Received,
    Reception,
    Recorded,
)
from millet.ports.commitment import Commitment, Promise, PromiseLog, QuestionLog, Requester
from millet.ports.deliveries import DeadLetters, DeliveryQueue, Later, Selection
from millet.ports.detector import Detector, Peaks
from millet.ports.doors import Answer, Ask, Gate, Pems, Shown
from millet.ports.habits import Habits, Sender
from millet.ports.priors import PatientExams, Priors
from millet.ports.provisional import Found, Provisional, ProvisionalLog
from millet.ports.readers import About, ReaderLog, Taken
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
    "About",
    "Answer",
    "Archive",
    "ArrivalLog",
    "Arrived",
    "Ask",
    "Clock",
    "Commitment",
    "DeadLetters",
    "Delivery",
    "DeliveryQueue",
    "Destination",
    "Detector",
    "Entry",
    "Found",
    "FoundSeries",
    "Gate",
    "Habits",
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
    "PatientExams",
    "Peaks",
    "Pems",
    "Policy",
    "Priors",
    "ProgressLog",
    "Promise",
    "PromiseLog",
    "Provisional",
    "ProvisionalLog",
    "QuestionLog",
    "ReaderLog",
    "Received",
    "Reception",
    "Recorded",
    "Requester",
    "Retrieved",
    "Selection",
    "Sender",
    "SeriesKey",
    "SeriesName",
    "SeriesQuery",
    "SeriesStatus",
    "Shown",
    "Site",
    "Spool",
    "SpoolWriter",
    "Stored",
    "Take",
    "Taken",
    "Verifier",
    "Work",
    "Worklist",
    "WorklistQuery",
]
