"""
An object of a large image, cut at the edges of a tile.

Coordinates are COCO's: pixels, x to the right and y downwards, (0, 0) at the upper left corner of the upper left pixel.
Masks are (height, width) bool.
"""

from __future__ import annotations

import math

import numpy as np
import shapely
from pycocotools import mask as mask_util

from maskrcnn_project.masks.coding import (
    Polygon,
    Segmentation,
    as_rle,
    decode,
    encode,
    polygon_box_xywh,
    segmentation_of,
)
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.masks.run_lengths import crop_of, read_run_lengths
from maskrcnn_project.masks.window import Window

DIGITS = 3  # after the point, of moved corners: a thousandth of a pixel, and no 14.100000000000001


def pixels_of(segmentation: Segmentation, height: int, width: int) -> MaskInBox:
    """
    The pixels of a COCO segmentation in the smallest window, without decoding all of a large image.

    Raises:
        ValueError: an RLE that does not fill an image of this size.
    """
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        lengths = read_run_lengths(counts.decode("ascii") if isinstance(counts, bytes) else counts, height * width)
        if lengths is None:
            raise ValueError(f"The RLE does not fill the {height}x{width} pixels (height x width) of its image.")
        return crop_of(lengths, height)
    polygons = [polygon for polygon in segmentation if len(polygon) >= 6]
    window = _window_round(polygons).cut(Window(0, 0, width, height)) if polygons else Window(0, 0, 0, 0)
    if not window.width or not window.height:
        return MaskInBox.none()
    pixels = decode(shift(polygons, -window.x, -window.y), window.height, window.width)
    return MaskInBox(window, pixels).trim()


def _window_round(polygons: list[Polygon]) -> Window:
    """With a pixel more on all sides: pycocotools rounds corners to the nearest fifth of a pixel."""
    x, y, width, height = polygon_box_xywh(polygons)
    left, top = math.floor(x) - 1, math.floor(y) - 1
    return Window(left, top, math.ceil(x + width) + 1 - left, math.ceil(y + height) + 1 - top)


def shift(polygons: list[Polygon], x: float, y: float) -> list[Polygon]:
    """The polygons, each corner moved by x and y."""
    return [np.round(np.reshape(polygon, (-1, 2)) + (x, y), DIGITS).ravel().tolist() for polygon in polygons]


def clip(segmentation: Segmentation, mask: MaskInBox, tile: Window) -> Segmentation:
    """
    The part of an object that lies in ``tile``, in coordinates of the tile.

    RLE stays RLE, pixel by pixel. A polygon stays a polygon, with its own corners and new ones where it meets the edge
    of the tile: tracing its pixels would lose what lies between them. Its pixels are traced only where it crosses
    itself, or where so little of it is left that it would have none.

    Args:
        mask: the pixels of the segmentation; at least one of them lies in the tile.
    """
    if isinstance(segmentation, dict):
        return encode(mask.in_tile(tile))
    polygons = clip_polygons([polygon for polygon in segmentation if len(polygon) >= 6], tile)
    return polygons if polygons and area_of(polygons, tile) else segmentation_of(mask.in_tile(tile))


def area_of(segmentation: Segmentation, tile: Window) -> int:
    """The pixels of a segmentation in coordinates of the tile."""
    return int(mask_util.area(as_rle(segmentation, tile.height, tile.width)))


def box_xywh_in(segmentation: Segmentation) -> list[float]:
    """[x, y, width, height] round a segmentation that has pixels: round all corners of polygons, all pixels of RLE."""
    if isinstance(segmentation, dict):
        return mask_util.toBbox(segmentation).tolist()
    return polygon_box_xywh(segmentation)


def clip_polygons(polygons: list[Polygon], tile: Window) -> list[Polygon] | None:
    """The parts of the polygons within ``tile``, in coordinates of the tile; None if one of them crosses itself."""
    parts = []
    frame = shapely.box(tile.x, tile.y, tile.x + tile.width, tile.y + tile.height)
    for polygon in polygons:
        points = np.reshape(polygon, (-1, 2))
        if (points >= (tile.x, tile.y)).all() and (points <= (tile.x + tile.width, tile.y + tile.height)).all():
            parts.append(polygon)
            continue
        shape = shapely.Polygon(points)
        if not shape.is_valid:
            return None
        for piece in shapely.get_parts(shape.intersection(frame)):
            if piece.geom_type == "Polygon" and piece.area > 0:  # where they only touch, a line or a point is left
                parts.append(np.asarray(piece.exterior.coords)[:-1].ravel().tolist())
    return shift(parts, -tile.x, -tile.y)
