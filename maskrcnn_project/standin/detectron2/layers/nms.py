"""
Non-maximum suppression within groups (classes, or feature levels).

Shapes: R boxes, (R, 4) XYXY.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
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
        (K,) int64 indices of the survivors, in descending order of score.
    """
    if is_symbolic():
        return _nms_of_shifted_boxes(boxes.float(), scores.float(), idxs, iou_threshold)
    if boxes.shape[-1] != 4:
        raise ValueError(f"batched_nms needs (R, 4) boxes in XYXY, but was given shape {tuple(boxes.shape)}.")
    return box_ops.batched_nms(boxes.float(), scores.float(), idxs, iou_threshold)


def _nms_of_shifted_boxes(
    boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
) -> torch.Tensor:
    """
    As ``batched_nms``, for graphs: no branch on the number of boxes, which only the data tell.

    Groups are moved apart and suppressed at once. Two boxes without area, worse than all others, join them and are
    dropped from the end of the result: graphs recorded by ``torch.export`` take it that nms keeps two or more.
    """
    coordinates = torch.cat([boxes.flatten(), boxes.new_zeros(1)])  # not empty, even of no boxes
    span = coordinates.max() - coordinates.min() + 1
    apart = boxes + (idxs.to(boxes) * span)[:, None]
    keep = nms(F.pad(apart, (0, 0, 0, 2)), F.pad(scores, (0, 2), value=float("-inf")), iou_threshold)
    return keep[:-2]


__getattr__ = refuse(__name__, {"batched_nms_rotated": "rotated boxes", "nms_rotated": "rotated boxes"})
