"""
The coding of a box relative to a reference box (R-CNN, arXiv:1311.2524, appendix C), and the regression loss that the
RPN and the box heads share.

Shapes: R boxes, K classes; N images, A anchors (of all levels) or proposals per image. Boxes are XYXY in absolute
pixels; deltas are (dx, dy, dw, dh).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from detectron2.layers import ciou_loss, diou_loss
from detectron2.utils._refused import refuse
from fvcore.nn import giou_loss, smooth_l1_loss

__all__ = ["BOX_REG_LOSS_TYPES", "Box2BoxTransform", "box_regression_loss", "check_box_reg_loss_type"]

# exp(dw) may widen a box at most by this factor: anchors are 16 pixels and more, images about 1000.
_DEFAULT_SCALE_CLAMP = math.log(1000.0 / 16)

_OVERLAP_LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "giou": giou_loss,  # arXiv:1902.09630
    "diou": diou_loss,  # arXiv:1911.08287
    "ciou": ciou_loss,  # arXiv:1911.08287
}
BOX_REG_LOSS_TYPES = ("smooth_l1", *_OVERLAP_LOSSES)


def _centers_and_sizes(boxes: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """(..., 4) XYXY -> center x, center y, width, height, each (...)."""
    x1, y1, x2, y2 = boxes.unbind(dim=-1)
    width, height = x2 - x1, y2 - y1
    return x1 + 0.5 * width, y1 + 0.5 * height, width, height


class Box2BoxTransform:
    """
    Codes the way from a source box to a target box: shift of the centre in units of the source's size, and the
    logarithm of the ratio of sizes, each times a weight.

    Args:
        weights: factors of (dx, dy, dw, dh) that bring their spread near 1: (10, 10, 5, 5) for R-CNN heads.
        scale_clamp: upper bound of the decoded dw and dh.
    """

    def __init__(self, weights: tuple[float, float, float, float], scale_clamp: float = _DEFAULT_SCALE_CLAMP):
        self.weights = weights
        self.scale_clamp = scale_clamp

    def get_deltas(self, src_boxes: torch.Tensor, target_boxes: torch.Tensor) -> torch.Tensor:
        """
        Deltas (R, 4) such that ``apply_deltas(deltas, src_boxes)`` gives ``target_boxes``, short of the clamp.

        Args:
            src_boxes: (R, 4) proposals or anchors, of positive width and height; the deltas of others are not
                finite. (Nobody checks: looking at values would make the training step wait for the device.)
            target_boxes: (R, 4), usually ground truth.
        """
        src_x, src_y, src_w, src_h = _centers_and_sizes(src_boxes)
        dst_x, dst_y, dst_w, dst_h = _centers_and_sizes(target_boxes)
        wx, wy, ww, wh = self.weights
        return torch.stack(
            (
                wx * (dst_x - src_x) / src_w,
                wy * (dst_y - src_y) / src_h,
                ww * torch.log(dst_w / src_w),
                wh * torch.log(dst_h / src_h),
            ),
            dim=-1,
        )

    def apply_deltas(self, deltas: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """
        Moves and scales ``boxes`` by ``deltas``.

        Args:
            deltas: (R, 4 * K), K predictions for each box; computed in float32, since half precision has too few
                digits for pixels.
            boxes: (R, 4).

        Returns:
            (R, 4 * K) boxes, float32, not clipped to an image.
        """
        deltas = deltas.float()
        boxes = boxes.to(deltas.dtype)
        ctr_x, ctr_y, width, height = (v.unsqueeze(-1) for v in _centers_and_sizes(boxes))  # (R, 1) each
        coded = deltas.unflatten(-1, (-1, 4)).unbind(dim=-1)  # (R, K) each
        dx, dy, dw, dh = (delta / weight for delta, weight in zip(coded, self.weights, strict=True))

        pred_x, pred_y = dx * width + ctr_x, dy * height + ctr_y
        half_w = 0.5 * torch.exp(dw.clamp(max=self.scale_clamp)) * width
        half_h = 0.5 * torch.exp(dh.clamp(max=self.scale_clamp)) * height
        corners = torch.stack((pred_x - half_w, pred_y - half_h, pred_x + half_w, pred_y + half_h), dim=-1)
        return corners.flatten(-2)  # (R, K, 4) -> (R, 4 * K)


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


__getattr__ = refuse(
    __name__,
    {"Box2BoxTransformLinear": "FCOS", "Box2BoxTransformRotated": "rotated boxes"},
)
