"""Whole models."""

from detectron2.modeling.meta_arch.build import META_ARCH_REGISTRY, build_model
from detectron2.modeling.meta_arch.rcnn import GeneralizedRCNN, ProposalNetwork
from detectron2.modeling.meta_arch.semantic_seg import build_sem_seg_head
from detectron2.utils._refused import refuse

__all__ = [
    "META_ARCH_REGISTRY",
    "GeneralizedRCNN",
    "ProposalNetwork",
    "build_model",
    "build_sem_seg_head",
]

__getattr__ = refuse(
    __name__,
    {
        "DenseDetector": "one-stage detectors",
        "FCOS": "FCOS",
        "PanopticFPN": "panoptic segmentation",
        "RetinaNet": "RetinaNet",
        "SEM_SEG_HEADS_REGISTRY": "semantic segmentation",
        "SemanticSegmentor": "semantic segmentation",
    },
)
