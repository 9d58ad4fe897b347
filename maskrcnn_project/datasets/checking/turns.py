"""How annotations may be turned or mirrored against their pictures: the same for pixels, for corners and for boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskrcnn_project.datasets.segmentations import Box
from maskrcnn_project.masks.coding import decode, encode


@dataclass(frozen=True)
class Turn:
    """
    Attributes:
        pixels: of (H, W) pixels, what they are turned.
        point: x, y of a point in an image of (height, width), turned.
        square: whether only square images keep their size.
    """

    pixels: Callable[[np.ndarray], np.ndarray]
    point: Callable[[float, float, float, float], tuple[float, float]]
    square: bool = False


TURNS = {
    "mirrored left to right": Turn(lambda p: p[:, ::-1], lambda x, y, h, w: (w - x, y)),
    "mirrored top to bottom": Turn(lambda p: p[::-1], lambda x, y, h, w: (x, h - y)),
    "turned by 180 degrees": Turn(lambda p: p[::-1, ::-1], lambda x, y, h, w: (w - x, h - y)),
    "with x and y exchanged": Turn(lambda p: p.T, lambda x, y, h, w: (y, x), square=True),
    "turned by 90 degrees clockwise": Turn(lambda p: np.rot90(p, -1), lambda x, y, h, w: (h - y, x), square=True),
    "turned by 90 degrees counter-clockwise": Turn(lambda p: np.rot90(p), lambda x, y, h, w: (y, w - x), square=True),
    "mirrored along the other diagonal": Turn(
        lambda p: p[::-1, ::-1].T, lambda x, y, h, w: (h - y, w - x), square=True
    ),
}


def turned_box(box: Box, how: str, height: int, width: int) -> Box:
    """A box x1, y1, x2, y2 in an image of (height, width), turned as a name of TURNS says."""
    (x1, y1), (x2, y2) = (TURNS[how].point(x, y, height, width) for x, y in (box[:2], box[2:]))
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def turned_mask(segmentation: Any, how: str, height: int, width: int) -> Any:
    """A segmentation that can be drawn, turned in its image as a name of TURNS says."""
    turn = TURNS[how]
    if isinstance(segmentation, dict):
        return encode(turn.pixels(decode(segmentation, height, width)))
    return [
        [value for x, y in zip(polygon[::2], polygon[1::2], strict=False) for value in turn.point(x, y, height, width)]
        for polygon in segmentation
    ]
