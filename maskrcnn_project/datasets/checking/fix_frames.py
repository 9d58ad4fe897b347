"""Fixes of boxes and masks that stand in two frames, where it is certain which of the two is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from maskrcnn_project.datasets.checking.fix_forms import transposed
from maskrcnn_project.datasets.checking.fixes import Fixes
from maskrcnn_project.datasets.checking.frames import frame_faults, pair_of
from maskrcnn_project.datasets.checking.rules import RULES
from maskrcnn_project.errors import DatasetError

Sizes = Mapping[int, tuple[int, int]]  # image id -> (height, width)


def fix_frames(work: Fixes, images: Sizes, json_file: Any) -> None:
    """
    Brings boxes and masks into pixels of the image. Rows and references are sound already.

    Raises:
        DatasetError: they do not belong together, and which of them is wrong cannot be told: a box of a wrong mask
            would be written over a right one.
    """
    for _ in RULES:  # one frame may hide another; each is fixed once at most
        faults = frame_faults([pair_of(row, *images[row["image_id"]]) for row in work.annotations])
        if not faults:
            return
        for rule_id, (detail, rows) in faults.items():
            rule = RULES[rule_id]
            if rule_id not in FRAME_FIXES:
                raise DatasetError(
                    f"{json_file} is not fixed, and nothing is written: {rule.title} ({rule_id}: {detail}); "
                    f"{rule.advice}."
                )
            key, fixed = FRAME_FIXES[rule_id]
            for row in rows:
                work.set(rule_id, "annotations", row, key, fixed(row[key], *images[row["image_id"]]))


def _box_in_pixels(box: list[float], height: int, width: int) -> list[float]:
    return [box[0] * width, box[1] * height, box[2] * width, box[3] * height]


def _polygons_in_pixels(polygons: list[list[float]], height: int, width: int) -> list[list[float]]:
    return [[value * (height if index % 2 else width) for index, value in enumerate(polygon)] for polygon in polygons]


def _box_swapped(box: list[float], height: int, width: int) -> list[float]:
    return [box[1], box[0], box[3], box[2]]


def _polygons_swapped(polygons: list[list[float]], height: int, width: int) -> list[list[float]]:
    return [
        [polygon[index ^ 1] if index ^ 1 < len(polygon) else value for index, value in enumerate(polygon)]
        for polygon in polygons
    ]


FRAME_FIXES: dict[str, tuple[str, Callable[[Any, int, int], Any]]] = {
    "boxes-normalised": ("bbox", _box_in_pixels),
    "polygons-normalised": ("segmentation", _polygons_in_pixels),
    "boxes-swapped": ("bbox", _box_swapped),
    "polygons-swapped": ("segmentation", _polygons_swapped),
    "rle-row-major": ("segmentation", transposed),
}
