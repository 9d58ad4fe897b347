"""
COCO results as columns: what a model found, checked before libraries that trust run lengths get to see them.

Shape vocabulary: D detections of the whole file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_project.datasets.result_rows import read_result_rows
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import Rle
from maskrcnn_project.masks.run_lengths import box_of, read_run_lengths
from maskrcnn_project.masks.run_lengths_batch import read_run_lengths_of_each

NO_NAMES: Mapping[int, str] = {}


@dataclass(frozen=True)
class ResultTable:
    """
    Attributes:
        image_ids: (D,) int64, ascending; the detections of an image in the order of the file.
        classes: (D,) int64, from 0.
        boxes: (D, 4) float64, XYXY.
        scores: (D,) float64.
        masks: D compressed run lengths; None where the file has boxes only.
    """

    image_ids: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    masks: list[Rle] | None

    def rows_of(self, image_id: int) -> np.ndarray:
        """Rows of the detections of an image."""
        return np.arange(*np.searchsorted(self.image_ids, [image_id, image_id + 1]))


def read_results(
    path: Path,
    sizes: Mapping[int, tuple[int, int]],
    class_ids: Sequence[int],
    file_names: Mapping[int, str] = NO_NAMES,
    class_names: Sequence[str] = (),
) -> ResultTable:
    """
    Reads a COCO results file, or a predictions.json.

    Args:
        sizes: {image id: (height, width)} of the images that may occur.
        class_ids: category id of each class.
        file_names: {image id: file name}; ``class_names``: of each class. Both are for a predictions.json.

    Raises:
        DatasetError: one sentence on the first thing that is wrong.
    """
    rows = read_result_rows(path, file_names, dict(zip(class_ids, class_names, strict=bool(class_names))))
    classes = {category: number for number, category in enumerate(class_ids)}
    with_masks = sum("segmentation" in row for row in rows)
    if with_masks not in (0, len(rows)):
        raise DatasetError(f"{path}: {with_masks} of {len(rows)} detections have masks: either all or none should.")
    for index, row in enumerate(rows):
        _check(f"{path}: detection {index}", row, sizes, classes)
    if with_masks:
        _check_run_lengths(path, rows)
    rows.sort(key=lambda row: row["image_id"])
    boxes = np.array([row["bbox"] if "bbox" in row else _box_of_mask(row) for row in rows], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return ResultTable(
        np.array([row["image_id"] for row in rows], dtype=np.int64),
        np.array([classes[row["category_id"]] for row in rows], dtype=np.int64),
        boxes,
        np.array([row["score"] for row in rows], dtype=np.float64),
        None if rows and not with_masks else [_compress(row["segmentation"]) for row in rows],
    )


def _check(where: str, row: dict[str, Any], sizes: Mapping[int, tuple[int, int]], classes: Mapping[int, int]) -> None:
    image_id, category, score = row.get("image_id"), row.get("category_id"), row.get("score")
    if type(image_id) is not int or image_id not in sizes:
        raise DatasetError(
            f"{where} is of image {image_id!r}, which the annotation file does not have: "
            "evaluate results with the data set that they were made on."
        )
    if type(category) is not int or category not in classes:
        raise DatasetError(
            f"{where} (image {image_id}) is of category {category!r}, but the classes have the ids {list(classes)}: "
            "evaluate results with the data set that they were made on."
        )
    if not _is_finite(score):
        raise DatasetError(f"{where} (image {image_id}) wants a number as its 'score', but has {score!r}.")
    box = row.get("bbox")
    if "bbox" in row:
        if type(box) is not list or len(box) != 4 or not all(map(_is_finite, box)) or min(box[2:]) < 0:
            raise DatasetError(f"{where} (image {image_id}) wants a 'bbox' [x, y, width, height], but has {box!r}.")
    elif "segmentation" not in row:
        raise DatasetError(f"{where} (image {image_id}) has neither 'bbox' nor 'segmentation'.")
    if "segmentation" in row:
        _check_mask(f"{where} (image {image_id})", row["segmentation"], sizes[image_id])


def _check_mask(where: str, mask: Any, size: tuple[int, int]) -> None:
    if type(mask) is not dict or not isinstance(mask.get("counts"), str):
        raise DatasetError(f"{where} wants a 'segmentation' of compressed run lengths {{'size', 'counts': text}}.")
    if mask.get("size") != list(size):
        raise DatasetError(f"{where} has a mask of size {mask.get('size')}, but its image is {list(size)}.")


def _check_run_lengths(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Before a library that trusts them gets to see them."""
    masks = [row["segmentation"] for row in rows]
    lengths = read_run_lengths_of_each([mask["counts"] for mask in masks], [math.prod(mask["size"]) for mask in masks])
    unsound = next((index for index, of_mask in enumerate(lengths) if of_mask is None), None)
    if unsound is not None:
        raise DatasetError(
            f"{path}: detection {unsound} (image {rows[unsound]['image_id']}) has run lengths that do not fill its "
            f"image of {masks[unsound]['size']}: was the file changed by hand?"
        )


def _compress(mask: dict[str, Any]) -> Rle:
    return {"size": mask["size"], "counts": mask["counts"]}


def _box_of_mask(row: dict[str, Any]) -> list[float]:
    """XYWH; zeros of an empty mask, as pycocotools has it."""
    height, width = row["segmentation"]["size"]
    lengths = read_run_lengths(row["segmentation"]["counts"], height * width)
    box = None if lengths is None else box_of(lengths, height)
    return [0.0] * 4 if box is None else [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
