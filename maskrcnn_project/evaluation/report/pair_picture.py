"""A evaluated image as pictures: what is there, and what was found, with all that went wrong in a colour of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from detectron2.data.detection_utils import read_image
from PIL import Image, ImageDraw, ImageFont

from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair
from maskrcnn_project.evaluation.metrics.outcomes import Outcome
from maskrcnn_project.masks.coding import Rle, decode_crop, outlines
from maskrcnn_project.visualization.annotation_crop import UNREADABLE

# What became of an object -> red, green, blue. Okabe and Ito's colours, which the colour-blind tell apart.
RIGHT, MISSED, FALSE, MERGED_OR_SPLIT, CROWD = "right", "missed", "false", "fused", "crowd"
INKS = {
    RIGHT: (86, 180, 233),
    MISSED: (213, 94, 0),
    FALSE: (240, 228, 66),
    MERGED_OR_SPLIT: (204, 121, 167),
    CROWD: (150, 150, 150),
}
MEANINGS = {
    RIGHT: "found, and right",
    MISSED: "missed: not found, or not by half",
    FALSE: "false: fits badly, twice, of another class, or nothing there",
    MERGED_OR_SPLIT: "merged (several taken for one) or split (one taken for several)",
    CROWD: "crowd region, not evaluated",
}
MAX_SIDE = 1200  # pixels of a picture: as wide as most windows
MIN_SIDE = 800  # a smaller image is enlarged to it, though by LARGEST_SCALE at most
MAX_SCALE = 4.0
FILLED = 0.4  # of the colour over what went wrong
SHIFT = 4  # binary digits behind the point in coordinates for OpenCV
FONT_SIZE = 13  # pixels
MAX_LABELS = 60  # of a picture; more cover what they name


@dataclass(frozen=True)
class Mark:
    """One object to draw. ``mask``: run lengths, or None for its box alone; ``label``: "" for none."""

    kind: str
    box: np.ndarray  # (4,) XYXY in pixels of the image
    mask: Rle | None
    label: str = ""

    def plain(self) -> Mark:
        """Of an object that is not evaluated."""
        return self if self.kind == CROWD else Mark(RIGHT, self.box, self.mask)


def read_case_image(image_root: Path, pair: ImagePair) -> np.ndarray | str:
    """The image (H, W, 3) uint8 RGB of the size that was evaluated; or, in words, why there is none."""
    path = image_root / pair.file_name
    try:
        if not path.is_file():
            return "its image is not there"
        image = read_image(str(path), format="RGB")
    except UNREADABLE:
        return "its image cannot be read"
    if image.shape[:2] != tuple(pair.found.size):
        height, width = pair.found.size
        return f"its image has {image.shape[0]} x {image.shape[1]} pixels, but was evaluated with {height} x {width}"
    return image


def picture_scale(height: int, width: int) -> float:
    """How much an image is enlarged or shrunk for a picture."""
    side = max(1, height, width)
    return MAX_SIDE / side if side > MAX_SIDE else max(1.0, min(MAX_SCALE, MIN_SIDE / side))


def truth_marks(pair: ImagePair, outcome: Outcome, class_names: Sequence[str]) -> Iterator[Mark]:
    """The objects that are there."""
    truth = pair.truth
    for index in range(len(truth)):
        kind = MISSED
        if truth.crowd[index]:
            kind = CROWD
        elif outcome.truth_in_event[index]:
            kind = MERGED_OR_SPLIT
        elif outcome.truth_found[index]:
            kind = RIGHT
        label = class_names[truth.classes[index]] if kind in (MISSED, MERGED_OR_SPLIT) and len(class_names) > 1 else ""
        yield Mark(kind, truth.boxes[index], truth.masks[index] if truth.has_mask[index] else None, label)


def found_marks(pair: ImagePair, outcome: Outcome, class_names: Sequence[str]) -> Iterator[Mark]:
    """What was found at the score threshold."""
    found = pair.found
    for index in outcome.shown.tolist():
        kind = FALSE
        if outcome.found_ignored[index]:
            kind = CROWD
        elif outcome.found_in_event[index]:
            kind = MERGED_OR_SPLIT
        elif outcome.found_right[index]:
            kind = RIGHT
        name = class_names[found.classes[index]] + " " if len(class_names) > 1 else ""
        label = f"{name}{found.scores[index]:.2f}" if kind in (FALSE, MERGED_OR_SPLIT) else ""
        yield Mark(kind, found.boxes[index], None if found.masks is None else found.masks[index], label)


def draw_marks(image: np.ndarray, marks: Sequence[Mark]) -> np.ndarray:
    """
    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (H', W', 3) uint8 RGB, scaled by ``picture_scale``. What went wrong is filled and lies on top.
    """
    scale = picture_scale(*image.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = np.ascontiguousarray(cv2.resize(image, size, interpolation=how))
    order = sorted(marks, key=lambda mark: mark.kind in (MISSED, FALSE, MERGED_OR_SPLIT))
    borders = [_borders(mark, scale) for mark in order]
    filled = picture.copy()
    for mark, lines in zip(order, borders, strict=True):
        if mark.kind not in (RIGHT, CROWD):
            cv2.fillPoly(filled, lines, INKS[mark.kind], cv2.LINE_8, SHIFT)
    cv2.addWeighted(filled, FILLED, picture, 1 - FILLED, 0, dst=picture)
    for mark, lines in zip(order, borders, strict=True):
        for ink, thickness in (((0, 0, 0), 3), (INKS[mark.kind], 1 if mark.kind == RIGHT else 2)):
            if mark.kind != RIGHT or thickness < 3:  # a dark ground, so that what went wrong shows on any image
                cv2.polylines(picture, lines, True, ink, thickness, cv2.LINE_AA, SHIFT)
    return _draw_label(picture, [mark for mark in order if mark.label], scale)


def _borders(mark: Mark, scale: float) -> list[np.ndarray]:
    """Closed lines round an object, in OpenCV's fixed-point coordinates of the picture, (P, 1, 2) int32 each."""
    if mark.mask is None:
        x1, y1, x2, y2 = mark.box
        lines = [np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], dtype=float)]
    else:
        mask = decode_crop(mark.mask)
        outer, holes = outlines(mask.pixels) if mask.pixels.size else ([], [])
        lines = [np.asarray(line).reshape(-1, 2) + (mask.window.x, mask.window.y) for line in (*outer, *holes)]
    # OpenCV's coordinates are from the centre of the first pixel
    return [np.round((line * scale - 0.5) * 2**SHIFT).astype(np.int32).reshape(-1, 1, 2) for line in lines]


def _draw_label(picture: np.ndarray, marks: Sequence[Mark], scale: float) -> np.ndarray:
    """With the label of each mark over its box."""
    canvas = Image.fromarray(picture)
    pen, font = ImageDraw.Draw(canvas), _font()
    for mark in marks[:MAX_LABELS]:
        left, top, right, bottom = pen.textbbox((0, 0), mark.label, font=font)
        x = min(max(0.0, float(mark.box[0]) * scale), canvas.width - right - 2.0)
        y = max(0.0, float(mark.box[1]) * scale - bottom - 3)
        pen.rectangle((x, y, x + right - left + 3, y + bottom + 2), fill=(20, 20, 20))
        pen.text((x + 2 - left, y + 1), mark.label, fill=INKS[mark.kind], font=font)
    return np.asarray(canvas)


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    """matplotlib brings DejaVu, which writes most alphabets."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", FONT_SIZE)
