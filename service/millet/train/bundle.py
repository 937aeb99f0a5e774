"""What a MONAI bundle in the layout of lung_nodule_ct_detection says of itself.

`configs/inference.json` says how the scan is prepared, how the network is built, which anchors lie where
and how boxes are counted; `configs/metadata.json` says what the bundle is. A field of a section that is
read here is understood or refused, since one that is passed over could change what the network sees.
Sections that have no part in that (data sets, handlers, evaluation) are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millet.core.boxes import Boxes
from millet.train.box_graph import AXES, Frame
from millet.train.bundle_config import Component, Config
from millet.train.bundle_weights import inside
from millet.train.retinanet import Shape

INFERENCE, METADATA = "configs/inference.json", "configs/metadata.json"

Triples = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle says of itself. Triples count along the network's axes, in the order it names them."""

    version: str
    description: str
    data: str
    licence: str
    shape: Shape
    frame: Frame
    window: tuple[int, int, int]
    overlap: float
    """Share of a window that the next one covers again."""
    rules: Boxes


def read(folder: Path) -> Bundle:
    """Read a bundle's configuration. Raises ModelError that names the file and the field."""
    config = Config(inside(folder, INFERENCE), INFERENCE)
    about = Config(inside(folder, METADATA), METADATA)
    for name in config.document:
        if "#" in name:
            raise config.wrong(name, "overrides another field, which is not supported")
    shape = _shape(config)
    rules, window, overlap = _detector(config, shape)
    return Bundle(
        version=about.text("version"),
        description=about.text("description"),
        data=about.text("data_source"),
        licence=_licence(folder),
        shape=shape,
        frame=_frame(config, shape, rules.score_floor),
        window=window,
        overlap=overlap,
        rules=rules,
    )


# --- the sections of inference.json ------------------------------------------------------------------


def _shape(config: Config) -> Shape:
    backbone = config.component("backbone")
    fixed = {
        "spatial_dims": 3,
        "n_input_channels": 1,
        "pretrained": False,
        "shortcut_type": "B",
        "bias_downsample": True,
        "no_max_pool": False,
    }
    free = {"conv1_t_stride", "conv1_t_size", "widen_factor", "feed_forward", "num_classes", "progress"}
    _check(config, "backbone", backbone, "resnet50", fixed, free)
    names = (
        "backbone",
        "spatial_dims",
        "pretrained_backbone",
        "returned_layers",
        "trainable_backbone_layers",
    )
    extractor = config.component("feature_extractor", names)
    fixed = {"spatial_dims": 3, "pretrained_backbone": False, "returned_layers": [1, 2]}
    free = {"backbone", "trainable_backbone_layers"}
    _check(config, "feature_extractor", extractor, "resnet_fpn_feature_extractor", fixed, free)
    network = config.component("network_def")
    free = {"num_anchors", "feature_extractor", "size_divisible", "use_list_output"}
    _check(config, "network_def", network, "RetinaNet", {"spatial_dims": 3, "num_classes": 1}, free)
    return Shape(
        stem_kernel=_whole(config, "backbone conv1_t_size", backbone.arguments.get("conv1_t_size")),
        stem_stride=_whole(config, "backbone conv1_t_stride", backbone.arguments.get("conv1_t_stride")),
        widen_factor=float(backbone.arguments.get("widen_factor", 1.0)),
        anchors=_count(config, "network_def num_anchors", network.arguments.get("num_anchors")),
    )


