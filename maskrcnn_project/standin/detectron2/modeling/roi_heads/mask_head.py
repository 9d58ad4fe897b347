"""
The mask branch (He et al., "Mask R-CNN", arXiv:1703.06870, sections 3 and 3.1).

Shapes: R regions of all images, K classes (1 if class-agnostic), m x m mask pixels in the region's box.
"""

from __future__ import annotations

from typing import Any, cast

import fvcore.nn.weight_init as weight_init
import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import Conv2d, ConvTranspose2d, ShapeSpec, cat
from detectron2.layers.wrappers import split_per_image
from detectron2.modeling.roi_heads.box_head import conv3x3_norm_relu
from detectron2.structures import Instances
from detectron2.utils.events import get_event_storage
from detectron2.utils.registry import Registry
from torch import nn

__all__ = [
    "ROI_MASK_HEAD_REGISTRY",
    "BaseMaskRCNNHead",
    "MaskRCNNConvUpsampleHead",
    "build_mask_head",
    "mask_rcnn_inference",
    "mask_rcnn_loss",
]

ROI_MASK_HEAD_REGISTRY = Registry("ROI_MASK_HEAD")
ROI_MASK_HEAD_REGISTRY.__doc__ = (
    "Callables ``(cfg, input_shape: ShapeSpec)`` named by MODEL.ROI_MASK_HEAD.NAME: modules from pooled features and "
    "instances to losses (training) or instances with masks (testing)."
)


def mask_rcnn_loss(pred_mask_logits: torch.Tensor, instances: list[Instances], vis_period: int = 0) -> torch.Tensor:
    """
    Mean binary cross entropy per pixel, on the mask of the true class only.

    Args:
        pred_mask_logits: (R, K, m, m).
        instances: for each image foreground proposals with ``proposal_boxes``, ``gt_classes`` and ``gt_masks``; R
            in all.
        vis_period: every so many steps predictions and targets are put into the event storage; 0 never.

    Returns:
        A scalar; 0 with a gradient path where R is 0.
    """
    num_classes, side = pred_mask_logits.shape[1:3]
    if pred_mask_logits.shape[2] != pred_mask_logits.shape[3]:
        raise ValueError(f"Mask logits must be square, but have the shape {tuple(pred_mask_logits.shape)}.")
    with_regions = [x for x in instances if len(x) > 0]
    if not with_regions:
        return pred_mask_logits.sum() * 0

    gt_masks = cat(
        [x.gt_masks.crop_and_resize(x.proposal_boxes.tensor, side).to(pred_mask_logits.device) for x in with_regions]
    )  # (R, m, m) bool
    if num_classes == 1:
        logits = pred_mask_logits[:, 0]
    else:
        gt_classes = cat([x.gt_classes for x in with_regions]).to(torch.int64)
        logits = _masks_of_class(pred_mask_logits, gt_classes)  # (R, m, m)
    gt_masks = gt_masks > 0.5  # bool stays as it is
    _log_mask_accuracy(logits.detach(), gt_masks)
    if vis_period > 0:
        _visualize_masks(logits.detach(), gt_masks, vis_period)
    return F.binary_cross_entropy_with_logits(logits.float(), gt_masks.float(), reduction="mean")


