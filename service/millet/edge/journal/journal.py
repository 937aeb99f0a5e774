"""One journal that intake, worker, outbox, gRPC and page each see through their own port.

Theory of operation. Every step of a series is one row transition in one transaction, and what must
happen next is written in that same transaction: an instance is journalled after its bytes are durable
and before the sender is told; a series is closed together with its job; an analysis is committed
together with its deliveries. So after a crash, at any point, the rows say what is still to be done.
Doing a thing twice changes nothing: the same bytes are one instance, the first commit of an analysis
wins, and a delivery that is already there counts as made.
"""

from __future__ import annotations

import sqlalchemy as sa

from millet.core.language import Language
from millet.edge.journal.arrivals import Arrivals
from millet.edge.journal.base import Enqueue
from millet.edge.journal.board import Board
from millet.edge.journal.commitments import Commitments
from millet.edge.journal.deliveries import Deliveries
from millet.edge.journal.errands import Errands
from millet.edge.journal.generations import Alerts
from millet.edge.journal.habits import SenderHabits
from millet.edge.journal.instances import Instances
from millet.edge.journal.jobs import Jobs
from millet.edge.journal.notices import Notices
from millet.edge.journal.priors import PatientPriors
from millet.edge.journal.provisional import ProvisionalNodules
from millet.edge.journal.readers import Readers
from millet.edge.journal.retention import Made, Segments
from millet.edge.journal.slices import Slices
from millet.edge.journal.worklist import Worklist
from millet.ports import ObjectStore, SeriesKey


class SqlJournal(
    Instances,
    Arrivals,
    Jobs,
    Deliveries,
    Worklist,
    Board,
    Slices,
    Alerts,
    SenderHabits,
    Commitments,
    Segments,
    Made,
    PatientPriors,
    Errands,
    Notices,
    Readers,
    ProvisionalNodules,
):
    """Every port of the journal. Thread-safe.

    `InstanceLog`, `InstanceIndex`, `ArrivalLog`, `ProgressLog`, `JobQueue`, `DeliveryQueue`, `Worklist`,
    `Board`, `SliceLog`, `Habits`, `KeptLog`, `PromiseLog`,
    `QuestionLog`, `SegmentLog`, `MadeLog`, `Priors`, `ErrandLog`, `ReaderLog`, `ProvisionalLog`
    and `NoticeLog`.
    """

    def __init__(
        self,
        engine: sa.Engine,
        enqueue: Enqueue,
        objects: ObjectStore,
        language: Language = Language.ENGLISH,
    ) -> None:
        super().__init__(engine, enqueue, language)
        self._objects = objects

    def object_bytes(self, key: SeriesKey, kind: str, generation: int = 0) -> bytes | None:
        """A stored object of the newest analysis; see `ports.Worklist`."""
        path = self.object_path(key, kind, generation)
        return None if path is None else self._objects.read(path)
