"""
COCO's average precision and recall of boxes, masks and boundaries (cocodataset.org/#detection-eval).

Shape vocabulary: T IoU thresholds 0.50:0.05:0.95, R recalls 0:0.01:1, K classes, A area ranges (all, small, medium,
large).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR")
RECALLS = np.linspace(0, 1, 101)
AT_50, AT_75 = 0, 5  # of the IoU thresholds


@dataclass(frozen=True)
class Accumulated:
    """
    Attributes:
        precision: (T, R, K, A), 0 to 1, -1 for a class without objects of that size.
        recall: (T, K, A), likewise.
    """

    precision: np.ndarray
    recall: np.ndarray

    def summary(self) -> dict[str, float]:
        """COCO's headline numbers in percent; NaN where there are no objects."""
        precision = self.precision[..., 0]
        sizes = [_percent(self.precision[..., size]) for size in (1, 2, 3)]
        values = [_percent(precision), _percent(precision[AT_50]), _percent(precision[AT_75]), *sizes]
        return dict(zip(METRICS, [*values, _percent(self.recall[..., 0])], strict=True))

    def of_class(self, number: int) -> dict[str, float]:
        """AP, AP50, AP75 and AR of one class in percent."""
        precision = self.precision[:, :, number, 0]
        values = [precision, precision[AT_50], precision[AT_75], self.recall[:, number, 0]]
        return {name: _percent(value) for name, value in zip(("AP", "AP50", "AP75", "AR"), values, strict=True)}


def accumulate(
    pairs: Sequence[ImagePair],
    overlaps: Sequence[np.ndarray],
    found_areas: Sequence[np.ndarray],
    num_classes: int,
    max_detections: int,
) -> Accumulated:
    """
    Matches at every IoU threshold and area range, and accumulates precision over recall.

    Args:
        overlaps: (N, G) of each image.
        found_areas: (N,) of each image in square pixels: what lies outside an area range is not held against it.
        max_detections: of an image and class.
    """
    if not num_classes or not pairs:
        return Accumulated(np.full((10, len(RECALLS), num_classes, 4), -1.0), np.full((10, num_classes, 4), -1.0))
    # images in COCO's order: equal scores are ranked by it
    order = sorted(range(len(pairs)), key=lambda index: pairs[index].image_id)
    ranked = [pairs[index] for index in order]
    tables = {
        "images": [{"id": number} for number in range(len(ranked))],
        "categories": [{"id": number, "name": ""} for number in range(num_classes)],
    }
    evaluator = _OverlapsGiven(
        COCO({**tables, "annotations": _truth_rows(ranked)}),
        COCO({**tables, "annotations": _found_rows(ranked, [found_areas[index] for index in order])}),
        [_by_class(pairs[index], overlaps[index]) for index in order],
    )
    evaluator.params.maxDets = [max_detections]
    evaluator.evaluate()
    evaluator.accumulate()
    return Accumulated(evaluator.eval["precision"][..., 0], evaluator.eval["recall"][..., 0])


class _OverlapsGiven(COCOeval_faster):
    """The library's evaluator on overlaps computed before: masks, boxes and boundaries differ in nothing else."""

    def __init__(self, truth: COCO, found: COCO, overlaps: Sequence[dict[int, np.ndarray]]):
        super().__init__(truth, found, iouType="bbox")  # of boxes it looks at nothing but their overlaps and areas
        self.overlaps = overlaps

    def computeIoU(self, imgId: int, catId: int) -> Any:
        """(N, G) of an image and class, the most confident first."""
        return self.overlaps[imgId][catId][: self.params.maxDets[-1]]


def _by_class(pair: ImagePair, overlaps: np.ndarray) -> dict[int, np.ndarray]:
    found, truth = pair.found.classes, pair.truth.classes
    return {number: overlaps[np.ix_(found == number, truth == number)] for number in np.intersect1d(found, truth)}


def _truth_rows(pairs: Sequence[ImagePair]) -> list[dict[str, Any]]:
    rows = [
        {"image_id": number, "category_id": category, "area": area, "iscrowd": int(crowd)}
        for number, pair in enumerate(pairs)
        for category, area, crowd in zip(
            pair.truth.classes.tolist(), pair.truth.areas.tolist(), pair.truth.crowd.tolist(), strict=True
        )
    ]
    return _number(rows)


def _found_rows(pairs: Sequence[ImagePair], areas: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    rows = [
        {"image_id": number, "category_id": category, "area": area, "score": score}
        for number, (pair, of_case) in enumerate(zip(pairs, areas, strict=True))
        for category, area, score in zip(
            pair.found.classes.tolist(), of_case.tolist(), pair.found.scores.tolist(), strict=True
        )
    ]
    return _number(rows)


def _number(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """From 1: to the library 0 means that nothing was matched."""
    for number, row in enumerate(rows, start=1):
        row["id"] = number
    return rows


def _percent(values: np.ndarray) -> float:
    known = values[values > -1]
    return 100.0 * float(known.mean()) if known.size else float("nan")


def average_precision(scores: np.ndarray, right: np.ndarray, objects: int) -> float:
    """
    COCO's average precision at one IoU threshold, 0 to 1, of detections already known to be right or wrong.

    Args:
        scores: (N,) in any order.
        right: (N,) bool.
        objects: how many there are to find; NaN is given for none.
    """
    if not objects:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    correct = np.cumsum(right[order])
    recall = correct / objects
    precision = correct / np.arange(1, len(order) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]  # at each recall the best that is had from there on
    places = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(precision, 0.0)[places].mean())
