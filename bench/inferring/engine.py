"""Rows of the engine alone: a whole series offline, MONAI's sliding window, and the rate of convolutions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from table import Row

from millet.app import load_model, prove
from millet.edge import models
from millet.edge.openvino import OpenVinoDetector
from millet.flow.analyse import Order
from millet.flow.model import Model
from millet.flow.offline import analyse
from millet.settings import Settings
from millet.train.net import Net, scaled

ROUNDS = 5
SIDE = 96
HALO = 12
SIDES = (168, 168, 216)
"""Of the block of lung that both look at; ours in slabs of 72 planes."""
SLAB = 72
SGEMM = 3072


def interleaved(runs: Sequence[Callable[[], object]], rounds: int = ROUNDS) -> list[list[float]]:
    """Seconds of each run, in turn, after one round that does not count."""
    seconds: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 1):
        for run, taken in zip(runs, seconds, strict=True):
            started = time.perf_counter()
            run()
            if number:
                taken.append(time.perf_counter() - started)
    return seconds


def sgemm() -> float:
    """Multiply two matrices; GFLOP of it."""
    a = torch.ones(SGEMM, SGEMM)
    torch.matmul(a, a)
    return 2e-9 * SGEMM**3


def offline(series: Path, precision: str) -> tuple[float, float, dict[str, float], int]:
    """Seconds of folder to reports, seconds in detectors, seconds by stage, and nodules."""
    model = _model(precision)
    looked, stages = [0.0], dict[str, float]()
    for reader in model.readers:
        for detector in reader.detectors.values():
            _timed(detector, looked)
    order = Order(site="a", study_uid="1.2", series_uid="1.3", generation=1, created_utc=datetime.now(UTC))
    marks: list[tuple[str, float]] = [("decode", time.perf_counter())]

    def progress(stage: str, _done: int, _total: int) -> None:
        marks.append((stage, time.perf_counter()))

    started = marks[0][1]
    made = analyse(order, (path.read_bytes() for path in sorted(series.glob("*.dcm"))), model, progress)
    marks.append(("end", time.perf_counter()))
    for (stage, at), (_, then) in pairwise(marks):
        stages[stage] = stages.get(stage, 0.0) + then - at
    return marks[-1][1] - started, looked[0], stages, len(made.analysis.nodules)


_MODELS: dict[str, Model] = {}


def _model(precision: str) -> Model:
    if precision not in _MODELS:
        _MODELS[precision] = load_model(Settings(model_precision=precision))
        prove(_MODELS[precision])
    return _MODELS[precision]


def _timed(detector: Any, looked: list[float]) -> None:
    inner = getattr(detector, "_untimed", None) or detector.detect
    detector._untimed = inner  # noqa: SLF001 - a stop watch around it

    def detect(windows: torch.Tensor) -> Any:
        started = time.perf_counter()
        found = inner(windows)
        looked[0] += time.perf_counter() - started
        return found

    detector.detect = detect


def offline_rows(series: Path, few: Path, many: Path) -> list[Row]:
    """A whole series in each precision, and 2,000 nodules against five."""
    rows = []
    for precision, target in (("fp32", 3.0), ("bf16", None), ("int8", None)):
        runs = [offline(series, precision) for _ in range(ROUNDS + 1)][1:]
        seconds = [run[0] for run in runs]
        middle = sorted(runs)[len(runs) // 2]
        stages = ", ".join(f"{stage} {s:.2f}" for stage, s in middle[2].items())
        rows.append(
            Row(
                name=f"whole series offline, folder to SR, {precision}",
                unit="s",
                value=statistics.median(seconds),
                low=min(seconds),
                high=max(seconds),
                n=len(seconds),
                target=target,
                stretch=None if target is None else 1.5,
                note=f"{stages}; {middle[1]:.2f} of it in detectors",
            )
        )
    pairs = [(offline(few, "fp32"), offline(many, "fp32")) for _ in range(ROUNDS + 1)][1:]
    network = [b[1] / a[1] for a, b in pairs]
    total = [b[0] / a[0] for a, b in pairs]
    counts = f"{pairs[0][0][3]} and {pairs[0][1][3]} reported"
    for name, values, target, stretch in (
        ("network time at 2,000 nodules against 5", network, 1.10, None),
        ("total with all reports at 2,000 nodules against 5", total, 2.0, 1.3),
    ):
        rows.append(
            Row(
                name=name,
                unit="",
                value=statistics.median(values),
                low=min(values),
                high=max(values),
                n=len(values),
                target=target,
                stretch=stretch,
                note=counts,
            )
        )
    return rows


class Padded(torch.nn.Module):
    """The fine network in torch with the weights of the committed graph: HU to one value a voxel."""

    def __init__(self) -> None:
        super().__init__()
        net = Net().eval()
        _, graphs = models.load(models.bundled() / "millet/1")
        _give_weights(net, onnx.load_from_string(graphs["fine"]))
        self.net = net

    def forward(self, hu: torch.Tensor) -> torch.Tensor:
        """(B, 1, D, H, W) HU to (B, 1, D, H, W) heat."""
        out: torch.Tensor = self.net(scaled(hu))
        return out[:, :1]


def _give_weights(net: Net, graph: onnx.ModelProto) -> None:
    """Put folded weights and biases where the network's convolutions are; normalisation becomes nothing."""
    held = {one.name: numpy_helper.to_array(one) for one in graph.graph.initializer}
    kinds = {"Conv", "ConvTranspose"}
    nodes = [n for n in graph.graph.node if n.op_type in kinds and n.name]
    layers = [m for m in net.modules() if isinstance(m, torch.nn.Conv3d | torch.nn.ConvTranspose3d)]
    if len(nodes) != len(layers):
        raise RuntimeError(f"{len(nodes)} convolutions in the graph, {len(layers)} in the network")
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.BatchNorm3d):
                setattr(module, name, torch.nn.Identity())
    for node, layer in zip(nodes, layers, strict=True):
        weight, *bias = (torch.from_numpy(held[name].copy()) for name in node.input[1:])
        if weight.shape != layer.weight.shape:
            raise RuntimeError(f"{node.name}: {weight.shape} is not {layer.weight.shape}")
        layer.weight = torch.nn.Parameter(weight)
        layer.bias = torch.nn.Parameter(bias[0]) if bias else None