def _masks_of_class(masks: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """(R, K, m, m) at (R,) classes -> (R, m, m)."""
    return masks[torch.arange(masks.shape[0], device=masks.device), classes]


def _log_mask_accuracy(logits: torch.Tensor, gt_masks: torch.Tensor) -> None:
    """Puts the shares of wrong pixels into the event storage, as tensors: the host does not wait for the device."""
    wrong = (logits > 0) != gt_masks
    num_gt = gt_masks.sum()
    num_not_gt = gt_masks.numel() - num_gt
    storage = get_event_storage()
    storage.put_scalar("mask_rcnn/accuracy", 1 - wrong.sum() / max(wrong.numel(), 1))
    storage.put_scalar("mask_rcnn/false_positive", (wrong & ~gt_masks).sum() / num_not_gt.clamp(min=1))
    storage.put_scalar("mask_rcnn/false_negative", (wrong & gt_masks).sum() / num_gt.clamp(min=1))


def _visualize_masks(logits: torch.Tensor, gt_masks: torch.Tensor, vis_period: int) -> None:
    """Puts one picture per region into the event storage every ``vis_period`` steps."""
    storage = get_event_storage()
    if storage.iter % vis_period != 0:
        return
    pictures = torch.cat((logits.float().sigmoid(), gt_masks.float()), dim=2)  # (R, m, 2 * m)
    for i, picture in enumerate(pictures):
        name = f"Left: mask prediction;   Right: mask GT ({i})"
        storage.put_image(name, picture.expand(3, -1, -1))


def mask_rcnn_inference(pred_mask_logits: torch.Tensor, pred_instances: list[Instances]) -> None:
    """
    Sets ``pred_masks`` of each image's instances: (R_i, 1, m, m) probabilities, of the predicted class.

    Args:
        pred_mask_logits: (R, K, m, m).
        pred_instances: for each image detections with ``pred_classes``, R in all.
    """
    if pred_mask_logits.shape[1] == 1:
        logits = pred_mask_logits
    else:
        classes = cat([x.pred_classes for x in pred_instances])
        logits = _masks_of_class(pred_mask_logits, classes).unsqueeze(1)
    probabilities = split_per_image(logits.sigmoid(), pred_instances)
    for masks, instances in zip(probabilities, pred_instances, strict=True):
        instances.pred_masks = masks


class BaseMaskRCNNHead(nn.Module):
    """
    Loss and inference around :meth:`layers`, which a subclass writes.

    Args:
        loss_weight: factor of the loss.
        vis_period: see :func:`mask_rcnn_loss`.
    """

    @configurable
    def __init__(self, *, loss_weight: float = 1.0, vis_period: int = 0):
        super().__init__()
        self.vis_period = vis_period
        self.loss_weight = loss_weight

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        return {"vis_period": cfg.VIS_PERIOD}

    def forward(self, x: Any, instances: list[Instances]) -> dict[str, torch.Tensor] | list[Instances]:
        """
        Args:
            x: pooled features of all regions, (R, C, S, S).
            instances: for each image foreground proposals (training) or detections (testing), R in all.

        Returns:
            ``{"loss_mask": scalar}`` in training, ``instances`` with ``pred_masks`` in testing.
        """
        logits = self.layers(x)
        if self.training:
            return {"loss_mask": mask_rcnn_loss(logits, instances, self.vis_period) * self.loss_weight}
        mask_rcnn_inference(logits, instances)
        return instances

    def layers(self, x: Any) -> torch.Tensor:
        """(R, C, S, S) -> mask logits (R, K, m, m)."""
        raise NotImplementedError(f"{type(self).__name__} must write layers(self, x).")


@ROI_MASK_HEAD_REGISTRY.register()
class MaskRCNNConvUpsampleHead(BaseMaskRCNNHead, nn.Sequential):  # type: ignore[misc]
    """
    3x3 convolutions, a 2x2 deconvolution of stride 2, each with ReLU, and a 1x1 convolution to K masks.

    Args:
        num_classes: K; 1 predicts one mask for all classes.
        conv_dims: channels of the convolutions and, last, of the deconvolution.
        conv_norm: as in ``detectron2.layers.get_norm``.
        kwargs: see :class:`BaseMaskRCNNHead`.
    """

    @configurable
    def __init__(
        self,
        input_shape: ShapeSpec,
        *,
        num_classes: int,
        conv_dims: list[int],
        conv_norm: str = "",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not conv_dims:
            raise ValueError("conv_dims of the mask head needs at least the deconvolution's channels, but is empty.")
        channels: Any = input_shape.channels
        for i, dim in enumerate(conv_dims[:-1], start=1):
            self.add_module(f"mask_fcn{i}", conv3x3_norm_relu(channels, dim, conv_norm))
            channels = dim
        self.deconv = ConvTranspose2d(channels, conv_dims[-1], kernel_size=2, stride=2)
        self.add_module("deconv_relu", nn.ReLU())
        self.predictor = Conv2d(conv_dims[-1], num_classes, kernel_size=1)
        weight_init.c2_msra_fill(self.deconv)
        nn.init.normal_(self.predictor.weight, std=0.001)  # all masks start at a probability of one half
        nn.init.zeros_(cast(torch.Tensor, self.predictor.bias))

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        head = cfg.MODEL.ROI_MASK_HEAD
        return {
            **super().from_config(cfg, input_shape),
            "input_shape": input_shape,
            "num_classes": 1 if head.CLS_AGNOSTIC_MASK else cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            "conv_dims": [head.CONV_DIM] * (head.NUM_CONV + 1),
            "conv_norm": head.NORM,
        }

    def layers(self, x: torch.Tensor) -> torch.Tensor:
        """(R, C, S, S) -> (R, K, 2 * S, 2 * S)."""
        for layer in self:
            x = layer(x)
        return x


def build_mask_head(cfg: CfgNode, input_shape: ShapeSpec) -> nn.Module:
    """The head that MODEL.ROI_MASK_HEAD.NAME names, for pooled features of the given shape."""
    return ROI_MASK_HEAD_REGISTRY.get(cfg.MODEL.ROI_MASK_HEAD.NAME)(cfg, input_shape)
