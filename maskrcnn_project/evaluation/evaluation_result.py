"""All that is known about how well a model did, and how it is put together out of the parts beside this file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from maskrcnn_project.evaluation.metrics.average_precision import Accumulated, accumulate
from maskrcnn_project.evaluation.metrics.boundary import boundary_overlaps
from maskrcnn_project.evaluation.metrics.calibration import Calibration, calibrate
from maskrcnn_project.evaluation.metrics.class_scores import ClassScores, score_class, thin_curve
from maskrcnn_project.evaluation.metrics.confusion import assign_across_classes, confusion_matrix
from maskrcnn_project.evaluation.metrics.error_breakdown import count_errors, error_costs, errors_of
from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair, ImagePairs
from maskrcnn_project.evaluation.metrics.image_scores import ImageScores, score_image, worst_first
from maskrcnn_project.evaluation.metrics.matching import Matched, box_overlaps, mask_overlaps, match_objects
from maskrcnn_project.evaluation.metrics.merges_and_splits import MergeOrSplit, find_merges_and_splits
from maskrcnn_project.masks.coding import areas_of

__all__ = ["Calibration", "ClassScores", "EvaluationResult", "ImageScores", "MergeOrSplit", "as_metrics", "evaluate"]

# Of a class's curve and of the images, in as_metrics: a file of many classes and images stays small enough to read.
MAX_CURVE_ROWS, MAX_IMAGES = 50, 100


@dataclass(frozen=True)
class EvaluationResult:
    """
    Percentages are 0 to 100, NaN where nothing can be measured. Where masks are missing, boxes stand in for them.

    Attributes:
        num_objects: ground truth without crowd regions.
        num_found: detections with at least ``score_threshold``.
        box, mask, boundary: COCO's AP, AP50, AP75, APs, APm, APl, AR, over all scores.
        confusion: (K+1, K+1) int64: row = ground truth, column = found, the last = background; at mask IoU 0.5 and
            ``score_threshold``; crowd regions and what lies on them left out.
        errors: how many of each kind at ``score_threshold`` (see ``error_breakdown``), and "correct".
        error_cost: points of mask AP50 that fixing each kind alone would give.
        per_image: the worst first.
        over_limit: (image id, objects) where there are more objects than detections that count.
    """

    name: str
    num_images: int
    num_objects: int
    num_found: int
    score_threshold: float
    box: dict[str, float]
    mask: dict[str, float]
    boundary: dict[str, float]
    classes: list[ClassScores]
    confusion: np.ndarray
    errors: dict[str, int]
    error_cost: dict[str, float]
    calibration: Calibration
    merges_and_splits: list[MergeOrSplit]
    per_image: list[ImageScores]
    over_limit: list[tuple[int, int]]


def evaluate(pairs: ImagePairs, score_threshold: float) -> EvaluationResult:
    """
    Scores everything. Zero images, objects, detections or classes are normal; their numbers are 0 or NaN.

    Args:
        score_threshold: 0 to 1, where counts are taken (confusion, errors, images, merges and splits); AP, curves and
            calibration look at all detections.
    """
    if not 0 <= score_threshold <= 1:
        raise ValueError(f"The score threshold should lie between 0 and 1, but is {score_threshold}.")
    evaluated, overlaps_of = pairs.evaluated, mask_overlaps if pairs.has_masks else box_overlaps
    overlaps = [overlaps_of(pair.truth, pair.found) for pair in evaluated]
    averages = {"box": _box_average(pairs), **_mask_averages(pairs, evaluated, overlaps)}
    images = [match_objects(pair, ious) for pair, ious in zip(evaluated, overlaps, strict=True)]
    assignments = [assign_across_classes(image, score_threshold) for image in images]
    scores, _, right = _pool(images)
    num_classes = len(pairs.class_names)
    return EvaluationResult(
        name=pairs.name,
        num_images=len(images),
        num_objects=sum(int((~pair.truth.crowd).sum()) for pair in evaluated),
        num_found=sum(int((pair.found.scores >= score_threshold).sum()) for pair in evaluated),
        score_threshold=score_threshold,
        box=averages["box"].summary(),
        mask=averages["mask"].summary(),
        boundary=averages["boundary"].summary(),
        classes=_class_scores(pairs.class_names, images, averages),
        confusion=confusion_matrix(images, assignments, num_classes),
        errors=count_errors([errors_of(image, score_threshold) for image in images]),
        error_cost=error_costs([errors_of(image) for image in images], num_classes),
        calibration=calibrate(scores, right),
        merges_and_splits=[
            f
            for image, of_image in zip(images, assignments, strict=True)
            for f in find_merges_and_splits(image, of_image)
        ],
        per_image=worst_first([score_image(image, score_threshold) for image in images]),
        over_limit=pairs.over_limit,
    )


def _class_scores(
    names: Sequence[str], images: Sequence[Matched], averages: Mapping[str, Accumulated]
) -> list[ClassScores]:
    scores, classes, right = _pool(images)
    wanted = [image.pair.truth.classes[~image.pair.truth.crowd] for image in images]
    objects = np.bincount(np.concatenate([np.zeros(0, np.int64), *wanted]), minlength=len(names))
    return [
        score_class(
            name,
            scores[classes == number],
            right[classes == number],
            int(objects[number]),
            {kind: average.of_class(number) for kind, average in averages.items()},
        )
        for number, name in enumerate(names)
    ]


def _pool(images: Sequence[Matched]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, classes and whether they are right of all detections of all images that lie on no crowd region."""
    rows = [(image.sure(-np.inf), image) for image in images]
    scores = [image.pair.found.scores[sure] for sure, image in rows]
    classes = [image.pair.found.classes[sure] for sure, image in rows]
    right = [image.truth_of[sure] >= 0 for sure, image in rows]
    return (
        np.concatenate([np.zeros(0), *scores]),
        np.concatenate([np.zeros(0, np.int64), *classes]),
        np.concatenate([np.zeros(0, bool), *right]),
    )