def window_rows(hu: torch.Tensor) -> list[Row]:
    """One pass of ours against MONAI's sliding window over the same block, same weights."""
    from monai.inferers import sliding_window_inference

    network = Padded()
    detectors = {name: OpenVinoDetector(graph, **options) for name, graph, options in _engines()}
    wide = torch.nn.functional.pad(hu[None, None], [HALO] * 6, mode="replicate")[0, 0]
    depth = hu.shape[0]
    slabs = [wide[at : at + SLAB + 2 * HALO][None].contiguous() for at in range(0, depth, SLAB)]

    def ours(name: str) -> Callable[[], object]:
        return lambda: [detectors[name].detect(slab) for slab in slabs]

    def theirs(overlap: float) -> Callable[[], object]:
        def run() -> object:
            with torch.inference_mode():
                return sliding_window_inference(
                    hu[None, None], (SIDE,) * 3, 1, network, overlap=overlap, mode="gaussian"
                )

        return run

    names = [*detectors, "overlap .25", "overlap .5", "sgemm"]
    runs = [*(ours(name) for name in detectors), theirs(0.25), theirs(0.5), sgemm]
    taken = dict(zip(names, interleaved(runs), strict=True))
    check = _agreement(network, hu)
    rows = []
    for overlap, target, stretch in (("overlap .25", 6.0, 20.0), ("overlap .5", 20.0, 70.0)):
        for name in detectors:
            ratios = [t / o for t, o in zip(taken[overlap], taken[name], strict=True)]
            rows.append(
                Row(
                    name=f"MONAI sliding window, {overlap}, against ours in {name}",
                    unit="x",
                    value=statistics.median(ratios),
                    low=min(ratios),
                    high=max(ratios),
                    n=len(ratios),
                    target=target if name == "fp32" else None,
                    stretch=stretch if name == "int8" else None,
                    higher_is_better=True,
                    note=f"median {statistics.median(taken[overlap]):.2f} s against "
                    f"{statistics.median(taken[name]):.2f} s; {check}",
                )
            )
    return rows + _rates(taken, slabs)


def _engines() -> list[tuple[str, bytes, dict[str, Any]]]:
    _, fp32 = models.load(models.bundled() / "millet/1", "fp32")
    _, int8 = models.load(models.bundled() / "millet/1", "int8")
    return [
        ("fp32", fp32["fine"], {}),
        ("bf16", fp32["fine"], {"compute": "bf16"}),
        ("int8", int8["fine"], {"precision": "int8"}),
    ]


