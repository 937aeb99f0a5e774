"""Builds the analytic detector: `python -m millet.train.log_bank models/log/1`.

The graph, in voxels of whichever grid it is run on (it has no idea of millimetres):

1. A Laplacian-of-Gaussian at four scales, by separable Gaussians, each times its variance
   and turned so that bright blobs are positive. Peaks of the maximum over scales in their 3x3x3
   neighbourhood propose blobs; a parabola through their neighbours refines the place.
2. From each peak rays go out, evenly over the sphere, a little beyond the blob. The darkest value on
   each says how far one must come down to leave that way. A nodule is left downwards in every
   direction, a vessel has two level ways out, a fork three, a wall half of all. A few rays sort out
   most peaks, many rays judge the rest by three numbers:
   the worst way out and the worst pair of opposite ways out (soft minima over rays, as a share of the
   blob's contrast; a nodule beside a vessel fails the first only), and the contrast itself.
   A logistic of their weighted sum is the score.
3. The mean distance at which rays fall through half of their drop gives the radius.

No value depends on anything farther away than `HALO` voxels; there is no TopK, no normalisation over
the window and no limit on the number of peaks.
"""

from __future__ import annotations

import hashlib
import math
import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from millet.core.manifest import written
from millet.train import peaks
from millet.train.graph import OPSET, Graph
from millet.train.log_card import CARD, manifest

SIGMAS = tuple(1.0 * 2 ** (i / 2) for i in range(4))
RAY_SIGMA = 0.8
BLOB_FLOOR_HU = 60.0
"""Below this a blob response is noise of any usable scan."""
REACH_RADII = 1.3
REACH_VOXELS = 1.5
"""Rays end at this many radii and voxels: past the blurred edge, short of the next structure."""
SCREEN_RAYS, SCREEN_STEPS = 32, 5
SCREEN_DROP_HU = 100.0
SCREEN_LEVEL_SHARE = 0.3
RAYS, STEPS = 80, 8
OPPOSITE = 5
"""Rays that count as opposite to a ray: a cone of about 25 degrees, since vessels bend."""
SOFTNESS = 0.05
CONTRAST_HU = 300.0
WEIGHTS = (6.0, 18.0, 12.0)
BIAS = -31.6
"""Of the worst way out, the worst pair and the contrast (in units of `CONTRAST_HU`, at most 1): a
logistic regression on 3 mm nodules in real scans, rounded and shifted by hand; the card names the scans."""
EDGE_HU = 40.0
HALO = 13
"""Rays: 1.3 * sqrt(3) * 2.83 + 1.5 voxels, one to interpolate, three of smoothing; the bank: 9 + 1 + 1."""


def gaussian(sigma: float) -> NDArray[np.float64]:
    """A sampled Gaussian of at least three standard deviations to either side, of sum one."""
    radius = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    normalised: NDArray[np.float64] = kernel / kernel.sum()
    return normalised


def _smooth(g: Graph, x: str, sigma: float) -> str:
    """Convolve (1,1,D,H,W) with a Gaussian, one axis at a time."""
    kernel = gaussian(sigma)
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = len(kernel)
        pad = [0, 0, 0]
        pad[axis] = len(kernel) // 2
        x = g.op("Conv", x, g.constant(kernel.reshape(shape)), pads=pad * 2)
    return x


def rays(count: int) -> NDArray[np.float64]:
    """(count, 3) unit directions spread evenly over the sphere (a Fibonacci lattice)."""
    i = np.arange(count) + 0.5
    z, angle = 1 - 2 * i / count, math.pi * (1 + math.sqrt(5)) * i
    flat = np.sqrt(1 - z * z)
    return np.stack([z, flat * np.sin(angle), flat * np.cos(angle)], axis=1)


def build() -> onnx.ModelProto:
    """The whole graph."""
    g = Graph()
    near, responses = _bank(g)
    best = g.op("Max", *responses)
    sampler = Sampler(g)
    voxel = _with_made_up_peak(g, _peaks(g, sampler, best))  # (N + 1, 3)
    voxel = _screened(g, sampler, near, voxel, _scale_radius(g, sampler, responses, voxel))
    position = _centre(g, sampler, best, voxel)
    _judge(g, sampler, near, position, _scale_radius(g, sampler, responses, voxel))
    _real(g, position, "position_voxels")
    return _model(g)


