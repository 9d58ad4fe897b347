"""
What is judged: every image's ground truth beside what was found in it, read from two COCO files.

Shape vocabulary: G objects of the ground truth and N found ones of an image, K classes. Boxes are XYXY in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maskrcnn_project.datasets.coco_file import DatasetError
from maskrcnn_project.datasets.masks import Rle
from maskrcnn_project.evaluation.ground_truth import GroundTruth, read_ground_truth
from maskrcnn_project.evaluation.results_file import ResultTable, read_results
from maskrcnn_project.inference.detections import Detections


@dataclass(frozen=True)
class Objects:
    """
    The ground truth of one image, in the order of its file.

    Attributes:
        ids: (G,) int64 annotation ids.
        classes: (G,) int64, 0..K-1.
        boxes: (G, 4) float64, XYXY absolute pixels.
        areas: (G,) float64, COCO's "area" in square pixels; it decides between small, medium and large.
        crowd: (G,) bool: regions of many objects, which nothing has to be found in.
        masks: G compressed run lengths of the image's size; ``NO_MASK``, of size [0, 0], for one that has only a box.
    """

    ids: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    masks: list[Rle]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def none(cls) -> Objects:
        """An image with nothing in it."""
        return cls(
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros(0, bool), masks=[]
        )

    def kept(self, which: np.ndarray) -> Objects:
        """Those where ``which``, (G,) bool, is True."""
        masks = [self.masks[index] for index in np.flatnonzero(which)]
        columns = {key: getattr(self, key)[which] for key in ("ids", "classes", "boxes", "areas", "crowd")}
        return Objects(**columns, masks=masks)

    @property
    def has_mask(self) -> np.ndarray:
        """(G,) bool: False where there is only a box."""
        return np.array([mask["size"][0] > 0 for mask in self.masks], dtype=bool)


@dataclass(frozen=True)
class Case:
    """
    One image: what is there, and what was found, the surest first (boxes and scores float64, as the file has them).
    """

    image_id: int
    file_name: str
    truth: Objects
    found: Detections


@dataclass(frozen=True)
class Cases:
    """
    The images of one evaluation.

    Attributes:
        name: of the data set.
        image_root: folder that every ``file_name`` is relative to, where the images are at hand.
        class_names: K names; class k of truth and found is ``class_names[k]``.
        max_detections: most detections of an image and class that count, as COCO counts them.
        cases: in the order of the annotation file.
        over_limit: (image id, objects) where there are more objects than ``max_detections``.
    """

    name: str
    image_root: Path | None
    class_names: tuple[str, ...]
    max_detections: int
    cases: list[Case]
    over_limit: list[tuple[int, int]]

    @property
    def has_masks(self) -> bool:
        """False where the truth or what was found has boxes only: then boxes stand in for masks."""
        no_found = any(len(case.found) and case.found.masks is None for case in self.cases)
        return not no_found and any(case.truth.has_mask.any() for case in self.cases)

    @property
    def judged(self) -> list[Case]:
        """Where masks are compared, without the objects that have only a box: nothing can be measured against those."""
        if not self.has_masks:
            return self.cases
        return [replace(case, truth=case.truth.kept(case.truth.has_mask)) for case in self.cases]


def read_cases(
    annotations: Path,
    results: Path,
    *,
    name: str,
    image_root: Path | None,
    max_detections: int,
    class_ids: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
) -> Cases:
    """
    Reads ground truth (converted once, see ``read_ground_truth``) and results, both COCO JSON.

    Args:
        annotations: COCO file with "images", "annotations", "categories".
        results: COCO results: a list of detections with the category ids of ``annotations``.
        max_detections: the surest so many of an image and class are kept.
        class_ids: category id of each class; None: all of the file by ascending id, Detectron2's order.
        class_names: of each class; None: those of the file.

    Raises:
        DatasetError: one sentence on the first thing that is wrong with either file.
    """
    if max_detections < 1:
        raise ValueError(f"max_detections should be at least 1, but is {max_detections}.")
    truth = read_ground_truth(annotations)
    ids = sorted(truth.categories) if class_ids is None else [int(category) for category in class_ids]
    names = tuple(_names_of(ids, truth, annotations) if class_names is None else class_names)
    _require_same_classes(annotations, truth, ids, names)
    found = read_results(results, truth.sizes, ids)
    order = {category: number for number, category in enumerate(ids)}
    cases = [
        Case(
            image_id,
            truth.file_names[image_id],
            _objects(truth, rows, order),
            _found(found, image_id, truth.sizes[image_id], max_detections),
        )
        for image_id, rows in truth.rows_of_images().items()
    ]
    counts = [(case.image_id, int((~case.truth.crowd).sum())) for case in cases]
    over_limit = [(image_id, count) for image_id, count in counts if count > max_detections]
    return Cases(name, image_root, names, max_detections, cases, over_limit)


def _names_of(ids: Sequence[int], truth: GroundTruth, annotations: Path) -> list[str]:
    unknown = [category for category in ids if category not in truth.categories]
    if unknown:
        raise DatasetError(
            f"{annotations} has no category {unknown[0]}, which the model's classes name; "
            f"it has {sorted(truth.categories)}: judge with the data set that the model was trained for."
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
            "judge with the data set that the model was trained for."
        )


def _objects(truth: GroundTruth, rows: np.ndarray, order: dict[int, int]) -> Objects:
    classes = np.array([order[category] for category in truth.category_ids[rows].tolist()], dtype=np.int64)
    masks = [truth.masks[row] for row in rows]
    return Objects(truth.ids[rows], classes, truth.boxes[rows], truth.areas[rows], truth.crowd[rows], masks)


def _found(table: ResultTable, image_id: int, size: tuple[int, int], most: int) -> Detections:
    """The surest ``most`` of each class, the surest of all first; equal scores keep the order of the file."""
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