def _detector(config: Config, shape: Shape) -> tuple[Boxes, tuple[int, int, int], float]:
    free = {"network", "anchor_generator", "debug", "size_divisible"}
    fixed = {"spatial_dims": 3, "num_classes": 1}
    _check(config, "detector", config.component("detector"), "RetinaNetDetector", fixed, free)
    calls = {call.kind: call for call in config.components("detector_ops")}
    known = {"set_target_keys", "set_box_selector_parameters", "set_sliding_window_inferer"}
    for kind in calls.keys() - known:
        raise config.wrong("detector_ops", f"calls {kind}, which is unknown here")
    for kind in known - {"set_target_keys"} - calls.keys():
        raise config.wrong("detector_ops", f"does not call {kind}")
    selector, inferer = calls["set_box_selector_parameters"], calls["set_sliding_window_inferer"]
    free = {"score_thresh", "topk_candidates_per_level", "nms_thresh", "detections_per_img"}
    _check(config, "detector_ops", selector, selector.kind, {"apply_sigmoid": True}, free)
    free = {"roi_size", "overlap", "sw_batch_size", "mode", "sigma_scale", "padding_mode", "cval"}
    free |= {"sw_device", "device", "progress", "cache_roi_weight_map"}
    _check(config, "detector_ops", inferer, inferer.kind, {}, free)
    rules = Boxes(
        nms_iou=_number(config, "detector_ops nms_thresh", selector.arguments.get("nms_thresh", 0.5)),
        most_per_level=_count(
            config, "detector_ops topk", selector.arguments.get("topk_candidates_per_level", 1000)
        ),
        most_per_scan=_count(
            config, "detector_ops detections_per_img", selector.arguments.get("detections_per_img", 300)
        ),
        score_floor=_number(
            config, "detector_ops score_thresh", selector.arguments.get("score_thresh", 0.05)
        ),
    )
    if mistakes := list(rules.mistakes()):
        raise config.wrong("detector_ops", "; ".join(mistakes))
    overlap = _number(config, "detector_ops overlap", inferer.arguments.get("overlap", 0.5))
    if not 0 <= overlap < 1:
        raise config.wrong("detector_ops overlap", f"{overlap} must be 0 up to, not with, 1")
    window = _whole(config, "detector_ops roi_size", inferer.arguments.get("roi_size"))
    for side, stride in zip(window, shape.strides[-1], strict=True):
        if side % stride:
            raise config.wrong(
                "detector_ops roi_size", f"{side} is no multiple of the network's stride {stride}"
            )
    return rules, window, overlap


def _frame(config: Config, shape: Shape, score_floor: float) -> Frame:
    anchors = config.component("anchor_generator")
    free = {"feature_map_scales", "base_anchor_shapes"}
    kind = "AnchorGeneratorWithAnchorShape"
    _check(config, "anchor_generator", anchors, kind, {"indexing": "ij"}, free)
    scales = anchors.arguments.get("feature_map_scales")
    shapes = anchors.arguments.get("base_anchor_shapes")
    if not isinstance(scales, list) or len(scales) != len(shape.strides):
        raise config.wrong("anchor_generator feature_map_scales", f"must be {len(shape.strides)} numbers")
    if not isinstance(shapes, list) or len(shapes) != shape.anchors:
        raise config.wrong("anchor_generator base_anchor_shapes", f"must be {shape.anchors} triples")
    steps = _transforms(config)
    intensity = steps["ScaleIntensityRanged"]
    numbers = {
        name: _number(config, f"preprocessing {name}", intensity.get(name))
        for name in ("a_min", "a_max", "b_min", "b_max")
    }
    if numbers["a_min"] >= numbers["a_max"]:
        raise config.wrong("preprocessing a_min", "must be less than a_max")
    where = "anchor_generator feature_map_scales"
    return Frame(
        orientation=_orientation(config, steps["Orientationd"].get("axcodes")),
        spacing_mm=_triple(config, "preprocessing pixdim", steps["Spacingd"].get("pixdim")),
        hu_range=(numbers["a_min"], numbers["a_max"]),
        scaled_range=(numbers["b_min"], numbers["b_max"]),
        anchor_scales=tuple(_number(config, where, scale) for scale in scales),
        anchor_shapes=tuple(_triple(config, "anchor_generator base_anchor_shapes", s) for s in shapes),
        score_floor=score_floor,
    )


