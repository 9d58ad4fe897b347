"""
Region proposal network (Ren et al., "Faster R-CNN", arXiv:1506.01497).

Shapes: N images, A anchors per cell, H x W cells of one level, R anchors of all levels per image. Boxes are XYXY in
absolute pixels of the padded input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import Conv2d, ShapeSpec, cat
from detectron2.modeling.anchor_generator import build_anchor_generator
from detectron2.modeling.box_regression import Box2BoxTransform, box_regression_loss, check_box_reg_loss_type
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.proposal_generator.build import PROPOSAL_GENERATOR_REGISTRY
from detectron2.modeling.proposal_generator.proposal_utils import (
    suppress_proposals,
    take_rows,
    top_of_each_level,
)
from detectron2.modeling.sampling import subsample_labels
from detectron2.structures import Boxes, ImageList, Instances, pairwise_iou
from detectron2.utils.events import get_event_storage
from detectron2.utils.memory import retry_if_cuda_oom
from detectron2.utils.registry import Registry
from torch import nn

__all__ = ["RPN", "RPN_HEAD_REGISTRY", "StandardRPNHead", "build_rpn_head"]

RPN_HEAD_REGISTRY = Registry("RPN_HEAD")
RPN_HEAD_REGISTRY.__doc__ = (
    "Callables ``(cfg, input_shape: list[ShapeSpec])`` named by MODEL.RPN.HEAD_NAME: modules from feature maps to "
    "logits (N, A, H, W) and deltas (N, A * 4, H, W) of each."
)


def build_rpn_head(cfg: CfgNode, input_shape: list[ShapeSpec]) -> nn.Module:
    """The head that MODEL.RPN.HEAD_NAME names, for feature maps of the given shapes."""
    return RPN_HEAD_REGISTRY.get(cfg.MODEL.RPN.HEAD_NAME)(cfg, input_shape)


@RPN_HEAD_REGISTRY.register()
class StandardRPNHead(nn.Module):
    """
    3x3 convolutions with ReLU, shared by all levels, then 1x1 ones to a logit and 4 deltas for every anchor.

    Args:
        num_anchors: at each cell.
        box_dim: deltas per anchor.
        conv_dims: channels of the 3x3 convolutions; -1 keeps those of the input.
    """

    @configurable
    def __init__(self, *, in_channels: int, num_anchors: int, box_dim: int = 4, conv_dims: Sequence[int] = (-1,)):
        super().__init__()
        if not conv_dims or any(dim != -1 and dim <= 0 for dim in conv_dims):
            raise ValueError(
                f"MODEL.RPN.CONV_DIMS must hold channel counts above 0, or -1 to keep them, but is {list(conv_dims)}."
            )
        convs, channels = [], in_channels
        for dim in conv_dims:
            out_channels = channels if dim == -1 else dim
            convs.append(Conv2d(channels, out_channels, kernel_size=3, stride=1, padding=1, activation=nn.ReLU()))
            channels = out_channels
        self.conv: nn.Module
        if len(convs) == 1:
            self.conv = convs[0]
        else:
            self.conv = nn.Sequential()
            for i, conv in enumerate(convs):
                self.conv.add_module(f"conv{i}", conv)
        self.objectness_logits = nn.Conv2d(channels, num_anchors, kernel_size=1)
        self.anchor_deltas = nn.Conv2d(channels, num_anchors * box_dim, kernel_size=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)  # section 3.1.3 of Faster R-CNN
                nn.init.zeros_(cast(torch.Tensor, layer.bias))

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        channels = {shape.channels for shape in input_shape}
        if len(channels) != 1:
            raise ValueError(f"All levels of MODEL.RPN.IN_FEATURES must have the same channels, but have {channels}.")
        anchor_generator: Any = build_anchor_generator(cfg, input_shape)
        num_anchors = set(anchor_generator.num_anchors)
        if len(num_anchors) != 1:
            raise ValueError(f"All levels must have as many anchors a cell, but have {num_anchors}.")
        return {
            "in_channels": channels.pop(),
            "num_anchors": num_anchors.pop(),
            "box_dim": anchor_generator.box_dim,
            "conv_dims": cfg.MODEL.RPN.CONV_DIMS,
        }

    def forward(self, features: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Maps (N, C, H, W) -> for each the logits (N, A, H, W) and the deltas (N, A * box_dim, H, W)."""
        hidden = [self.conv(feature) for feature in features]
        return [self.objectness_logits(h) for h in hidden], [self.anchor_deltas(h) for h in hidden]


