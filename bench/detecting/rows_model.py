"""Rows on the network itself: what it costs, and what each precision loses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from table import Row

from detecting import subjects
from detecting.figures import Goal, Results, difference, judged, plain, row, shifts, shown
from detecting.store import Result
from detecting.subjects import Subject
from millet.core.lungs import LungMask
from millet.core.volume import Volume, canonical
from millet.edge import models
from millet.evaluate import measures
from millet.flow.detect import plan
from millet.train.cost import multiply_adds

LITRES = 4.5
PRECISIONS = ("fp16", "int8")


def cost(subject: Subject, lungs: Sequence[tuple[str, Volume, LungMask]]) -> Row:
    """GFLOP of all windows with their halos, for a lung of 4.5 litres."""
    goal = Goal(name="cost of a 4.5 litre lung, halo included", target=250, least=False, unit="GFLOP")
    manifest = subjects.manifest(subject)
    graphs = models.load(subject.folder, "fp32")[1]
    each, told = [], []
    for name, volume, mask in lungs:
        boxes = Counter(
            (level.graph, window.box.shape) for level, window in plan(canonical(volume).grid, mask, manifest)
        )
        macs = sum(multiply_adds(graphs[graph], shape) * times for (graph, shape), times in boxes.items())
        voxels = sum(math.prod(shape) * times for (_, shape), times in boxes.items())
        litres = mask.litres.total_l
        each.append(2 * macs / 1e9 / litres * LITRES)
        told.append(f"{name} {litres:.2f} L {voxels / 1e6:.1f} Mvoxel {macs / voxels / 1e3:.1f} kMAC a voxel")
    if not each:
        return row(goal, None)
    return row(goal, plain(float(np.mean(each)), len(each), min(each), max(each)), "; ".join(told))


def precisions(results: Results) -> Iterator[Row]:
    """Points of sensitivity that a precision loses against fp32 on the same scans."""
    every = results.of("precision")
    for name in PRECISIONS:
        goal = Goal(name=f"{name}: sensitivity lost against fp32", least=False, unit="points")
        other = results.of("precision", who=name)
        base = [one for one in every if one.name in {theirs.name for theirs in other}]
        if not (base and other):
            yield row(goal, None, f"the model has no {name}" if every else "")
            continue
        one, two = (measures.sensitivity(judged(some)) for some in (base, other))
        false = [sum(len(j.matching.false) for j in judged(some)) for some in (base, other)]
        note = f"{shown(one)} and {shown(two)}; false {false[0]} and {false[1]}; {_moved(base, other)}"
        yield row(goal, difference(one, two), note, scale=100.0)


def _moved(base: Sequence[Result], other: Sequence[Result]) -> str:
    moved = shifts(base, other)
    return f"score shift median {np.median(moved):.4f}, largest {max(moved):.3f}" if moved else "no scores"
