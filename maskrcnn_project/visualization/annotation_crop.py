"""A small picture of one annotation in its image, sound or not: what of it can be drawn is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from maskrcnn_project.datasets.coco_rows import is_number
from maskrcnn_project.datasets.segmentations import NUMBERS
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.masks.run_lengths import crop_of, read_run_lengths
from maskrcnn_project.visualization.draw_instances import DrawableInstance, draw_onto, draw_outline

BOX_COLOUR, MASK_COLOUR = (60, 160, 255), (255, 220, 60)  # BGR: orange, light blue
BEYOND = (128, 128, 128)  # what lies outside of the image
MIN_MARGIN = 16.0  # pixels of the image round a tiny annotation
MAX_SCALE = 4.0  # a picture enlarged further shows its pixels, and nothing more
# So far beyond its image (as a part of its sides) an annotation is followed.
REACH = 1.0


@dataclass
class Shapes:
    """What of an annotation can be drawn, in pixels of the image."""

    box: np.ndarray | None = None  # (4,) x1, y1, x2, y2
    polygons: list[np.ndarray] = field(default_factory=list)  # (P, 2) x, y each
    mask: MaskInBox | None = None  # of at least one pixel

    def extent(self) -> np.ndarray | None:
        """(4,) x1, y1, x2, y2 round all of it; None if there is nothing."""
        points = [*self.polygons]
        if self.box is not None:
            points.append(self.box.reshape(2, 2))
        if self.mask is not None:
            window = self.mask.window
            points.append(np.array([[window.x, window.y], [window.right, window.bottom]], dtype=float))
        if not points:
            return None
        every = np.concatenate(points)
        return np.concatenate([every.min(axis=0), every.max(axis=0)])


def shapes_of(annotation: Mapping[str, Any], height: int, width: int) -> Shapes:
    """
    Box, polygons and run lengths of a COCO annotation, less what is not made of finite numbers.

    Args:
        height, width: of its image; run lengths of another size are left out.
    """
    shapes = Shapes()
    box, segmentation = annotation.get("bbox"), annotation.get("segmentation")
    if isinstance(box, list) and len(box) == 4 and all(map(is_number, box)):
        x, y, w, h = box
        shapes.box = np.array([min(x, x + w), min(y, y + h), max(x, x + w), max(y, y + h)], dtype=float)
    if isinstance(segmentation, list):
        flat = bool(segmentation) and NUMBERS.issuperset(map(type, segmentation))
        for polygon in [segmentation] if flat else segmentation:
            points = _points(polygon)
            if len(points):
                shapes.polygons.append(points)
    elif isinstance(segmentation, dict) and segmentation.get("size") == [height, width]:
        counts = segmentation.get("counts")
        lengths = read_run_lengths(counts, height * width) if isinstance(counts, (str, list)) else None
        mask = MaskInBox.none() if lengths is None else crop_of(lengths, height)
        shapes.mask = mask if mask.pixels.size else None
    return shapes


def annotation_crop(image: np.ndarray, annotation: Mapping[str, Any] | None, size: int = 300) -> np.ndarray:
    """
    The annotation and what is round it, its box in orange and its mask in blue; without one, the whole image.

    Args:
        image: (H, W, 3) uint8 BGR.
        annotation: a row of a COCO file, however broken.
        size: pixels of the longer side of the picture.

    Returns:
        (H', W', 3) uint8 BGR; grey beyond the image.
    """
    height, width = image.shape[:2]
    shapes = Shapes() if annotation is None else shapes_of(annotation, height, width)
    window = _window(shapes.extent(), height, width)
    scale = min(MAX_SCALE, size / max(window[2] - window[0], window[3] - window[1]))
    picture = _cut(image, window, scale)
    drawn = []
    if shapes.mask is not None:
        drawn.append(DrawableInstance(MASK_COLOUR, shapes.mask, is_filled=False))
    if shapes.box is not None:
        drawn.append(DrawableInstance(BOX_COLOUR, box=shapes.box, is_filled=False))
    left, top = window[:2].tolist()
    draw_onto(picture, drawn, scale, (left, top))
    for polygon in shapes.polygons:  # as they are written, closed or crossing themselves or two points: no pixels
        draw_outline(picture, (polygon - window[:2]) * scale, MASK_COLOUR)
    return picture


def _points(polygon: Any) -> np.ndarray:
    """(P, 2) of the pairs of a flat list that are numbers both; empty for what is no list."""
    values = polygon if isinstance(polygon, list) else []
    pairs = zip(values[::2], values[1::2], strict=False)
    return np.array([pair for pair in pairs if all(map(is_number, pair))], dtype=float).reshape(-1, 2)


def _window(extent: np.ndarray | None, height: int, width: int) -> np.ndarray:
    """(4,) float whole x1, y1, x2, y2 of what is shown: the extent with a margin, though not far beyond the image."""
    if extent is None:
        return np.array([0.0, 0.0, width, height])
    margin = max(MIN_MARGIN, 0.5 * float((extent[2:] - extent[:2]).max()))
    sides = np.array([width, height], dtype=float)
    beyond = (extent[:2] < 0).any() or (extent[2:] > sides).any()
    reach = REACH * sides if beyond else np.zeros(2)
    low = np.clip(extent[:2] - margin, -reach, sides + reach)
    high = np.clip(extent[2:] + margin, -reach, sides + reach)
    if (high - low < 1).any():  # too far away from its image to be shown with it
        low, high = np.zeros(2), sides
    return np.concatenate([np.floor(low), np.ceil(high)])


def _cut(image: np.ndarray, window: np.ndarray, scale: float) -> np.ndarray:
    """A window of an image (H, W, 3), scaled; what lies beyond the image is grey."""
    shape = tuple(max(1, round(side * scale)) for side in (window[3] - window[1], window[2] - window[0]))
    out = np.empty((*shape, 3), dtype=np.uint8)
    out[:] = BEYOND
    # of each pixel of the result, the pixel of the image at its centre bounds what is read
    sides = np.array([image.shape[1], image.shape[0]], dtype=float)
    low, high = np.clip(window[:2], 0, sides).astype(int), np.clip(window[2:], 0, sides).astype(int)
    if (high <= low).any():
        return out
    place = np.round((low - window[:2]) * scale).astype(int)
    end = np.minimum(np.maximum(place + 1, np.round((high - window[:2]) * scale).astype(int)), shape[1::-1])
    if (end <= place).any():
        return out
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    part = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
    out[place[1] : end[1], place[0] : end[0]] = cv2.resize(part, tuple((end - place).tolist()), interpolation=how)
    return out
