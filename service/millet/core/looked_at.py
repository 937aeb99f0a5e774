"""What an analysis looked at, told again from the headers of its instances: its volume, and where slices cut.

For pictures, beside the analysis: the headers are at hand when the pixels are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from millet.core import gate
from millet.core.choice import choose
from millet.core.key_slices import key_slices
from millet.core.nodule import Nodule
from millet.core.series import SliceHeader
from millet.core.split import split
from millet.core.stack import Stack, heights_mm, normal, plane_grid
from millet.errors import UnfitSeries


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where a slice cuts a nodule."""

    nodule: Nodule
    column: float
    row: float
    """Of its centre along the slice's normal, from 0; whole numbers are the middles of pixels."""
    radius_columns: float
    radius_rows: float


def volume_of(headers: Sequence[SliceHeader]) -> Stack | None:
    """The volume that was analysed of these instances, in any order; None where there was none.

    Of slices at one place that differ in nothing but their name, any may be told.
    """
    each = {one.sop_instance_uid: one for one in headers}
    try:
        return choose(split(gate.admit([*each.values()]).headers), lambda *_: True).stack
    except UnfitSeries:
        return None


def to_open_first(stack: Stack, nodules: Sequence[Nodule]) -> tuple[SliceHeader, ...]:
    """The slices that `core.key_slices` chooses, the most telling one first; none without a nodule."""
    across = normal(stack.slices[0])
    chosen = key_slices(
        heights_mm(stack.slices, across),
        np.asarray([nodule.centre_mm for nodule in nodules], float).reshape(-1, 3) @ across,
        np.asarray([nodule.diameter_mm for nodule in nodules], float),
    )
    return tuple(stack.slices[one.plane] for one in chosen)


def cuts(header: SliceHeader, nodules: Sequence[Nodule]) -> tuple[Cut, ...]:
    """The nodules that a slice with geometry cuts: whose surface it reaches, or whose source it is."""
    grid = plane_grid(header)
    places = grid.to_index_array(np.asarray([one.centre_mm for one in nodules], float).reshape(-1, 3))
    _, row_mm, column_mm = grid.spacing_mm
    return tuple(
        Cut(
            nodule=one,
            column=x,
            row=y,
            radius_columns=one.diameter_mm / 2 / column_mm,
            radius_rows=one.diameter_mm / 2 / row_mm,
        )
        for one, (beside_mm, y, x) in zip(nodules, places.tolist(), strict=True)
        if abs(beside_mm) <= one.diameter_mm / 2 or one.source_sop_instance_uid == header.sop_instance_uid
    )