def _peaks(g: Graph, sampler: Sampler, best: str) -> str:
    """(N, 3) the peaks of the best response; sides need not be whole blocks."""
    block = [peaks.BLOCK] * 3
    most = g.op("MaxPool", best, kernel_shape=block, strides=block, ceil_mode=1)
    above = g.op("NonZero", g.op("Greater", most, g.constant(BLOB_FLOOR_HU)))
    place = g.op("Transpose", above, perm=[1, 0])
    voxel, _ = peaks.peaks(g, sampler.field(best), g.columns(place, 2, 5), g.columns(place, 0, 1))
    return voxel


class Sampler:
    """Reads volumes (1,1,D,H,W) at voxels; beyond the window the nearest voxel is read."""

    def __init__(self, g: Graph) -> None:
        self.g = g
        size = g.op("Shape", "hu", start=2, end=5)
        one = g.constant([1], np.int64)
        height, width = (
            g.op("Slice", size, g.constant([a], np.int64), g.constant([a + 1], np.int64)) for a in (1, 2)
        )
        self.strides = g.op("Concat", g.op("Mul", height, width), width, one, axis=0)
        self.last = g.op("Sub", size, one)

    def flat(self, voxels: str) -> str:
        """Flat indices of integer voxels (..., 3)."""
        g = self.g
        inside = g.op("Min", g.op("Max", voxels, g.constant(0, np.int64)), self.last)
        return g.sum(g.op("Mul", inside, self.strides), -1)

    def read(self, volume: str, voxels: str) -> str:
        """Values at integer voxels (..., 3)."""
        return self._gather(volume, self.flat(voxels))

    def field(self, volume: str) -> peaks.Field:
        """A volume to search for peaks."""
        g = self.g
        return peaks.Field(
            values=self._listed(volume),
            last=self.last,
            along=lambda voxel: g.op("Mul", voxel, g.unsqueezed(self.strides, 1)),
        )

    def interpolate(self, volume: str, points: str) -> str:
        """Trilinear values at points (..., 3)."""
        g = self.g
        end = g.op("Sub", g.floats(self.last), g.constant(1e-3))
        inside = g.op("Min", g.op("Max", points, g.constant(0.0)), end)
        floor = g.op("Floor", inside)
        part = g.op("Sub", inside, floor)
        base = g.sum(g.op("Mul", g.ints(floor), self.strides), -1)
        steps = [g.op("Gather", self.strides, g.constant(axis, np.int64), axis=0) for axis in range(3)]
        parts = [g.op("Gather", part, g.constant(axis, np.int64), axis=-1) for axis in range(3)]

        def along(axis: int, index: str) -> str:
            if axis == 3:
                return self._gather(volume, index)
            low, high = along(axis + 1, index), along(axis + 1, g.op("Add", index, steps[axis]))
            return g.op("Add", low, g.op("Mul", parts[axis], g.op("Sub", high, low)))

        return along(0, base)

    def _gather(self, volume: str, flat: str) -> str:
        return self.g.op("Gather", self._listed(volume), flat, axis=0)

    def _listed(self, volume: str) -> str:
        return self.g.op("Reshape", volume, self.g.constant([-1], np.int64))


def _bank(g: Graph) -> tuple[str, list[str]]:
    """The lightly smoothed window that rays are cast in, and (1,1,D,H,W) blob responses in HU, by scale."""
    near = _smooth(g, "hu", RAY_SIGMA)
    stencil = np.zeros((1, 1, 3, 3, 3))
    for axis in range(3):
        for end in (0, 2):
            at = [1, 1, 1]
            at[axis] = end
            stencil[(0, 0, *at)] = -1
    stencil[0, 0, 1, 1, 1] = 6
    responses = []
    for sigma in SIGMAS:
        kernel = g.constant(stencil * sigma**2)
        responses.append(g.op("Conv", _smooth(g, "hu", sigma), kernel, pads=[1] * 6))
    return near, responses


def _parabola(g: Graph, low: str, middle: str, high: str) -> str:
    """Where between two samples' halves a parabola through three samples peaks, -0.49..0.49."""
    bend = g.op("Sub", g.op("Add", middle, middle), g.op("Add", low, high))
    slope = g.op("Mul", g.op("Sub", high, low), g.constant(0.5))
    offset = g.op("Div", slope, g.op("Max", bend, g.constant(1e-3)))
    return g.op("Clip", offset, g.constant(-0.49), g.constant(0.49))


