"""Priors that an archive sends to our DICOM port (C-MOVE), from there into the memory of who asked for them.

Theory of operation. The analyser writes into the journal which instances it asks for and until when, and has
the archive send them to an AE title of ours that is for nothing else. Whichever receiver they come to takes
what the journal says is waited for, refuses all else, and says where it lies before it tells success
(`flow.errands`). When the archive has ended, or time is up, the analyser reads what came and forgets the
errand; the bytes go with it. The same series, sent to another title, is received and analysed as ever.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from millet.codec.elements import transfer_syntax
from millet.codec.identifiers import names_of
from millet.errors import ArchiveError, ServiceError, StoreError
from millet.flow.errands import STALE, ErrandDesk
from millet.ports import (
    Archive,
    Errand,
    FoundSeries,
    FoundStudy,
    Received,
    Retrieved,
    SeriesName,
    SeriesQuery,
    Site,
    Take,
)

MOST_INSTANCES = 2000
"""Of one retrieval."""
LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """An `Archive` whose instances come to our DICOM port. Thread-safe."""

    archive: Archive
    """Asked to send; it says what there is, and how many it could not send."""
    title: str
    """To which it sends, as `archive` has it."""
    desk: ErrandDesk
    wait: Callable[[float], None]
    """Sleeps, for seconds."""
    limit_s: float
    """For one retrieval in all."""
    most_bytes: int
    """Of one instance."""

    def find_series(self, wanted: SeriesQuery) -> Sequence[FoundSeries]:
        """The series that match; see `ports.Archive`."""
        return self.archive.find_series(wanted)

    def find_studies(self, patient_id: str) -> Sequence[FoundStudy]:
        """The studies of a patient; see `ports.Archive`."""
        return self.archive.find_studies(patient_id)

    def instances(self, name: SeriesName) -> frozenset[str]:
        """SOP Instance UIDs of a series; see `ports.Archive`."""
        return self.archive.instances(name)

    def count(self, name: SeriesName) -> int | None:
        """How many instances the archive has of a series; see `ports.Archive`."""
        return self.archive.count(name)

    def retrieve(self, name: SeriesName, only: Collection[str], into: Take) -> Retrieved:
        """Have a series sent; see `ports.Archive`. What came is handed on when all of it has come."""
        ends_s = self.desk.clock.monotonic_s() + self.limit_s
        wanted = frozenset(only) or self.archive.instances(name)
        if not 0 < len(wanted) <= MOST_INSTANCES:
            return Retrieved(frozenset(), 0, 0, f"it tells of {len(wanted)} instances of the series")
        errand = self._errand(name, wanted)
        try:
            self.desk.log.begin_errand(errand)
            told = self.archive.retrieve(name, only, _nothing)
            here = self._here(errand, 0 if told.why else len(wanted) - told.failed, ends_s)
            came, refused = self._handed(here, into)
        except StoreError as failure:
            raise ArchiveError(f"what it sends could not be kept here: {failure}") from failure
        finally:
            self._end(errand)
        short = f"{len(here)} of {len(wanted)} instances came to {self.title}"
        return Retrieved(came, refused, told.failed, told.why or ("" if len(here) == len(wanted) else short))

    def _errand(self, name: SeriesName, wanted: frozenset[str]) -> Errand:
        return Errand(
            name=uuid.uuid4().hex,
            site=self.desk.site,
            series=name.checked(),
            sop_instance_uids=wanted,
            most_bytes=self.most_bytes,
            until_utc=self.desk.clock.utc() + timedelta(seconds=self.limit_s),
        )

    def _here(self, errand: Errand, count: int, ends_s: float) -> Mapping[str, str]:
        """What came, once so many did: an archive's last answer may overtake its last instance."""
        while True:
            here = self.desk.log.paths_of(errand.name)
            if len(here) >= count or self.desk.clock.monotonic_s() >= ends_s:
                return here
            self.wait(LOOK_EVERY_S)

    def _handed(self, here: Mapping[str, str], into: Take) -> tuple[frozenset[str], int]:
        """Which were taken, and how many were not."""
        came = set()
        for uid, path in sorted(here.items()):
            try:
                into(self._received(self.desk.store.read(path)))
            except StoreError:
                raise
            except (ServiceError, ValueError):  # one bad instance does not end the retrieval
                continue
            came.add(uid)
        return frozenset(came), len(here) - len(came)

    def _received(self, encoded: bytes) -> Received:
        told = names_of(encoded)
        return Received(
            source=Site(self.desk.site, "", self.title),
            sop_class_uid=told.sop_class_uid,
            sop_instance_uid=told.sop_instance_uid,
            transfer_syntax_uid=transfer_syntax(encoded),
            encoded=encoded,
        )

    def _end(self, errand: Errand) -> None:
        desk = self.desk
        try:
            desk.store.remove(desk.log.end_errand(errand.name, desk.clock.utc() - STALE))
        except StoreError:  # it is tidied up later
            return


def _nothing(_received: Received) -> None:
    """What comes by C-MOVE does not come to who asked."""
