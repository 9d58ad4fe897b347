"""
The heads that decide per region: which proposals they are trained on, and their box and mask branches, for models
with a feature pyramid (``StandardROIHeads``) and without one (``Res5ROIHeads``).

Shapes: N images, R_i proposals and G_i ground truths of one image, K classes (label K is background). Boxes are XYXY
in absolute pixels of the padded input.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.backbone.resnet import build_res5_stage
from detectron2.modeling.matcher import Matcher, match_to_ground_truth
from detectron2.modeling.poolers import ROIPooler, build_roi_pooler, select_features
from detectron2.modeling.proposal_generator.proposal_utils import add_ground_truth_to_proposals
from detectron2.modeling.roi_heads.box_head import build_box_head
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectron2.modeling.roi_heads.mask_head import build_mask_head
from detectron2.modeling.sampling import subsample_labels
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils._refused import refuse
from detectron2.utils.events import get_event_storage
from detectron2.utils.registry import Registry
from torch import nn

__all__ = [
    "ROI_HEADS_REGISTRY",
    "ROIHeads",
    "Res5ROIHeads",
    "StandardROIHeads",
    "build_roi_heads",
    "select_foreground_proposals",
]

ROI_HEADS_REGISTRY = Registry("ROI_HEADS")
ROI_HEADS_REGISTRY.__doc__ = "Callables ``(cfg, input_shape)`` named by MODEL.ROI_HEADS.NAME that make an ``ROIHeads``."

Features = dict[str, torch.Tensor]
Losses = dict[str, torch.Tensor]


def build_roi_heads(cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> nn.Module:
    """The heads that MODEL.ROI_HEADS.NAME names, for feature maps of the given shapes."""
    return ROI_HEADS_REGISTRY.get(cfg.MODEL.ROI_HEADS.NAME)(cfg, input_shape)


def select_foreground_proposals(
    proposals: list[Instances], bg_label: int
) -> tuple[list[Instances], list[torch.Tensor]]:
    """
    For each image the Instances whose ``gt_classes`` (R_i,) are neither background nor ignored (-1), and the mask
    (R_i,) bool that selected them.
    """
    if not isinstance(proposals, (list, tuple)) or not all(p.has("gt_classes") for p in proposals):
        raise ValueError("select_foreground_proposals takes a list of Instances with the field gt_classes.")
    masks = [(p.gt_classes != -1) & (p.gt_classes != bg_label) for p in proposals]
    return [p[mask.nonzero().squeeze(1)] for p, mask in zip(proposals, masks, strict=True)], masks


class ROIHeads(nn.Module):
    """
    The sampling that all heads share; a subclass writes :meth:`forward`.

    Args:
        num_classes: K.
        batch_size_per_image: proposals sampled per image in training.
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
        self.batch_size_per_image, self.positive_fraction = batch_size_per_image, positive_fraction
        self.proposal_matcher, self.proposal_append_gt = proposal_matcher, proposal_append_gt

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
        self, images: ImageList, features: Features, proposals: list[Instances], targets: list[Instances] | None = None
    ) -> tuple[list[Instances], Losses]:
        """
        In training any Instances and the losses, in testing each image's detections and an empty dict.

        Args:
            features: maps (N, C, H, W) by name.
            proposals: for each image Instances with ``proposal_boxes`` and ``objectness_logits``.
            targets: for each image its ground truth; in training only.
        """
        raise NotImplementedError(f"{type(self).__name__} must write forward(images, features, proposals, targets).")


def check_targets(targets: list[Instances] | None) -> list[Instances]:
    if targets is None:
        raise ValueError("The heads need ground truth in training: each input dict must have the key 'instances'.")
    return targets