def _box_average(pairs: ImagePairs) -> Accumulated:
    overlaps = [box_overlaps(pair.truth, pair.found) for pair in pairs.pairs]
    areas = [np.prod(pair.found.boxes[:, 2:] - pair.found.boxes[:, :2], axis=1) for pair in pairs.pairs]
    return accumulate(pairs.pairs, overlaps, areas, len(pairs.class_names), pairs.max_detections)


def _mask_averages(
    pairs: ImagePairs, evaluated: Sequence[ImagePair], overlaps: Sequence[np.ndarray]
) -> dict[str, Accumulated]:
    """Of "mask" and "boundary"; of nothing where there are no masks."""
    if not pairs.has_masks:
        nothing = accumulate([], [], [], len(pairs.class_names), pairs.max_detections)
        return {"mask": nothing, "boundary": nothing}
    areas = [areas_of(pair.found.masks or ()) for pair in evaluated]
    near = [boundary_overlaps(pair.truth, pair.found, ious) for pair, ious in zip(evaluated, overlaps, strict=True)]
    return {
        kind: accumulate(evaluated, of_kind, areas, len(pairs.class_names), pairs.max_detections)
        for kind, of_kind in (("mask", overlaps), ("boundary", near))
    }


def as_metrics(evaluation: EvaluationResult) -> dict[str, Any]:
    """Plain JSON, keys as the attributes: NaN is None, curves have at most 50 rows, of the images the worst 100."""
    classes = [replace(scores, curve=thin_curve(scores.curve, MAX_CURVE_ROWS)) for scores in evaluation.classes]
    return _plain(asdict(replace(evaluation, classes=classes, per_image=evaluation.per_image[:MAX_IMAGES])))


def _plain(value: Any) -> Any:
    """Arrays and tuples as lists, NaN as None."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


@dataclass(frozen=True)
class NamedResult:
    """One of the models on a page; ``name`` is what it is called there."""

    name: str
    pairs: ImagePairs
    evaluation: EvaluationResult
