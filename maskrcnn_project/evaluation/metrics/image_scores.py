"""How well each image went, the worst first: where to look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskrcnn_project.evaluation.metrics.matching import Matched


@dataclass(frozen=True)
class ImageScores:
    """
    One image at the score threshold and mask IoU 0.5.

    Attributes:
        objects: ground truth without crowd regions.
        found: detections, without those on crowd regions.
        correct, missed, false: matched objects of the right class; objects without a match; detections without one.
        f1: 0 to 1; 1 where there is nothing and nothing was found.
        mean_iou: of the correct ones, 0 to 1; NaN if there is none.
    """

    image_id: int
    file_name: str
    objects: int
    found: int
    correct: int
    missed: int
    false: int
    f1: float
    mean_iou: float


def score_image(matched: Matched, score_threshold: float) -> ImageScores:
    """One image, by the matches within the classes."""
    pair, sure = matched.pair, matched.sure(score_threshold)
    truth_of = matched.truth_of[sure]
    right = truth_of >= 0
    objects, found, correct = int((~pair.truth.crowd).sum()), len(truth_of), int(right.sum())
    f1 = 2 * correct / (objects + found) if objects + found else 1.0
    mean_iou = float(matched.ious[sure][right, truth_of[right]].mean()) if correct else float("nan")
    return ImageScores(
        pair.image_id, pair.file_name, objects, found, correct, objects - correct, found - correct, f1, mean_iou
    )


def worst_first(scores: list[ImageScores]) -> list[ImageScores]:
    """By F1, then by the number of errors, then by the overlap of what is right."""
    return sorted(
        scores, key=lambda image: (image.f1, -image.missed - image.false, np.nan_to_num(image.mean_iou), image.image_id)
    )
