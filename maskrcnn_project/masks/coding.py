"""
Masks as COCO writes them (polygons or run lengths) and as pixels, there and back.

A pixel mask is (height, width), bool. Polygons are flat lists ``[x, y, x, y, ...]`` in pixels, whose origin is the
upper left corner of the upper left pixel. Run lengths (RLE) are COCO's: column by column, beginning with background.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as mask_util

from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.masks.run_lengths import crop_of, read_run_lengths

Polygon = list[float]
Rle = dict[str, Any]  # {"size": [height, width], "counts": text, bytes or a list of runs}
Segmentation = list[Polygon] | Rle


def decode(segmentation: Segmentation, height: int, width: int) -> np.ndarray:
    """
    The pixels of a COCO segmentation; the parts of a polygon list are united.

    Returns:
        (height, width) bool; all False for an empty polygon list.

    Raises:
        ValueError: an RLE of another size, or what pycocotools cannot read.
    """
    if isinstance(segmentation, dict) and list(segmentation["size"]) != [height, width]:
        raise ValueError(
            f"The RLE has size {list(segmentation['size'])}, but its image has [height, width] = [{height}, {width}]."
        )
    rle = as_rle(segmentation, height, width)
    return mask_util.decode(rle).astype(bool)


def as_rle(segmentation: Segmentation, height: int, width: int) -> Rle:
    """Compressed run lengths (``counts`` are bytes, as pycocotools takes them) of any COCO segmentation."""
    if isinstance(segmentation, dict):
        if isinstance(segmentation["counts"], list):
            return mask_util.frPyObjects(segmentation, height, width)
        return segmentation
    polygons = [polygon for polygon in segmentation if len(polygon) >= 6]
    if not polygons:
        return encode(np.zeros((height, width), dtype=bool))
    return mask_util.merge(mask_util.frPyObjects(polygons, height, width))


def encode(mask: np.ndarray) -> Rle:
    """Compressed run lengths of a (height, width) mask; ``counts`` are ASCII text, ready for JSON."""
    rle = mask_util.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def encode_crop(mask: MaskInBox, size: tuple[int, int]) -> Rle:
    """
    Compressed run lengths, as ``encode`` gives them, of an image of ``size`` (height, width) that is background but for
    ``mask``, which lies in it. The work follows the mask, not the image.
    """
    height, width = size
    (x, y), (rows, columns) = (mask.window.x, mask.window.y), mask.pixels.shape
    assert 0 <= y <= height - rows and 0 <= x <= width - columns, f"{mask.window} leaves {size}"
    pixels = np.zeros(
        columns * height + 2, np.int8
    )  # the touched columns one below the other, a zero before and behind
    pixels[1:-1].reshape(columns, height)[:, y : y + rows] = mask.pixels.T
    starts = np.flatnonzero(pixels[1:] != pixels[:-1]) + x * height
    counts = np.diff(starts, prepend=0, append=height * width)
    if len(counts) > 1 and counts[-1] == 0:  # the mask ends with the image: no run of background follows
        counts = counts[:-1]
    rle = mask_util.frPyObjects({"counts": counts.tolist(), "size": [height, width]}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def decode_crop(rle: Rle) -> MaskInBox:
    """
    The pixels of a compressed mask, in the smallest window that holds them.

    Raises:
        ValueError: runs that do not fill the size.
    """
    height, width = (int(side) for side in rle["size"])
    counts = rle["counts"] if isinstance(rle["counts"], str) else rle["counts"].decode("ascii")
    lengths = read_run_lengths(counts, height * width)
    if lengths is None:
        raise ValueError(f"The run lengths of a mask do not fill its [height, width] = [{height}, {width}].")
    return crop_of(lengths, height)


def outlines(mask: np.ndarray) -> tuple[list[Polygon], list[Polygon]]:
    """
    Outer borders and borders of holes of a (height, width) mask, along the edges of its pixels.

    A pixel is in the mask where an odd number of these borders goes round it (a hole may hold a part again). Parts
    that touch at a corner only share one border.

    Returns:
        (outer, holes), each a list of polygons with at least 4 corners.
    """
    x, y, width, height = (int(value) for value in box_xywh_of(mask))  # the work follows the object, not the image
    part = np.pad(mask[y : y + height, x : x + width], 1).astype(np.uint8)
    # OpenCV follows the centres of border pixels. On a grid enlarged threefold, shifted by one and shrunk again, these
    # centres lie within a third of a pixel of the true edge, from where rounding reaches the corners of the pixels.
    enlarged: Any = cv2.resize(part, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    contours, tree = cv2.findContours(enlarged, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer: list[Polygon] = []
    holes: list[Polygon] = []
    for index, contour in enumerate(contours):
        corners = _pixel_corners(contour[:, 0, :]) + (x, y)
        if len(corners) >= 4:
            (outer if tree[0][index][3] < 0 else holes).append(corners.ravel().tolist())
    return outer, holes


def _pixel_corners(points: np.ndarray) -> np.ndarray:
    """(P, 2) x, y on the enlarged grid -> (Q, 2) float corners of pixels of the mask, without repetition."""
    # a border pixel of the enlarged grid lies in third 0, 1 or 2 of its pixel; third 2 is nearer to the next corner
    corners = (points + 1) // 3 - 1.0
    fresh = np.any(corners != np.roll(corners, 1, axis=0), axis=1)
    return corners[fresh]


def segmentation_of(mask: np.ndarray) -> Segmentation:
    """
    The COCO segmentation of a (height, width) mask that loses nothing: polygons, or run lengths where there is a hole.
    """
    outer, holes = outlines(mask)
    return encode(mask) if holes else outer


def box_xywh_of(mask: np.ndarray) -> list[float]:
    """[x, y, width, height] in pixels round the True pixels of a (height, width) mask; zeros if there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return [0.0, 0.0, 0.0, 0.0]
    x, y = columns[0], rows[0]
    return [float(x), float(y), float(columns[-1] + 1 - x), float(rows[-1] + 1 - y)]


def polygon_box_xywh(polygons: Sequence[Polygon]) -> list[float]:
    """[x, y, width, height] round the corners of all polygons, which must have one."""
    points = np.concatenate([np.asarray(polygon, dtype=float).reshape(-1, 2) for polygon in polygons])
    low, high = points.min(axis=0), points.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def areas_of(rles: Sequence[Rle]) -> np.ndarray:
    """(N,) pixels of each mask."""
    # one by one: pycocotools 2.0.11 on numpy 2 overflows at lists of more than 255
    return np.array([mask_util.area(rle) for rle in rles], dtype=np.int64)
