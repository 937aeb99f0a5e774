"""The key images: a Key Object Selection (PS3.3 A.35.4, TID 2010) of the slices to open first.

Which ones, `core.key_slices` says. Each refers to the presentation state that marks its nodules. Without a
nodule there is no key image and no selection: one that selects nothing is none by TID 2010, and "none
found" is said by the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from millet.codec import codes
from millet.codec.content import CONTAINS, CONTEXT, Pen, reference
from millet.codec.disclosure import disclosure
from millet.codec.document import MANUFACTURER, head, pen_of
from millet.codec.elements import Encoded, Item, dataset
from millet.codec.gsps import PRESENTATION_STATE
from millet.codec.keys import KeyImage, key_images, presented
from millet.codec.part10 import part10
from millet.codec.source import Source
from millet.core.analysis import Analysis
from millet.core.uids import derived_uid, object_uid

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"


def encode(analysis: Analysis, source: Source) -> bytes | None:
    """Encode the selection as a DICOM file, None without a nodule; equal arguments give equal bytes.

    Args:
        analysis: whose nodules are to be shown.
        source: the images of the analysed stack.
    """
    found = key_images(analysis, source)
    if not found:
        return None
    pen = pen_of(analysis, source)
    marked = {one.image.sop_instance_uid for one in presented(found)}
    document = {
        **head(analysis, source, kind="kos", sop_class_uid=KEY_OBJECT_SELECTION, modality="KO"),
        **dataset(
            ReferencedPerformedProcedureStepSequence=[],
            CurrentRequestedProcedureEvidenceSequence=_evidence(analysis, found),
        ),
        **pen.root(codes.OF_INTEREST, [*_content(analysis, found, marked, pen)], template="2010"),
    }
    return part10(document, sop_class_uid=KEY_OBJECT_SELECTION, sop_instance_uid=object_uid(analysis, "kos"))


def _content(analysis: Analysis, found: Sequence[KeyImage], marked: set[str], pen: Pen) -> Iterator[Item]:
    """Observer (TID 1004), description and images."""
    made_by = analysis.provenance
    state = reference(PRESENTATION_STATE, object_uid(analysis, "gsps"))
    yield pen.code(CONTEXT, codes.OBSERVER_TYPE, codes.DEVICE)
    yield pen.uid(
        CONTEXT, codes.DEVICE_UID, derived_uid("device", made_by.software_version, made_by.model_digest)
    )
    yield pen.text(CONTEXT, codes.DEVICE_NAME, "Millet")
    yield pen.text(CONTEXT, codes.DEVICE_MANUFACTURER, MANUFACTURER)
    yield pen.text(CONTEXT, codes.DEVICE_MODEL, f"Millet {made_by.software_version}")
    yield pen.text(
        CONTAINS, codes.KEY_DESCRIPTION, " ".join([_shown(analysis, found, pen), *disclosure(analysis)])
    )
    for one in found:
        names = one.image.sop_class_uid, one.image.sop_instance_uid
        yield pen.image(codes.KEY_IMAGE, *names, state=state if names[1] in marked else None)


def _shown(analysis: Analysis, found: Sequence[KeyImage], pen: Pen) -> str:
    """How much of what was found the key images show: mostly far from all of it."""
    numbers = {nodule.number for one in found for nodule in one.nodules}
    slices = pen.say(f"count.slice{'s' * (len(found) != 1)}", count=len(found))
    return pen.say("key-images", slices=slices, shown=len(numbers), count=len(analysis.nodules))


def _evidence(analysis: Analysis, found: Sequence[KeyImage]) -> list[Encoded]:
    """What is referred to (C.17.2), the presentation state with its series, study by study."""
    studies: dict[str, dict[str, list[Encoded]]] = {}
    for one in found:
        series = studies.setdefault(one.image.text("StudyInstanceUID"), {})
        series.setdefault(one.image.text("SeriesInstanceUID"), []).append(one.image.reference)
    state = reference(PRESENTATION_STATE, object_uid(analysis, "gsps"))
    next(iter(studies.values()))[object_uid(analysis, "gsps-series")] = [state]
    return [
        dataset(
            StudyInstanceUID=study_uid,
            ReferencedSeriesSequence=[
                dataset(SeriesInstanceUID=series_uid, ReferencedSOPSequence=references)
                for series_uid, references in series.items()
            ],
        )
        for study_uid, series in studies.items()
    ]
