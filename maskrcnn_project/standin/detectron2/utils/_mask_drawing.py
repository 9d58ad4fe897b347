"""Masks of any kind on pictures: polygons, bitmaps and run-length codes, their fill and their outline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as mask_util

from ._canvas import SHIFT, blend, draw_polyline

# Passes of the average along an outline, which takes the stairs off a pixel mask's edge.
SMOOTHING_PASSES = 2
# Parts of a pixel's side in which polygons are filled: 17 levels of coverage.
FINENESS = 4
# Outlines of fewer points are left as they are: smoothing would shrink them away.
MIN_SMOOTHED_POINTS = 12


class GenericMask:
    """One instance's mask, given as polygons, bitmap or run-length code, read as any."""

    def __init__(self, mask_or_polygons: Any, height: int, width: int) -> None:
        """
        Args:
            mask_or_polygons: polygons [[x0, y0, x1, y1, ...], ...] in pixels, or a bitmap (H, W), or COCO's
                {"size", "counts"}, compressed or not.
            height, width: size of the image.
        """
        self.height, self.width = height, width
        self._mask: np.ndarray | None = None
        self._polygons: list[np.ndarray] | None = None
        self._has_holes: bool | None = None
        given = mask_or_polygons
        if isinstance(given, GenericMask):
            self._mask, self._polygons, self._has_holes = given._mask, given._polygons, given._has_holes
        elif isinstance(given, Mapping):
            self._mask = self._decode(given)
        elif isinstance(given, (list, tuple)):
            self._polygons = [np.asarray(polygon, dtype=float).reshape(-1) for polygon in given]
            self._has_holes = False
        else:
            self._mask = np.asarray(given)
            if self._mask.shape != (height, width):
                raise ValueError(
                    f"A mask must be as large as its image, {(height, width)} (height, width), but its shape "
                    f"is {self._mask.shape}; resize it first."
                )
            self._mask = self._mask.astype(np.uint8)

    def _decode(self, rle: Mapping[str, Any]) -> np.ndarray:
        code = mask_util.frPyObjects(dict(rle), *rle["size"]) if isinstance(rle["counts"], list) else rle
        if tuple(rle["size"]) != (self.height, self.width):
            raise ValueError(
                f"A mask must be as large as its image, {(self.height, self.width)} (height, width), but its "
                f"run-length code is of size {list(rle['size'])}; it may belong to another image."
            )
        return mask_util.decode(code)

    @property
    def mask(self) -> np.ndarray:
        """uint8 (H, W), 0 and 1."""
        if self._mask is None:
            self._mask = self.polygons_to_mask(self._polygons)
        return self._mask

    @property
    def polygons(self) -> list[np.ndarray]:
        """Outer outlines and holes alike, each flat: x0, y0, x1, y1, ..."""
        if self._polygons is None:
            self._polygons, self._has_holes = self.mask_to_polygons(self.mask)
        return self._polygons

    @property
    def has_holes(self) -> bool:
        """Whether the bitmap has holes; polygons are taken to have none."""
        if self._has_holes is None:
            self._polygons, self._has_holes = self.mask_to_polygons(self.mask)
        return bool(self._has_holes)

    def mask_to_polygons(self, mask: np.ndarray) -> tuple[list[np.ndarray], bool]:
        """
        Outlines through the centres of a bitmap's border pixels.

        Returns:
            The flat polygons of at least three points, and whether any bounds a hole.
        """
        contours, hierarchy = cv2.findContours(
            np.ascontiguousarray(mask, dtype=np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
        )
        if hierarchy is None:
            return [], False
        inside_another = bool((hierarchy.reshape(-1, 4)[:, 3] >= 0).any())
        return [contour.reshape(-1) + 0.5 for contour in contours if len(contour) >= 3], inside_another

    def polygons_to_mask(self, polygons: Any) -> np.ndarray:
        """The union of polygons as uint8 (H, W), rasterised as COCO does."""
        flat = [np.asarray(polygon, dtype=float).reshape(-1).tolist() for polygon in polygons]
        flat = [polygon for polygon in flat if len(polygon) >= 6]
        if not flat:
            return np.zeros((self.height, self.width), np.uint8)
        return mask_util.decode(mask_util.merge(mask_util.frPyObjects(flat, self.height, self.width)))

    def area(self) -> int:
        """Number of pixels."""
        return int(self.mask.sum())

    def bbox(self) -> np.ndarray:
        """XYXY (4,), pixels; the upper bounds are exclusive. Zeros for an empty mask."""
        if self._polygons and self._mask is None:
            points = np.concatenate([polygon.reshape(-1, 2) for polygon in self._polygons])
            return np.concatenate([points.min(axis=0), points.max(axis=0)])
        x, y, width, height = cv2.boundingRect(self.mask)
        return np.array([x, y, x + width, y + height], dtype=float)

    def coverage(self, scale: float) -> tuple[np.ndarray, tuple[int, int]]:
        """
        The mask on the canvas: uint8 (h, w) 0..255 and the (x, y) of its corner. An empty one is (0, 0).
        """
        if self._mask is None:
            return _polygon_coverage(self._polygons or [], scale, (self.height, self.width))
        return _bitmap_coverage(self._mask, scale)


def _bitmap_coverage(mask: np.ndarray, scale: float) -> tuple[np.ndarray, tuple[int, int]]:
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return np.zeros((0, 0), np.uint8), (0, 0)
    block = (mask[y : y + height, x : x + width] != 0).astype(np.uint8) * np.uint8(255)
    if scale == 1:
        return block, (x, y)
    left, top = int(x * scale), int(y * scale)
    size = (int(np.ceil((x + width) * scale)) - left, int(np.ceil((y + height) * scale)) - top)
    # Pixel centres: canvas (u + 0.5) = scale * (image (v + 0.5)).
    to_canvas = np.array(
        [[scale, 0, (x + 0.5) * scale - 0.5 - left], [0, scale, (y + 0.5) * scale - 0.5 - top]], dtype=float
    )
    soft = cv2.warpAffine(block, to_canvas, size, flags=cv2.INTER_LINEAR)
    if scale > 1:  # interpolation blurs the edge over ``scale`` pixels: back to one
        soft = np.clip((soft.astype(np.float32) - 127.5) * scale + 127.5, 0, 255).astype(np.uint8)
    return soft, (left, top)


def _polygon_coverage(
    polygons: list[np.ndarray], scale: float, image_size: tuple[int, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    outlines = [polygon.reshape(-1, 2) * scale for polygon in polygons if len(polygon) >= 6]
    if not outlines:
        return np.zeros((0, 0), np.uint8), (0, 0)
    points = np.concatenate(outlines)
    limit = np.ceil(np.array(image_size[::-1]) * scale).astype(int)  # (x, y)
    lowest = np.clip(np.floor(points.min(axis=0)).astype(int), 0, limit)
    highest = np.clip(np.ceil(points.max(axis=0)).astype(int) + 1, 0, limit)
    width, height = (int(n) for n in highest - lowest)
    if width <= 0 or height <= 0:
        return np.zeros((0, 0), np.uint8), (0, 0)
    # Filled finely and averaged: OpenCV's own anti-aliasing would add a rim of half a pixel.
    fine = np.zeros((height * FINENESS, width * FINENESS), np.uint8)
    for outline in outlines:  # one by one: parts that overlap unite, they do not cancel
        fixed = np.round(((outline - lowest) * FINENESS - 0.5) * 2**SHIFT).astype(np.int32)
        cv2.fillPoly(fine, [fixed], 255, cv2.LINE_8, SHIFT)
    coverage = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return coverage, (int(lowest[0]), int(lowest[1]))


def draw_mask(
    canvas: np.ndarray,
    coverage: np.ndarray,
    corner: tuple[int, int],
    color: Any,
    *,
    alpha: float,
    edge_color: Any,
    edge_alpha: float = 1.0,
    edge_width: float = 1.0,
) -> None:
    """Fill a coverage with a translucent colour and draw its smoothed outline, holes too, in place."""
    if not coverage.size:
        return
    blend(canvas, coverage, corner, color, alpha)
    if edge_width <= 0:
        return
    for outline in outlines_of(coverage):
        draw_polyline(canvas, outline + corner, edge_color, width=edge_width, alpha=edge_alpha, closed=len(outline) > 2)


def outlines_of(coverage: np.ndarray) -> list[np.ndarray]:
    """
    Smooth closed lines (n, 2) around the covered parts and around their holes, in the coverage's own frame.
    """
    covered = (coverage > min(127, int(coverage.max()) // 2)).astype(np.uint8)
    contours, _ = cv2.findContours(covered, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [_smooth(contour.reshape(-1, 2) + 0.5) for contour in contours]


def _smooth(outline: np.ndarray) -> np.ndarray:
    if len(outline) < MIN_SMOOTHED_POINTS:
        return outline
    for _ in range(SMOOTHING_PASSES):
        outline = 0.25 * np.roll(outline, 1, axis=0) + 0.5 * outline + 0.25 * np.roll(outline, -1, axis=0)
    return outline
