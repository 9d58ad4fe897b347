"""
Detections drawn on their image, one after the other where each lies: on an image of any size, with any number of them.

Detectron2's Visualizer wants every mask as large as the image and draws through matplotlib; here the work follows the
instances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from detectron2.utils.colormap import colormap
from PIL import Image, ImageDraw, ImageFont

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.visualization.pictures import drawing_scale

OPACITY = 0.4  # of the colour on a mask: what lies below can still be seen
# Lines are a pixel thicker, and letters a pixel higher, for so many pixels of the longer side: to be seen when a whole
# large picture is on the screen.
PIXELS_PER_LINE = 2400
PIXELS_PER_LETTER = 130
MIN_LETTER, MAX_LETTER = 11, 48
BRIGHT = 140  # luminance from which on black letters are easier to read than white ones

LabelPlace = tuple[int, int, int, int]  # x1, y1, x2, y2 in the picture


def draw_detections(
    image: np.ndarray, found: Detections, class_names: Sequence[str], by_class: bool | None = None
) -> np.ndarray:
    """
    Args:
        image: (H, W, 3) uint8 BGR.
        class_names: by class number. Where there is one class only, labels tell the score alone.
        by_class: a colour for each class, or (False) for each instance; default: for each class, if there are several.

    Returns:
        The picture, (H', W', 3) uint8 BGR; small images are enlarged by a whole number. The most confident lie on top.
        A label that would cover a more confident one, or the middle of another instance, is left out.
    """
    scale = math.ceil(drawing_scale(*image.shape[:2]))
    picture = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if scale > 1 else image.copy()
    if by_class is None:
        by_class = len(class_names) > 1
    numbers = found.classes if by_class else np.arange(len(found))
    table = colormap().round().astype(np.uint8)  # BGR
    colours = table[numbers % len(table)]
    order = np.argsort(-found.scores, kind="stable").tolist()
    thickness = 1 + max(picture.shape[:2]) // PIXELS_PER_LINE
    for index in reversed(order):
        if found.masks is None:
            _draw_box(picture, found.boxes[index] * scale, colours[index], thickness)
        else:
            _draw_mask(picture, found.crop(index), scale, colours[index], thickness)
    _draw_labels(picture, found, order, [_label(found, index, class_names) for index in order], colours[order])
    return picture


def _draw_mask(picture: np.ndarray, crop: MaskInBox, scale: int, colour: np.ndarray, thickness: int) -> None:
    """Fills and outlines a mask in place; ``crop`` is its smallest box in the image, as Detections give it."""
    x, y, mask = crop.window.x, crop.window.y, crop.pixels
    if not mask.size:
        return
    pixels: Any = np.pad(mask.astype(np.uint8) * 255, 1)
    if scale > 1:  # steps of pixels become curves, as the image's do
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    left, top = (x - 1) * scale, (y - 1) * scale  # of the padded crop
    begin_x, begin_y = max(0, -left), max(0, -top)
    region = picture[top + begin_y : top + pixels.shape[0], left + begin_x : left + pixels.shape[1]]
    filled = np.ascontiguousarray(pixels[begin_y:, begin_x:][: region.shape[0], : region.shape[1]] > 127)
    tinted = cv2.addWeighted(region, 1 - OPACITY, np.full_like(region, colour), OPACITY, 0)
    np.copyto(region, tinted, where=filled[:, :, None])
    contours, _ = cv2.findContours(filled.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    offset = (left + begin_x, top + begin_y)
    cv2.drawContours(picture, contours, -1, colour.tolist(), thickness, cv2.LINE_AA, offset=offset)


def _draw_box(picture: np.ndarray, box: np.ndarray, colour: np.ndarray, thickness: int) -> None:
    corners = [int(value) for value in box.round()]
    cv2.rectangle(picture, corners[:2], corners[2:], colour.tolist(), thickness)


def _label(found: Detections, index: int, class_names: Sequence[str]) -> str:
    score = f"{found.scores[index]:.0%}"
    return score if len(class_names) == 1 else f"{class_names[int(found.classes[index])]} {score}"


def _draw_labels(
    picture: np.ndarray, found: Detections, order: Sequence[int], labels: Sequence[str], colours: np.ndarray
) -> None:
    """
    Args:
        order: of the instances, the most confident first; ``labels`` and ``colours`` (N, 3) uint8 are in this order.
    """
    height, width = picture.shape[:2]
    scale = width / found.size[1]
    letters = min(max(max(height, width) // PIXELS_PER_LETTER, MIN_LETTER), MAX_LETTER)
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 * scale
    taken = np.zeros((0, 4), dtype=np.int64)
    for index, label, colour in zip(order, labels, colours, strict=True):
        text = _letters(label, letters)
        place = _place(found.boxes[index] * scale, text.shape, (height, width))
        x1, y1, x2, y2 = place
        covers = (taken[:, 0] < x2) & (taken[:, 2] > x1) & (taken[:, 1] < y2) & (taken[:, 3] > y1)
        hides = ((middles >= (x1, y1)) & (middles < (x2, y2))).all(axis=1)
        hides[index] = False
        if covers.any() or hides.any() or x2 > width or y2 > height:
            continue
        taken = np.concatenate([taken, [place]])
        blue, green, red = colour.tolist()
        ink = 0 if 0.114 * blue + 0.587 * green + 0.299 * red > BRIGHT else 255  # Rec. 601
        strength = text[:, :, None] / 255
        picture[y1:y2, x1:x2] = (ink * strength + colour * (1 - strength)).round().astype(np.uint8)


def _place(box: np.ndarray, shape: tuple[int, ...], size: tuple[int, int]) -> LabelPlace:
    """Above the upper left corner of a box, moved into the picture of ``size`` (height, width) where that is beyond."""
    x = max(0, min(int(box[0]), size[1] - shape[1]))
    y = max(0, min(int(box[1]) - shape[0], size[0] - shape[0]))
    return x, y, x + shape[1], y + shape[0]


@lru_cache(maxsize=1024)  # labels repeat: a class and a score in percent
def _letters(text: str, height: int) -> np.ndarray:
    """``text`` as strengths of ink (h, w) uint8, in letters that come with matplotlib: Latin, Greek, Cyrillic."""
    font = _font(height)
    canvas = Image.new("L", (math.ceil(font.getlength(text)) + 6, sum(font.getmetrics()) + 2))
    ImageDraw.Draw(canvas).text((3, 1), text, fill=255, font=font)
    return np.asarray(canvas)


@lru_cache(maxsize=8)
def _font(height: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), height)
