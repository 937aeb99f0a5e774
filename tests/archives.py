"""Archives for tests: one in memory that is an `Archive`, and one over DIMSE that does what a test says."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from io import BytesIO

from instances import SERIES, ct_dataset, header, received
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from millet.core.peer import Peer
from millet.edge.query.dimse import FIND, GET, MOVE
from millet.edge.query.gathering import Gathering
from millet.ports import FoundSeries, FoundStudy, Received, Retrieved, SeriesName, SeriesQuery, Take

NAME = SeriesName(header(1).study_uid, SERIES)
CT = header(1).sop_class_uid


def uid(number: int) -> str:
    """Of slice `number`."""
    return header(number).sop_instance_uid


@dataclass
class MemoryArchive:
    """An `Archive` with the slices that a test gives it."""

    numbers: Sequence[int] = (1, 2, 3)
    sends: Sequence[Received] | None = None
    """What it sends whatever is asked for; None for what is asked for."""
    elsewhere: bool = False
    breaks_after: int = 1_000_000
    asked: list[frozenset[str]] = field(default_factory=list)
    """The `only` of each retrieval."""

    def find_series(self, wanted: SeriesQuery) -> Sequence[FoundSeries]:
        """The one series."""
        return [FoundSeries(name=NAME, instances=len(self.numbers))]

    def find_studies(self, patient_id: str) -> Sequence[FoundStudy]:
        """None: it knows no patients."""
        return []

    def instances(self, name: SeriesName) -> frozenset[str]:
        """Its slices."""
        return frozenset(uid(n) for n in self.numbers) if name == NAME else frozenset()

    def count(self, name: SeriesName) -> int | None:
        """How many."""
        return len(self.instances(name)) or None

    def retrieve(self, name: SeriesName, only: Collection[str], into: Take) -> Retrieved:
        """Send them, until it breaks."""
        self.asked.append(frozenset(only))
        gathering = Gathering(into)
        wanted = [received(n) for n in self.numbers if not only or uid(n) in only]
        for number, one in enumerate(wanted if self.sends is None else self.sends):
            if number == self.breaks_after:
                gathering.ended("it broke")
                break
            gathering.take(lambda one=one: one)
        return gathering.retrieved(elsewhere=self.elsewhere)


class WireArchive:
    """A real AE that answers C-FIND, C-GET and C-MOVE from lists; tests change them."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.reset()
        entity = AE(ae_title="ARCHIVE")
        for model in (FIND, GET, MOVE):
            entity.add_supported_context(model)
        entity.add_supported_context(CT, scu_role=True, scp_role=True)
        entity.add_requested_context(CT)
        handlers = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get), (evt.EVT_C_MOVE, self._move)]
        self.server = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=tls
        )
        self.peer = Peer(ae_title="ARCHIVE", host="127.0.0.1", port=self.server.server_address[1])

    def reset(self) -> None:
        """Three slices, and honest."""
        self.datasets = [ct_dataset(n) for n in (1, 2, 3)]
        self.rows: list[Dataset] | None = None
        """What C-FIND answers whatever is asked; None for honest answers."""
        self.status = 0xFF00
        self.identifiers: list[Dataset] = []
        self.move_to: tuple[str, int] | None = None
        self.after_first = lambda _event: None

    def _find(self, event):
        self.identifiers.append(event.identifier)
        for one in self._honest(event.identifier) if self.rows is None else self.rows:
            yield self.status, one

    def _honest(self, asked: Dataset) -> list[Dataset]:
        found = {}
        for dataset in self._matching(asked):
            row = Dataset()
            for element in asked:
                setattr(row, element.keyword, dataset.get(element.keyword, ""))
            row.QueryRetrieveLevel = asked.QueryRetrieveLevel
            if asked.QueryRetrieveLevel == "SERIES":
                row.NumberOfSeriesRelatedInstances = len(self.datasets)
            found[str(row)] = row
        return list(found.values())

    def _matching(self, asked: Dataset) -> list[Dataset]:
        keys = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID", "Modality")
        wanted = {keyword: asked.get(keyword) for keyword in keys}
        return [
            dataset
            for dataset in self.datasets
            if all(not v or dataset.get(k) == v or dataset.get(k) in list(v) for k, v in wanted.items())
        ]

    def _get(self, event):
        self.identifiers.append(event.identifier)
        found = self.datasets if self.rows is not None else self._matching(event.identifier)
        yield len(found)
        for number, dataset in enumerate(found):
            if number == 1:
                self.after_first(event)
            yield 0xFF00, dataset

    def _move(self, event):
        self.identifiers.append(event.identifier)
        yield self.move_to or (None, None)
        if self.move_to:
            found = self._matching(event.identifier)
            yield len(found)
            for dataset in found:
                yield 0xFF00, dataset

    def stop(self) -> None:
        """End it."""
        self.server.shutdown()


def file_of(dataset: Dataset) -> bytes:
    """A dataset as a DICOM file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
