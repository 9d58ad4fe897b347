"""
The per-region heads of a model without a feature pyramid: the "C4" model (figure 4, left, of the Mask R-CNN paper).

Shapes: N images, R_i proposals of one image, K classes (label K is background). Boxes are XYXY in absolute pixels of
the padded input.
"""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.backbone.resnet import BottleneckBlock, ResNet
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.roi_heads._base import (
    ROI_HEADS_REGISTRY,
    Features,
    Losses,
    ROIHeads,
    check_targets,
    pooled_input,
    select_foreground_proposals,
    take_features,
)
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectron2.modeling.roi_heads.mask_head import build_mask_head
from detectron2.structures import Boxes, ImageList, Instances
from torch import nn

__all__ = ["Res5ROIHeads"]


@ROI_HEADS_REGISTRY.register()
class Res5ROIHeads(ROIHeads):
    """
    Box and mask heads that share ``res5``, run on each region: the "C4" model (figure 4, left, of the Mask R-CNN
    paper).

    Args:
        in_features: the one feature map to pool from.
        res5: from pooled features (R, C, S, S) to (R, C', S / 2, S / 2).
        box_predictor: on the mean of res5 over its pixels.
        mask_head: on res5; None where no masks are wanted.
        kwargs: see :class:`ROIHeads`.
    """

    box_predictor: Any
    mask_head: Any

    @configurable
    def __init__(
        self,
        *,
        in_features: list[str],
        pooler: ROIPooler,
        res5: nn.Module,
        box_predictor: nn.Module,
        mask_head: nn.Module | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.in_features = in_features
        self.pooler = pooler
        self.res5 = nn.Sequential(*res5) if isinstance(res5, (list, tuple)) else res5
        self.box_predictor = box_predictor
        self.mask_on = mask_head is not None
        if self.mask_on:
            self.mask_head = mask_head

    @classmethod
    def from_config(  # type: ignore[override]
        cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]
    ) -> dict[str, Any]:
        if cfg.MODEL.KEYPOINT_ON:
            raise ValueError("MODEL.KEYPOINT_ON must be False with Res5ROIHeads: keypoints need the real Detectron2.")
        in_features, _, pooler = pooled_input(cfg, cfg.MODEL.ROI_BOX_HEAD, input_shape)
        if len(in_features) != 1:
            raise ValueError(f"MODEL.ROI_HEADS.IN_FEATURES must name one map with Res5ROIHeads, but is {in_features}.")
        res5, channels = cls._build_res5_block(cfg)
        arguments = {
            **super().from_config(cfg),
            "in_features": in_features,
            "pooler": pooler,
            "res5": res5,
            "box_predictor": FastRCNNOutputLayers(cfg, ShapeSpec(channels=channels, height=1, width=1)),
        }
        if cfg.MODEL.MASK_ON:
            resolution = cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION
            shape = ShapeSpec(channels=channels, height=resolution, width=resolution)
            arguments["mask_head"] = build_mask_head(cfg, shape)
        return arguments

    @classmethod
    def _build_res5_block(cls, cfg: CfgNode) -> tuple[nn.Sequential, int]:
        """The last stage of the ResNet that MODEL.RESNETS describes, and its channels."""
        nets = cfg.MODEL.RESNETS
        if any(nets.DEFORM_ON_PER_STAGE):
            raise ValueError("MODEL.RESNETS.DEFORM_ON_PER_STAGE must be off: it needs the real Detectron2.")
        widening = 2**3  # res5 lies three stages behind res2, and each doubles
        out_channels = nets.RES2_OUT_CHANNELS * widening
        blocks = ResNet.make_stage(
            BottleneckBlock,
            3,
            stride_per_block=[2, 1, 1],
            in_channels=out_channels // 2,
            out_channels=out_channels,
            bottleneck_channels=nets.NUM_GROUPS * nets.WIDTH_PER_GROUP * widening,
            num_groups=nets.NUM_GROUPS,
            norm=nets.NORM,
            stride_in_1x1=nets.STRIDE_IN_1X1,
        )
        return nn.Sequential(*blocks), out_channels

    def _shared_roi_transform(self, features: list[torch.Tensor], boxes: list[Boxes]) -> torch.Tensor:
        return self.res5(self.pooler(features, boxes))

    def forward(
        self,
        images: ImageList,
        features: Features,
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], Losses]:
        """See :class:`ROIHeads`; in training no Instances are returned."""
        if self.training:
            proposals = self.label_and_sample_proposals(proposals, check_targets(targets))
        maps = take_features(features, self.in_features)
        box_features = self._shared_roi_transform(maps, [p.proposal_boxes for p in proposals])
        predictions = self.box_predictor(box_features.mean(dim=(2, 3)))
        if not self.training:
            detections, _ = self.box_predictor.inference(predictions, proposals)
            return self.forward_with_given_boxes(features, detections), {}
        losses = self.box_predictor.losses(predictions, proposals)
        if self.mask_on:
            foreground, masks = select_foreground_proposals(proposals, self.num_classes)
            losses.update(self.mask_head(box_features[torch.cat(masks)], foreground))
        return [], losses

    def forward_with_given_boxes(self, features: Features, instances: list[Instances]) -> list[Instances]:
        """As :meth:`StandardROIHeads.forward_with_given_boxes`."""
        assert not self.training, "forward_with_given_boxes is for testing: call model.eval() first"
        if not self.mask_on:
            return instances
        maps = take_features(features, self.in_features)
        return self.mask_head(self._shared_roi_transform(maps, [x.pred_boxes for x in instances]), instances)
