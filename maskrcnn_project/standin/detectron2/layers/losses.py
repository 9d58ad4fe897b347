"""
Box losses of "Distance-IoU Loss" (Zheng et al., AAAI 2020).

Shapes: R pairs of boxes, (R, 4) XYXY each.
"""

from __future__ import annotations

import torch
from torchvision.ops import complete_box_iou_loss, distance_box_iou_loss


def diou_loss(boxes1: torch.Tensor, boxes2: torch.Tensor, reduction: str = "none", eps: float = 1e-7) -> torch.Tensor:
    """
    1 - IoU + d^2 / c^2: d between the centres, c the diagonal of the box around both (equations (6), (7)).

    Args:
        boxes1, boxes2: (R, 4), paired by row.
        reduction: "none" gives (R,), "mean" and "sum" a scalar; the mean over no boxes is 0.
        eps: keeps divisions by nothing finite.
    """
    return distance_box_iou_loss(boxes1, boxes2, reduction=reduction, eps=eps)


def ciou_loss(boxes1: torch.Tensor, boxes2: torch.Tensor, reduction: str = "none", eps: float = 1e-7) -> torch.Tensor:
    """
    ``diou_loss`` plus alpha * v, where v measures the difference of the aspect ratios (equations (8) to
    (11)).

    Args: as ``diou_loss``.
    """
    return complete_box_iou_loss(boxes1, boxes2, reduction=reduction, eps=eps)
