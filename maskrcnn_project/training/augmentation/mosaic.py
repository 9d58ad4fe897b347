"""
Mosaic: four images in one, each in a corner of it (YOLOv4, Bochkovskiy et al. 2020, section 3.3).

A corner is (y0, x0, y1, x1) in pixels of the canvas. N objects in a canvas of H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskrcnn_project.training.augmentation.sample import Sample

TILES = 4
# Where the four meet, as fractions of height and width: the range of the YOLO family's implementations.
MEETING_POINT = (0.25, 0.75)

Corner = tuple[int, int, int, int]


def draw_corners(height: int, width: int) -> list[Corner]:
    """The corners of a canvas that meet at a point drawn from its middle."""
    y, x = np.round(np.random.uniform(*MEETING_POINT, size=2) * (height, width)).astype(int).tolist()
    return corners(height, width, min(max(y, 1), height - 1), min(max(x, 1), width - 1))


def corners(height: int, width: int, y: int, x: int) -> list[Corner]:
    """Upper left, upper right, lower left, lower right corner of a canvas, which meet at (y, x)."""
    return [(0, 0, y, x), (0, x, y, width), (y, 0, height, x), (y, x, height, width)]


def mosaic(tiles: Sequence[Sample], places: Sequence[Corner]) -> Sample:
    """
    One sample of several.

    Args:
        tiles: each of the size of its place.
        places: together they fill the canvas.

    Returns:
        A sample with the objects of all tiles, in their order.
    """
    height, width = max(place[2] for place in places), max(place[3] for place in places)
    image = np.empty((height, width, *tiles[0].image.shape[2:]), dtype=tiles[0].image.dtype)
    masks = np.zeros((sum(len(tile) for tile in tiles), height, width), dtype=bool)
    first = 0
    for tile, (y0, x0, y1, x1) in zip(tiles, places, strict=True):
        image[y0:y1, x0:x1] = tile.image
        masks[first : first + len(tile), y0:y1, x0:x1] = tile.masks
        first += len(tile)
    return Sample(image, masks, np.concatenate([tile.classes for tile in tiles]))
