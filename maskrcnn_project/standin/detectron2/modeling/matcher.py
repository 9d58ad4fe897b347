"""
Assigns a ground truth to every prediction by the quality of their overlap.

Shapes: M ground truths, P predictions (anchors or proposals).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.structures import Instances, pairwise_iou

__all__ = ["Matcher", "match_to_ground_truth"]


class Matcher:
    """
    Gives each prediction the ground truth that suits it best, and a label by how well it suits.

    Args:
        thresholds: ascending qualities that divide matches into ``len(thresholds) + 1`` grades.
        labels: one for each grade, from the worst to the best: 1 foreground, 0 background, -1 ignore.
        allow_low_quality_matches: every ground truth makes its best predictions foreground, however poor they
            are (case (i) in section 3.1.2 of Faster R-CNN, arXiv:1506.01497).

    Raises:
        ValueError: thresholds that are not ascending and above 0, a count of labels that does not fit, or a label
            other than -1, 0 and 1.
    """

    def __init__(self, thresholds: Sequence[float], labels: Sequence[int], allow_low_quality_matches: bool = False):
        thresholds, labels = list(thresholds), list(labels)
        if not thresholds or thresholds[0] <= 0 or thresholds != sorted(thresholds):
            raise ValueError(f"Thresholds of a Matcher must rise from above 0, but are {thresholds}.")
        if len(labels) != len(thresholds) + 1 or not set(labels) <= {-1, 0, 1}:
            raise ValueError(
                f"A Matcher with thresholds {thresholds} needs {len(thresholds) + 1} labels out of -1, 0 and 1, "
                f"but got {labels}."
            )
        self.thresholds = [-float("inf"), *thresholds, float("inf")]
        self.labels = labels
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            match_quality_matrix: (M, P) qualities, not below 0 (IoU); M or P may be 0.

        Returns:
            matches: (P,) int64, the index of the best ground truth of each prediction, 0 if there is none.
            match_labels: (P,) int8 in {-1, 0, 1}; without ground truth all have the label of the worst grade.
        """
        if match_quality_matrix.dim() != 2:
            raise ValueError(
                "A Matcher takes a matrix of (ground truths, predictions), but got the shape "
                f"{tuple(match_quality_matrix.shape)}."
            )
        if match_quality_matrix.numel() == 0:
            matches = match_quality_matrix.new_zeros(match_quality_matrix.size(1), dtype=torch.int64)
            return matches, torch.full_like(matches, self.labels[0], dtype=torch.int8)

        quality, matches = match_quality_matrix.max(dim=0)
        match_labels = torch.full_like(matches, self.labels[0], dtype=torch.int8)
        for threshold, label in zip(self.thresholds[1:-1], self.labels[1:], strict=True):
            match_labels.masked_fill_(quality >= threshold, label)  # rising: the last one reached stays
        if self.allow_low_quality_matches:
            self.set_low_quality_matches_(match_labels, match_quality_matrix)
        return matches, match_labels

    def set_low_quality_matches_(self, match_labels: torch.Tensor, match_quality_matrix: torch.Tensor) -> None:
        """
        Sets the label 1, in place, for every prediction that is the best of some ground truth (all, if several tie).

        The match itself stays: such a prediction may well keep another ground truth, which it overlaps more.
        """
        best_of_gt = match_quality_matrix.amax(dim=1, keepdim=True)
        match_labels.masked_fill_((match_quality_matrix == best_of_gt).any(dim=0), 1)


def match_to_ground_truth(
    proposals: Instances, targets: Instances, matcher: Matcher, num_classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    The ground truth and the class that ``matcher`` gives each proposal of one image.

    Args:
        proposals: R_i, with ``proposal_boxes``.
        targets: its ground truth, with ``gt_boxes`` and ``gt_classes``; may be empty.

    Returns:
        The ground truth's index and its class, (R_i,) int64 each; the class is ``num_classes`` for
        background and -1 where the matcher says to ignore.
    """
    matches, labels = matcher(pairwise_iou(targets.gt_boxes, proposals.proposal_boxes))
    if len(targets) == 0:
        return matches, torch.full_like(matches, num_classes)
    classes = targets.gt_classes[matches].to(torch.int64)
    classes = classes.masked_fill(labels == 0, num_classes).masked_fill(labels == -1, -1)
    return matches, classes
