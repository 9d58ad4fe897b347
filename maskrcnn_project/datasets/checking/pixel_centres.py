"""
Outlines that run through the centres of a mask's border pixels, as ``cv2.findContours`` gives them.

COCO's outlines run along the edges of pixels, from whose upper left corner they are counted. Drawn from centres, a mask
misses half a pixel all round, which is a tenth of a small object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from maskrcnn_project.datasets.checking.frames import Pair
from maskrcnn_project.datasets.coco_rows import Row
from maskrcnn_project.masks.coding import Polygon, Segmentation, encode_crop, outlines
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.masks.window import Window

MIN_ROWS, MOST = 3, 0.5  # polygons that are so, and their share of all
MAX_MEASURED = 1000  # of them tell how much is missing
MIN_POINTS = 6  # fewer may go in the eight directions by chance


def centre_fault(pairs: Sequence[Pair]) -> tuple[str, list[Row]] | None:
    """
    A phrase, and the rows of whole coordinates, if most outlines of a file run through pixel centres: then those that
    do not tell, as rectangles, do so too.
    """
    polygons = [pair for pair in pairs if pair.is_polygon and pair.mask_box is not None]
    showing = [pair for pair in polygons if _is_on_centres(pair)]
    if len(showing) < MIN_ROWS or len(showing) <= MOST * len(polygons):
        return None
    showing = [pair for pair in polygons if _is_whole(pair)]
    drawn, missed = np.sum([_pixels(polygon) for pair in showing[:MAX_MEASURED] for polygon in _parts(pair)], axis=0)
    share = missed / (drawn + missed)
    return f"some {share:.0%} of their pixels are missing, in {len(showing)} of {len(polygons)}", [
        pair.row for pair in showing
    ]


def grown(polygons: Sequence[Polygon], height: int, width: int) -> Segmentation:
    """
    The mask with the pixels that its outlines run through, in an image of (height, width).

    Args:
        polygons: flat lists of whole numbers; a part of fewer than three points is a line or a dot of pixels.
    """
    points = [np.array(polygon, dtype=np.int64).reshape(-1, 1, 2) for polygon in polygons]
    together = np.concatenate(points).clip(0, (width - 1, height - 1))
    low, high = together.min(axis=(0, 1)), together.max(axis=(0, 1))
    columns, rows = (high - low + 1).tolist()
    canvas: Any = np.zeros((rows, columns), np.uint8)
    for each in points:
        cv2.fillPoly(canvas, [(each.clip(0, (width - 1, height - 1)) - low).astype(np.int32)], 1)
    x, y = low.tolist()
    outer, holes = outlines(canvas > 0)
    if holes:
        return encode_crop(MaskInBox(Window(x, y, columns, rows), canvas > 0), (height, width))
    return [[value + (y if index % 2 else x) for index, value in enumerate(polygon)] for polygon in outer]


def _parts(pair: Pair) -> list[Polygon]:
    return [polygon for polygon in pair.row["segmentation"] if len(polygon) >= 2 and len(polygon) % 2 == 0]


def _is_whole(pair: Pair) -> bool:
    return all(polygon == [*map(int, polygon)] for polygon in _parts(pair))


def _is_on_centres(pair: Pair) -> bool:
    """
    Whether all coordinates are whole, and either the outlines go from pixel to pixel, in eight directions of which one
    is slanted (edges of pixels have four), or the box counts the last pixel as well.
    """
    if not _is_whole(pair):
        return False
    polygons = _parts(pair)
    assert pair.mask_box is not None
    if pair.box is not None:
        box_sides = pair.box[2] - pair.box[0], pair.box[3] - pair.box[1]
        sides = pair.mask_box[2] - pair.mask_box[0], pair.mask_box[3] - pair.mask_box[1]
        if all(one == other + 1 for one, other in zip(box_sides, sides, strict=True)):
            return True
    if all(len(polygon) < 2 * MIN_POINTS for polygon in polygons):
        return False
    steps = [step for polygon in polygons for step in _steps(polygon)]
    return all(x == y or not x or not y for x, y in steps) and any(x == y and x for x, y in steps)


def _steps(polygon: Polygon) -> list[tuple[float, float]]:
    """How far each side goes across and down, without signs."""
    xs, ys = polygon[::2], polygon[1::2]
    before_xs, before_ys = [xs[-1], *xs[:-1]], [ys[-1], *ys[:-1]]
    return [(abs(x - a), abs(y - b)) for x, y, a, b in zip(xs, ys, before_xs, before_ys, strict=True)]


def _pixels(polygon: Polygon) -> tuple[float, float]:
    """Pixels drawn, and pixels missed: of those on the outline, half, and one (Pick's theorem)."""
    points = np.array(polygon, dtype=float).reshape(-1, 2)
    step = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum()
    x, y = points.T
    area = abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
    return area, float(step) / 2 + 1
