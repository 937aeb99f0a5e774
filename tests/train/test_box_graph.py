"""The exported graph of a RetinaNet: torch, ONNX on both engines, and MONAI's own detector agree."""

import monai_reference
import numpy as np
import pytest
import torch
from bundles import network
from looking import look

from millet.core.boxes import Boxes, Proposal, select
from millet.core.geometry import PointMm
from millet.core.nodule import Candidate
from millet.edge.onnx_runtime import OnnxRuntimeDetector
from millet.edge.openvino import OpenVinoDetector
from millet.train.box_graph import BoxGraph, Frame, anchor_sides, export
from millet.train.retinanet import Shape

SMALL = Shape(widen_factor=0.125, channels=16)
FLOOR = 0.3
FRAME = Frame(
    orientation="RAS",
    spacing_mm=(0.703125, 0.703125, 1.25),
    hu_range=(-1024.0, 300.0),
    scaled_range=(0.0, 1.0),
    anchor_scales=tuple(map(float, monai_reference.SCALES)),
    anchor_shapes=tuple(tuple(map(float, sides)) for sides in monai_reference.SHAPES),
    score_floor=FLOOR,
)
WINDOWS = [(16, 32, 48), (24, 48, 32)]


@pytest.fixture(scope="module")
def graph():
    """HU to boxes, in torch; scores lie about one half."""
    return BoxGraph(network(SMALL, bias=0.0, spread=0.1), FRAME, SMALL.strides).eval()


@pytest.fixture(scope="module")
def encoded(graph):
    """The same in ONNX, traced on the smallest window."""
    return export(graph, (8, 16, 16))


def window(shape):
    """HU that go beyond the range on both sides."""
    return np.random.default_rng(2).uniform(-1200, 500, shape).astype(np.float32)


def in_torch(graph, hu):
    """Positions, diameters, scores and pyramid levels."""
    with torch.no_grad():
        return [value.numpy() for value in graph(torch.from_numpy(hu)[None, None])]


@pytest.mark.parametrize("shape", WINDOWS)
@pytest.mark.parametrize("engine", [OnnxRuntimeDetector, OpenVinoDetector])
def test_onnx_says_what_torch_says(graph, encoded, engine, shape):
    """The same boxes in the same order, on windows that the export never saw."""
    hu = window(shape)
    position, diameter, score, pyramid = in_torch(graph, hu)
    peaks = look(engine(encoded, threads=1), hu)
    assert len(score) > 100
    assert np.array_equal(peaks.pyramid, pyramid)
    assert np.abs(peaks.score - score).max() < 1e-4
    assert np.abs(peaks.position_voxels - position).max() < 0.01
    assert np.allclose(peaks.diameter_voxels, diameter, rtol=1e-3)


def in_monai(graph, hu, **selector):
    """MONAI's boxes (RAS voxels) and scores for a window of ours."""
    theirs = monai_reference.network(SMALL)
    theirs.load_state_dict(graph.network.state_dict(), strict=True)
    ras = np.ascontiguousarray(np.clip((hu + 1024) / 1324, 0, 1).transpose(2, 1, 0)[::-1, ::-1])
    with torch.no_grad():
        (found,) = monai_reference.detector(theirs, **selector)(torch.from_numpy(ras)[None, None])
    return found["box"].numpy(), found["label_scores"].numpy()


