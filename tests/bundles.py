"""A MONAI bundle in the layout of lung_nodule_ct_detection, with weights that nobody trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from millet.train.retinanet import RetinaNet, Shape

WIDEN = 0.125
"""Of the ResNet, which a bundle may say; pyramid and heads have their full width."""
SHAPE = Shape(widen_factor=WIDEN)
NETWORKS = "monai.apps.detection.networks.retinanet_network"


def inference() -> dict[str, Any]:
    """`configs/inference.json` as the published bundle has it (0.6), but for the ResNet's width."""
    stem = "conv1_t_stride=[2,2,1],conv1_t_size=[7,7,7]"
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "whether_raw_luna16": False,
        "whether_resampled_luna16": "$(not @whether_raw_luna16)",
        "device": "$torch.device('cpu')",
        "amp": True,
        "spatial_dims": 3,
        "num_classes": 1,
        "size_divisible": [16, 16, 8],
        "infer_patch_size": [512, 512, 192],
        "anchor_generator": {
            "_target_": "monai.apps.detection.utils.anchor_utils.AnchorGeneratorWithAnchorShape",
            "feature_map_scales": [1, 2, 4],
            "base_anchor_shapes": [[6, 8, 4], [8, 6, 5], [10, 10, 6]],
        },
        "backbone": "$monai.networks.nets.resnet.resnet50("
        f"spatial_dims=3,n_input_channels=1,{stem},widen_factor={WIDEN})",
        "feature_extractor": f"${NETWORKS}.resnet_fpn_feature_extractor(@backbone,3,False,[1,2],None)",
        "network_def": {
            "_target_": "RetinaNet",
            "spatial_dims": "@spatial_dims",
            "num_classes": "@num_classes",
            "num_anchors": 3,
            "feature_extractor": "@feature_extractor",
            "size_divisible": "@size_divisible",
            "use_list_output": False,
        },
        "network": "$@network_def.to(@device)",
        "detector": {
            "_target_": "RetinaNetDetector",
            "network": "@network",
            "anchor_generator": "@anchor_generator",
            "debug": False,
            "spatial_dims": "@spatial_dims",
            "num_classes": "@num_classes",
            "size_divisible": "@size_divisible",
        },
        "detector_ops": [
            "$@detector.set_target_keys(box_key='box', label_key='label')",
            (
                "$@detector.set_box_selector_parameters(score_thresh=0.02,topk_candidates_per_level=1000,"
                "nms_thresh=0.22,detections_per_img=300)"
            ),
            (
                "$@detector.set_sliding_window_inferer(roi_size=@infer_patch_size,overlap=0.25,sw_batch_size=1,"
                "mode='constant',device='cpu')"
            ),
        ],
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image", "_disabled_": "@whether_raw_luna16"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
                {
                    "_target_": "Spacingd",
                    "keys": "image",
                    "pixdim": [0.703125, 0.703125, 1.25],
                    "_disabled_": "@whether_resampled_luna16",
                },
                {
                    "_target_": "ScaleIntensityRanged",
                    "keys": "image",
                    "a_min": -1024.0,
                    "a_max": 300.0,
                    "b_min": 0.0,
                    "b_max": 1.0,
                    "clip": True,
                },
                {"_target_": "EnsureTyped", "keys": "image"},
            ],
        },
        "evaluator": {"_target_": "scripts.evaluator.DetectionEvaluator", "_requires_": "@detector_ops"},
        "run": ["$@evaluator.run()"],
    }


def metadata() -> dict[str, Any]:
    """`configs/metadata.json`, as much of it as says something here."""
    return {
        "version": "0.6.8",
        "monai_version": "1.4.0",
        "name": "Lung nodule CT detection",
        "description": "A model of random weights in the layout of a lung nodule detector",
        "data_source": "none: the weights are random",
    }


def network(shape: Shape = SHAPE, *, bias: float = -6.0, spread: float = 0.05, seed: int = 0) -> RetinaNet:
    """Random weights; `bias` is the logit about which scores lie, `spread` that of the last layers."""
    torch.manual_seed(seed)
    made = RetinaNet(shape).eval()
    last = made.classification_head.get_submodule("cls_logits")
    for layer in (last, made.regression_head.get_submodule("bbox_reg")):
        nn.init.normal_(layer.weight, std=spread)
        nn.init.zeros_(layer.bias)
    nn.init.constant_(last.bias, bias)
    for layer in made.modules():
        if isinstance(layer, nn.BatchNorm3d):
            nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return made


def write(folder: Path, weights: RetinaNet | None = None, **fields: Any) -> Path:
    """Write a bundle; `fields` replace those of inference.json, None takes one away."""
    document = {name: value for name, value in (inference() | fields).items() if value is not None}
    for part in ("configs", "models"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "configs/inference.json").write_text(json.dumps(document))
    (folder / "configs/metadata.json").write_text(json.dumps(metadata()))
    if weights is not None:
        torch.save(weights.state_dict(), folder / "models/model.pt")
    return folder
