"""Whether instances are of one patient; those of one series, of one study and one frame of reference, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from millet.core.language import phrase
from millet.core.reasons import Reason
from millet.core.series import Patient, SliceHeader
from millet.core.split import is_slice
from millet.errors import UnfitSeries

_FACTS: tuple[tuple[str, Callable[[SliceHeader], str]], ...] = (
    ("patient-id", lambda h: h.patient.patient_id),
    ("issuer", lambda h: h.patient.issuer),
    ("birth-date", lambda h: h.patient.birth_date),
    ("sex", lambda h: h.patient.sex),
    ("study", lambda h: h.study_uid),
    ("series", lambda h: h.series_uid),
)
"""What must agree. Empty against filled is a disagreement too: one of the two was sent by mistake.

Names are left out: the same name comes in several spellings and character sets. Frames of reference are
compared among slices only: a localizer may have one of its own."""


def check(headers: Sequence[SliceHeader]) -> None:
    """Refuse instances that disagree in whose or what they are; values are never quoted.

    Raises:
        UnfitSeries: IDENTITY_CONFLICT, naming the facts in which they disagree.
    """
    conflicts = [name for name, fact in _FACTS if len({fact(header) for header in headers}) > 1]
    frames = {h.frame_of_reference_uid for h in headers if is_slice(h)}
    if len(frames) > 1:
        conflicts.append("frame")
    if conflicts:
        facts = tuple(phrase(f"identity.{name}") for name in conflicts)
        raise UnfitSeries(Reason.IDENTITY_CONFLICT, phrase("identity.disagree", facts=facts))


def contradict(one: Patient, other: Patient) -> bool:
    """Whether objects of two makers, of which one names the other by its UIDs, are not of one patient.

    IDs are equal or not. Issuer, birth date and sex may be empty (PS3.3 C.7.1.1, types 3 and 2), and many a
    program does not copy them: they contradict where both are there.
    """
    both = ((one.issuer, other.issuer), (one.birth_date, other.birth_date), (one.sex, other.sex))
    return one.patient_id != other.patient_id or any(a and b and a != b for a, b in both)