def _agreement(network: Padded, hu: torch.Tensor) -> str:
    """Whether both are the same network: its peaks' heat against the scores of ours."""
    block = hu[:SIDE, :SIDE, :SIDE].contiguous()
    with torch.inference_mode():
        heat = torch.sigmoid(network(block[None, None]))[0, 0].numpy()
    _, graphs = models.load(models.bundled() / "millet/1")
    (peaks,) = OpenVinoDetector(graphs["fine"]).detect(block[None])
    at = np.rint(peaks.position_voxels).astype(int)
    inner = ((at >= HALO) & (at < SIDE - HALO)).all(axis=1)
    differs = np.abs(heat[tuple(at[inner].T)] - peaks.score[inner]).max(initial=0)
    if differs > 1e-3:
        raise RuntimeError(f"the two networks differ by {differs}")
    return f"same network: {inner.sum()} peaks agree to {differs:.0e}"


def _rates(taken: dict[str, list[float]], slabs: Sequence[torch.Tensor]) -> list[Row]:
    """Convolutions of the trimmed graph against sgemm, counted as computed."""
    gflop = sum(_gflop(tuple(slab.shape[1:])) for slab in slabs)
    rates = [gflop / s for s in taken["fp32"]]
    peak = [sgemm_gflop() / s for s in taken["sgemm"]]
    shares = [100 * r / p for r, p in zip(rates, peak, strict=True)]
    speedups = [a / b for a, b in zip(taken["fp32"], taken["int8"], strict=True)]
    return [
        Row(
            name="convolution rate against sgemm, fp32, whole graph",
            unit="%",
            value=statistics.median(shares),
            low=min(shares),
            high=max(shares),
            n=len(shares),
            target=60,
            stretch=70,
            higher_is_better=True,
            note=f"{statistics.median(rates):.0f} of {statistics.median(peak):.0f} GFLOP/s, "
            "with all else that the graph does in the time",
        ),
        Row(
            name="int8 against fp32",
            unit="x",
            value=statistics.median(speedups),
            low=min(speedups),
            high=max(speedups),
            n=len(speedups),
            target=2.5,
            stretch=4.0,
            higher_is_better=True,
        ),
    ]


def sgemm_gflop() -> float:
    """GFLOP of one `sgemm`."""
    return 2e-9 * SGEMM**3


def _gflop(sides: tuple[int, int, int]) -> float:
    """Of the convolutions of the fine graph on a window, from the shapes that the engine computes."""
    import openvino

    _, graphs = models.load(models.bundled() / "millet/1")
    core = openvino.Core()
    model = core.read_model(graphs["fine"])
    model.reshape([1, 1, *sides])
    total = 0.0
    for op in model.get_ops():
        if op.get_type_name() in {"Convolution", "ConvolutionBackpropData"}:
            weight = list(op.input(1).get_partial_shape().get_max_shape())
            transposed = op.get_type_name() != "Convolution"
            outputs = list(op.output(0).get_partial_shape().get_max_shape())
            inputs = list(op.input(0).get_partial_shape().get_max_shape())
            where = inputs if transposed else outputs
            total += 2e-9 * float(np.prod(weight)) * float(np.prod(where[2:]))
    return total


def block(series: Path) -> torch.Tensor:
    """A block of lung of a series at 1 mm, HU."""
    from millet.core.resample import Box
    from millet.flow.offline import read_series
    from millet.flow.planes import Planes

    read = read_series(path.read_bytes() for path in sorted(series.glob("*.dcm")))
    planes = Planes.of(read.volume)
    middle = [int(v) for v in _middle(planes)]
    start = tuple(m - s // 2 for m, s in zip(middle, SIDES, strict=True))
    stop = tuple(a + s for a, s in zip(start, SIDES, strict=True))
    return planes.window((1.0, 1.0, 1.0), Box(start=start, stop=stop)).clamp(-1000, 100).contiguous()


def _middle(planes: Any) -> tuple[float, float, float]:
    heights = planes.slices.heights_mm
    (top, bottom), (left, right) = (planes.frame.lattice(1.0, axis) for axis in (0, 1))
    return (heights[0] + heights[-1]) / 2, (top + bottom) / 2, (left + right) / 2