def _centre(g: Graph, sampler: Sampler, best: str, voxel: str) -> str:
    """(N, 3) sub-voxel positions; below half a voxel off, so that rounding gives the peak's voxel."""
    middle = sampler.read(best, voxel)
    position = g.floats(voxel)
    for step in np.eye(3):
        low, high = (
            sampler.read(best, g.op("Add", voxel, g.constant(sign * step, np.int64))) for sign in (-1, 1)
        )
        offset = g.op("Unsqueeze", _parabola(g, low, middle, high), g.constant([1], np.int64))
        position = g.op("Add", position, g.op("Mul", offset, g.constant(step)))
    return position


def _scale_radius(g: Graph, sampler: Sampler, responses: list[str], voxel: str) -> str:
    """(N, 1) radius of the ball that answers most at the scale that answers most."""
    one = g.constant([1], np.int64)
    table = g.op("Concat", *(g.op("Unsqueeze", sampler.read(r, voxel), one) for r in responses), axis=1)
    sigma = g.op("Gather", g.constant(SIGMAS), g.op("ArgMax", table, axis=1, keepdims=0), axis=0)
    return g.op("Unsqueeze", g.op("Mul", sigma, g.constant(math.sqrt(3.0))), g.constant([1], np.int64))


def _with_made_up_peak(g: Graph, voxel: str) -> str:
    """One more row behind the real ones: engines disagree on reductions over nothing."""
    return g.op("Concat", voxel, g.constant([[0, 0, 0]], np.int64), axis=0)


def _ray_points(g: Graph, position: str, radius: str, count: int, steps: int) -> tuple[str, str]:
    """(N, count, steps, 3) points on rays from (N, 3) positions, and how far the rays go (N, 1)."""
    reach = g.op("Add", g.op("Mul", radius, g.constant(REACH_RADII)), g.constant(REACH_VOXELS))
    stops = np.arange(1, steps + 1) / steps
    directions = rays(count)[None, :, None, :] * stops[None, None, :, None]
    far = g.op("Unsqueeze", reach, g.constant([2, 3], np.int64))
    start = g.op("Unsqueeze", position, g.constant([1, 2], np.int64))
    return g.op("Add", start, g.op("Mul", far, g.constant(directions))), reach


def _drops(g: Graph, top: str, profile: str) -> tuple[str, str]:
    """(N, K) HU lost on the way along each ray, at least 0, and their root mean square (N, 1)."""
    darkest = g.op("ReduceMin", profile, g.constant([2], np.int64), keepdims=0)
    drop = g.op("Max", g.op("Sub", top, darkest), g.constant(0.0))
    square = g.op("ReduceMean", g.op("Mul", drop, drop), g.constant([1], np.int64), keepdims=1)
    return drop, g.op("Sqrt", g.op("Add", square, g.constant(1.0)))


def _screened(g: Graph, sampler: Sampler, near: str, voxel: str, radius: str) -> str:
    """The peaks that fall off to most sides: a cheap test that spares nine of ten the dear one."""
    points, _ = _ray_points(g, g.floats(voxel), radius, SCREEN_RAYS, SCREEN_STEPS)
    profile = sampler.read(near, g.ints(g.op("Round", points)))
    top = g.op("Unsqueeze", sampler.read(near, voxel), g.constant([1], np.int64))
    drop, contrast = _drops(g, top, profile)
    level = g.floats(g.op("Less", drop, g.op("Mul", contrast, g.constant(0.3))))
    share = g.op("ReduceMean", level, g.constant([1], np.int64), keepdims=1)
    keep = g.op(
        "And",
        g.op("Less", share, g.constant(SCREEN_LEVEL_SHARE)),
        g.op("Greater", contrast, g.constant(SCREEN_DROP_HU)),
    )
    keep = g.op("Slice", keep, *(g.constant([v], np.int64) for v in (0, -1, 0)))
    rows = g.op("Slice", g.op("NonZero", keep), *(g.constant([v], np.int64) for v in (0, 1, 0)))
    rows = g.op("Reshape", rows, g.constant([-1], np.int64))
    return _with_made_up_peak(g, g.op("Gather", voxel, rows, axis=0))


