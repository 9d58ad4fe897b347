"""
Boundary IoU (Cheng et al. 2021, arXiv:2103.16562): the overlap of the pixels near the outlines.

Mask IoU hardly sees the outline of a large object: its inside alone gives it most of the overlap. faster-coco-eval,
whose numbers these equal, makes every mask a whole image to erode; here the work follows the size of the objects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pycocotools import mask as mask_util

from maskrcnn_project.evaluation.metrics.image_pairs import TrueObjects
from maskrcnn_project.evaluation.metrics.matching import MATCH_IOU
from maskrcnn_project.masks.coding import Rle
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.masks.run_lengths import crop_of
from maskrcnn_project.masks.run_lengths_batch import read_run_lengths_of_each

DIAGONAL_PART = 0.02  # the paper's distance for COCO, as a part of the image's diagonal


def boundary_distance(size: tuple[int, int]) -> int:
    """Pixels from the outline that belong to the boundary in an image of ``size`` (height, width)."""
    return max(1, round(DIAGONAL_PART * math.hypot(*size)))


def boundary_overlaps(truth: TrueObjects, found: Detections, mask_ious: np.ndarray) -> np.ndarray:
    """
    The smaller of mask IoU and Boundary IoU, as the paper has it for Boundary AP: (N, G), exact from 0.5 up.

    Pairs of other classes, crowd regions, and pairs of a smaller mask IoU, which no threshold of AP looks at, keep
    their mask IoU.
    """
    if found.masks is None:
        return mask_ious
    same = found.classes[:, None] == truth.classes[None]
    rows, columns = np.nonzero(same & (mask_ious >= MATCH_IOU) & ~truth.crowd)
    distance = boundary_distance(found.size)
    masks = [found.masks[row] for row in rows] + [truth.masks[column] for column in columns]
    is_deep = _deeper_than(masks, distance).reshape(2, -1).any(axis=0)  # of a pair without depth, all is boundary
    rows, columns = rows[is_deep], columns[is_deep]
    ious = mask_ious.copy()
    pairs = [
        mask for row, column in zip(rows, columns, strict=True) for mask in (found.masks[row], truth.masks[column])
    ]
    lengths = read_run_lengths_of_each([mask["counts"] for mask in pairs], [found.size[0] * found.size[1]] * len(pairs))
    for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
        one, other = (boundary_of(run, found.size[0], distance) for run in lengths[2 * index : 2 * index + 2])
        ious[row, column] = min(ious[row, column], one.iou(other))
    return ious


def boundary_of(lengths: np.ndarray | None, height: int, distance: int) -> MaskInBox:
    """
    The pixels of a mask that a king on a chess board leaves within ``distance`` moves; outside the image is outside.

    Args:
        lengths: sound run lengths of a mask that has pixels.
        height: of the image.
    """
    assert lengths is not None, "masks are checked where they are read"
    mask = crop_of(lengths, height)
    inside = _erode(mask.pixels, distance)
    boundary = mask.pixels.copy(order="K")
    if inside.size:
        boundary[distance:-distance, distance:-distance] &= ~inside
    return MaskInBox(mask.window, boundary)


def _erode(pixels: np.ndarray, distance: int) -> np.ndarray:
    """
    (h, w) bool -> (h - 2 * distance, w - 2 * distance), or without pixels where that is negative: True where all of the
    square of 2 * distance + 1 pixels is. Some ten steps, each doubling the square, where cv2.erode looks at each side.
    """
    for _ in range(2):  # along each side
        reach = 1
        while reach <= 2 * distance:
            step = min(reach, 2 * distance + 1 - reach)
            pixels = pixels[:-step] & pixels[step:]
            reach += step
        pixels = pixels.T
    return pixels


def _deeper_than(masks: Sequence[Rle], distance: int) -> np.ndarray:
    """(M,) bool: whether a mask can have a pixel farther than ``distance`` from its outline, by its box."""
    if not masks:
        return np.zeros(0, dtype=bool)
    return mask_util.toBbox(list(masks))[:, 2:].min(axis=1) > 2 * distance
