"""Whose an instance is: what a caller takes it for, held against what it says."""

from __future__ import annotations

from dataclasses import dataclass, fields

from millet.core.series import SliceHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Patient and study as a caller expects them; None is not compared."""

    patient_id: str | None = None
    issuer: str | None = None
    study_uid: str | None = None
    accession: str | None = None

    @property
    def is_any(self) -> bool:
        """Whether nothing is expected."""
        return all(getattr(self, one.name) is None for one in fields(self))

    def differing(self, header: SliceHeader) -> tuple[str, ...]:
        """The names of those that an instance does not have as they are expected."""
        patient = header.patient
        has = {
            "patient_id": patient.patient_id,
            "issuer": patient.issuer,
            "study_uid": header.study_uid,
            "accession": header.accession,
        }
        return tuple(name for name, told in has.items() if getattr(self, name) not in {None, told})
