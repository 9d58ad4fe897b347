"""
Average recall of class-agnostic proposals, the RPN's own metric (COCO's AR; Hosang et al., arXiv:1502.05082).

Shape vocabulary: P proposals, G ground-truth boxes of one image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.structures import Boxes, pairwise_iou
from pycocotools.coco import COCO

# COCO's area ranges in square pixels, and the letters that its metric names carry.
AREA_RANGES = {"": (0.0, 1e10), "s": (0.0, 32.0**2), "m": (32.0**2, 96.0**2), "l": (96.0**2, 1e10)}
# Proposals per image: few, as a detector at test time uses, and many.
PROPOSAL_LIMITS = (100, 1000)
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


def proposal_recalls(predictions: Sequence[dict[str, Any]], coco_gt: COCO) -> dict[str, float]:
    """
    AR@100, ARs@100, ..., ARl@1000 in percent; NaN where the dataset has no box of that size.

    Args:
        predictions: dicts with "image_id" and "proposals", an Instances with ``proposal_boxes`` and
            ``objectness_logits``.
        coco_gt: completed ground truth; crowds are left out.
    """
    images = []
    for prediction in predictions:
        proposals = prediction["proposals"]
        order = torch.argsort(proposals.objectness_logits, descending=True)
        annotations = [a for a in coco_gt.imgToAnns[prediction["image_id"]] if not a["iscrowd"]]
        boxes = torch.tensor([a["bbox"] for a in annotations], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]  # XYWH -> XYXY, (G, 4)
        ious = pairwise_iou(proposals.proposal_boxes[order], Boxes(boxes)).numpy()  # (P, G)
        images.append((ious, np.array([a["area"] for a in annotations])))
    recalls = {}
    for limit in PROPOSAL_LIMITS:
        for letter, (low, high) in AREA_RANGES.items():
            chosen = (ious[:limit, (areas >= low) & (areas <= high)] for ious, areas in images)
            recalls[f"AR{letter}@{limit}"] = 100.0 * _average_recall(chosen)
    return recalls


def _average_recall(ious_per_image: Iterable[np.ndarray]) -> float:
    best = np.concatenate([np.zeros(0), *(assign_one_to_one(ious) for ious in ious_per_image)])
    if not best.size:
        return float("nan")
    return float((best[None] >= IOU_THRESHOLDS[:, None]).mean())


def assign_one_to_one(ious: np.ndarray) -> np.ndarray:
    """
    IoUs (P, G) -> (G,) the IoU that each ground-truth box gets when the best pair of all is taken again and
    again and both of its members leave; 0 for those left without a proposal.
    """
    left = ious.copy()
    best = np.zeros(left.shape[1])
    for _ in range(min(left.shape)):
        proposal, box = np.unravel_index(np.argmax(left), left.shape)
        best[box] = left[proposal, box]
        left[proposal], left[:, box] = -1, -1
    return best
