"""
The matches of one class over all images, kept so that AP can be had again for any weights of the images.

Shape vocabulary: I images, N detections of the class in all images, T IoU thresholds, R sets of weights, C recalls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskrcnn_project.evaluation.metrics.average_precision import RECALLS
from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair
from maskrcnn_project.evaluation.metrics.matching import match_objects

IOUS = np.arange(50, 100, 5) / 100  # COCO's: 0.50, 0.55 ... 0.95
MAX_CELLS = 2_000_000  # weights of detections held at once: 16 MB an array


@dataclass(frozen=True)
class ClassMatches:
    """
    One class, the most confident detection first; of equal scores in the order of the image ids, as COCO ranks them.

    Attributes:
        images: (N,) int64 place of each detection's image.
        right, ignored: (T, N) bool: matched with an object; on a crowd region, so neither right nor wrong.
        objects: (I,) int64 objects of the class in each image, without crowd regions.
    """

    images: np.ndarray
    right: np.ndarray
    ignored: np.ndarray
    objects: np.ndarray

    def average_precisions(self, weights: np.ndarray) -> np.ndarray:
        """
        COCO's AP as if each image were there as often as its weight says.

        Args:
            weights: (R, I) whole numbers from 0.

        Returns:
            (R, T) float64, 0 to 1; NaN where no object is left.
        """
        out = np.full((len(weights), len(self.right)), np.nan)
        rows = max(1, MAX_CELLS // max(1, len(self.images)))
        for begin in range(0, len(weights), rows):
            part = weights[begin : begin + rows]
            objects = part @ self.objects
            some = objects > 0
            out[begin : begin + rows][some] = self._of_part(part[some], objects[some])
        return out

    def _of_part(self, weights: np.ndarray, objects: np.ndarray) -> np.ndarray:
        """(R, T) where every row of weights (R, I) leaves objects (R,)."""
        of_found = weights[:, self.images]  # (R, N)
        counted = np.cumsum(of_found, axis=1)
        out = np.zeros((len(weights), len(self.right)))
        for place, (right, ignored) in enumerate(zip(self.right, self.ignored, strict=True)):
            columns = np.flatnonzero(right)  # between two right ones precision only falls, so these are enough
            if not len(columns):
                continue
            so_far = np.cumsum(of_found * ~ignored, axis=1) if ignored.any() else counted
            correct = np.cumsum(of_found[:, columns], axis=1)
            precision = correct / np.maximum(1, so_far[:, columns])
            best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]  # from each recall on
            best = np.concatenate([best, np.zeros((len(best), 1))], axis=1)  # beyond the last recall
            recall = correct / objects[:, None]
            for row in range(len(weights)):
                out[row, place] = best[row, np.searchsorted(recall[row], RECALLS, side="left")].mean()
        return out


def matches_by_class(
    pairs: Sequence[ImagePair], overlaps: Sequence[np.ndarray], num_classes: int
) -> list[ClassMatches]:
    """
    Args:
        pairs: in the order in which ``weights`` will name them.
        overlaps: (N, G) of each, as ``matching`` gives them.
    """
    ranks = np.argsort([pair.image_id for pair in pairs], kind="stable")
    right, ignored = [], []
    for threshold in IOUS:
        images = [match_objects(pairs[place], overlaps[place], float(threshold)) for place in ranks]
        right.append(_join([image.truth_of >= 0 for image in images], bool))
        ignored.append(_join([image.on_crowd for image in images], bool))
    places = np.repeat(ranks, [len(pairs[place].found) for place in ranks])
    scores = _join([pairs[place].found.scores for place in ranks], float)
    classes = _join([pairs[place].found.classes for place in ranks], np.int64)
    order = np.argsort(-scores, kind="stable")
    out = []
    for number in range(num_classes):
        own = order[classes[order] == number]
        objects = [int((~pair.truth.crowd & (pair.truth.classes == number)).sum()) for pair in pairs]
        out.append(
            ClassMatches(
                places[own], np.stack(right)[:, own], np.stack(ignored)[:, own], np.array(objects, dtype=np.int64)
            )
        )
    return out


def _join(arrays: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, kind), *arrays]).astype(kind)
