"""A series taken apart into its volumes, before anybody asks whether one is complete.

Theory of operation. Orientation, frame of reference, kernel and energy always set volumes apart. Time
does not: an ordinary helical scan may carry an acquisition time or number on every slice, and a
sequential one on every few. So times and acquisitions are looked at only where the slices as a whole
do not make one even stack, and only if they divide them into parts that pass *over the same place*:
two phases, a second breath-hold, the ten volumes of a 4D CT. Parts that lie end to end are one scan.
A part needs three slices: one slice that came twice is a duplicate, not a volume.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from millet.core.language import listed, phrase
from millet.core.series import SliceHeader
from millet.core.stack import TOUCHING_MM, Stack, even, has_geometry, heights_mm, normal, stack_of, steps_mm

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
FEWEST_OF_A_PASS = 3
PARALLEL_COSINE = 0.9999
"""Normals and rows within 0.8 degrees are one orientation."""

_Headers = Sequence[SliceHeader]
_TIMES: tuple[tuple[str, Callable[[SliceHeader], Hashable]], ...] = (
    ("temporal-position", lambda h: h.temporal_position),
    ("acquisition", lambda h: h.acquisition_number),
    ("trigger", lambda h: h.trigger_ms),
    ("acquisition-time", lambda h: (h.acquisition_date, h.acquisition_time)),
    ("content-time", lambda h: h.content_time),
    ("image-type", lambda h: h.image_type),
    ("thickness", lambda h: h.slice_thickness_mm),
    ("field-of-view", lambda h: (h.rows, h.columns, h.pixel_spacing_mm)),
    ("contrast", lambda h: h.contrast),
)
"""What may divide passes over the same place, the most trustworthy first."""


def is_localizer(header: SliceHeader) -> bool:
    """A scout view (PS3.3 C.8.2.1.1.1 value 3)."""
    return "LOCALIZER" in header.image_type


def is_slice(header: SliceHeader) -> bool:
    """Whether an instance can be a slice of a volume at all."""
    ct = header.sop_class_uid == CT_IMAGE_STORAGE or header.modality == "CT"
    return ct and header.rows > 0 and not is_localizer(header) and has_geometry(header)


def split(headers: _Headers) -> tuple[Stack, ...]:
    """The volumes among the headers, in a stable order that does not depend on theirs."""
    members = sorted((h for h in headers if is_slice(h)), key=lambda h: h.sop_instance_uid)
    stacks = [
        stack_of(part, listed(label, "comma"))
        for group in _orientations(members)
        for alike in _parts(group, lambda h: (h.frame_of_reference_uid, h.kernel, h.kvp)).values()
        for label, part in _passes(alike, (_name(alike[0]),))
    ]
    return tuple(sorted(stacks, key=lambda s: (_earliest(s.slices), s.slices[0].sop_instance_uid)))


def _name(header: SliceHeader) -> str:
    energy = phrase("split.energy", kv=header.kvp) if header.kvp else phrase("split.no-energy")
    axis = ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(normal(header))))]
    kernel = header.kernel or phrase("split.no-kernel")
    return phrase("split.name", axis=phrase(f"split.{axis}"), kernel=kernel, energy=energy)


def _orientations(members: _Headers) -> list[list[SliceHeader]]:
    """Slices that lie parallel, rows along rows."""
    groups: list[tuple[np.ndarray, list[SliceHeader]]] = []
    for header in members:
        frame = np.asarray([header.row_direction, normal(header)], float)
        for known, group in groups:
            if np.all(np.einsum("ij,ij->i", frame, known) > PARALLEL_COSINE):
                group.append(header)
                break
        else:
            groups.append((frame, [header]))
    return [group for _, group in groups]


def _parts(headers: _Headers, key: Callable[[SliceHeader], Hashable]) -> dict[Hashable, list[SliceHeader]]:
    parts: dict[Hashable, list[SliceHeader]] = defaultdict(list)
    for header in headers:
        parts[key(header)].append(header)
    return parts


def _passes(headers: _Headers, label: tuple[str, ...]) -> list[tuple[tuple[str, ...], _Headers]]:
    """The passes over the same place among slices alike in all else."""
    if even(steps_mm(stack_of(headers))):
        return [(label, headers)]
    for name, key in _TIMES:
        parts = _parts(headers, key)
        if _over_the_same_place(list(parts.values())):
            return [
                found
                for value, part in parts.items()
                for found in _passes(part, (*label, _part(name, _shown(value))))
            ]
    occurrences = _occurrences(headers)
    if len(occurrences) > 1:
        return [((*label, _part("pass", at)), part) for at, part in enumerate(occurrences, 1)]
    return [(label, headers)]


def _part(name: str, value: str | int) -> str:
    return phrase("split.part", name=phrase(f"split.{name}"), value=value)


def _shown(value: Hashable) -> str:
    return " ".join(str(v) for v in value) if isinstance(value, tuple) else str(value)


def _over_the_same_place(parts: list[list[SliceHeader]]) -> bool:
    """Whether parts, all of some length, pass over each other rather than lie end to end."""
    if len(parts) < 2 or min(len(part) for part in parts) < FEWEST_OF_A_PASS:
        return False
    direction = normal(parts[0][0])
    ranges = [heights_mm(part, direction) for part in parts]
    ranges.sort(key=lambda heights: float(heights.min()))
    top = ranges[0].max()
    for heights in ranges[1:]:
        if int((heights <= top + TOUCHING_MM).sum()) >= FEWEST_OF_A_PASS:
            return True
        top = max(top, heights.max())
    return False


def _occurrences(headers: _Headers) -> list[list[SliceHeader]]:
    """Passes that no tag sets apart: every position occurs equally often, in order of time."""
    stack = stack_of(headers)
    places: list[list[SliceHeader]] = [[stack.slices[0]]]
    for header, step in zip(stack.slices[1:], steps_mm(stack), strict=True):
        if step <= TOUCHING_MM:
            places[-1].append(header)
        else:
            places.append([header])
    if len(places) < FEWEST_OF_A_PASS or len({len(place) for place in places}) != 1:
        return [list(headers)]
    return [list(part) for part in zip(*(sorted(place, key=_moment) for place in places), strict=True)]


def _moment(header: SliceHeader) -> tuple[str, str, str, int, str]:
    number = -1 if header.instance_number is None else header.instance_number
    return (
        header.acquisition_date,
        header.acquisition_time,
        header.content_time,
        number,
        header.sop_instance_uid,
    )


def _earliest(headers: _Headers) -> tuple[str, str, str, int, str]:
    return min(_moment(header) for header in headers)
