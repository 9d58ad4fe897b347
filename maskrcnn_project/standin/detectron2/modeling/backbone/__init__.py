"""Feature extractors."""

from detectron2.modeling.backbone.backbone import Backbone
from detectron2.modeling.backbone.build import BACKBONE_REGISTRY, build_backbone
from detectron2.modeling.backbone.fpn import FPN
from detectron2.modeling.backbone.resnet import (
    BasicStem,
    BottleneckBlock,
    ResNet,
    ResNetBlockBase,
    build_resnet_backbone,
    make_stage,
)
from detectron2.utils._refused import refuse

__all__ = [
    "BACKBONE_REGISTRY",
    "FPN",
    "Backbone",
    "BasicStem",
    "BottleneckBlock",
    "ResNet",
    "ResNetBlockBase",
    "build_backbone",
    "build_resnet_backbone",
    "make_stage",
]

__getattr__ = refuse(
    __name__,
    {
        "MViT": "transformer backbones",
        "RegNet": "RegNet backbones",
        "SimpleFeaturePyramid": "transformer backbones",
        "SwinTransformer": "transformer backbones",
        "ViT": "transformer backbones",
        "get_vit_lr_decay_rate": "transformer backbones",
    },
)
