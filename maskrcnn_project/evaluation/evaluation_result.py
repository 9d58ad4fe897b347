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
from maskrcnn_project.evaluation.metrics.class_scores import ClassScores, score_class, thinned
from maskrcnn_project.evaluation.metrics.confusion import confusion_matrix, pairs_across_classes
from maskrcnn_project.evaluation.metrics.error_breakdown import count_errors, error_costs, errors_of
from maskrcnn_project.evaluation.metrics.image_pairs import Case, Cases
from maskrcnn_project.evaluation.metrics.image_scores import ImageScores, score_image, worst_first
from maskrcnn_project.evaluation.metrics.matching import Matched, box_overlaps, mask_overlaps, matched
from maskrcnn_project.evaluation.metrics.merges_and_splits import Fusion, find_fusions
from maskrcnn_project.masks.coding import areas_of

__all__ = ["Calibration", "ClassScores", "Fusion", "ImageScores", "Judgement", "as_metrics", "judge"]

# Of a class's curve and of the images, in as_metrics: a file of many classes and images stays small enough to read.
MOST_CURVE_ROWS, MOST_IMAGES = 50, 100


@dataclass(frozen=True)
class Judgement:
    """
    Percentages are 0 to 100, NaN where nothing can be measured. Where masks are missing, boxes stand in for them.

    Attributes:
        num_objects: ground truth without crowd regions.
        num_found: detections with at least ``score_threshold``.
        box, mask, boundary: COCO's AP, AP50, AP75, APs, APm, APl, AR, over all scores.
        confusion: (K+1, K+1) int64: row = ground truth, column = found, the last = background; at mask IoU 0.5 and
            ``score_threshold``; crowd regions and what lies on them left out.
        errors: how many of each kind at ``score_threshold`` (see ``error_breakdown``), and "correct".
        error_cost: points of mask AP50 that mending each kind alone would give.
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
    fusions: list[Fusion]
    per_image: list[ImageScores]
    over_limit: list[tuple[int, int]]


def judge(cases: Cases, score_threshold: float) -> Judgement:
    """
    Scores everything. Zero images, objects, detections or classes are normal; their numbers are 0 or NaN.

    Args:
        score_threshold: 0 to 1, where counts are taken (confusion, errors, images, fusions); AP, curves and
            calibration look at all detections.
    """
    if not 0 <= score_threshold <= 1:
        raise ValueError(f"The score threshold should lie between 0 and 1, but is {score_threshold}.")
    judged, overlaps_of = cases.judged, mask_overlaps if cases.has_masks else box_overlaps
    overlaps = [overlaps_of(case.truth, case.found) for case in judged]
    averages = {"box": _box_average(cases), **_mask_averages(cases, judged, overlaps)}
    images = [matched(case, ious) for case, ious in zip(judged, overlaps, strict=True)]
    pairs = [pairs_across_classes(image, score_threshold) for image in images]
    scores, _, right = _pooled(images)
    num_classes = len(cases.class_names)
    return Judgement(
        name=cases.name,
        num_images=len(images),
        num_objects=sum(int((~case.truth.crowd).sum()) for case in judged),
        num_found=sum(int((case.found.scores >= score_threshold).sum()) for case in judged),
        score_threshold=score_threshold,
        box=averages["box"].summary(),
        mask=averages["mask"].summary(),
        boundary=averages["boundary"].summary(),
        classes=_class_scores(cases.class_names, images, averages),
        confusion=confusion_matrix(images, pairs, num_classes),
        errors=count_errors([errors_of(image, score_threshold) for image in images]),
        error_cost=error_costs([errors_of(image) for image in images], num_classes),
        calibration=calibrate(scores, right),
        fusions=[f for image, of_image in zip(images, pairs, strict=True) for f in find_fusions(image, of_image)],
        per_image=worst_first([score_image(image, score_threshold) for image in images]),
        over_limit=cases.over_limit,
    )


def _class_scores(
    names: Sequence[str], images: Sequence[Matched], averages: Mapping[str, Accumulated]
) -> list[ClassScores]:
    scores, classes, right = _pooled(images)
    wanted = [image.case.truth.classes[~image.case.truth.crowd] for image in images]
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


def _pooled(images: Sequence[Matched]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, classes and whether they are right of all detections of all images that lie on no crowd region."""
    rows = [(image.sure(-np.inf), image) for image in images]
    scores = [image.case.found.scores[sure] for sure, image in rows]
    classes = [image.case.found.classes[sure] for sure, image in rows]
    right = [image.truth_of[sure] >= 0 for sure, image in rows]
    return (
        np.concatenate([np.zeros(0), *scores]),
        np.concatenate([np.zeros(0, np.int64), *classes]),
        np.concatenate([np.zeros(0, bool), *right]),
    )


def _box_average(cases: Cases) -> Accumulated:
    overlaps = [box_overlaps(case.truth, case.found) for case in cases.cases]
    areas = [np.prod(case.found.boxes[:, 2:] - case.found.boxes[:, :2], axis=1) for case in cases.cases]
    return accumulate(cases.cases, overlaps, areas, len(cases.class_names), cases.max_detections)


def _mask_averages(cases: Cases, judged: Sequence[Case], overlaps: Sequence[np.ndarray]) -> dict[str, Accumulated]:
    """Of "mask" and "boundary"; of nothing where there are no masks."""
    if not cases.has_masks:
        nothing = accumulate([], [], [], len(cases.class_names), cases.max_detections)
        return {"mask": nothing, "boundary": nothing}
    areas = [areas_of(case.found.masks or ()) for case in judged]
    near = [boundary_overlaps(case.truth, case.found, ious) for case, ious in zip(judged, overlaps, strict=True)]
    return {
        kind: accumulate(judged, of_kind, areas, len(cases.class_names), cases.max_detections)
        for kind, of_kind in (("mask", overlaps), ("boundary", near))
    }


def as_metrics(judgement: Judgement) -> dict[str, Any]:
    """Plain JSON, keys as the attributes: NaN is None, curves have at most 50 rows, of the images the worst 100."""
    classes = [replace(scores, curve=thinned(scores.curve, MOST_CURVE_ROWS)) for scores in judgement.classes]
    return _plain(asdict(replace(judgement, classes=classes, per_image=judgement.per_image[:MOST_IMAGES])))


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
class Judged:
    """One of the models on a page; ``name`` is what it is called there."""

    name: str
    cases: Cases
    judgement: Judgement
