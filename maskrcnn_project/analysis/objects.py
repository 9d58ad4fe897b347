"""
Every object that training would see, as arrays.

N objects in I images. Boxes are XYXY in absolute pixels of the image on disk, sizes (height, width).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.datasets.coco_rows import is_crowd, is_number
from maskrcnn_project.datasets.statistics import LARGE, SMALL

# An object is long where one side of its box is more than twice the other: beyond what the default anchors reach.
LONG = 2.0
ROWS_AT_ONCE = 100_000  # of matrices over all objects, so that a million of them fit into memory


@dataclass(frozen=True)
class ObjectTable:
    """The boxes of N objects, cut at the edges of their images as training does, all of some area."""

    boxes: np.ndarray  # (N, 4) float64
    image_index: np.ndarray  # (N,) int64, rows of image_sizes
    image_sizes: np.ndarray  # (I, 2) float64

    @property
    def sizes(self) -> np.ndarray:
        """(N,) sqrt(width * height) in pixels."""
        return np.sqrt((self.boxes[:, 2] - self.boxes[:, 0]) * (self.boxes[:, 3] - self.boxes[:, 1]))

    @property
    def aspect_ratios(self) -> np.ndarray:
        """(N,) height / width, as those of anchors."""
        return (self.boxes[:, 3] - self.boxes[:, 1]) / (self.boxes[:, 2] - self.boxes[:, 0])

    @property
    def per_image(self) -> np.ndarray:
        """(I,) how many objects each image has."""
        return np.bincount(self.image_index, minlength=len(self.image_sizes))

    def groups(self) -> dict[str, np.ndarray]:
        """Named groups of objects, each (N,) bool: all, by size, and those far from square."""
        sizes, ratios = self.sizes, self.aspect_ratios
        return {
            "all objects": np.ones(len(sizes), dtype=bool),
            f"small (under {SMALL:g} x {SMALL:g} pixels)": sizes < SMALL,
            "medium": (sizes >= SMALL) & (sizes < LARGE),
            f"large (from {LARGE:g} x {LARGE:g} pixels)": sizes >= LARGE,
            f"tall (over {LONG:g} times as high as wide)": ratios > LONG,
            f"wide (over {LONG:g} times as wide as high)": ratios < 1 / LONG,
        }

    def coverage(self, cells: int) -> np.ndarray:
        """
        Where objects lie: how many boxes cover each cell of a grid laid over every image, whatever its size.

        Returns:
            (cells, cells) float64, rows from the top; a box that covers a third of a cell counts a third.
        """
        grid = np.zeros((cells, cells))
        borders = np.arange(cells)
        for start in range(0, len(self.boxes), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            height_width = self.image_sizes[self.image_index[part]]
            x1, y1, x2, y2 = (self.boxes[part] / height_width[:, [1, 0, 1, 0]] * cells).T[..., None]  # (n, 1) each
            across = np.clip(np.minimum(x2, borders + 1) - np.maximum(x1, borders), 0, 1)  # (n, cells)
            down = np.clip(np.minimum(y2, borders + 1) - np.maximum(y1, borders), 0, 1)
            grid += down.T @ across
        return grid


def sound_part(tables: SplitTables) -> CocoFile:
    """
    The rows of a file that can be measured, whatever else is wrong with it: images by their first entry, and their
    annotations of listed categories with a box of four numbers.
    """
    categories = {row["id"]: row for row in tables.sound_categories}
    annotations = [
        row
        for rows in tables.annotations_by_image.values()
        for row in rows
        if row["category_id"] in categories and has_box(row)
    ]
    return CocoFile(tables.json_file, list(tables.image_by_id.values()), annotations, list(categories.values()))


def has_box(annotation: dict) -> bool:
    """Whether ``bbox`` holds four numbers and no negative size."""
    box = annotation.get("bbox")
    return isinstance(box, list) and len(box) == 4 and all(map(is_number, box)) and box[2] >= 0 and box[3] >= 0


def objects_of(coco: CocoFile) -> ObjectTable:
    """The objects of a file whose rows are sound. Crowds and boxes without area in their image are left out."""
    places = {image["id"]: index for index, image in enumerate(coco.images)}
    image_sizes = _array(((image["height"], image["width"]) for image in coco.images), 2)
    rows = [annotation for annotation in coco.annotations if not is_crowd(annotation)]
    index = np.fromiter((places[row["image_id"]] for row in rows), dtype=np.int64, count=len(rows))
    boxes = _array((row["bbox"] for row in rows), 4)
    boxes[:, 2:] += boxes[:, :2]
    limits = image_sizes[index][:, [1, 0, 1, 0]]  # (N, 4)
    boxes = np.clip(boxes, 0, limits)
    real = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return ObjectTable(boxes[real], index[real], image_sizes)


def _array(rows: Iterator, columns: int) -> np.ndarray:
    """(R, columns) float64 of rows of numbers."""
    return np.fromiter((value for row in rows for value in row), dtype=np.float64).reshape(-1, columns)
