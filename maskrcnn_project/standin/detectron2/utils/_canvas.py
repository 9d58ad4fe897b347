"""
A picture that is drawn upon: blending of coverages, anti-aliased lines, saving.

Frames: "image" coordinates are pixels of the input picture, continuous, pixel i spanning i..i+1;
"canvas" coordinates are those times ``scale``. OpenCV puts a pixel's centre at the integer, so 0.5 is taken
off for it.
"""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ._colors import rgb_bytes

# Fractional bits of the coordinates handed to OpenCV: sixteenths of a pixel.
SHIFT = 4
# matplotlib's names of line styles -> lengths of stroke and gap in line widths.
DASHES = {
    "-": (),
    "solid": (),
    "--": (4, 3),
    "dashed": (4, 3),
    ":": (1, 2),
    "dotted": (1, 2),
    "-.": (4, 2, 1, 2),
}
DASHES["dashdot"] = DASHES["-."]
JPEG_QUALITY = 95
# A coverage with fewer than one pixel in so many, such as a line's, is blended pixel by pixel.
SPARSE = 8


class VisImage:
    """The picture being drawn, RGB uint8 (H * scale, W * scale, 3)."""

    def __init__(self, img: np.ndarray, scale: float = 1.0) -> None:
        """
        Args:
            img: RGB (H, W, 3), 0..255.
            scale: the output is larger by this factor; what is drawn keeps to the input's coordinates.
        """
        self.scale = scale
        self.height, self.width = img.shape[:2]
        self.reset_image(img)

    def reset_image(self, img: np.ndarray) -> None:
        """Start again on ``img``, RGB (H, W, 3), 0..255."""
        img = np.asarray(img).clip(0, 255).astype(np.uint8)
        self.img = img
        size = (max(1, round(self.width * self.scale)), max(1, round(self.height * self.scale)))
        if size == (img.shape[1], img.shape[0]):
            self.canvas = img.copy()
        else:
            smooth = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
            self.canvas = cv2.resize(img, size, interpolation=smooth)

    def get_image(self) -> np.ndarray:
        """A copy of what has been drawn: RGB uint8 (H * scale, W * scale, 3)."""
        return self.canvas.copy()

    def save(self, filepath: str) -> None:
        """
        Write a picture file, its kind told by the name (.png, .jpg, ...); it appears whole or not at all.
        """
        filepath = os.fspath(filepath)
        folder, name = os.path.split(filepath)
        extension = os.path.splitext(name)[1].lower()
        kind = Image.registered_extensions().get(extension)
        if kind is None:
            raise ValueError(f"A picture's name must end in .png, .jpg or the like, but got {filepath!r}; rename it.")
        temporary = os.path.join(folder, f".{os.getpid()}-{name}")
        try:
            quality = {"quality": JPEG_QUALITY} if kind == "JPEG" else {}
            Image.fromarray(self.canvas).save(temporary, format=kind, **quality)
            os.replace(temporary, filepath)
        finally:
            if os.path.exists(temporary):
                os.remove(temporary)


def blend(canvas: np.ndarray, coverage: np.ndarray, corner: tuple[int, int], color: Any, alpha: float) -> None:
    """
    Lay a colour over a part of the canvas, in place.

    Args:
        canvas: RGB uint8 (H, W, 3).
        coverage: uint8 (h, w), 0..255: how much of each pixel is covered.
        corner: (x, y) of the coverage's upper left pixel; what lies outside the canvas is cut off.
        color: as matplotlib takes it.
        alpha: opacity where covered wholly, 0..1.
    """
    x, y = corner
    left, top = max(x, 0), max(y, 0)
    right = min(x + coverage.shape[1], canvas.shape[1])
    bottom = min(y + coverage.shape[0], canvas.shape[0])
    if left >= right or top >= bottom:
        return
    part = canvas[top:bottom, left:right]
    covered = np.ascontiguousarray(coverage[top - y : bottom - y, left - x : right - x])
    ink = rgb_bytes(color)
    if cv2.countNonZero(covered) > covered.size / SPARSE:
        # The inside has one weight: a table of what each grey level becomes does it; only the edge is left.
        inside = (covered == 255).astype(np.uint8)
        table = (1 - alpha) * np.arange(256.0)[:, None, None] + alpha * np.array(ink)  # (256, 1, 3)
        mixed = cv2.LUT(np.ascontiguousarray(part), np.rint(table).astype(np.uint8))
        part[...] = cv2.copyTo(mixed, inside, part)
        covered = np.where(inside, 0, covered)
    rows, columns = np.nonzero(covered)
    below = part[rows, columns].astype(np.float32)
    weight = covered[rows, columns, None] * np.float32(alpha / 255)
    part[rows, columns] = np.rint(below + weight * (np.array(ink, np.float32) - below)).astype(np.uint8)


