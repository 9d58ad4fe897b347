"""Labels of instances: what they say, in which letters, and where they are placed so that all of them can be read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from maskrcnn_project.visualization.colours import Colour
from maskrcnn_project.visualization.fonts import runs_of

# Letters are a pixel higher for so many pixels of the longer side: to be read when a whole large picture is on the
# screen.
PIXELS_PER_LETTER = 130
MIN_LETTER, MAX_LETTER = 11, 48
BRIGHT = 140  # luminance from which on black letters are easier to read than white ones

LabelPlace = tuple[int, int, int, int]  # x1, y1, x2, y2 in the picture


def label_of(number: int, class_names: Sequence[str], score: float | None = None) -> str:
    """ "cell 97%"; of one class only the score, "97%"; without a score the class alone."""
    parts = [class_names[number]] if len(class_names) > 1 else []
    if score is not None:
        parts.append(f"{score:.0%}")
    return " ".join(parts)


def draw_labels(picture: np.ndarray, labels: Sequence[str], boxes: np.ndarray, colours: Sequence[Colour]) -> None:
    """
    Draws the labels of N instances in place, the most important first. One that would cover one before it, or the
    middle of another instance, both above and below its box, is left out.

    Args:
        picture: (H, W, 3) uint8 BGR.
        labels: "" for an instance without one.
        boxes: (N, 4) XYXY in pixels of the picture; NaN for an instance that lies nowhere.
        colours: of the plates that the letters stand on.
    """
    height, width = picture.shape[:2]
    letters = min(max(max(height, width) // PIXELS_PER_LETTER, MIN_LETTER), MAX_LETTER)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    taken = np.zeros((0, 4), dtype=np.int64)
    for index, (label, colour) in enumerate(zip(labels, colours, strict=True)):
        if not label or np.isnan(boxes[index]).any():
            continue
        text = _letters(label, letters)
        for place in _places(boxes[index], text.shape, (height, width)):
            x1, y1, x2, y2 = place
            covers = (taken[:, 0] < x2) & (taken[:, 2] > x1) & (taken[:, 1] < y2) & (taken[:, 3] > y1)
            hides = ((middles >= (x1, y1)) & (middles < (x2, y2))).all(axis=1)
            hides[index] = False
            if covers.any() or hides.any() or x2 > width or y2 > height:
                continue
            taken = np.concatenate([taken, [place]])
            _draw_plate(picture[y1:y2, x1:x2], text, colour)
            break


def _places(box: np.ndarray, shape: tuple[int, ...], size: tuple[int, int]) -> Iterator[LabelPlace]:
    """Above the upper left corner of a box, and below its lower left one; moved into the picture of (height, width)."""
    x = max(0, min(int(box[0]), size[1] - shape[1]))
    for edge in (int(box[1]) - shape[0], math.ceil(box[3])):
        y = max(0, min(edge, size[0] - shape[0]))
        yield x, y, x + shape[1], y + shape[0]


def _draw_plate(region: np.ndarray, text: np.ndarray, colour: Colour) -> None:
    """Letters (h, w) on a plate of ``colour``, over ``region`` (h, w, 3), in place."""
    blue, green, red = colour
    ink = 0 if 0.114 * blue + 0.587 * green + 0.299 * red > BRIGHT else 255  # Rec. 601
    strength = text[:, :, None] / 255
    region[...] = (ink * strength + np.array(colour) * (1 - strength)).round().astype(np.uint8)


@lru_cache(maxsize=1024)  # labels repeat: a class and a score in percent
def _letters(text: str, height: int) -> np.ndarray:
    """``text`` as strengths of ink (h, w) uint8."""
    runs = runs_of(text, height)
    ascent, descent = (max(sides) for sides in zip(*(font.getmetrics() for font, _ in runs), strict=True))
    canvas = Image.new("L", (math.ceil(sum(font.getlength(part) for font, part in runs)) + 6, ascent + descent + 2))
    drawing, x = ImageDraw.Draw(canvas), 3.0
    for font, part in runs:
        drawing.text((x, 1 + ascent), part, fill=255, font=font, anchor="ls")  # x and the common baseline
        x += font.getlength(part)
    return np.asarray(canvas)