def _soft_minimum(g: Graph, shares: str) -> str:
    """(N,) from (N, K): a minimum that a single ray cannot decide."""
    chance = g.op("Exp", g.op("Mul", shares, g.constant(-1 / SOFTNESS)))
    mean = g.op("ReduceMean", chance, g.constant([1], np.int64), keepdims=0)
    return g.op("Mul", g.op("Log", g.op("Add", mean, g.constant(1e-12))), g.constant(-SOFTNESS))


def _judge(g: Graph, sampler: Sampler, near: str, position: str, radius: str) -> None:
    """Cast many rays from (N, 3) positions and name the outputs `diameter_voxels` and `score`."""
    points, reach = _ray_points(g, position, radius, RAYS, STEPS)
    profile = sampler.interpolate(near, points)  # (N, K, T)
    top = g.op("Unsqueeze", sampler.interpolate(near, position), g.constant([1], np.int64))
    drop, contrast = _drops(g, top, profile)
    share = g.op("Min", g.op("Div", drop, contrast), g.constant(1.2))
    order = np.argsort(rays(RAYS) @ rays(RAYS).T, axis=1)[:, :OPPOSITE]
    opposite = g.op("Gather", share, g.constant(order, np.int64), axis=1)  # (N, K, OPPOSITE)
    opposite = g.op("ReduceMin", opposite, g.constant([2], np.int64), keepdims=0)
    worst = _soft_minimum(g, share)
    worst_pair = _soft_minimum(g, g.op("Max", share, opposite))
    depth = g.op("Squeeze", contrast, g.constant([1], np.int64))
    depth = g.op("Min", g.op("Mul", depth, g.constant(1 / CONTRAST_HU)), g.constant(1.0))
    evidence = g.constant(BIAS)
    for weight, feature in zip(WEIGHTS, (worst, worst_pair, depth), strict=True):
        evidence = g.op("Add", evidence, g.op("Mul", feature, g.constant(weight)))
    _real(g, g.op("Sigmoid", evidence), "score")
    _diameter(g, profile, top, drop, reach)


def _diameter(g: Graph, profile: str, top: str, drop: str, reach: str) -> None:
    """Twice the mean half-way distance, over rays weighted by how far they fall."""
    half = g.op("Sub", top, g.op("Mul", drop, g.constant(0.5)))  # (N, K)
    above = g.op("Sub", profile, g.op("Unsqueeze", half, g.constant([2], np.int64)))
    inside = g.op("Sigmoid", g.op("Div", above, g.constant(EDGE_HU)))
    count = g.op("Add", g.sum(inside, 2), g.constant(0.5))  # (N, K)
    weight = g.op("Max", drop, g.constant(1.0))
    weight = g.op("Mul", weight, weight)
    mean = g.op("Div", g.sum(g.op("Mul", weight, count), 1), g.sum(weight, 1))
    radius = g.op("Mul", mean, g.op("Squeeze", reach, g.constant([1], np.int64)))
    _real(g, g.op("Mul", radius, g.constant(2.0 / STEPS)), "diameter_voxels")


def _real(g: Graph, x: str, name: str) -> None:
    """Name an output: all rows but the last, made-up one."""
    g.op("Slice", x, *(g.constant([v], np.int64) for v in (0, -1, 0)), name=name)


def _model(g: Graph) -> onnx.ModelProto:
    """Wrap the nodes with their input and outputs, and check them."""
    window = helper.make_tensor_value_info("hu", TensorProto.FLOAT, [1, 1, "depth", "height", "width"])
    shapes: dict[str, list[str | int | None]] = {
        "position_voxels": ["peaks", 3],
        "diameter_voxels": ["peaks"],
        "score": ["peaks"],
    }
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    graph = helper.make_graph(g.nodes, "log_bank", [window], outputs, g.constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9, producer_name="millet"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main(arguments: list[str]) -> None:
    """Write model, manifest and card into the folder that is the only argument."""
    (folder,) = (Path(a) for a in arguments)
    model = build().SerializeToString(deterministic=True)
    digest = hashlib.sha256(model).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    (folder / "manifest.json").write_text(written(manifest(digest, HALO)), encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text(CARD, encoding="utf-8")
    print(f"{folder}: {len(model)} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main(sys.argv[1:])
