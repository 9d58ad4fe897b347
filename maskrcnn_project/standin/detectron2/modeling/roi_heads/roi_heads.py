"""
What happens per region: sampling for training, and the box and mask heads on pooled features.

Shapes: N images, R_i proposals of one image, G_i ground truths of one image, K classes (label K is background).
Boxes are XYXY in absolute pixels of the padded input.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.backbone.resnet import BottleneckBlock, ResNet
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.proposal_generator.proposal_utils import add_ground_truth_to_proposals
from detectron2.modeling.roi_heads.box_head import build_box_head
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectron2.modeling.roi_heads.mask_head import build_mask_head
from detectron2.modeling.sampling import subsample_labels
from detectron2.structures import Boxes, ImageList, Instances, pairwise_iou
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
                for name, value in targets_per_image.get_fields().items():
                    if name.startswith("gt_") and not chosen.has(name):
                        chosen.set(name, value[matches[sampled]])
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
    missing = [name for name in names if name not in features]
    if missing:
        raise ValueError(f"The heads need the features {names}, but the backbone gives {list(features)}.")
    return [features[name] for name in names]


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
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
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


def pooled_input(
    cfg: CfgNode, head: CfgNode, input_shape: dict[str, ShapeSpec]
) -> tuple[list[str], int, ROIPooler | None]:
    """The features that a head pools from, their channels, and its pooler (None with an empty POOLER_TYPE)."""
    in_features = cfg.MODEL.ROI_HEADS.IN_FEATURES
    channels = {input_shape[name].channels for name in in_features}
    if len(channels) != 1:
        raise ValueError(f"All of MODEL.ROI_HEADS.IN_FEATURES must have the same channels, but have {channels}.")
    pooler = None
    if head.POOLER_TYPE:
        pooler = ROIPooler(
            output_size=head.POOLER_RESOLUTION,
            scales=tuple(1.0 / input_shape[name].stride for name in in_features),
            sampling_ratio=head.POOLER_SAMPLING_RATIO,
            pooler_type=head.POOLER_TYPE,
        )
    return in_features, channels.pop(), pooler


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
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
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


__getattr__ = refuse(__name__, {"select_proposals_with_visible_keypoints": "keypoints"})
