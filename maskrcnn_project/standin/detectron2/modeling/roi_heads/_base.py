"""
What all per-region heads share: the sample of proposals that they are trained on, and the features they pool.

Shapes: N images, R_i proposals and G_i ground truths of one image, K classes (label K is background). Boxes are XYXY
in absolute pixels of the padded input.
"""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.proposal_generator.proposal_utils import add_ground_truth_to_proposals
from detectron2.modeling.sampling import subsample_labels
from detectron2.structures import ImageList, Instances, pairwise_iou
from detectron2.utils.events import get_event_storage
from detectron2.utils.registry import Registry
from torch import nn

__all__ = ["ROI_HEADS_REGISTRY", "ROIHeads", "build_roi_heads", "select_foreground_proposals"]

ROI_HEADS_REGISTRY = Registry("ROI_HEADS")
ROI_HEADS_REGISTRY.__doc__ = (
    "Callables ``(cfg, input_shape: dict[str, ShapeSpec])`` named by MODEL.ROI_HEADS.NAME: modules from images, "
    "features, proposals and ground truth to detections and losses."
)

Features = dict[str, torch.Tensor]
Losses = dict[str, torch.Tensor]


def build_roi_heads(cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> nn.Module:
    """The heads that MODEL.ROI_HEADS.NAME names, for feature maps of the given shapes."""
    return ROI_HEADS_REGISTRY.get(cfg.MODEL.ROI_HEADS.NAME)(cfg, input_shape)


def select_foreground_proposals(
    proposals: list[Instances], bg_label: int
) -> tuple[list[Instances], list[torch.Tensor]]:
    """
    Keeps the proposals that are neither background nor ignored (-1).

    Args:
        proposals: for each image Instances with ``gt_classes`` (R_i,).

    Returns:
        For each image the kept Instances, and the mask (R_i,) bool that kept them.
    """
    if not isinstance(proposals, (list, tuple)) or not all(p.has("gt_classes") for p in proposals):
        raise ValueError("select_foreground_proposals takes a list of Instances with the field gt_classes.")
    masks = [(p.gt_classes != -1) & (p.gt_classes != bg_label) for p in proposals]
    kept = [p[mask.nonzero().squeeze(1)] for p, mask in zip(proposals, masks, strict=True)]
    return kept, masks


def match_to_ground_truth(
    proposals: Instances, targets: Instances, matcher: Matcher, num_classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Args:
        proposals: one image's, with ``proposal_boxes``.
        targets: its ground truth, with ``gt_boxes`` and ``gt_classes``; may be empty.

    Returns:
        The matched ground truth's index and its class, (R_i,) int64 each; the class is ``num_classes`` for
        background and -1 where the matcher says to ignore.
    """
    matches, labels = matcher(pairwise_iou(targets.gt_boxes, proposals.proposal_boxes))
    if len(targets) == 0:
        return matches, torch.full_like(matches, num_classes)
    classes = targets.gt_classes[matches].to(torch.int64)
    classes = classes.masked_fill(labels == 0, num_classes).masked_fill(labels == -1, -1)
    return matches, classes


class ROIHeads(nn.Module):
    """
    The sampling that all heads share; a subclass writes :meth:`forward`.

    Args:
        num_classes: K.
        batch_size_per_image: proposals sampled an image in training.
        positive_fraction: at most this share of them is foreground.
        proposal_matcher: labels proposals by their IoU with the ground truth.
        proposal_append_gt: the ground truth joins the proposals in training.
    """

    @configurable
    def __init__(
        self,
        *,
        num_classes: int,
        batch_size_per_image: int,
        positive_fraction: float,
        proposal_matcher: Matcher,
        proposal_append_gt: bool = True,
    ):
        super().__init__()
        self.num_classes = num_classes
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction
        self.proposal_matcher = proposal_matcher
        self.proposal_append_gt = proposal_append_gt

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        heads = cfg.MODEL.ROI_HEADS
        return {
            "num_classes": heads.NUM_CLASSES,
            "batch_size_per_image": heads.BATCH_SIZE_PER_IMAGE,
            "positive_fraction": heads.POSITIVE_FRACTION,
            "proposal_matcher": Matcher(heads.IOU_THRESHOLDS, heads.IOU_LABELS, allow_low_quality_matches=False),
            "proposal_append_gt": heads.PROPOSAL_APPEND_GT,
        }

    @torch.no_grad()
    def label_and_sample_proposals(self, proposals: list[Instances], targets: list[Instances]) -> list[Instances]:
        """
        A random sample of each image's proposals, labelled.

        Args:
            proposals: for each image Instances with ``proposal_boxes`` and ``objectness_logits``.
            targets: for each image Instances with ``gt_boxes``, ``gt_classes`` and any other ``gt_*``.

        Returns:
            For each image the sampled proposals, foreground first, with ``gt_classes`` (K for background) and, if
            the image has objects, every ``gt_*`` field of the matched one; for background that match is arbitrary.
        """
        if self.proposal_append_gt:
            proposals = add_ground_truth_to_proposals(targets, proposals)
        sampled_proposals = []
        num_foreground, num_background = 0, 0
        for proposals_per_image, targets_per_image in zip(proposals, targets, strict=True):
            matches, classes = match_to_ground_truth(
                proposals_per_image, targets_per_image, self.proposal_matcher, self.num_classes
            )
            foreground, background = subsample_labels(
                classes, self.batch_size_per_image, self.positive_fraction, self.num_classes
            )
            sampled = torch.cat((foreground, background))
            chosen = proposals_per_image[sampled]
            chosen.gt_classes = classes[sampled]
            if len(targets_per_image) > 0:
                for name, value in targets_per_image[matches[sampled]].get_fields().items():
                    if name.startswith("gt_") and not chosen.has(name):
                        chosen.set(name, value)
            sampled_proposals.append(chosen)
            num_foreground += foreground.numel()
            num_background += background.numel()

        num_images = max(len(targets), 1)
        storage = get_event_storage()
        storage.put_scalar("roi_head/num_fg_samples", num_foreground / num_images)
        storage.put_scalar("roi_head/num_bg_samples", num_background / num_images)
        return sampled_proposals

    def forward(
        self,
        images: ImageList,
        features: Features,
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], Losses]:
        """
        Args:
            features: maps (N, C, H, W) by name.
            proposals: for each image Instances with ``proposal_boxes`` and ``objectness_logits``.
            targets: for each image its ground truth; in training only.

        Returns:
            In training any Instances and the losses; in testing the detections and an empty dict.
        """
        raise NotImplementedError(f"{type(self).__name__} must write forward(images, features, proposals, targets).")


def check_targets(targets: list[Instances] | None) -> list[Instances]:
    if targets is None:
        raise ValueError("The heads need ground truth in training: each input dict must have the key 'instances'.")
    return targets


def take_features(features: Features, names: list[str]) -> list[torch.Tensor]:
    """The maps of those names, in that order."""
    missing = [name for name in names if name not in features]
    if missing:
        raise ValueError(f"The heads need the features {names}, but the backbone gives {list(features)}.")
    return [features[name] for name in names]


def pooled_input(
    cfg: CfgNode, head: CfgNode, input_shape: dict[str, ShapeSpec]
) -> tuple[list[str], int, ROIPooler | None]:
    """The features that a head pools from, their channels, and its pooler (None with an empty POOLER_TYPE)."""
    in_features = cfg.MODEL.ROI_HEADS.IN_FEATURES
    shapes: list[Any] = [input_shape[name] for name in in_features]
    channels = {shape.channels for shape in shapes}
    if len(channels) != 1:
        raise ValueError(f"All of MODEL.ROI_HEADS.IN_FEATURES must have the same channels, but have {channels}.")
    pooler = None
    if head.POOLER_TYPE:
        pooler = ROIPooler(
            output_size=head.POOLER_RESOLUTION,
            scales=tuple(1.0 / shape.stride for shape in shapes),
            sampling_ratio=head.POOLER_SAMPLING_RATIO,
            pooler_type=head.POOLER_TYPE,
        )
    return in_features, channels.pop(), pooler
