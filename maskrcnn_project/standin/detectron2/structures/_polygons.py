"""
Polygons to pixels, by the COCO tools, so that training targets and evaluation agree on what a polygon covers.

Shapes: a polygon is a flat float64 array x0, y0, x1, y1, ... of three points or more, in absolute pixels; an
object is a list of polygons, its parts. M x M cells of a mask target.
"""

from __future__ import annotations

import numpy as np
import torch
from pycocotools import mask as coco_mask

# Shortest side, in pixels, that a box is taken to have when its content is stretched to M cells.
SHORTEST_SIDE = 0.1
SMALLEST_POLYGON = 6  # numbers: three points


def polygon_area(x: np.ndarray, y: np.ndarray) -> float:
    """Square pixels inside the polygon with corners (x[i], y[i]), by the shoelace formula."""
    return 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))


def check_polygon(polygon: object) -> np.ndarray:
    """
    ``polygon`` as a float64 array. Raises ValueError if it is not a flat sequence of three points or more.

    float64, because the COCO tools compute in it.
    """
    if isinstance(polygon, torch.Tensor):
        polygon = polygon.detach().cpu().numpy()
    array = np.asarray(polygon, dtype=np.float64)
    if array.ndim != 1 or array.size % 2 != 0 or array.size < SMALLEST_POLYGON:
        raise ValueError(
            f"A polygon must be a flat list x0, y0, x1, y1, ... of three points or more, but has shape {array.shape}."
        )
    return array


def polygons_to_bitmask(polygons: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """(height, width) bool: the union of ``polygons``. None of them cover nothing."""
    return decode_objects([polygons], height, width)[0]


def rasterize_polygons_within_box(polygons: list[np.ndarray], box: np.ndarray, mask_size: int) -> torch.Tensor:
    """
    The part of one object inside ``box``, stretched to a square grid: the target of the mask head (Mask
    R-CNN, 3.1).

    Args:
        polygons: the object's parts.
        box: (4,) XYXY.
        mask_size: M.

    Returns:
        (M, M) bool.
    """
    return torch.from_numpy(rasterize_objects([polygons], np.asarray(box)[None], mask_size))[0]


def rasterize_objects(objects: list[list[np.ndarray]], boxes: np.ndarray, mask_size: int) -> np.ndarray:
    """
    ``rasterize_polygons_within_box`` for R objects, each in its own box.

    Args:
        boxes: (R, 4).

    Returns:
        (R, M, M) bool.
    """
    boxes = boxes.astype(np.float64)
    factors = mask_size / np.maximum(boxes[:, 2:] - boxes[:, :2], SHORTEST_SIDE)  # (R, 2): cells per pixel
    moved = [
        [((part.reshape(-1, 2) - origin) * factor).ravel() for part in parts]
        for parts, origin, factor in zip(objects, boxes[:, :2], factors, strict=True)
    ]
    return decode_objects(moved, mask_size, mask_size)


def decode_objects(objects: list[list[np.ndarray]], height: int, width: int) -> np.ndarray:
    """(R, height, width) bool, one plane per object: the union of its polygons."""
    empty = {"size": [height, width], "counts": _nothing(height, width)}
    runs = [coco_mask.merge(coco_mask.frPyObjects(parts, height, width)) if parts else empty for parts in objects]
    if not runs:
        return np.zeros((0, height, width), dtype=bool)
    planes = coco_mask.decode(runs)  # (height, width, R) uint8, column by column: the RLE's own order
    return planes.transpose(2, 0, 1).astype(bool, order="C")


def _nothing(height: int, width: int) -> bytes:
    """The run lengths of an empty mask."""
    return coco_mask.encode(np.zeros((height, width), dtype=np.uint8, order="F"))["counts"]
