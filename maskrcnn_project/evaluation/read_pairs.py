"""From two COCO files, ground truth and results, to the pairs that are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskrcnn_project.errors import DatasetError
from maskrcnn_project.evaluation.coco_results import ResultTable, read_results
from maskrcnn_project.evaluation.ground_truth import GroundTruth, read_ground_truth
from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair, ImagePairs, TrueObjects
from maskrcnn_project.evaluation.results_folder import COCO_DETECTIONS
from maskrcnn_project.masks.detections import Detections


def read_pairs(
    annotations: Path,
    results: Path,
    *,
    name: str,
    image_root: Path | None,
    max_detections: int | None,
    class_ids: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    page: int = 0,
) -> ImagePairs:
    """
    Reads ground truth (converted once, see ``read_ground_truth``) and results, both COCO JSON.

    Args:
        annotations: COCO file with "images", "annotations", "categories".
        results: COCO results: a list of detections with the category ids of ``annotations``.
        max_detections: the most confident so many of an image and class are kept; None: all that the file has, and no
            fewer than COCO's 100, so that a results file has one AP wherever it is evaluated.
        class_ids: category id of each class; None: all of the file by ascending id, Detectron2's order.
        class_names: of each class; None: those of the file.
        page: of images that are stacks.

    Raises:
        DatasetError: one sentence on the first thing that is wrong with either file.
    """
    if max_detections is not None and max_detections < 1:
        raise ValueError(f"max_detections should be at least 1, but is {max_detections}.")
    truth = read_ground_truth(annotations)
    ids = sorted(truth.categories) if class_ids is None else [int(category) for category in class_ids]
    names = tuple(_names_of(ids, truth, annotations) if class_names is None else class_names)
    _require_same_classes(annotations, truth, ids, names)
    found = read_results(results, truth.sizes, ids, truth.file_names, names)
    if max_detections is None:
        max_detections = max(COCO_DETECTIONS, _max_of_image_and_class(found))
    order = {category: number for number, category in enumerate(ids)}
    pairs = [
        ImagePair(
            image_id,
            truth.file_names[image_id],
            _objects(truth, rows, order),
            _found(found, image_id, truth.sizes[image_id], max_detections),
        )
        for image_id, rows in truth.rows_of_images().items()
    ]
    counts = [(pair.image_id, int((~pair.truth.crowd).sum())) for pair in pairs]
    over_limit = [(image_id, count) for image_id, count in counts if count > max_detections]
    return ImagePairs(name, image_root, names, max_detections, pairs, over_limit, page)


def _max_of_image_and_class(found: ResultTable) -> int:
    """How many detections of one class the fullest image has."""
    pairs = np.stack([found.image_ids, found.classes])
    return int(np.unique(pairs, axis=1, return_counts=True)[1].max(initial=0))


def _names_of(ids: Sequence[int], truth: GroundTruth, annotations: Path) -> list[str]:
    unknown = [category for category in ids if category not in truth.categories]
    if unknown:
        raise DatasetError(
            f"{annotations} has no category {unknown[0]}, which the model's classes name; "
            f"it has {sorted(truth.categories)}: evaluate with the data set that the model was trained for."
        )
    return [truth.categories[category] for category in ids]


def _require_same_classes(annotations: Path, truth: GroundTruth, ids: Sequence[int], names: Sequence[str]) -> None:
    if len(set(ids)) != len(ids) or len(ids) != len(names):
        raise ValueError(f"Wanted one name for each of different category ids, but got {list(ids)} and {list(names)}.")
    strange = np.flatnonzero(~np.isin(truth.category_ids, ids))
    if len(strange):
        row = strange[0]
        raise DatasetError(
            f"{annotations}: annotation {truth.ids[row]} (image {truth.image_ids[row]}) is of category "
            f"{truth.category_ids[row]}, which is not among the model's {list(ids)}: "
            "evaluate with the data set that the model was trained for."
        )


def _objects(truth: GroundTruth, rows: np.ndarray, order: dict[int, int]) -> TrueObjects:
    classes = np.array([order[category] for category in truth.category_ids[rows].tolist()], dtype=np.int64)
    masks = [truth.masks[row] for row in rows]
    return TrueObjects(truth.ids[rows], classes, truth.boxes[rows], truth.areas[rows], truth.crowd[rows], masks)


def _found(table: ResultTable, image_id: int, size: tuple[int, int], most: int) -> Detections:
    """
    The most confident ``most`` of each class, the most confident of all first; equal scores keep the order of the file.
    """
    rows = table.rows_of(image_id)
    if not len(rows):
        return Detections.none(size)
    rows = rows[np.argsort(-table.scores[rows], kind="stable")]
    classes = table.classes[rows]
    rank = np.zeros(len(rows), dtype=np.int64)  # within the class
    for number in np.unique(classes):
        rank[classes == number] = np.arange((classes == number).sum())
    rows = rows[rank < most]
    masks = None if table.masks is None else [table.masks[row] for row in rows]
    return Detections(size, table.boxes[rows], table.scores[rows], table.classes[rows], masks)
