"""MONAI's own detector, put together without torchvision, to judge ours by."""

from __future__ import annotations

from collections import OrderedDict

from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.networks.retinanet_network import RetinaNet
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool
from monai.networks.nets import resnet
from torch import Tensor, nn

from millet.train.retinanet import Shape

SCALES = (1, 2, 4)
SHAPES = ((6, 8, 4), (8, 6, 5), (10, 10, 6))


class Body(nn.ModuleDict):
    """What torchvision's IntermediateLayerGetter makes of a ResNet for the layers 1 and 2."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The outputs of both layers."""
        seen = OrderedDict()
        for name, layer in self.items():
            x = layer(x)
            if name in {"layer1", "layer2"}:
                seen[name] = x
        return seen


class Extractor(nn.Module):
    """MONAI's BackboneWithFPN, of MONAI's ResNet-50 and feature pyramid."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        made = resnet.resnet50(
            spatial_dims=3,
            n_input_channels=1,
            conv1_t_stride=list(shape.stem_stride),
            conv1_t_size=list(shape.stem_kernel),
            widen_factor=shape.widen_factor,
        )
        names = ("conv1", "bn1", "act", "maxpool", "layer1", "layer2")
        self.body = Body({name: getattr(made, name) for name in names})
        first = made.in_planes // 8
        pool = LastLevelMaxPool(3)
        self.fpn = FeaturePyramidNetwork(3, [first, 2 * first], shape.channels, pool)
        self.out_channels = shape.channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The feature maps, finest first."""
        return self.fpn(self.body(x))


def network(shape: Shape) -> RetinaNet:
    """MONAI's network."""
    return RetinaNet(3, shape.classes, shape.anchors, Extractor(shape), list(shape.strides[-1])).eval()


def detector(made: RetinaNet, **selector: float) -> RetinaNetDetector:
    """MONAI's detector around it; `selector` as in set_box_selector_parameters."""
    anchors = AnchorGeneratorWithAnchorShape(feature_map_scales=SCALES, base_anchor_shapes=SHAPES)
    built = RetinaNetDetector(network=made, anchor_generator=anchors, debug=False)
    built.set_target_keys(box_key="box", label_key="label")
    built.set_box_selector_parameters(**selector)
    return built.eval()
