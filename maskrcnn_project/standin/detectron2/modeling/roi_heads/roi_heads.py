"""
The per-region heads of a model with a feature pyramid: box and mask branches on pooled features.

Shapes: N images, R_i proposals of one image, K classes (label K is background). Boxes are XYXY in absolute pixels of
the padded input.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.roi_heads._base import (
    ROI_HEADS_REGISTRY,
    Features,
    Losses,
    ROIHeads,
    build_roi_heads,
    check_targets,
    pooled_input,
    select_foreground_proposals,
    take_features,
)
from detectron2.modeling.roi_heads._res5 import Res5ROIHeads
from detectron2.modeling.roi_heads.box_head import build_box_head
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectron2.modeling.roi_heads.mask_head import build_mask_head
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils._refused import refuse
from torch import nn

__all__ = [
    "ROI_HEADS_REGISTRY",
    "ROIHeads",
    "Res5ROIHeads",
    "StandardROIHeads",
    "build_roi_heads",
    "select_foreground_proposals",
]


@ROI_HEADS_REGISTRY.register()
class StandardROIHeads(ROIHeads):
    """
    Heads that share no computation with each other: box and, if given, mask; the usual ones with an FPN.

    Args:
        box_in_features, box_pooler, box_head, box_predictor: features pooled, their pooler, the head from pooled
            features to a vector, and the predictor on it.
        mask_in_features, mask_pooler, mask_head: likewise; None where no masks are wanted. Without a pooler the
            mask head gets the feature maps by name.
        keypoint_in_features, keypoint_pooler, keypoint_head: likewise.
        train_on_pred_boxes: the mask head is trained in the predicted boxes instead of the proposals.
        kwargs: see :class:`ROIHeads`.
    """

    box_head: Any
    box_predictor: Any
    mask_head: Any
    keypoint_head: Any

    @configurable
    def __init__(
        self,
        *,
        box_in_features: list[str],
        box_pooler: ROIPooler,
        box_head: nn.Module,
        box_predictor: nn.Module,
        mask_in_features: list[str] | None = None,
        mask_pooler: ROIPooler | None = None,
        mask_head: nn.Module | None = None,
        keypoint_in_features: list[str] | None = None,
        keypoint_pooler: ROIPooler | None = None,
        keypoint_head: nn.Module | None = None,
        train_on_pred_boxes: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.in_features = self.box_in_features = box_in_features
        self.box_pooler = box_pooler
        self.box_head = box_head
        self.box_predictor = box_predictor
        self.mask_on = mask_in_features is not None
        if self.mask_on:
            self.mask_in_features = mask_in_features
            self.mask_pooler = mask_pooler
            self.mask_head = mask_head
        self.keypoint_on = keypoint_in_features is not None
        if self.keypoint_on:
            self.keypoint_in_features = keypoint_in_features
            self.keypoint_pooler = keypoint_pooler
            self.keypoint_head = keypoint_head
        self.train_on_pred_boxes = train_on_pred_boxes

    @classmethod
    def from_config(  # type: ignore[override]
        cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]
    ) -> dict[str, Any]:
        arguments = super().from_config(cfg)
        arguments["train_on_pred_boxes"] = cfg.MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES
        # A subclass may replace either method; one that is no classmethod it calls from its own __init__.
        for init_head in (cls._init_box_head, cls._init_mask_head):
            if inspect.ismethod(init_head):
                arguments.update(init_head(cfg, input_shape))
        return arguments

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        in_features, channels, pooler = pooled_input(cfg, cfg.MODEL.ROI_BOX_HEAD, input_shape)
        resolution = cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION
        box_head = build_box_head(cfg, ShapeSpec(channels=channels, height=resolution, width=resolution))
        return {
            "box_in_features": in_features,
            "box_pooler": pooler,
            "box_head": box_head,
            "box_predictor": FastRCNNOutputLayers(cfg, box_head.output_shape),
        }

    @classmethod
    def _init_mask_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        if not cfg.MODEL.MASK_ON:
            return {}
        in_features, channels, pooler = pooled_input(cfg, cfg.MODEL.ROI_MASK_HEAD, input_shape)
        resolution = cfg.MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION
        shape: Any = ShapeSpec(channels=channels, height=resolution, width=resolution)
        if pooler is None:
            shape = {name: input_shape[name] for name in in_features}
        return {
            "mask_in_features": in_features,
            "mask_pooler": pooler,
            "mask_head": build_mask_head(cfg, shape),
        }

    def forward(
        self,
        images: ImageList,
        features: Features,
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], Losses]:
        """See :class:`ROIHeads`; in training the Instances are the sampled proposals."""
        if not self.training:
            detections = self._forward_box(features, proposals)
            return self.forward_with_given_boxes(features, detections), {}
        proposals = self.label_and_sample_proposals(proposals, check_targets(targets))
        losses = self._forward_box(features, proposals)
        # The mask branch sees the same sample (section 3 of the Mask R-CNN paper), foreground only.
        losses.update(self._forward_mask(features, proposals))
        losses.update(self._forward_keypoint(features, proposals))
        return proposals, losses

    def forward_with_given_boxes(self, features: Features, instances: list[Instances]) -> list[Instances]:
        """
        Masks for boxes that are known already; in testing only.

        Args:
            instances: for each image Instances with ``pred_boxes`` and ``pred_classes``.

        Returns:
            The same Instances, with ``pred_masks`` if the model has a mask head.
        """
        assert not self.training, "forward_with_given_boxes is for testing: call model.eval() first"
        if not instances[0].has("pred_boxes") or not instances[0].has("pred_classes"):
            raise ValueError(
                "Given instances need the fields pred_boxes and pred_classes, but have "
                f"{list(instances[0].get_fields())}."
            )
        instances = self._forward_mask(features, instances)
        return self._forward_keypoint(features, instances)

    def _forward_box(self, features: Features, proposals: list[Instances]) -> Any:
        """Losses in training; for each image detections in testing."""
        maps = take_features(features, self.box_in_features)
        pooled = self.box_pooler(maps, [p.proposal_boxes for p in proposals])
        predictions = self.box_predictor(self.box_head(pooled))
        if not self.training:
            detections, _ = self.box_predictor.inference(predictions, proposals)
            return detections
        losses = self.box_predictor.losses(predictions, proposals)
        if self.train_on_pred_boxes:  # the proposals are changed in place: the mask head gets the new boxes
            with torch.no_grad():
                pred_boxes = self.box_predictor.predict_boxes_for_gt_classes(predictions, proposals)
                for proposals_per_image, boxes in zip(proposals, pred_boxes, strict=True):
                    proposals_per_image.proposal_boxes = Boxes(boxes)
        return losses

    def _forward_mask(self, features: Features, instances: list[Instances]) -> Any:
        """Losses in training; the same instances with masks in testing."""
        if not self.mask_on:
            return {} if self.training else instances
        if self.training:
            instances, _ = select_foreground_proposals(instances, self.num_classes)
        return self._pool_and_run("mask", features, instances)

    def _forward_keypoint(self, features: Features, instances: list[Instances]) -> Any:
        """Like :meth:`_forward_mask`, for a keypoint head that a subclass brings along."""
        if not self.keypoint_on:
            return {} if self.training else instances
        if self.training:
            instances, _ = select_foreground_proposals(instances, self.num_classes)
        return self._pool_and_run("keypoint", features, instances)

    def _pool_and_run(self, kind: str, features: Features, instances: list[Instances]) -> Any:
        in_features, pooler = getattr(self, f"{kind}_in_features"), getattr(self, f"{kind}_pooler")
        maps = take_features(features, in_features)
        inputs: Any = dict(zip(in_features, maps, strict=True))
        if pooler is not None:
            inputs = pooler(maps, [x.proposal_boxes if self.training else x.pred_boxes for x in instances])
        return getattr(self, f"{kind}_head")(inputs, instances)


__getattr__ = refuse(__name__, {"select_proposals_with_visible_keypoints": "keypoints"})
