"""
ROI heads for crowded pictures and unequal classes.

Shapes: R detections of one image, K classes. Boxes are XYXY in absolute pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec, batched_nms, paste_masks_in_image
from detectron2.modeling import ROI_HEADS_REGISTRY
from detectron2.modeling.roi_heads import FastRCNNOutputLayers, StandardROIHeads
from detectron2.structures import Instances
from torch import nn
from torch.nn import functional as F

# Masks are compared on a grid over the picture of at most this many cells a side: finer than the 28x28 of a mask for
# all but the largest objects, and the memory of R masks stays small.
OVERLAP_GRID = 512


class CrowdedOutputLayers(FastRCNNOutputLayers):
    """
    FastRCNNOutputLayers with class weights in training and, in testing, suppression across classes.

    Args:
        class_weights: K factors of the classes' loss, or none for 1 each; the background's is 1.
        across_classes: of two boxes that overlap by more than NMS_THRESH_TEST the more confident stays, whatever its
            class.
    """

    class_weights: torch.Tensor

    def __init__(
        self,
        cfg: CfgNode,
        input_shape: ShapeSpec,
        *,
        class_weights: tuple[float, ...] = (),
        across_classes: bool = False,
    ):
        super().__init__(cfg, input_shape)
        self.across_classes = across_classes
        if class_weights and len(class_weights) != self.num_classes:
            raise ValueError(
                f"MODEL.ROI_HEADS.CLASS_WEIGHTS must hold one factor for each of the {self.num_classes} classes, but "
                f"holds {len(class_weights)}."
            )
        if class_weights and self.use_sigmoid_ce:
            raise ValueError("MODEL.ROI_HEADS.CLASS_WEIGHTS go with the softmax loss: set USE_SIGMOID_CE False.")
        self.weighted = bool(class_weights)
        weights = torch.tensor([*(class_weights or [1.0] * self.num_classes), 1.0])
        self.register_buffer("class_weights", weights, persistent=False)

    def losses(self, predictions: tuple[torch.Tensor, torch.Tensor], proposals: list[Instances]) -> dict[str, Any]:
        """As FastRCNNOutputLayers; ``loss_cls`` is the weighted mean over the regions."""
        losses = super().losses(predictions, proposals)
        scores = predictions[0]
        if self.weighted and scores.shape[0]:
            classes = torch.cat([item.gt_classes for item in proposals])
            weighted = F.cross_entropy(scores.float(), classes, weight=self.class_weights)
            losses["loss_cls"] = weighted * self.loss_weight.get("loss_cls", 1.0)
        return losses

    def inference(self, predictions: tuple[torch.Tensor, torch.Tensor], proposals: list[Instances]) -> Any:
        """As FastRCNNOutputLayers, then across classes if asked for."""
        detections, kept = super().inference(predictions, proposals)
        if not self.across_classes:
            return detections, kept
        chosen = [
            batched_nms(item.pred_boxes.tensor, item.scores, torch.zeros_like(item.pred_classes), self.test_nms_thresh)
            for item in detections
        ]
        return (
            [item[keep] for item, keep in zip(detections, chosen, strict=True)],
            [rows[keep] for rows, keep in zip(kept, chosen, strict=True)],
        )


@ROI_HEADS_REGISTRY.register()
class CrowdedROIHeads(StandardROIHeads):
    """
    StandardROIHeads that heed MODEL.ROI_HEADS.CLASS_WEIGHTS, ACROSS_CLASSES_NMS and MASK_NMS_THRESH_TEST.

    State-dict names are those of StandardROIHeads.
    """

    def __init__(self, cfg: CfgNode, input_shape: dict[str, ShapeSpec]):
        super().__init__(cfg, input_shape)
        self.mask_nms_thresh = cfg.MODEL.ROI_HEADS.MASK_NMS_THRESH_TEST

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        arguments = super()._init_box_head(cfg, input_shape)
        box_head: nn.Module = arguments["box_head"]
        arguments["box_predictor"] = CrowdedOutputLayers(
            cfg,
            box_head.output_shape,  # type: ignore[arg-type]
            class_weights=tuple(cfg.MODEL.ROI_HEADS.CLASS_WEIGHTS),
            across_classes=cfg.MODEL.ROI_HEADS.ACROSS_CLASSES_NMS,
        )
        return arguments

    def forward_with_given_boxes(self, features: dict[str, torch.Tensor], instances: list[Instances]) -> Any:
        """As StandardROIHeads; then of two masks that overlap too much the more confident stays, within a class."""
        instances = super().forward_with_given_boxes(features, instances)
        if not self.mask_on or self.mask_nms_thresh >= 1:
            return instances
        return [item[mask_nms(item, self.mask_nms_thresh)] for item in instances]


def mask_nms(detections: Instances, threshold: float) -> torch.Tensor:
    """
    Indices of the detections that stay, most confident first, where masks of one class may overlap by ``threshold``
    (IoU).

    Box suppression cannot tell apart long objects that cross, whose boxes overlap though their masks do not; this one
    runs on masks, after a generous one on boxes.

    Args:
        detections: R of one image, with ``pred_boxes``, ``scores``, ``pred_classes``, ``pred_masks`` (R, 1, S, S).
    """
    order = detections.scores.argsort(descending=True)
    if len(order) < 2:
        return order
    height, width = detections.image_size
    scale = min(1.0, OVERLAP_GRID / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    boxes = detections.pred_boxes.tensor[order] * scale
    masks = paste_masks_in_image(detections.pred_masks[order, 0], boxes, size).flatten(1).float()  # (R, cells)
    shared = masks @ masks.T
    areas = masks.sum(dim=1)
    overlap = shared / (areas[:, None] + areas[None] - shared).clamp(min=1)
    classes = detections.pred_classes[order]
    rivals = ((overlap > threshold) & (classes[:, None] == classes[None])).cpu()
    stays = torch.ones(len(order), dtype=torch.bool)
    for row in range(len(order)):
        if stays[row]:
            stays[row + 1 :] &= ~rivals[row, row + 1 :]
    return order[stays.to(order.device)]
