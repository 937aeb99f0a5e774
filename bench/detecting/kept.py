"""Scans that were made once, kept on disk: several models, or several versions of one, see the same."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from detecting import specs
from detecting.specs import Made, Spec
from millet.codec.tables import Mark
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.nodule import class_of
from millet.core.volume import Volume


def made(spec: Spec, folder: Path | None) -> Made:
    """The scan of a case, from the folder if it is there; without a folder it is made each time."""
    if folder is None:
        return specs.make(spec)
    path = folder / f"{specs.key(spec)}-{specs.code(spec)}.npz"
    if path.exists():
        return _read(path)
    new = specs.make(spec)
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part.npz")
    facts = {
        "grid": asdict(new.volume.grid),
        "labels": new.labels,
        "truth": [_told(mark) for mark in new.truth],
        "ignored": [_told(mark) for mark in new.ignored],
    }
    np.savez(draft, hu=new.volume.hu, facts=json.dumps(facts))
    draft.rename(path)
    return new


def _told(mark: Mark) -> tuple[float | str, ...]:
    return (*mark.centre_mm, mark.diameter_mm, mark.kind)


def _mark(x: float, y: float, z: float, diameter_mm: float, kind: str) -> Mark:
    return Mark(
        centre_mm=PointMm(x, y, z), diameter_mm=diameter_mm, nodule_class=class_of(diameter_mm), kind=kind
    )


def _read(path: Path) -> Made:
    with np.load(path, allow_pickle=False) as held:
        facts, hu = json.loads(str(held["facts"])), held["hu"]
    grid = facts["grid"]
    z, y, x = (Vector(*axis) for axis in grid["axes"])
    whole = Grid(
        shape=hu.shape,
        spacing_mm=tuple(grid["spacing_mm"]),
        origin_mm=PointMm(*grid["origin_mm"]),
        axes=(z, y, x),
    )
    return Made(
        volume=Volume(hu=hu, grid=whole),
        truth=tuple(_mark(*row) for row in facts["truth"]),
        labels=tuple(facts["labels"]),
        ignored=tuple(_mark(*row) for row in facts["ignored"]),
    )
