"""The detector on a CUDA device: right first, then what a scan, a batch and an upload cost.

Times are those of blocking calls: peaks are on the host when one ends. Windows of a scan lie on the device
before its time begins; the upload is measured by itself.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from table import Row, write

from millet.core.lungs import lungs
from millet.core.manifest import Manifest
from millet.core.upload import upload
from millet.core.volume import Volume
from millet.edge import models
from millet.edge.onnx_runtime import OnnxRuntimeDetector, devices
from millet.edge.openvino import OpenVinoDetector
from millet.flow.detect import clipped, plan
from millet.flow.planes import Planes
from millet.phantom import presets
from millet.phantom.acquisition import Scan
from millet.ports import Detector, Peaks

MODEL = "millet/1"
PRECISIONS = ("fp32", "fp16")
SLICES = 400
NOWHERE = "not measured: no CUDA device"
SCORE_TOLERANCE = {"fp32": 1e-3, "fp16": 1e-2}
"""How far a score may lie from OpenVINO's in fp32; a peak so near to the threshold may go or come."""
NEAR_VOXELS = 1.0

Windows = Mapping[str, Sequence[torch.Tensor]]
"""(D, H, W) HU, by the graph that sees them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    side: int = 96
    batches: tuple[int, ...] = (1, 2, 4, 8)
    repetitions: int = 7


def main() -> None:
    """Measure on the first CUDA device; where there is none, say so in every row."""
    found = devices()
    write("gpu", list(measured(found[0], _scan(), Size())) if found else unmeasured(Size()))


def unmeasured(size: Size) -> list[Row]:
    """The rows of a machine without a GPU."""
    return list(_forms(size))


def measured(device: str, scan: Volume, size: Size) -> Iterator[Row]:
    """The same rows with their values, from one scan."""
    forms, (manifest, _) = _forms(size), models.load(models.find(models.bundled(), MODEL))
    windows = cut(scan, manifest)
    yield from _correctness(device, forms, windows, manifest)
    places = torch.empty(scan.hu.shape, device=device)
    uploads = _times_ms(size, device, lambda: [upload(*pair) for pair in zip(scan.hu, places, strict=True)])
    there = {graph: [w.to(device) for w in some] for graph, some in windows.items()}
    graph = manifest.levels[0].graph
    cubes = _cubes(max(there[graph], key=torch.numel), size)
    for precision in PRECISIONS:
        detectors = _on(device, precision)
        times = _times_ms(size, device, partial(_look, detectors, there))
        yield _filled(next(forms), times, ", ".join(sorted({d.provider for d in detectors.values()})))
        shares = [100 * up / (up + ms) for up, ms in zip(uploads, times, strict=True)]
        yield _filled(next(forms), shares, "of upload and inference, one after the other")
        for count in size.batches:
            times = _times_ms(size, device, partial(detectors[graph].detect, cubes[:count]))
            yield _filled(next(forms), [1000 * count / ms for ms in times], "the finest level's graph")
    yield _filled(next(forms), uploads, f"{scan.hu.nbytes / 1e6:.0f} MB of {scan.hu.dtype}")


def cut(scan: Volume, manifest: Manifest) -> Windows:
    """The windows of a scan, on the host."""
    found: dict[str, list[torch.Tensor]] = defaultdict(list)
    planes = Planes.of(scan)
    for level, window in plan(scan.grid, lungs(scan), manifest):
        found[level.graph].append(clipped(planes.window(level.spacing_mm, window.box), manifest))
    return found


def disagreement(one: Peaks, two: Peaks, threshold: float, tolerance: float) -> tuple[int, float]:
    """How many peaks are reported by one alone, and the largest difference of score of the others.

    Peaks within `tolerance` of the threshold may be on either side of it.
    """
    alone, shift = 0, 0.0
    for these, those in ((one, two), (two, one)):
        for n in np.flatnonzero(these.score >= threshold + tolerance):
            away = np.linalg.norm(those.position_voxels - these.position_voxels[n], axis=1)
            near = np.flatnonzero((away < NEAR_VOXELS) & (those.score >= threshold - tolerance))
            shifts = np.abs(those.score[near] - these.score[n])
            alone += not len(near)
            shift = max(shift, float(shifts.min(initial=np.inf)) if len(near) else 0.0)
    return alone, shift


def _correctness(device: str, forms: Iterator[Row], windows: Windows, manifest: Manifest) -> Iterator[Row]:
    """Peaks of every window against OpenVINO's in fp32."""
    _, graphs = models.load(models.find(models.bundled(), MODEL))
    wanted = _look({name: OpenVinoDetector(graph) for name, graph in graphs.items()}, windows)
    for precision in PRECISIONS:
        found = _look(_on(device, precision), {g: [w.to(device) for w in s] for g, s in windows.items()})
        told = [
            disagreement(one, two, level.threshold, SCORE_TOLERANCE[precision])
            for level in manifest.levels
            for one, two in zip(wanted[level.graph], found[level.graph], strict=True)
        ]
        yield replace(next(forms), value=sum(alone for alone, _ in told), n=len(told), note="n windows")
        yield replace(next(forms), value=max(shift for _, shift in told), n=len(told), note="n windows")


