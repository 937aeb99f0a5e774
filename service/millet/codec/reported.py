"""The exam that somebody else's report tells of, as criteria look at it, and what of it cannot be judged.

Sides, lobes and compartments are those of the coded finding sites; none is guessed from a place. Images
are those of a series that is at hand: without one, what depends on them is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from millet.codec.elements import plain
from millet.codec.outline import planes
from millet.codec.source import Source
from millet.codec.sr_observer import Observer
from millet.codec.sr_reading import ReadLesion, ReadReport
from millet.codec.sr_region import Flaw
from millet.codec.sr_sites import compartment_of, organ_of
from millet.core.brought import Brought
from millet.core.criteria_sets import zone_of
from millet.core.language import phrase
from millet.core.lesion import Exam, Images, Lesion, on_each, spans_mm
from millet.core.nodule import Side

OTHER_ORGAN, IMPOSSIBLE = "other-organ", "impossible"
MODALITIES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
}
"""By SOP class: CT and MR Image Storage, Enhanced, Legacy Converted Enhanced."""
_PARALLEL = 0.999


class Asked(NamedTuple):
    """What whoever brings a report says of it; empty for what they leave to the report and its series."""

    organ: str = ""
    modality: str = ""


class Reported(NamedTuple):
    """What can be judged of a report, and what is to be said of the rest."""

    brought: Brought
    told: tuple[str, ...]
    """Sentences: what was left out or is to be doubted, and how often."""
    whole: bool
    """Whether the report could be read to its end."""
    observer: Observer
    """Who found the lesions."""


def reported(report: ReadReport, series: Source | None, asked: Asked) -> Reported:
    """Read a report as an exam; `series` are the images of the one series that it was made of, if at hand.

    Raises:
        ValueError: Which organ or modality is not told, or told in two ways.
    """
    organ, modality = _organ(report, asked.organ), _modality(series, asked.modality)
    images = _images(series) if series else None
    seen: Counter[str] = Counter()
    lesions: list[Lesion] = []
    for one in report.lesions:
        lesion = _lesion(one, organ, images)
        if isinstance(lesion, Lesion):
            lesions.append(lesion)
            seen.update(phrase("judged.doubted", what=what) for what in _doubts(one))
        else:
            seen[phrase("judged.left-out", what=phrase(f"flaw.{lesion}"))] += 1
    exam = Exam(organ=organ, modality=modality, lesions=tuple(lesions), images=images)
    brought = Brought(exam=exam, left_out=len(report.lesions) - len(lesions))
    told = [phrase("judged.counted", what=what, count=count) for what, count in sorted(seen.items())]
    unknown = _unknown(report, exam, unstacked=series is not None and images is None)
    return Reported(brought, (*told, *unknown), report.whole, report.observer)


def _unknown(report: ReadReport, exam: Exam, *, unstacked: bool) -> Iterator[str]:
    """What is not known of the report as a whole."""
    if report.passed_over:
        yield phrase("judged.passed", count=len(report.passed_over))
    if not report.whole:
        yield phrase("judged.cut")
    if unstacked:
        yield phrase("judged.no-stack")
    if not exam.modality:
        yield phrase("judged.no-modality")


def _organ(report: ReadReport, asked: str) -> str:
    told = {organ for lesion in report.lesions if (organ := organ_of(lesion.sites))}
    if asked:
        return asked
    if len(told) != 1:
        named = f"sites of {' and '.join(sorted(told))}" if told else "no finding site that is known"
        raise ValueError(f"the report has {named}: say which organ is to be judged")
    return told.pop()


def _modality(series: Source | None, asked: str) -> str:
    seen = {MODALITIES.get(image.sop_class_uid, "") for image in series.images} if series else set()
    known = seen.pop() if len(seen) == 1 else ""
    if asked and known and asked != known:
        raise ValueError(f"the series is {known}, not {asked}")
    return asked or known


def _images(series: Source) -> Images | None:
    """The stack of a series; None where its images are none."""
    each = planes(series)
    if not each or len(each) < len(series.images):
        return None
    normal = each[0].normal
    if any(float(np.dot(normal, plane.normal)) < _PARALLEL for plane in each):
        return None
    thick_mm = [mm for image in series.images if (mm := _above_nought(image.text("SliceThickness")))]
    levels_mm = [float(np.dot(normal, plane.origin_mm)) for plane in each]
    try:
        return Images.at(levels_mm, float(np.median(thick_mm)) if thick_mm else None, normal)
    except ValueError:
        return None


def _above_nought(text: str) -> float:
    """A number, 0 where there is none above it."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 < value < float("inf") else 0.0


def _lesion(one: ReadLesion, organ: str, images: Images | None) -> Lesion | str:
    """A lesion of the organ, or the code of why it is none."""
    unplaced = {Flaw.NO_PLACE, Flaw.SEGMENT_ONLY, Flaw.UNKNOWN_IMAGE, Flaw.OTHER_FRAME, Flaw.OUTSIDE}
    if why := next((flaw for flaw in one.flaws if flaw in unplaced), None):
        return why
    if organ_of(one.sites) not in {"", organ}:
        return OTHER_ORGAN
    if one.centre_mm is None or one.diameter_mm is None:
        return Flaw.NO_SIZE
    side = one.side
    if side is None and one.lobe:
        side = Side.RIGHT if one.lobe.value.startswith("right") else Side.LEFT
    try:
        lesion = Lesion(
            centre_mm=one.centre_mm, diameter_mm=one.diameter_mm, side=side, regions=_regions(one, side)
        )
    except ValueError:
        return IMPOSSIBLE
    return Flaw.OUTSIDE if images and not _on_any(lesion, images) else lesion


def _on_any(lesion: Lesion, images: Images) -> bool:
    begin, end = images.edges_mm
    whole = begin[:1], end[-1:]
    return bool(on_each(spans_mm((lesion,), images.normal), whole)[0])


def _regions(one: ReadLesion, side: Side | None) -> tuple[str, ...]:
    named = [compartment_of(one.sites), one.lobe.value if one.lobe else ""]
    if one.zone:
        named += [zone_of(one.zone), zone_of(one.zone, side) if side else ""]
    return tuple(filter(None, named))


def _doubts(one: ReadLesion) -> Iterator[str]:
    """What of a lesion that is judged is called by codes that nobody knows here."""
    called = {Flaw.UNKNOWN_FINDING: one.finding, Flaw.UNKNOWN_SITE: next(iter(one.sites), None)}
    elsewhere = {Flaw.UNKNOWN_SITE} if organ_of(one.sites) else set()  # to readers of priors only lungs count
    for flaw in (each for each in one.flaws if each not in elsewhere):
        if code := called.get(flaw):
            yield phrase(
                "judged.code", what=phrase(f"flaw.{flaw}"), code=plain(f"{code.value}, {code.scheme}")
            )
        else:
            yield phrase(f"flaw.{flaw}")
