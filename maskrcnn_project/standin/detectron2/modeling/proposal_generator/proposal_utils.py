"""
From the RPN's scored boxes to proposals, and the ground truth among them.

Shapes: N images, A anchors of one level an image, K kept of all levels. Boxes are XYXY in absolute pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from detectron2.layers import batched_nms, cat
from detectron2.layers.wrappers import is_symbolic
from detectron2.structures import Boxes, Instances

__all__ = [
    "add_ground_truth_to_proposals",
    "add_ground_truth_to_proposals_single_image",
    "find_top_rpn_proposals",
]

# Ground truth is as sure as float64 can say without an infinite logit: a probability of 1 - 1e-10.
_GT_PROBABILITY = 1.0 - 1e-10
GROUND_TRUTH_LOGIT = math.log(_GT_PROBABILITY / (1.0 - _GT_PROBABILITY))


def top_of_each_level(
    pred_objectness_logits: list[torch.Tensor], pre_nms_topk: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Logits (N, A) of each level -> (scores, anchor indices) of its best, (N, min(A, pre_nms_topk)) each."""
    return [
        tuple(logits.topk(_at_most(logits.shape[1], pre_nms_topk), dim=1))  # type: ignore[misc]
        for logits in pred_objectness_logits
    ]


def _at_most(length: int, limit: int) -> int:
    """The smaller one. In a graph the comparison is a part of it, so that it holds for other sizes of images too."""
    if torch.jit.is_tracing():
        return torch.minimum(torch.as_tensor(length), torch.as_tensor(limit))  # type: ignore[return-value]
    return torch.sym_min(length, limit)  # type: ignore[return-value]


def take_rows(values: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """(N, A, D) at (N, K) -> (N, K, D): for each image its own rows."""
    return values.gather(1, indices.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def find_top_rpn_proposals(
    proposals: list[torch.Tensor],
    pred_objectness_logits: list[torch.Tensor],
    image_sizes: list[tuple[int, int]],
    nms_thresh: float,
    pre_nms_topk: int,
    post_nms_topk: int,
    min_box_size: float,
    training: bool,
) -> list[Instances]:
    """
    The best boxes of each level, after non-maximum suppression within the level, the best of all levels per image.

    Args:
        proposals: decoded boxes (N, A, 4) of each level.
        pred_objectness_logits: (N, A) of each level.
        image_sizes: (height, width) of each image, to which boxes are clipped.
        nms_thresh: IoU above which the lower-scored box is removed.
        pre_nms_topk: boxes kept per level and image before suppression.
        post_nms_topk: boxes kept per image after it, of all levels.
        min_box_size: boxes must be wider and higher than this, in pixels.
        training: boxes that are not finite are an error then, and are dropped otherwise.

    Returns:
        For each image Instances with ``proposal_boxes`` and ``objectness_logits``, in descending order of score.
    """
    top = top_of_each_level(pred_objectness_logits, pre_nms_topk)
    boxes = [take_rows(level, indices) for level, (_, indices) in zip(proposals, top, strict=True)]
    return suppress_proposals(
        boxes, [scores for scores, _ in top], image_sizes, nms_thresh, post_nms_topk, min_box_size, training
    )


def suppress_proposals(
    boxes_per_level: list[torch.Tensor],
    scores_per_level: list[torch.Tensor],
    image_sizes: list[tuple[int, int]],
    nms_thresh: float,
    post_nms_topk: int,
    min_box_size: float,
    training: bool,
) -> list[Instances]:
    """The second half of :func:`find_top_rpn_proposals`: boxes (N, K_level, 4) and scores (N, K_level) are the best."""
    boxes = cat(boxes_per_level, dim=1)  # (N, K, 4)
    scores = cat(scores_per_level, dim=1)  # (N, K)
    levels = cat(
        [
            torch.full((level.shape[1],), i, dtype=torch.int64, device=boxes.device)
            for i, level in enumerate(boxes_per_level)
        ]
    )  # (K,)

    finite = boxes.isfinite().all(dim=2) & scores.isfinite()  # (N, K)
    boxes_per_image = [Boxes(image_boxes) for image_boxes in boxes.unbind()]
    for image_boxes, size in zip(boxes_per_image, image_sizes, strict=True):
        image_boxes.clip(size)
    nonempty = torch.stack([image_boxes.nonempty(threshold=min_box_size) for image_boxes in boxes_per_image])
    valid = finite & nonempty  # (N, K)

    # One look at the device for the whole batch; a traced graph must filter in any case.
    all_finite, all_valid = (True, False) if is_symbolic() else torch.stack((finite.all(), valid.all())).tolist()
    if training and not all_finite:
        raise FloatingPointError(
            "The RPN predicted boxes or scores that are infinite or not a number: training has diverged; lower "
            "SOLVER.BASE_LR, lengthen SOLVER.WARMUP_ITERS or clip gradients (SOLVER.CLIP_GRADIENTS.ENABLED)."
        )

    results = []
    for i, image_boxes in enumerate(boxes_per_image):
        image_scores, image_levels = scores[i], levels
        if not all_valid:
            image_boxes = image_boxes[valid[i]]
            image_scores, image_levels = image_scores[valid[i]], levels[valid[i]]
        keep = batched_nms(image_boxes.tensor, image_scores, image_levels, nms_thresh)[:post_nms_topk]
        results.append(
            Instances(image_sizes[i], proposal_boxes=image_boxes[keep], objectness_logits=image_scores[keep])
        )
    return results


def add_ground_truth_to_proposals(gt: Sequence[Instances | Boxes], proposals: list[Instances]) -> list[Instances]:
    """
    Appends each image's ground truth to its proposals, so that early training, whose proposals are poor, has
    foreground too.

    Args:
        gt: for each image Instances with ``gt_boxes``, or Boxes.
        proposals: for each image Instances with ``proposal_boxes`` and ``objectness_logits``.

    Returns:
        New Instances with the fields of ``proposals``.
    """
    if len(gt) != len(proposals):
        raise ValueError(f"Ground truth of {len(gt)} images came with proposals of {len(proposals)} images.")
    return [
        add_ground_truth_to_proposals_single_image(gt_i, proposals_i)
        for gt_i, proposals_i in zip(gt, proposals, strict=True)
    ]


def add_ground_truth_to_proposals_single_image(gt: Instances | Boxes, proposals: Instances) -> Instances:
    """One image's share of :func:`add_ground_truth_to_proposals`."""
    gt_boxes = gt if isinstance(gt, Boxes) else gt.gt_boxes
    device = proposals.objectness_logits.device
    own = {
        "proposal_boxes": gt_boxes.to(device),
        "objectness_logits": proposals.objectness_logits.new_full((len(gt_boxes),), GROUND_TRUTH_LOGIT),
    }
    appended = Instances(proposals.image_size)
    for name in proposals.get_fields():
        if name in own:
            appended.set(name, own[name])
        elif isinstance(gt, Instances) and gt.has(name):
            appended.set(name, gt.get(name))
        else:
            raise ValueError(f"Proposals have the field {name!r}, which the ground truth to be appended lacks.")
    return Instances.cat([proposals, appended])