@ROI_HEADS_REGISTRY.register()
class StandardROIHeads(ROIHeads):
    """
    Heads that share no computation with each other: box and, if given, mask; the usual ones with an FPN.

    Args:
        box_in_features, box_pooler, box_head, box_predictor: from features to pooled ones, a vector, and predictions.
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
        self.box_pooler, self.box_head, self.box_predictor = box_pooler, box_head, box_predictor
        self.mask_on = mask_in_features is not None
        if mask_in_features is not None:
            self.mask_in_features = mask_in_features
            self.mask_pooler, self.mask_head = mask_pooler, mask_head
        self.keypoint_on = keypoint_in_features is not None
        if keypoint_in_features is not None:
            self.keypoint_in_features = keypoint_in_features
            self.keypoint_pooler, self.keypoint_head = keypoint_pooler, keypoint_head
        self.train_on_pred_boxes = train_on_pred_boxes

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:  # type: ignore[override]
        arguments = super().from_config(cfg)
        arguments["train_on_pred_boxes"] = cfg.MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES
        # A subclass may replace either method; one that is not a classmethod it calls from its own __init__.
        for init_head in (cls._init_box_head, cls._init_mask_head):
            if inspect.ismethod(init_head):
                arguments.update(init_head(cfg, input_shape))
        return arguments

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        in_features, channels, pooler = build_roi_pooler(cfg, cfg.MODEL.ROI_BOX_HEAD, input_shape)
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
        in_features, channels, pooler = build_roi_pooler(cfg, cfg.MODEL.ROI_MASK_HEAD, input_shape)
        resolution = cfg.MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION
        shape: Any = ShapeSpec(channels=channels, height=resolution, width=resolution)
        if pooler is None:
            shape = {name: input_shape[name] for name in in_features}
        return {"mask_in_features": in_features, "mask_pooler": pooler, "mask_head": build_mask_head(cfg, shape)}

    def forward(
        self, images: ImageList, features: Features, proposals: list[Instances], targets: list[Instances] | None = None
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
        Adds ``pred_masks``, if the model has a mask head, to each image's Instances with ``pred_boxes`` and
        ``pred_classes``; in testing only.
        """
        assert not self.training, "forward_with_given_boxes is for testing: call model.eval() first"
        fields = instances[0].get_fields()
        if "pred_boxes" not in fields or "pred_classes" not in fields:
            raise ValueError(f"Given instances need the fields pred_boxes and pred_classes, but have {list(fields)}.")
        return self._forward_keypoint(features, self._forward_mask(features, instances))

    def _forward_box(self, features: Features, proposals: list[Instances]) -> Any:
        """Losses in training; for each image detections in testing."""
        maps = select_features(features, self.box_in_features)
        pooled = self.box_pooler(maps, [p.proposal_boxes for p in proposals])
        predictions = self.box_predictor(self.box_head(pooled))
        if not self.training:
            return self.box_predictor.inference(predictions, proposals)[0]
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
        return self.mask_head(self._pool(features, self.mask_in_features, self.mask_pooler, instances), instances)

    def _forward_keypoint(self, features: Features, instances: list[Instances]) -> Any:
        """Like :meth:`_forward_mask`, for a keypoint head that a subclass brings along."""
        if not self.keypoint_on:
            return {} if self.training else instances
        if self.training:
            instances, _ = select_foreground_proposals(instances, self.num_classes)
        pooled = self._pool(features, self.keypoint_in_features, self.keypoint_pooler, instances)
        return self.keypoint_head(pooled, instances)

    def _pool(self, features: Features, names: list[str], pooler: ROIPooler | None, instances: list[Instances]) -> Any:
        """What a head gets: (R, C, S, S) of its boxes or, without a pooler, the feature maps by name."""
        maps = select_features(features, names)
        if pooler is None:
            return dict(zip(names, maps, strict=True))
        return pooler(maps, [x.proposal_boxes if self.training else x.pred_boxes for x in instances])


@ROI_HEADS_REGISTRY.register()
class Res5ROIHeads(ROIHeads):
    """
    Box and mask heads that share ``res5``, run on each region: the "C4" model (Mask R-CNN paper, figure 4, left).

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
        self.in_features, self.pooler = in_features, pooler
        self.res5 = nn.Sequential(*res5) if isinstance(res5, (list, tuple)) else res5
        self.box_predictor = box_predictor
        self.mask_on = mask_head is not None
        if self.mask_on:
            self.mask_head = mask_head

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:  # type: ignore[override]
        if cfg.MODEL.KEYPOINT_ON:
            raise ValueError("MODEL.KEYPOINT_ON must be False with Res5ROIHeads: keypoints need the real Detectron2.")
        in_features, _, pooler = build_roi_pooler(cfg, cfg.MODEL.ROI_BOX_HEAD, input_shape)
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
            side = cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION
            arguments["mask_head"] = build_mask_head(cfg, ShapeSpec(channels=channels, height=side, width=side))
        return arguments

    @classmethod
    def _build_res5_block(cls, cfg: CfgNode) -> tuple[nn.Sequential, int]:
        return build_res5_stage(cfg)

    def _shared_roi_transform(self, features: list[torch.Tensor], boxes: list[Boxes]) -> torch.Tensor:
        return self.res5(self.pooler(features, boxes))

    def forward(
        self, images: ImageList, features: Features, proposals: list[Instances], targets: list[Instances] | None = None
    ) -> tuple[list[Instances], Losses]:
        """See :class:`ROIHeads`; in training no Instances are returned."""
        if self.training:
            proposals = self.label_and_sample_proposals(proposals, check_targets(targets))
        maps = select_features(features, self.in_features)
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
        maps = select_features(features, self.in_features)
        return self.mask_head(self._shared_roi_transform(maps, [x.pred_boxes for x in instances]), instances)


__getattr__ = refuse(__name__, {"select_proposals_with_visible_keypoints": "keypoints"})
