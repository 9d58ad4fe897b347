"""
Which class is taken for which, by masks: every object and every detection counts once.

Shape vocabulary: N detections and G objects of an image, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskrcnn_project.evaluation.metrics.matching import MATCH_IOU, Matched


@dataclass(frozen=True)
class Assignments:
    """
    One image, one-to-one across the classes.

    Attributes:
        counted: (n,) int64 indices of the detections that count, ascending.
        truth_of: (N,) int64 index of the object that each detection is paired with, -1 for none.
    """

    counted: np.ndarray
    truth_of: np.ndarray


def assign_across_classes(matched: Matched, score_threshold: float) -> Assignments:
    """
    First come the pairs of one class, so that what is right here is right in AP50; what is left on both sides is
    paired by mask IoU, the largest first, from 0.5 up.
    """
    sure = matched.sure(score_threshold)
    truth_of = np.where(sure, matched.truth_of, -1)
    left = matched.ious * (sure & (truth_of < 0))[:, None]
    left[:, matched.pair.truth.crowd | matched.is_found(score_threshold)] = 0
    rows, columns = np.nonzero(left >= MATCH_IOU)
    free = np.ones(left.shape[1], dtype=bool)
    for assignment in np.argsort(-left[rows, columns], kind="stable"):
        row, column = rows[assignment], columns[assignment]
        if truth_of[row] < 0 and free[column]:
            truth_of[row], free[column] = column, False
    return Assignments(np.flatnonzero(sure), truth_of)


def confusion_matrix(images: Sequence[Matched], assignments: Sequence[Assignments], num_classes: int) -> np.ndarray:
    """
    Returns:
        (K+1, K+1) int64: row = class of the object, column = class found, the last of both = background. The first K
        rows sum to the objects of a class, the first K columns to its detections. Crowd regions and what lies on them
        are left out.
    """
    side = num_classes + 1
    matrix = np.zeros((side, side), dtype=np.int64)
    for matched, assignment in zip(images, assignments, strict=True):
        truth = matched.pair.truth
        found_as = matched.pair.found.classes[assignment.counted]
        truth_of = assignment.truth_of[assignment.counted]
        is_class = np.append(truth.classes, num_classes)[truth_of]  # -1 reads the background at the end
        np.add.at(matrix, (is_class, found_as), 1)
        missed = ~truth.crowd
        missed[truth_of[truth_of >= 0]] = False
        np.add.at(matrix, (truth.classes[missed], num_classes), 1)
    return matrix
