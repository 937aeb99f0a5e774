"""Whether the instances of one series are of one patient, one study and one frame of reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from millet.core.language import phrase
from millet.core.reasons import Reason
from millet.core.series import SliceHeader
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
