"""
Outlines of the drawn shapes and the masks that remain of them when one hides another.

H, W  height and width of the picture in pixels
S     oversampling: masks are decided on S x S samples a pixel, so that edges can be smooth and outlines exact
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from pycocotools import mask as mask_util

CATEGORIES = ("circle", "rectangle", "triangle")
S = 4
MIN_AREA = 14.0  # pixels: below it a person would not draw the object either
MIN_VISIBLE_SHARE = 0.35  # of the object's own area inside the picture: hidden further, it is left out
MIN_PART = 3.0  # pixels: a smaller splinter is not worth a polygon
MIN_HOLE = 1.5  # pixels: a smaller hole is lost in the pixels anyhow
OUTLINE_TOLERANCE = 0.25  # pixels by which a polygon may leave the exact edge, to have few corners


@dataclass(frozen=True)
class Shape:
    """One object that a picture shows: its class, and where it may be seen."""

    category: int  # index into CATEGORIES
    center: np.ndarray  # (2,) x, y in pixels
    radius: float  # pixels, of the circle around it
    full: np.ndarray  # (H * S, W * S) bool: the object as if nothing hid it
    visible: np.ndarray  # (H * S, W * S) bool: what remains to be seen


def place_shapes(rng: np.random.Generator, height: int, width: int, wanted: int) -> list[Shape]:
    """
    Up to ``wanted`` shapes, from the front to the back: each one lies behind those before it.

    A shape that would be hidden almost wholly is not placed, so each mask is final as soon as it is made.
    """
    taken = np.zeros((height * S, width * S), dtype=bool)
    shapes: list[Shape] = []
    for _ in range(wanted):
        category = int(rng.integers(len(CATEGORIES)))
        # log-uniform, as object sizes in photographs are: many small ones, few large ones
        radius = min(height, width) * float(np.exp(rng.uniform(np.log(0.11), np.log(0.27))))
        center = _choose_center(rng, shapes, radius, height, width)
        full = _fill(_outlines(rng, category, center, radius), height, width)
        visible = full & ~taken
        area = float(visible.sum()) / S**2
        if area < MIN_AREA or area < MIN_VISIBLE_SHARE * float(full.sum()) / S**2:
            continue
        taken |= full
        shapes.append(Shape(category, center, radius, full, visible))
    return shapes


def _choose_center(rng: np.random.Generator, shapes: list[Shape], radius: float, height: int, width: int) -> np.ndarray:
    """Beside an earlier shape in three cases of five, so that shapes touch and overlap; else anywhere."""
    margin = 0.35 * radius  # most of it stays inside, while some shapes are cut by the border
    low, high = np.array([margin, margin]), np.array([width - margin, height - margin])
    if shapes and rng.random() < 0.6:
        other = shapes[int(rng.integers(len(shapes)))]
        distance = (radius + other.radius) * rng.uniform(0.45, 1.0)
        angle = rng.uniform(0, 2 * np.pi)
        return np.clip(other.center + distance * np.array([np.cos(angle), np.sin(angle)]), low, high)
    return rng.uniform(low, high)


def _outlines(rng: np.random.Generator, category: int, center: np.ndarray, radius: float) -> list[np.ndarray]:
    """The outer outline, and the hole's outline if there is one; each (corners, 2), x and y in pixels."""
    turn = rng.uniform(0, 2 * np.pi)
    if CATEGORIES[category] == "circle":
        angles = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    elif CATEGORIES[category] == "rectangle":
        half = np.arctan(1 / np.exp(rng.uniform(0, np.log(2.5))))  # sides between 1:1 and 2.5:1
        angles = np.array([half, np.pi - half, np.pi + half, 2 * np.pi - half])
    else:
        angles = np.array([0, 2, 4]) * np.pi / 3 + rng.uniform(-0.3, 0.3, size=3)
    corners = radius * np.stack([np.cos(angles + turn), np.sin(angles + turn)], axis=1)
    hollow = rng.random() < (0.12 if CATEGORIES[category] == "circle" else 0.04) and radius > 8
    inner = [corners * rng.uniform(0.4, 0.62)] if hollow else []
    return [center + outline for outline in [corners, *inner]]


def _fill(outlines: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """(H * S, W * S) bool; an outline inside another one is a hole (even-odd rule)."""
    canvas = np.zeros((height * S, width * S), dtype=np.uint8)
    cv2.fillPoly(canvas, [np.round(outline * S).astype(np.int32) for outline in outlines], 1)
    return canvas.astype(bool)


def coverage(mask: np.ndarray) -> np.ndarray:
    """(H * S, W * S) bool -> (H, W) float32: the share of each pixel that the mask covers."""
    height, width = mask.shape[0] // S, mask.shape[1] // S
    full = 15 * S**2  # a multiple of S * S below 256, so that every share of samples is a whole number
    samples = mask.view(np.uint8) * np.uint8(full)
    return cv2.resize(samples, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / full


def annotate(rng: np.random.Generator, mask: np.ndarray) -> dict:
    """
    The COCO fields ``segmentation``, ``area`` and ``bbox`` of a mask (H * S, W * S), in whole pixels.

    A mask without holes mostly becomes polygons, one for each part; a mask with a hole has to be run-length
    encoded, since polygons of COCO have none. ``area`` and ``bbox`` are those of the segmentation as
    pycocotools rasterises it.
    """
    height, width = mask.shape[0] // S, mask.shape[1] // S
    parts, has_hole = _polygons(mask)
    as_polygons = rng.random() < 0.8
    compressed = rng.random() < 0.8
    if as_polygons and parts and not has_hole:
        rle = mask_util.merge(mask_util.frPyObjects(parts, height, width))
        segmentation: list | dict = parts
    else:
        pixels = coverage(mask) >= 0.5
        rle = mask_util.encode(np.asfortranarray(pixels.astype(np.uint8)))
        counts = rle["counts"].decode("ascii") if compressed else _run_lengths(pixels)
        segmentation = {"size": [height, width], "counts": counts}
    return {
        "segmentation": segmentation,
        "area": float(mask_util.area(rle)),
        "bbox": [float(v) for v in mask_util.toBbox(rle)],
    }


def _polygons(mask: np.ndarray) -> tuple[list[list[float]], bool]:
    """The outer outlines [x, y, x, y, ...] of the parts, largest first, and whether any part has a hole."""
    contours, hierarchy = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parts: list[tuple[float, list[float]]] = []
    has_hole = False
    for contour, (_, _, _, parent) in zip(contours, hierarchy[0] if hierarchy is not None else [], strict=True):
        area = cv2.contourArea(contour) / S**2
        if parent >= 0:
            has_hole |= area >= MIN_HOLE
            continue
        corners = cv2.approxPolyDP(contour, OUTLINE_TOLERANCE * S, closed=True)[:, 0, :]
        if area >= MIN_PART and len(corners) >= 3:
            # contours pass through the centres of samples, half a sample from the corner with that index
            parts.append((area, [round(float(v), 2) for v in ((corners + 0.5) / S).ravel()]))
    parts.sort(key=lambda part: (-part[0], part[1]))
    return [polygon for _, polygon in parts], has_hole


def _run_lengths(pixels: np.ndarray) -> list[int]:
    """Lengths of the runs of equal pixels, column by column, the first run being background (COCO's RLE)."""
    flat = np.concatenate([[False], pixels.ravel(order="F")])
    starts = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], starts, [pixels.size]])).tolist()