def test_boxes_lie_where_monais_lie(graph):
    """Every box above the floor, turned back from RAS: centre, mean side and score."""
    hu = window((16, 32, 48))
    position, diameter, score, _ = in_torch(graph, hu)
    everything = {"topk_candidates_per_level": 10**6, "nms_thresh": 1.0, "detections_per_img": 10**6}
    box, scores = in_monai(graph, hu, score_thresh=FLOOR, **everything)
    order = np.argsort(-score, kind="stable")
    whole = {round(float(s), 5): b for s, b in zip(scores, box, strict=True) if _unclipped(b, (48, 32, 16))}
    compared = 0
    for n in order:
        other = whole.get(round(float(score[n]), 5))
        if other is None or np.sum(np.abs(score - score[n]) < 2e-5) > 1:
            continue
        x, y, z = (other[:3] + other[3:]) / 2
        assert position[n] == pytest.approx([z, 31 - y, 47 - x], abs=1e-3)
        mean_mm = np.mean((other[3:] - other[:3]) * (0.703125, 0.703125, 1.25))
        assert diameter[n] * 1.25 == pytest.approx(mean_mm, rel=1e-4)
        compared += 1
    assert compared > 50


def _unclipped(box, sides):
    return (box[:3] > 0).all() and (box[3:] < np.asarray(sides)).all()


def test_anchors_are_rounded_as_monai_rounds_them():
    """Half sides go to whole voxels, ties to even: a depth of 5 is one of 4."""
    for scale, cells in zip(monai_reference.SCALES, _anchors(), strict=True):
        assert np.array_equal(anchor_sides(monai_reference.SHAPES, scale), cells[:, 3:] - cells[:, :3])
    assert anchor_sides(monai_reference.SHAPES, 1)[1].tolist() == [8, 6, 4]


def _anchors():
    made = monai_reference.AnchorGeneratorWithAnchorShape(monai_reference.SCALES, monai_reference.SHAPES)
    return [cells.numpy() for cells in made.cell_anchors]


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAL"])
def test_a_turned_window_is_turned_back(orientation):
    """Whatever axes the network was trained on, a cell's place in our window is where its voxels are."""
    frame = Frame(**{name: getattr(FRAME, name) for name in FRAME.__slots__} | {"orientation": orientation})
    hu = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(1, 1, 2, 3, 4)
    graph = BoxGraph(network(SMALL), frame, SMALL.strides)
    turned = graph._turned(hu)
    cells = torch.nonzero(turned[0, 0] >= 0)
    back = graph._turned_back(cells.float(), turned).long()
    assert torch.equal(hu[0, 0][tuple(back.T)], turned[0, 0][tuple(cells.T)])


@pytest.mark.parametrize("rules", [(40, 300), (1000, 25), (1000, 10**6)])
def test_the_rules_keep_what_monai_keeps(rules):
    """Floor, best of each level, overlap and best of the scan, against BoxSelector on the same cubes."""
    from monai.apps.detection.utils.box_selector import BoxSelector

    most_per_level, most_per_scan = rules
    rng = np.random.default_rng(5)
    centre = rng.uniform(20, 80, (400, 3))
    side, score, level = rng.uniform(4, 16, 400), rng.permutation(400) / 400, rng.integers(0, 3, 400)
    selector = BoxSelector(
        apply_sigmoid=False,
        score_thresh=0.1,
        topk_candidates_per_level=most_per_level,
        nms_thresh=0.22,
        detections_per_img=most_per_scan,
    )
    corners = np.hstack([centre - side[:, None] / 2, centre + side[:, None] / 2])
    theirs, scores, _ = selector.select_boxes_per_image(
        [torch.from_numpy(corners[level == n]) for n in range(3)],
        [torch.from_numpy(score[level == n, None]) for n in range(3)],
        (100, 100, 100),
    )
    found = [
        Proposal(Candidate(centre_mm=PointMm(*c), diameter_mm=d, score=s), int(n))
        for c, d, s, n in zip(centre.tolist(), side.tolist(), score.tolist(), level, strict=True)
    ]
    chosen = Boxes(nms_iou=0.22, most_per_level=most_per_level, most_per_scan=most_per_scan, score_floor=0.1)
    kept, cut = select(found, chosen)
    assert [c.score for c in kept] == pytest.approx(scores.tolist())
    assert np.allclose([c.centre_mm for c in kept], (theirs[:, :3] + theirs[:, 3:]) / 2)
    assert (cut > 0) == (rules != (1000, 10**6))
