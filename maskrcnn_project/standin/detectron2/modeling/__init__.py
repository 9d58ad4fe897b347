"""Models: backbone, proposals, per-region heads, and the whole that is made of them."""

import importlib
from typing import Any

from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import ANCHOR_GENERATOR_REGISTRY, build_anchor_generator
from detectron2.modeling.backbone import (
    BACKBONE_REGISTRY,
    FPN,
    Backbone,
    ResNet,
    ResNetBlockBase,
    build_backbone,
    build_resnet_backbone,
    make_stage,
)
from detectron2.modeling.meta_arch import (
    META_ARCH_REGISTRY,
    GeneralizedRCNN,
    ProposalNetwork,
    build_model,
    build_sem_seg_head,
)
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.modeling.proposal_generator import (
    PROPOSAL_GENERATOR_REGISTRY,
    RPN_HEAD_REGISTRY,
    build_proposal_generator,
    build_rpn_head,
)
from detectron2.modeling.roi_heads import (
    ROI_BOX_HEAD_REGISTRY,
    ROI_HEADS_REGISTRY,
    ROI_MASK_HEAD_REGISTRY,
    BaseMaskRCNNHead,
    FastRCNNOutputLayers,
    ROIHeads,
    StandardROIHeads,
    build_box_head,
    build_mask_head,
    build_roi_heads,
)
from detectron2.utils._refused import refuse

__all__ = [
    "ANCHOR_GENERATOR_REGISTRY",
    "BACKBONE_REGISTRY",
    "FPN",
    "META_ARCH_REGISTRY",
    "PROPOSAL_GENERATOR_REGISTRY",
    "ROI_BOX_HEAD_REGISTRY",
    "ROI_HEADS_REGISTRY",
    "ROI_MASK_HEAD_REGISTRY",
    "RPN_HEAD_REGISTRY",
    "Backbone",
    "BaseMaskRCNNHead",
    "DatasetMapperTTA",  # noqa: F822 (given by __getattr__)
    "FastRCNNOutputLayers",
    "GeneralizedRCNN",
    "GeneralizedRCNNWithTTA",  # noqa: F822 (given by __getattr__)
    "ProposalNetwork",
    "ROIHeads",
    "ResNet",
    "ResNetBlockBase",
    "ShapeSpec",
    "StandardROIHeads",
    "build_anchor_generator",
    "build_backbone",
    "build_box_head",
    "build_mask_head",
    "build_model",
    "build_proposal_generator",
    "build_resnet_backbone",
    "build_roi_heads",
    "build_rpn_head",
    "build_sem_seg_head",
    "detector_postprocess",
    "make_stage",
]

_refuse = refuse(
    __name__,
    {
        "BaseKeypointRCNNHead": "keypoints",
        "FCOS": "FCOS",
        "MMDetBackbone": "MMDetection's models",
        "MMDetDetector": "MMDetection's models",
        "MViT": "transformer backbones",
        "PanopticFPN": "panoptic segmentation",
        "ROI_KEYPOINT_HEAD_REGISTRY": "keypoints",
        "RetinaNet": "RetinaNet",
        "SEM_SEG_HEADS_REGISTRY": "semantic segmentation",
        "SemanticSegmentor": "semantic segmentation",
        "SimpleFeaturePyramid": "transformer backbones",
        "SwinTransformer": "transformer backbones",
        "ViT": "transformer backbones",
        "build_keypoint_head": "keypoints",
        "get_vit_lr_decay_rate": "transformer backbones",
    },
)


def __getattr__(name: str) -> Any:
    # Looked up on demand: test-time augmentation stands above this folder and imports detectron2.data.
    if name in ("DatasetMapperTTA", "GeneralizedRCNNWithTTA"):
        return getattr(importlib.import_module("detectron2.modeling.test_time_augmentation"), name)
    return _refuse(name)