_TRANSFORMS: Mapping[str, tuple[Mapping[str, Any], set[str]]] = {
    "LoadImaged": (
        {},
        {"keys", "meta_key_postfix", "reader", "affine_lps_to_ras", "image_only", "_disabled_"},
    ),
    "EnsureChannelFirstd": ({}, {"keys", "meta_key_postfix"}),
    "Orientationd": ({}, {"keys", "axcodes"}),
    "Spacingd": ({"mode": "bilinear"}, {"keys", "pixdim", "_disabled_", "padding_mode"}),
    "ScaleIntensityRanged": ({"clip": True}, {"keys", "a_min", "a_max", "b_min", "b_max"}),
    "EnsureTyped": ({}, {"keys", "dtype", "device", "track_meta"}),
}
"""Each transform that may stand in `preprocessing`: arguments that must be so, and others it may have."""
_NEEDED = ("Orientationd", "Spacingd", "ScaleIntensityRanged")


def _transforms(config: Config) -> Mapping[str, Mapping[str, Any]]:
    """The arguments of each transform by its name."""
    found: dict[str, Mapping[str, Any]] = {}
    for step in config.components("preprocessing", "transforms"):
        if step.kind not in _TRANSFORMS:
            raise config.wrong("preprocessing", f"has a transform {step.kind}, which is unknown here")
        _check(config, f"preprocessing {step.kind}", step, step.kind, *_TRANSFORMS[step.kind])
        found[step.kind] = step.arguments
    for kind in _NEEDED:
        if kind not in found:
            raise config.wrong("preprocessing", f"has no {kind}")
    return found


def _orientation(config: Config, axcodes: Any) -> str:
    text = str(axcodes)
    pairs = {AXES[2 * n : 2 * n + 2] for n in range(3)}
    if len(text) != 3 or {pair for pair in pairs if any(way in pair for way in text)} != pairs:
        raise config.wrong("preprocessing axcodes", f"must be three axes such as RAS, not {axcodes!r}")
    return text


def _check(
    config: Config, where: str, found: Component, kind: str, fixed: Mapping[str, Any], free: Iterable[str]
) -> None:
    """Refuse another component, arguments that are unknown, and those that must be otherwise."""
    if found.kind != kind:
        raise config.wrong(where, f"is {found.target}, not {kind}: another architecture")
    known = {*fixed, *free}
    for name, value in found.arguments.items():
        if name not in known:
            raise config.wrong(f"{where} {name}", "is unknown here")
        if name in fixed and value != fixed[name]:
            raise config.wrong(f"{where} {name}", f"must be {fixed[name]!r}, not {value!r}")


def _number(config: Config, where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise config.wrong(where, f"must be a number, not {value!r}")
    return float(value)


def _count(config: Config, where: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise config.wrong(where, f"must be a whole number above 0, not {value!r}")
    return value


def _triple(config: Config, where: str, value: Any) -> Triples:
    if not isinstance(value, list) or len(value) != 3:
        raise config.wrong(where, f"must be three numbers, not {value!r}")
    a, b, c = (_number(config, where, v) for v in value)
    if min(a, b, c) <= 0:
        raise config.wrong(where, f"must be above 0, not {value!r}")
    return a, b, c


def _whole(config: Config, where: str, value: Any) -> tuple[int, int, int]:
    if not isinstance(value, list) or len(value) != 3:
        raise config.wrong(where, f"must be three whole numbers, not {value!r}")
    a, b, c = (_count(config, where, v) for v in value)
    return a, b, c


def _licence(folder: Path) -> str:
    """What a bundle's LICENSE file is, where it is one that is known."""
    if not (folder / "LICENSE").exists():
        return "not stated in the bundle"
    text = inside(folder, "LICENSE").read_text(encoding="utf-8", errors="replace")
    return "Apache-2.0" if "Apache License" in text and "Version 2.0" in text else "see the bundle's LICENSE"
