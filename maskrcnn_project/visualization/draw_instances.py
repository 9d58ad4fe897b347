"""
The one drawer of instances: masks, boxes and labels on an image of any size, with any number of them.

Each is drawn where it lies, one after the other, so that the work follows the instances: no mask of the image's size is
made. Predictions, annotations, samples, the pictures of a report and the frames of a video all come here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from maskrcnn_project.masks.coding import Rle, decode_crop
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.visualization.colours import Colour
from maskrcnn_project.visualization.labels import draw_labels

OPACITY = 0.4  # of the colour on a mask: what lies below can still be seen
# Lines are a pixel thicker for so many pixels of the longer side: to be seen when a whole large picture is on the
# screen.
PIXELS_PER_LINE = 2400
# A picture is drawn at least this large (short edge, pixels): labels on a 128-pixel image cannot be read.
MIN_SHORT_EDGE = 480
MAX_SCALE = 4
TOLERANCE = 0.1  # pixels of the picture that a border may leave its place by for fewer, longer and evener lines
GROUND: Colour = (0, 0, 0)  # below a line and round it: one that has no fill beside it shows on any image then
SHIFT = 4  # binary digits behind the point in coordinates for OpenCV
MAX_COORDINATE = 1e5  # pixels of the picture: OpenCV wants 32-bit integers


@dataclass(frozen=True, eq=False)
class DrawableInstance:
    """
    One instance as it is to be drawn.

    Attributes:
        colour: of its fill, its border and the plate of its label.
        mask: in pixels of the image; compressed run lengths are decoded when their turn comes. None: there is a box.
        box: (4,) XYXY in pixels of the image. Drawn where there is no mask; with one, the place of the label only.
        label: "" for none.
        is_filled: False for the border alone, on a dark ground.
    """

    colour: Colour
    mask: MaskInBox | Rle | None = None
    box: np.ndarray | None = None
    label: str = ""
    is_filled: bool = True


def picture_scale(height: int, width: int, max_side: int | None = None) -> float:
    """
    How much an image is enlarged for drawing, so that lines and labels stay readable: by a whole number, or by less
    than 1 where its longer side is above ``max_side`` pixels.
    """
    side = max(1, height, width)
    if max_side is not None and side > max_side:
        return max_side / side
    scale = min(MAX_SCALE, max(1, math.ceil(MIN_SHORT_EDGE / max(1, min(height, width)))))
    return float(scale if max_side is None else min(scale, max_side // side))


def draw_instances(image: np.ndarray, instances: Sequence[DrawableInstance], scale: float | None = None) -> np.ndarray:
    """
    Args:
        image: (H, W, 3) uint8 BGR.
        instances: the first lies on top, and its label is placed first. A label that would cover one before it, or the
            middle of another instance, is left out.
        scale: of the picture; default: ``picture_scale``, which enlarges small images.

    Returns:
        The picture, (H', W', 3) uint8 BGR; ``image`` is left as it was.
    """
    if scale is None:
        scale = picture_scale(*image.shape[:2])
    picture: Any = np.ascontiguousarray(image)
    if scale == 1:
        picture = picture.copy()
    else:
        size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    draw_onto(picture, instances, scale)
    return picture


def draw_onto(
    picture: np.ndarray,
    instances: Sequence[DrawableInstance],
    scale: float = 1.0,
    origin: tuple[float, float] = (0.0, 0.0),
) -> None:
    """
    ``draw_instances`` on a picture, in place.

    Args:
        picture: (H', W', 3) uint8 BGR: a part of the image, scaled.
        scale: pixels of the picture for one of the image.
        origin: x, y of the picture's upper left corner in pixels of the image.
    """
    boxes = np.full((len(instances), 4), np.nan)  # in pixels of the picture; none where there is nothing to label
    for index in reversed(range(len(instances))):
        instance = instances[index]
        mask = decode_crop(instance.mask) if isinstance(instance.mask, dict) else instance.mask
        if instance.box is not None:
            boxes[index] = (np.asarray(instance.box, dtype=float) - (*origin, *origin)) * scale
        elif mask is not None and mask.pixels.size:
            window = mask.window
            boxes[index] = (np.array([window.x, window.y, window.right, window.bottom]) - (*origin, *origin)) * scale
        if mask is not None:
            _draw_mask(picture, mask, instance, scale, origin)
        elif instance.box is not None:
            _draw_box(picture, boxes[index], instance)
    draw_labels(picture, [instance.label for instance in instances], boxes, [each.colour for each in instances])


def draw_outline(picture: np.ndarray, points: np.ndarray, colour: Colour) -> None:
    """
    Draws a closed line through (P, 2) x, y of the picture, which may lie beyond it, in place.

    Coordinates are from the corner of the picture; OpenCV's are from the centre of its first pixel.
    """
    _draw_lines(picture, [np.clip(points - 0.5, -MAX_COORDINATE, MAX_COORDINATE)], colour, on_ground=True)


def _draw_box(picture: np.ndarray, box: np.ndarray, instance: DrawableInstance) -> None:
    corners = [int(value) for value in np.clip(box, -MAX_COORDINATE, MAX_COORDINATE).round()]
    for ink, thickness in _strokes(picture, instance.colour, on_ground=not instance.is_filled):
        cv2.rectangle(picture, corners[:2], corners[2:], ink, thickness)


def _draw_mask(
    picture: np.ndarray, mask: MaskInBox, instance: DrawableInstance, scale: float, origin: tuple[float, float]
) -> None:
    """Fills and outlines a mask, in place."""
    if not mask.pixels.size:
        return
    window = mask.window
    pixels: Any = np.pad(mask.pixels.astype(np.uint8) * 255, 1)
    # where the padded mask lies in the picture
    left, right = (round((x - origin[0]) * scale) for x in (window.x - 1, window.right + 1))
    top, bottom = (round((y - origin[1]) * scale) for y in (window.y - 1, window.bottom + 1))
    size = (max(1, right - left), max(1, bottom - top))
    if size != pixels.shape[::-1]:  # enlarged, steps of pixels become curves, as the image's do
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    begin_x, begin_y = max(0, -left), max(0, -top)
    end_x, end_y = min(pixels.shape[1], picture.shape[1] - left), min(pixels.shape[0], picture.shape[0] - top)
    if begin_x >= end_x or begin_y >= end_y:
        return
    region = picture[top + begin_y : top + end_y, left + begin_x : left + end_x]
    # of a mask much smaller than a pixel of the picture, its strongest pixel is drawn
    inside = np.ascontiguousarray(pixels[begin_y:end_y, begin_x:end_x] > min(127, int(pixels.max()) - 1))
    if instance.is_filled:
        tinted = cv2.addWeighted(region, 1 - OPACITY, np.full_like(region, instance.colour), OPACITY, 0)
        np.copyto(region, tinted, where=inside[:, :, None])
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    reach = max(1, round(scale))
    lines = [_smooth(contour[:, 0, :], reach) + (left + begin_x, top + begin_y) for contour in contours]
    _draw_lines(picture, lines, instance.colour, on_ground=not instance.is_filled)


def _smooth(points: np.ndarray, reach: int) -> np.ndarray:
    """
    A closed line through (P, 2) neighbouring pixels without its steps: each point becomes the mean of those up to
    ``reach`` points away. A line of few points stays as it is. Returns (Q, 2), without points on straight lines.
    """
    if len(points) < 8 * reach:
        return points
    sums = np.cumsum(np.pad(points, ((reach + 1, reach), (0, 0)), mode="wrap"), axis=0)
    means = (sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1)
    return cv2.approxPolyDP(means.astype(np.float32)[:, None], TOLERANCE, closed=True)[:, 0]


def _draw_lines(picture: np.ndarray, lines: Sequence[np.ndarray], colour: Colour, *, on_ground: bool) -> None:
    """Closed lines through (P, 2) x, y in OpenCV's coordinates, in place."""
    fixed = [np.round(line * 2**SHIFT).astype(np.int32).reshape(-1, 1, 2) for line in lines]
    for ink, thickness in _strokes(picture, colour, on_ground):
        cv2.polylines(picture, fixed, True, ink, thickness, cv2.LINE_AA, SHIFT)


def _strokes(picture: np.ndarray, colour: Colour, on_ground: bool) -> list[tuple[Colour, int]]:
    """The colours and thicknesses that a line is drawn with, one over the other."""
    thickness = 1 + max(picture.shape[:2]) // PIXELS_PER_LINE
    return [*([(GROUND, thickness + 2)] if on_ground else []), (colour, thickness)]
