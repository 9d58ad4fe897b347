"""
Heads that Detectron2 lacks, registered under their class names.

For MODEL.ROI_MASK_HEAD.NAME: ``PointRefinedMaskHead`` (sharp borders), ``UpsampleTwiceMaskHead`` (56x56 masks). For
MODEL.ROI_HEADS.NAME: ``CrowdedROIHeads`` (class weights, suppression across classes, suppression of masks).
"""

from maskrcnn_project.modeling.build import build_model
from maskrcnn_project.modeling.crowded_roi_heads import CrowdedROIHeads
from maskrcnn_project.modeling.point_mask_head import PointRefinedMaskHead
from maskrcnn_project.modeling.upsample_twice_mask_head import UpsampleTwiceMaskHead

__all__ = ["CrowdedROIHeads", "PointRefinedMaskHead", "UpsampleTwiceMaskHead", "build_model"]