def draw_polyline(
    canvas: np.ndarray,
    points: np.ndarray,
    color: Any,
    *,
    width: float = 1.0,
    alpha: float = 1.0,
    closed: bool = False,
    style: str = "-",
    crisp: bool = False,
) -> None:
    """
    A line through ``points``, canvas coordinates (n, 2), in place.

    Args:
        width: in canvas pixels, at least 1.
        style: matplotlib's: "-", "--", ":", "-.".
        crisp: whole pixels instead of anti-aliasing, for upright lines.
    """
    points = np.asarray(points, dtype=float).reshape(-1, 2) - 0.5
    if not len(points):
        return
    if style not in DASHES:
        raise ValueError(f"A line style is one of {sorted(DASHES)}, but got {style!r}; choose one of these.")
    thickness = max(1, round(width))
    margin = thickness + 2
    lowest = np.clip(np.floor(points.min(axis=0)).astype(int) - margin, 0, None)
    highest = np.minimum(np.ceil(points.max(axis=0)).astype(int) + margin + 1, (canvas.shape[1], canvas.shape[0]))
    if (lowest >= highest).any():
        return
    kind = cv2.LINE_8 if crisp else cv2.LINE_AA
    pieces = dashes(points, [length * thickness for length in DASHES[style]], closed)
    fixed = [np.round((piece - lowest) * 2**SHIFT).astype(np.int32) for piece in pieces]
    loop = closed and not DASHES[style]
    if alpha >= 1:
        part = np.ascontiguousarray(canvas[lowest[1] : highest[1], lowest[0] : highest[0]])
        cv2.polylines(part, fixed, loop, rgb_bytes(color), thickness, kind, SHIFT)
        canvas[lowest[1] : highest[1], lowest[0] : highest[0]] = part
        return
    coverage = np.zeros((highest[1] - lowest[1], highest[0] - lowest[0]), np.uint8)
    cv2.polylines(coverage, fixed, loop, 255, thickness, kind, SHIFT)
    blend(canvas, coverage, (int(lowest[0]), int(lowest[1])), color, alpha)


def dashes(points: np.ndarray, lengths: list[float], closed: bool) -> list[np.ndarray]:
    """
    Cut a line (n, 2) into strokes; ``lengths`` are those of stroke, gap, stroke, ...; empty: the line itself.
    """
    if not lengths:
        return [points]
    if closed:
        points = np.concatenate([points, points[:1]])
    along = np.concatenate([[0.0], np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()])
    ends = np.cumsum(np.tile(lengths, int(along[-1] / sum(lengths)) + 1))
    ends = np.concatenate([[0.0], np.minimum(ends, along[-1])])
    strokes = []
    for start, end in zip(ends[0:-1:2], ends[1::2], strict=False):
        if start < end:  # corners between the two ends stay corners
            stops = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
            strokes.append(np.stack([np.interp(stops, along, points[:, axis]) for axis in (0, 1)], axis=1))
    return strokes


def draw_text_plate(
    canvas: np.ndarray,
    layers: tuple[np.ndarray, np.ndarray],
    corner: tuple[int, int],
    color: Any,
    plate_alpha: float = 0.7,
) -> None:
    """A rendered label (``_text_drawing.render_text``) upon a black plate, in place."""
    plate, ink = layers
    blend(canvas, plate, corner, "black", plate_alpha)
    blend(canvas, ink, corner, color, 1.0)
