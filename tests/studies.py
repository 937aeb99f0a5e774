"""An archive in memory that holds whole patients, as honest as a test wants."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from millet.codec.ct import read_header
from millet.core.series import SliceHeader
from millet.edge.query.gathering import Gathering
from millet.errors import ArchiveError
from millet.ports import FoundSeries, FoundStudy, Received, Retrieved, SeriesName, SeriesQuery, Site, Take


@dataclass
class MemoryStudies:
    """Satisfies `ports.Archive`; what it tells of a study is what the study's first instance says."""

    files: Sequence[bytes] = ()
    dead: bool = False
    """Whether every question fails."""
    mute: bool = False
    """Whether every retrieval brings nothing, for a fault."""
    silent: Collection[str] = ()
    """Attributes that it does not tell of a study."""
    liar: bool = False
    """Whether it answers with every patient's studies."""
    retrieved: list[tuple[SeriesName, frozenset[str]]] = field(default_factory=list)

    def find_studies(self, patient_id: str) -> Sequence[FoundStudy]:
        """See the port."""
        self._check()
        heads = {head.study_uid: head for head, _ in reversed(self._all())}
        return [
            self._study(head) for head in heads.values() if self.liar or head.patient.patient_id == patient_id
        ]

    def find_series(self, wanted: SeriesQuery) -> Sequence[FoundSeries]:
        """See the port; by study."""
        self._check()
        found: dict[SeriesName, FoundSeries] = {}
        for head, _ in self._all():
            name = SeriesName(head.study_uid, head.series_uid)
            if head.study_uid == wanted.study_uid and wanted.modality in {"", head.modality}:
                found[name] = FoundSeries(name=name, modality=head.modality, series_date=head.study_date)
        return list(found.values())

    def instances(self, name: SeriesName) -> frozenset[str]:
        """See the port."""
        self._check()
        return frozenset(head.sop_instance_uid for head, _ in self._of(name))

    def count(self, name: SeriesName) -> int | None:
        """See the port."""
        return len(self.instances(name)) or None

    def retrieve(self, name: SeriesName, only: Collection[str], into: Take) -> Retrieved:
        """See the port."""
        self.retrieved.append((name, frozenset(only)))
        gathering = Gathering(into)
        for head, encoded in () if self.mute else self._of(name):
            if not only or head.sop_instance_uid in only:
                gathering.take(lambda head=head, encoded=encoded: _received(head, encoded))
        if self.mute:
            gathering.ended("it broke")
        return gathering.retrieved()

    def _study(self, head: SliceHeader) -> FoundStudy:
        told = {
            "patient_id": head.patient.patient_id,
            "issuer": head.patient.issuer,
            "birth_date": head.patient.birth_date,
            "sex": head.patient.sex,
            "date": head.study_date,
            "time": "",
        }
        kept = {name: "" if name in self.silent else value for name, value in told.items()}
        return FoundStudy(study_uid=head.study_uid, **kept)

    def _all(self) -> Sequence[tuple[SliceHeader, bytes]]:
        return [(read_header(encoded), encoded) for encoded in self.files]

    def _of(self, name: SeriesName) -> Sequence[tuple[SliceHeader, bytes]]:
        return [one for one in self._all() if (one[0].study_uid, one[0].series_uid) == name]

    def _check(self) -> None:
        if self.dead:
            raise ArchiveError("it is dead")


def _received(head: SliceHeader, encoded: bytes) -> Received:
    return Received(
        source=Site("here", "ARCHIVE", "MILLET"),
        sop_class_uid=head.sop_class_uid,
        sop_instance_uid=head.sop_instance_uid,
        transfer_syntax_uid=head.transfer_syntax_uid,
        encoded=encoded,
    )
