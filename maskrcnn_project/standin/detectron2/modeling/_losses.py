"""
The box regression loss that the RPN and the box heads share.

Shapes: N images, A anchors (of all levels) or proposals an image. Boxes are XYXY in absolute pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from detectron2.layers import ciou_loss, diou_loss
from detectron2.modeling.box_regression import Box2BoxTransform
from fvcore.nn import giou_loss, smooth_l1_loss

__all__ = ["BOX_REG_LOSS_TYPES", "box_regression_loss", "check_box_reg_loss_type"]

_OVERLAP_LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "giou": giou_loss,  # arXiv:1902.09630
    "diou": diou_loss,  # arXiv:1911.08287
    "ciou": ciou_loss,  # arXiv:1911.08287
}
BOX_REG_LOSS_TYPES = ("smooth_l1", *_OVERLAP_LOSSES)


def box_regression_loss(
    reference_boxes: torch.Tensor,
    box2box_transform: Box2BoxTransform,
    pred_deltas: torch.Tensor,
    gt_boxes: torch.Tensor,
    fg_mask: torch.Tensor,
    loss_type: str = "smooth_l1",
    smooth_l1_beta: float = 0.0,
) -> torch.Tensor:
    """
    The sum, over foreground only, of the distance between predicted and true boxes.

    Args:
        reference_boxes: (A, 4) anchors that all images share, or (N, A, 4).
        pred_deltas: (N, A, 4).
        gt_boxes: (N, A, 4); rows outside ``fg_mask`` may hold anything.
        fg_mask: (N, A) bool.
        loss_type: "smooth_l1" on deltas, or "giou", "diou", "ciou" on boxes.
        smooth_l1_beta: where smooth L1 passes from square to linear; 0 is plain L1.

    Returns:
        A float32 scalar with a gradient path even where nothing is foreground.
    """
    pred_deltas = pred_deltas.float()
    reference_boxes = reference_boxes.expand_as(gt_boxes)
    if loss_type == "smooth_l1":
        # Masked rather than indexed: counting the foreground would make the host wait for the device. Background
        # gets its own prediction as the target, which is finite, unlike the deltas towards an empty box.
        targets = box2box_transform.get_deltas(reference_boxes.flatten(0, 1), gt_boxes.flatten(0, 1))
        targets = torch.where(fg_mask.unsqueeze(-1), targets.view_as(pred_deltas), pred_deltas.detach())
        return smooth_l1_loss(pred_deltas, targets, beta=smooth_l1_beta, reduction="sum")
    if loss_type in _OVERLAP_LOSSES:
        pred_boxes = box2box_transform.apply_deltas(pred_deltas[fg_mask], reference_boxes[fg_mask])
        return _OVERLAP_LOSSES[loss_type](pred_boxes, gt_boxes[fg_mask], reduction="sum")
    raise AssertionError(f"box loss {loss_type!r} has passed check_box_reg_loss_type")


def check_box_reg_loss_type(loss_type: str) -> str:
    """``loss_type`` itself; raises ValueError when the model is built rather than at its first step."""
    if loss_type not in BOX_REG_LOSS_TYPES:
        raise ValueError(f"BBOX_REG_LOSS_TYPE must be one of {', '.join(BOX_REG_LOSS_TYPES)}, but is {loss_type!r}.")
    return loss_type
