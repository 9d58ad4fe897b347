"""
Non-maximum suppression within groups (classes, or feature levels).

Shapes: R boxes, (R, 4) XYXY.
"""

from __future__ import annotations

import torch
from detectron2.layers.wrappers import is_symbolic
from detectron2.utils._refused import refuse
from torchvision.ops import boxes as box_ops
from torchvision.ops import nms

__all__ = ["batched_nms", "nms"]


def batched_nms(boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """
    Suppresses each box that overlaps a better one of the same group by more than ``iou_threshold``.

    Args:
        boxes: (R, 4). Half precision is widened first: its steps of a pixel would change which boxes survive.
        scores: (R,).
        idxs: (R,) integer group of each box.

    Returns:
        (K,) int64 indices of the survivors, by falling score.
    """
    if is_symbolic():
        return _nms_of_shifted(boxes.float(), scores.float(), idxs, iou_threshold)
    if boxes.shape[-1] != 4:
        raise ValueError(f"batched_nms needs (R, 4) boxes in XYXY, but was given shape {tuple(boxes.shape)}.")
    return box_ops.batched_nms(boxes.float(), scores.float(), idxs, iou_threshold)


def _nms_of_shifted(
    boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
) -> torch.Tensor:
    """As ``batched_nms``, without a branch on the number of boxes: groups are moved apart and suppressed at once."""
    farthest = torch.cat([boxes.flatten(), boxes.new_zeros(1)]).amax()  # also of no boxes
    return nms(boxes + (idxs.to(boxes) * (farthest + 1))[:, None], scores, iou_threshold)


__getattr__ = refuse(__name__, {"batched_nms_rotated": "rotated boxes", "nms_rotated": "rotated boxes"})
