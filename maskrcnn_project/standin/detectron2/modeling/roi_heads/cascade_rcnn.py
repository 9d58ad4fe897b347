"""
Cascade R-CNN (Cai and Vasconcelos, arXiv:1712.00726): box heads in a row, each trained on the boxes of the one before.

Shapes: N images, R regions of all images, R_i of one image, K classes (label K is background). Boxes are XYXY in
absolute pixels of the padded input.
"""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher, match_to_ground_truth
from detectron2.modeling.poolers import ROIPooler, build_roi_pooler, select_features
from detectron2.modeling.roi_heads.box_head import build_box_head
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers, fast_rcnn_inference
from detectron2.modeling.roi_heads.roi_heads import (
    ROI_HEADS_REGISTRY,
    Features,
    Losses,
    StandardROIHeads,
    check_targets,
)
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import get_event_storage
from torch import nn

__all__ = ["CascadeROIHeads"]


class _ScaleGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a factor."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        return grad * ctx.scale, None


@ROI_HEADS_REGISTRY.register()
class CascadeROIHeads(StandardROIHeads):
    """
    Box heads in a row; the mask head is that of StandardROIHeads.

    Args:
        box_in_features, box_pooler: shared by all stages.
        box_heads, box_predictors, proposal_matchers: one per stage; the first matcher labels the sample.
        kwargs: see :class:`StandardROIHeads`.
    """

    @configurable
    def __init__(
        self,
        *,
        box_in_features: list[str],
        box_pooler: ROIPooler,
        box_heads: list[nn.Module],
        box_predictors: list[nn.Module],
        proposal_matchers: list[Matcher],
        **kwargs: Any,
    ):
        if "proposal_matcher" in kwargs:
            raise ValueError("CascadeROIHeads takes proposal_matchers, one per stage, instead of a proposal_matcher.")
        counts = len(box_heads), len(box_predictors), len(proposal_matchers)
        if len(set(counts)) != 1:
            raise ValueError(f"CascadeROIHeads needs as many heads as predictors and matchers, but got {counts}.")
        super().__init__(
            box_in_features=box_in_features,
            box_pooler=box_pooler,
            box_head=nn.ModuleList(box_heads),
            box_predictor=nn.ModuleList(box_predictors),
            proposal_matcher=proposal_matchers[0],
            **kwargs,
        )
        self.num_cascade_stages = len(box_heads)
        self.proposal_matchers = proposal_matchers

    @classmethod
    def from_config(  # type: ignore[override]
        cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]
    ) -> dict[str, Any]:
        arguments = super().from_config(cfg, input_shape)
        arguments.pop("proposal_matcher")
        return arguments

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        cascade, thresholds = cfg.MODEL.ROI_BOX_CASCADE_HEAD, cfg.MODEL.ROI_HEADS.IOU_THRESHOLDS
        if len(cascade.BBOX_REG_WEIGHTS) != len(cascade.IOUS):
            raise ValueError(
                "MODEL.ROI_BOX_CASCADE_HEAD needs as many BBOX_REG_WEIGHTS as IOUS, but has "
                f"{len(cascade.BBOX_REG_WEIGHTS)} and {len(cascade.IOUS)}."
            )
        if not cfg.MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG:
            raise ValueError("CascadeROIHeads needs MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG=True.")
        if cascade.IOUS[0] != thresholds[0]:
            raise ValueError(
                f"MODEL.ROI_BOX_CASCADE_HEAD.IOUS must begin with MODEL.ROI_HEADS.IOU_THRESHOLDS, {thresholds[0]}, "
                f"but begins with {cascade.IOUS[0]}."
            )
        in_features, channels, pooler = build_roi_pooler(cfg, cfg.MODEL.ROI_BOX_HEAD, input_shape)
        resolution = cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION
        pooled_shape = ShapeSpec(channels=channels, height=resolution, width=resolution)
        heads = [build_box_head(cfg, pooled_shape) for _ in cascade.IOUS]
        predictors = [
            FastRCNNOutputLayers(cfg, head.output_shape, box2box_transform=Box2BoxTransform(weights=weights))
            for head, weights in zip(heads, cascade.BBOX_REG_WEIGHTS, strict=True)
        ]
        return {
            "box_in_features": in_features,
            "box_pooler": pooler,
            "box_heads": heads,
            "box_predictors": predictors,
            "proposal_matchers": [Matcher([iou], [0, 1], allow_low_quality_matches=False) for iou in cascade.IOUS],
        }

    def forward(
        self,
        images: ImageList,
        features: Features,
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], Losses]:
        """See :class:`StandardROIHeads`; the losses of the boxes end in ``_stage0``, ``_stage1``, ..."""
        if not self.training:
            detections = self._forward_box(features, proposals)
            return self.forward_with_given_boxes(features, detections), {}
        targets = check_targets(targets)
        proposals = self.label_and_sample_proposals(proposals, targets)
        losses = self._forward_box(features, proposals, targets)
        losses.update(self._forward_mask(features, proposals))
        losses.update(self._forward_keypoint(features, proposals))
        return proposals, losses

    def _forward_box(
        self, features: Features, proposals: list[Instances], targets: list[Instances] | None = None
    ) -> Any:
        """Losses in training; for each image detections in testing."""
        maps = select_features(features, self.box_in_features)
        image_sizes = [p.image_size for p in proposals]
        losses: Losses = {}
        probabilities: list[list[torch.Tensor]] = []
        boxes: list[torch.Tensor] = []  # of the stage before
        for stage, predictor in enumerate(self.box_predictor):
            if stage > 0:
                proposals = self._create_proposals_from_boxes(boxes, image_sizes)
                if self.training:
                    proposals = self._match_and_label_boxes(proposals, stage, check_targets(targets))
            predictions = self._run_stage(maps, proposals, stage)
            boxes = predictor.predict_boxes(predictions, proposals)
            if self.training:
                with get_event_storage().name_scope(f"stage{stage}"):
                    stage_losses = predictor.losses(predictions, proposals)
                losses.update({f"{name}_stage{stage}": loss for name, loss in stage_losses.items()})
            else:
                probabilities.append(predictor.predict_probs(predictions, proposals))
        if self.training:
            return losses
        # The boxes of the last stage, the classes of all (section 4.3 of the paper).
        scores = [sum(of_image) / self.num_cascade_stages for of_image in zip(*probabilities, strict=True)]
        detections, _ = fast_rcnn_inference(
            boxes,
            scores,
            image_sizes,
            predictor.test_score_thresh,
            predictor.test_nms_thresh,
            predictor.test_topk_per_image,
        )
        return detections

    @torch.no_grad()
    def _match_and_label_boxes(
        self, proposals: list[Instances], stage: int, targets: list[Instances]
    ) -> list[Instances]:
        """Sets ``gt_classes`` and ``gt_boxes`` by the stage's own IoU; all are kept, none is sampled."""
        num_foreground, num_background = [], []
        for proposals_per_image, targets_per_image in zip(proposals, targets, strict=True):
            matches, classes = match_to_ground_truth(
                proposals_per_image, targets_per_image, self.proposal_matchers[stage], self.num_classes
            )
            proposals_per_image.gt_classes = classes
            if len(targets_per_image) > 0:
                proposals_per_image.gt_boxes = targets_per_image.gt_boxes[matches]
            else:
                proposals_per_image.gt_boxes = Boxes(torch.zeros_like(proposals_per_image.proposal_boxes.tensor))
            num_background.append((classes == self.num_classes).sum())
            num_foreground.append(classes.numel() - num_background[-1])
        storage = get_event_storage()
        storage.put_scalar(f"stage{stage}/roi_head/num_fg_samples", sum(num_foreground) / len(proposals))
        storage.put_scalar(f"stage{stage}/roi_head/num_bg_samples", sum(num_background) / len(proposals))
        return proposals

    def _run_stage(
        self, features: list[torch.Tensor], proposals: list[Instances], stage: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and deltas (R, K + 1) and (R, 4) of one stage."""
        pooled = self.box_pooler(features, [p.proposal_boxes for p in proposals])
        if self.training:  # a traced graph cannot hold it
            # All stages together move the backbone as far as one head would.
            pooled = _ScaleGradient.apply(pooled, 1.0 / self.num_cascade_stages)
        return self.box_predictor[stage](self.box_head[stage](pooled))

    def _create_proposals_from_boxes(
        self, boxes: list[torch.Tensor], image_sizes: list[tuple[int, int]]
    ) -> list[Instances]:
        """One stage's boxes, (R_i, 4) of each image, as proposals of the next; no gradient flows through them."""
        proposals = []
        for boxes_per_image, size in zip(boxes, image_sizes, strict=True):
            clipped = Boxes(boxes_per_image.detach())
            clipped.clip(size)
            if self.training:  # in testing the scores of all stages must belong to the same boxes
                clipped = clipped[clipped.nonempty()]
            proposals.append(Instances(size, proposal_boxes=clipped))
        return proposals
