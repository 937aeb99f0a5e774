"""Cases of an evaluation, written as numbers on the x axis."""

from __future__ import annotations

from millet.codec.tables import Mark
from millet.core.geometry import PointMm
from millet.core.nodule import Candidate, class_of
from millet.evaluate.case import Case


def mark(x, diameter=3.0, kind="solid"):
    """What is there."""
    return Mark(
        centre_mm=PointMm(float(x), 0.0, 0.0),
        diameter_mm=diameter,
        nodule_class=class_of(diameter),
        kind=kind,
    )


def candidate(x, score, diameter=3.0):
    """What was found."""
    return Candidate(centre_mm=PointMm(float(x), 0.0, 0.0), diameter_mm=diameter, score=score)


def case(true=(), found=(), ignored=(), name="one"):
    """A case from x of marks and (x, score) of candidates, all of 3 mm; marks and candidates may be given."""
    return Case(
        name=name,
        truth=tuple(m if isinstance(m, Mark) else mark(m) for m in true),
        found=tuple(c if isinstance(c, Candidate) else candidate(*c) for c in found),
        ignored=tuple(m if isinstance(m, Mark) else mark(m) for m in ignored),
    )


def random_case(rng, true=40, found=80, side=14.0, levels=12):
    """A crowd in which many candidates reach several nodules, with few distinct scores."""

    def places(count):
        return [PointMm(*p) for p in rng.uniform(0, side, (count, 3)).tolist()]

    return Case(
        name="crowd",
        truth=tuple(
            Mark(centre_mm=p, diameter_mm=float(rng.uniform(1, 6)), nodule_class=class_of(3.0))
            for p in places(true)
        ),
        found=tuple(
            Candidate(centre_mm=p, diameter_mm=3.0, score=int(rng.integers(levels)) / levels)
            for p in places(found)
        ),
        ignored=tuple(
            Mark(centre_mm=p, diameter_mm=4.0, nodule_class=class_of(4.0)) for p in places(true // 4)
        ),
    )