@PROPOSAL_GENERATOR_REGISTRY.register()
class RPN(nn.Module):
    """
    Scores every anchor as object or not, refines it, and proposes the best.

    Args:
        in_features: names of the feature maps.
        head: see RPN_HEAD_REGISTRY.
        anchor_generator: see ANCHOR_GENERATOR_REGISTRY.
        anchor_matcher: labels anchors by their IoU with the ground truth.
        batch_size_per_image: anchors sampled per image for the loss.
        positive_fraction: at most this share of them is foreground.
        pre_nms_topk, post_nms_topk: (training, testing), see ``find_top_rpn_proposals``.
        nms_thresh, min_box_size: see there.
        anchor_boundary_thresh: if not below 0, anchors reaching further than this many pixels outside the image
            take no part in training.
        loss_weight: one factor, or one by name of the loss (``loss_rpn_cls``, ``loss_rpn_loc``).
        box_reg_loss_type, smooth_l1_beta: see ``box_regression_loss``.
    """

    @configurable
    def __init__(
        self,
        *,
        in_features: list[str],
        head: nn.Module,
        anchor_generator: nn.Module,
        anchor_matcher: Matcher,
        box2box_transform: Box2BoxTransform,
        batch_size_per_image: int,
        positive_fraction: float,
        pre_nms_topk: tuple[float, float],
        post_nms_topk: tuple[float, float],
        nms_thresh: float = 0.7,
        min_box_size: float = 0.0,
        anchor_boundary_thresh: float = -1.0,
        loss_weight: float | dict[str, float] = 1.0,
        box_reg_loss_type: str = "smooth_l1",
        smooth_l1_beta: float = 0.0,
    ):
        super().__init__()
        self.in_features = in_features
        self.rpn_head = head
        self.anchor_generator = anchor_generator
        self.anchor_matcher = anchor_matcher
        self.box2box_transform = box2box_transform
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction
        self.pre_nms_topk = {True: int(pre_nms_topk[0]), False: int(pre_nms_topk[1])}
        self.post_nms_topk = {True: int(post_nms_topk[0]), False: int(post_nms_topk[1])}
        self.nms_thresh = nms_thresh
        self.min_box_size = float(min_box_size)
        self.anchor_boundary_thresh = anchor_boundary_thresh
        if not isinstance(loss_weight, dict):
            loss_weight = dict.fromkeys(("loss_rpn_cls", "loss_rpn_loc"), loss_weight)
        self.loss_weight = loss_weight
        self.box_reg_loss_type = check_box_reg_loss_type(box_reg_loss_type)
        self.smooth_l1_beta = smooth_l1_beta

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        rpn = cfg.MODEL.RPN
        shapes = [input_shape[name] for name in rpn.IN_FEATURES]
        return {
            "in_features": rpn.IN_FEATURES,
            "head": build_rpn_head(cfg, shapes),
            "anchor_generator": build_anchor_generator(cfg, shapes),
            # Low-quality matches: without them an object that no anchor fits well would never be learnt.
            "anchor_matcher": Matcher(rpn.IOU_THRESHOLDS, rpn.IOU_LABELS, allow_low_quality_matches=True),
            "box2box_transform": Box2BoxTransform(weights=rpn.BBOX_REG_WEIGHTS),
            "batch_size_per_image": rpn.BATCH_SIZE_PER_IMAGE,
            "positive_fraction": rpn.POSITIVE_FRACTION,
            "pre_nms_topk": (rpn.PRE_NMS_TOPK_TRAIN, rpn.PRE_NMS_TOPK_TEST),
            "post_nms_topk": (rpn.POST_NMS_TOPK_TRAIN, rpn.POST_NMS_TOPK_TEST),
            "nms_thresh": rpn.NMS_THRESH,
            "min_box_size": cfg.MODEL.PROPOSAL_GENERATOR.MIN_SIZE,
            "anchor_boundary_thresh": rpn.BOUNDARY_THRESH,
            "loss_weight": {
                "loss_rpn_cls": rpn.LOSS_WEIGHT,
                "loss_rpn_loc": rpn.BBOX_REG_LOSS_WEIGHT * rpn.LOSS_WEIGHT,
            },
            "box_reg_loss_type": rpn.BBOX_REG_LOSS_TYPE,
            "smooth_l1_beta": rpn.SMOOTH_L1_BETA,
        }

    def forward(
        self,
        images: ImageList,
        features: dict[str, torch.Tensor],
        gt_instances: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, torch.Tensor]]:
        """
        Args:
            features: maps (N, C, H, W) by name, at least those of ``in_features``.
            gt_instances: for each image Instances with ``gt_boxes``; needed in training.

        Returns:
            For each image Instances with ``proposal_boxes`` and ``objectness_logits``, in descending order of score;
            and the losses ``loss_rpn_cls`` and ``loss_rpn_loc``, empty in testing.
        """
        maps = [features[name] for name in self.in_features]
        anchors = self.anchor_generator(maps)
        raw_logits, raw_deltas = self.rpn_head(maps)
        box_dim = self.anchor_generator.box_dim
        logits = [level.permute(0, 2, 3, 1).flatten(1) for level in raw_logits]  # (N, A, H, W) -> (N, H*W*A)
        deltas = [
            # (N, A*4, H, W) -> (N, A, 4, H, W) -> (N, H, W, A, 4) -> (N, H*W*A, 4)
            level.unflatten(1, (-1, box_dim)).permute(0, 3, 4, 1, 2).flatten(1, 3)
            for level in raw_deltas
        ]
        losses: dict[str, torch.Tensor] = {}
        if self.training:
            if gt_instances is None:
                raise ValueError(
                    "The RPN needs ground truth in training: each input dict must have the key 'instances'."
                )
            gt_labels, gt_boxes = self.label_and_sample_anchors(anchors, gt_instances)
            losses = self.losses(anchors, logits, gt_labels, deltas, gt_boxes)
        return self.predict_proposals(anchors, logits, deltas, images.image_sizes), losses

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: list[Boxes], gt_instances: list[Instances]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """
        Args:
            anchors: of each level, R in all.

        Returns:
            For each image the labels (R,) int8 (1 foreground, 0 background, -1 not sampled), and the matched
            ground truth (R, 4), to be read for foreground only.
        """
        all_anchors = Boxes.cat(anchors)
        labels, matched_boxes = [], []
        for gt in gt_instances:
            quality = retry_if_cuda_oom(pairwise_iou)(gt.gt_boxes, all_anchors)
            matches, matched_labels = retry_if_cuda_oom(self.anchor_matcher)(quality)
            matched_labels = matched_labels.to(all_anchors.device)
            if self.anchor_boundary_thresh >= 0:
                inside = all_anchors.inside_box(gt.image_size, self.anchor_boundary_thresh)  # type: ignore[arg-type]
                matched_labels.masked_fill_(~inside, -1)
            labels.append(self._subsample_labels(matched_labels))
            if len(gt) == 0:
                matched_boxes.append(torch.zeros_like(all_anchors.tensor))
            else:
                matched_boxes.append(gt.gt_boxes.tensor[matches.to(gt.gt_boxes.device)])
        return labels, matched_boxes

    def _subsample_labels(self, label: torch.Tensor) -> torch.Tensor:
        """Sets all of (R,) labels that the random sample does not hold to -1, in place."""
        foreground, background = subsample_labels(label, self.batch_size_per_image, self.positive_fraction, 0)
        label.fill_(-1)
        label.index_fill_(0, foreground, 1)
        label.index_fill_(0, background, 0)
        return label

    def losses(
        self,
        anchors: list[Boxes],
        pred_objectness_logits: list[torch.Tensor],
        gt_labels: list[torch.Tensor],
        pred_anchor_deltas: list[torch.Tensor],
        gt_boxes: list[torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """
        Both losses, each the sum over the sampled anchors divided by ``batch_size_per_image * N``.

        Args:
            anchors: of each level, R in all.
            pred_objectness_logits: (N, H*W*A) of each level.
            gt_labels: (R,) of each image, as from :meth:`label_and_sample_anchors`.
            pred_anchor_deltas: (N, H*W*A, 4) of each level.
            gt_boxes: (R, 4) of each image.
        """
        num_images = len(gt_labels)
        labels = torch.stack(gt_labels)  # (N, R)
        foreground = labels == 1
        storage = get_event_storage()
        storage.put_scalar("rpn/num_pos_anchors", foreground.sum() / num_images)
        storage.put_scalar("rpn/num_neg_anchors", (labels == 0).sum() / num_images)

        loss_loc = box_regression_loss(
            Boxes.cat(anchors).tensor,
            self.box2box_transform,
            cat(pred_anchor_deltas, dim=1),
            torch.stack(gt_boxes),
            foreground,
            self.box_reg_loss_type,
            self.smooth_l1_beta,
        )
        loss_cls = objectness_loss(cat(pred_objectness_logits, dim=1), labels)
        normalizer = self.batch_size_per_image * num_images
        losses = {"loss_rpn_cls": loss_cls / normalizer, "loss_rpn_loc": loss_loc / normalizer}
        return {name: loss * self.loss_weight.get(name, 1.0) for name, loss in losses.items()}

    @torch.no_grad()
    def predict_proposals(
        self,
        anchors: list[Boxes],
        pred_objectness_logits: list[torch.Tensor],
        pred_anchor_deltas: list[torch.Tensor],
        image_sizes: list[tuple[int, int]],
    ) -> list[Instances]:
        """
        The best proposals of each image, as ``find_top_rpn_proposals`` gives them.

        No gradient flows through a proposal's coordinates: the approximate joint training of section 3.2 of the
        paper. Only the anchors that can be proposed are decoded.
        """
        top = top_of_each_level([logits.float() for logits in pred_objectness_logits], self.pre_nms_topk[self.training])
        boxes = []
        for level, deltas, (_, indices) in zip(anchors, pred_anchor_deltas, top, strict=True):
            top_anchors = level.tensor[indices]  # (N, K, 4)
            decoded = self.box2box_transform.apply_deltas(
                take_rows(deltas, indices).flatten(0, 1), top_anchors.flatten(0, 1)
            )
            boxes.append(decoded.view_as(top_anchors))
        return suppress_proposals(
            boxes,
            [scores for scores, _ in top],
            image_sizes,
            self.nms_thresh,
            self.post_nms_topk[self.training],
            self.min_box_size,
            self.training,
        )


def objectness_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """
    The sum of binary cross entropies over the sampled anchors.

    Args:
        logits: (N, R).
        labels: (N, R) of 1 foreground, 0 background, -1 not sampled.
    """
    sampled = labels >= 0
    # A weight of zero rather than an index: counting the sample would make the host wait for the device.
    return F.binary_cross_entropy_with_logits(
        logits.float(), (labels == 1).float(), weight=sampled.float(), reduction="sum"
    )
