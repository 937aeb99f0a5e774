"""What a report needs besides its nodules: made beside the detector, pictures beside the judging."""

from __future__ import annotations

from dataclasses import dataclass

from millet.codec.projection import Views, project
from millet.codec.source import Source
from millet.core.analysis import Effusion
from millet.core.coverage import coverage
from millet.core.detectability import noise_hu
from millet.core.effusion import effusions
from millet.core.lobes import Lobes, lobes_of
from millet.core.lungs import LungMask
from millet.core.reasons import Remark
from millet.flow.ahead import Ahead
from millet.flow.planes import PICTURE
from millet.flow.read import ReadSeries


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surroundings:
    """Of one exam: what its nodules are described and judged by."""

    effusions: tuple[Effusion, ...]
    coverage: tuple[Remark, ...]
    noise_hu: float | None
    lobes: Lobes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """Of one exam: what its objects are made with, once it is judged."""

    source: Source
    views: Views
    """For pictures."""


def surroundings(series: ReadSeries, lungs: LungMask, ahead: Ahead) -> Surroundings:
    """Look at everything but nodules."""
    planes, grid = ahead.planes(PICTURE)
    return Surroundings(
        effusions=effusions(lungs),
        coverage=coverage(lungs, series.volume),
        noise_hu=noise_hu(series.volume, lungs),
        lobes=lobes_of(planes, grid, lungs),
    )


def shown(series: ReadSeries, lungs: LungMask, ahead: Ahead) -> Shown:
    """Read what objects refer to, and project the chest."""
    planes, grid = ahead.planes(PICTURE)
    return Shown(
        source=Source.of([(taken.image, taken.head) for taken in series.taken if taken.image]),
        views=project(planes, grid, lungs.inside(grid)),
    )
