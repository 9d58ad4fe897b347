"""The masks of one image, drawn once for all rules that need their pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import shapely
from pycocotools import mask as mask_util

from maskrcnn_project.datasets.checking.polygons import shapes_of
from maskrcnn_project.datasets.coco_rows import Row, is_crowd
from maskrcnn_project.datasets.segmentations import NUMBERS, polygons_box
from maskrcnn_project.masks.coding import Rle, Segmentation
from maskrcnn_project.masks.run_lengths import columns_of, read_run_lengths

DUPLICATE_IOU = 0.9  # two careful outlines of one object agree so far; two objects hardly do
MAX_PARTS = 200  # a mask of more parts is noise; the largest tell
ROWS = 256  # of a matrix of overlaps at a time, so that ten thousand instances of an image do not fill the memory
AREA_SHARE, AREA_PIXELS = 0.05, 4.0  # rounding of corners to pixels, in large and in small masks


def duplicates(annotations: Sequence[Row], rles: Sequence[Rle]) -> Iterator[tuple[int, int, float]]:
    """
    Instances of one image that repeat an earlier one of their class: (index, index of the earlier, IoU of the masks).

    Crowds are left out.
    """
    classes: defaultdict[Any, list[int]] = defaultdict(list)
    for index, annotation in enumerate(annotations):
        if not is_crowd(annotation):
            classes[annotation["category_id"]].append(index)
    for members in classes.values():
        repeated: set[int] = set()
        for start in range(0, len(members) if len(members) > 1 else 0, ROWS):
            rows = members[start : start + ROWS]
            columns = members[: start + len(rows)]
            ious = mask_util.iou([rles[i] for i in rows], [rles[i] for i in columns], [0] * len(columns))
            for row, column in np.argwhere(ious >= DUPLICATE_IOU).tolist():
                if column < start + row and rows[row] not in repeated and columns[column] not in repeated:
                    repeated.add(rows[row])
                    yield rows[row], columns[column], float(ious[row, column])


def area_is_wrong(stated: Any, segmentation: Segmentation, pixels: int) -> bool:
    """
    Whether a stated area is neither that of the pixels nor that of the outline, nor between; or no number.

    An outline may run along the edges of its pixels or through the centres of those at the border; in the second case
    it goes round fewer pixels than it stands for: its area, half the points on it, and one (Pick's theorem).
    """
    if type(stated) not in NUMBERS:
        return True
    if _is_near(stated, pixels, pixels):
        return False
    if isinstance(segmentation, dict):
        return True
    shapes = shapes_of(segmentation)
    outline = shapely.area(shapes)
    with_border = outline + shapely.length(shapes) / 2 + 1
    return not _is_near(stated, min(pixels, float(outline.sum())), max(pixels, float(with_border.sum())))


def _is_near(stated: float, low: float, high: float) -> bool:
    # Python compares integers of any length with its own floats
    return low * (1 - AREA_SHARE) - AREA_PIXELS <= stated <= high * (1 + AREA_SHARE) + AREA_PIXELS


def parts_of(segmentation: Segmentation, height: int, width: int) -> np.ndarray:
    """(P, 4) boxes x1, y1, x2, y2 of the parts of a mask, which has a pixel; the MAX_PARTS largest."""
    if isinstance(segmentation, list):
        boxes = np.array([polygons_box([polygon]) for polygon in segmentation]).reshape(-1, 4)
        extent = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    else:
        runs = read_run_lengths(segmentation["counts"], height * width)
        assert runs is not None, "only masks that can be drawn have parts"
        # rows of this array are columns of the image, from the first with a pixel on: only distances matter here
        _, _, stats, _ = cv2.connectedComponentsWithStats(columns_of(runs, height), connectivity=8)
        y, x, h, w, extent = stats[1:].T  # the background is component 0
        boxes = np.stack([x, y, x + w, y + h], axis=1).astype(float)
    return boxes[np.argsort(-extent, kind="stable")[:MAX_PARTS]]


def groups_of(parts: np.ndarray) -> int:
    """
    How many groups the parts of a mask form, if parts belong together whose gap is no longer than the larger of them.

    What hides a part of an object is seldom wider than all that is seen of it.

    Args:
        parts: (P, 4) boxes x1, y1, x2, y2.
    """
    if len(parts) < 2:
        return len(parts)
    low, high = parts[:, :2], parts[:, 2:]
    gaps = np.maximum(low[:, None] - high[None], low[None] - high[:, None]).clip(min=0)  # (P, P, 2)
    length = (high - low).max(axis=1)
    near = np.linalg.norm(gaps, axis=2) <= np.maximum(length[:, None], length[None])
    reached = np.zeros(len(parts), dtype=bool)
    groups = 0
    while not reached.all():
        group = np.zeros(len(parts), dtype=bool)
        group[np.argmin(reached)] = True
        while True:
            grown = near[group].any(axis=0)
            if (grown == group).all():
                break
            group = grown
        reached |= group
        groups += 1
    return groups
