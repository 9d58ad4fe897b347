"""Text on pictures: labels on dark plates, and where they go so that they hide little and stay readable."""

from __future__ import annotations

import os
from functools import lru_cache

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Plate around the text, in parts of the font size.
PADDING = 0.22
# A label may cover this part of itself with other labels before it is rather left out.
MAX_OVERLAP = 0.15
# Labels that would cover more of the picture than this make it crowded.
CROWDED = 0.12


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # DejaVu comes with matplotlib, covers Latin, Greek, Cyrillic and more, and stays legible when small.
    return ImageFont.truetype(os.path.join(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)


@lru_cache(maxsize=2048)
def render_text(text: str, size: int, rotation: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """
    Args:
        text: one or several lines.
        size: height of the font in pixels.
        rotation: degrees, counter-clockwise.

    Returns:
        Coverage 0..255 of the plate and of the text upon it, two uint8 arrays (h, w), read-only (cached).
    """
    font = _font(max(1, size))
    pad = max(1, round(PADDING * size))
    left, _, right, _ = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), text, font=font)
    ascent, descent = font.getmetrics()
    lines = text.count("\n") + 1
    box = (int(np.ceil(right - left)) + 2 * pad, (ascent + descent) * lines + 2 * (pad // 2))
    ink, plate = Image.new("L", box), Image.new("L", box)
    ImageDraw.Draw(ink).multiline_text((pad - left, pad // 2), text, fill=255, font=font, spacing=0)
    ImageDraw.Draw(plate).rounded_rectangle((0, 0, box[0] - 1, box[1] - 1), radius=pad, fill=255)
    if rotation:
        ink = ink.rotate(rotation, Image.Resampling.BICUBIC, expand=True)
        plate = plate.rotate(rotation, Image.Resampling.BICUBIC, expand=True)
    layers = np.asarray(plate), np.asarray(ink)
    for layer in layers:
        layer.setflags(write=False)
    return layers


class LabelLayout:
    """Finds places for labels inside a picture, beside one another."""

    def __init__(self, height: int, width: int) -> None:
        self._height, self._width = height, width
        self._taken = np.zeros((0, 4))  # XYXY

    def is_crowded(self, sizes: list[tuple[int, int]]) -> bool:
        """Whether labels of these (height, width) together hide too much of the picture."""
        return sum(h * w for h, w in sizes) > CROWDED * self._height * self._width

    def place(
        self, size: tuple[int, int], box: tuple[float, float, float, float], centered: bool = False
    ) -> tuple[int, int] | None:
        """
        Take a place for a label beside or in an object's box.

        Args:
            size: (height, width) of the label.
            box: XYXY of the object.
            centered: try the middle of the box first (for objects whose box is not drawn).

        Returns:
            (x, y) of the label's upper left corner, or None when every place is taken.
        """
        height, width = size
        x0, y0, x1, y1 = box
        places = [
            (x0, y0 - height),
            (x0, y0),
            (x0, y1),
            (x1 - width, y0 - height),
            (x1 - width, y1),
            (x1, y0),
            (x0 - width, y0),
            (x0, y1 - height),
        ]
        if centered:
            places.insert(0, ((x0 + x1 - width) / 2, (y0 + y1 - height) / 2))
        best, least = None, MAX_OVERLAP * height * width
        for x, y in places:
            # What would leave the picture is moved back into it.
            spot = (round(max(0, min(x, self._width - width))), round(max(0, min(y, self._height - height))))
            overlap = self._overlap(spot, size)
            if overlap < least:
                best, least = spot, overlap
            if overlap == 0:
                break
        if best is not None:
            taken = (*best, best[0] + width, best[1] + height)
            self._taken = np.vstack([self._taken, taken])
        return best

    def _overlap(self, spot: tuple[int, int], size: tuple[int, int]) -> float:
        upper_left = np.maximum(self._taken[:, :2], spot)
        lower_right = np.minimum(self._taken[:, 2:], (spot[0] + size[1], spot[1] + size[0]))
        return float(np.clip(lower_right - upper_left, 0, None).prod(axis=1).sum())