def _look(detectors: Mapping[str, Detector], windows: Windows) -> dict[str, list[Peaks]]:
    """The peaks of a scan's windows, one window at a time, since few have the same shape."""
    return {
        graph: [peaks for window in some for peaks in detectors[graph].detect(window[None])]
        for graph, some in windows.items()
    }


def _on(device: str, precision: str) -> dict[str, Detector]:
    """A detector for each graph of the model."""
    _, graphs = models.load(models.find(models.bundled(), MODEL), precision)
    return {name: OnnxRuntimeDetector(g, precision=precision, device=device) for name, g in graphs.items()}


def _cubes(window: torch.Tensor, size: Size) -> torch.Tensor:
    """As many windows as the largest batch has, cut from one and each turned another way."""
    cube = window[: size.side, : size.side, : size.side]
    return torch.stack([cube.roll(4 * number, 2) for number in range(max(size.batches))])


def _times_ms(size: Size, device: str, work: Callable[[], object]) -> list[float]:
    """Milliseconds until the device has done the work, again and again; the first time is not counted."""
    times = []
    for _ in range(size.repetitions + 1):
        started = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        times.append(1000 * (time.perf_counter() - started))
    return times[1:]


def _forms(size: Size) -> Iterator[Row]:
    """Every row of the table, in order, not measured yet."""
    for precision in PRECISIONS:
        yield _form(f"{precision}: peaks reported otherwise than by OpenVINO in fp32", "", target=0)
        yield _form(f"{precision}: largest shift of a score", "", target=SCORE_TOLERANCE[precision])
    for precision in PRECISIONS:
        yield _form(f"{precision}: GPU time a scan, {SLICES} slices", "ms", target=20, stretch=5)
        yield _form(f"{precision}: share of the upload", "%")
        for count in size.batches:
            name = f"{precision}: windows of {size.side} voxels a side, {count} at once"
            yield replace(_form(name, "windows/s"), higher_is_better=True)
    yield _form(f"upload of {SLICES} slices", "ms")


def _form(name: str, unit: str, target: float | None = None, stretch: float | None = None) -> Row:
    return Row(name=name, unit=unit, target=target, stretch=stretch, note=NOWHERE)


def _filled(form: Row, values: Sequence[float], note: str) -> Row:
    median = statistics.median(values)
    return replace(form, value=median, low=min(values), high=max(values), n=len(values), note=note)


def _scan() -> Volume:
    """The case phantom's first slices."""
    whole = presets.make("case", seed=0, scan=Scan(slice_mm=0.75)).volume
    _, rows, columns = whole.grid.shape
    return Volume(hu=whole.hu[:SLICES], grid=replace(whole.grid, shape=(SLICES, rows, columns)))


if __name__ == "__main__":
    main()
