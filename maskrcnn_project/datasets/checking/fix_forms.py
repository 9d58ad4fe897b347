"""Segmentations that other programs write in a form of their own, brought to COCO's without a change of the mask."""

from __future__ import annotations

import ast
import json
import math
from typing import Any

import numpy as np
from pycocotools import mask as mask_util

from maskrcnn_project.datasets.checking.fixes import REMOVED
from maskrcnn_project.datasets.segmentations import can_be_drawn, form_faults
from maskrcnn_project.masks.coding import Rle, as_rle, encode

BYTES_STARTS = ("b'", 'b"')  # what Python's str makes of bytes


def unwrapped(segmentation: Any, height: int, width: int) -> Any:
    """
    Polygons [[x, y, ...], ...] from pairs of points, from one list too many, from JSON in a text; run lengths from a
    list of them, several united, from their bare counts, or from rows of pixels. REMOVED where it is none of these.
    """
    if isinstance(segmentation, str):
        segmentation = _parsed(segmentation)
    if isinstance(segmentation, dict):
        return _if_sound(segmentation, height, width)
    if not isinstance(segmentation, list) or not segmentation:
        return REMOVED
    if all(type(value) is int for value in segmentation) and sum(segmentation) == height * width:
        return _if_sound({"size": [height, width], "counts": segmentation}, height, width)
    if len(segmentation) == height and all(isinstance(row, list) and len(row) == width for row in segmentation):
        pixels = np.array(segmentation, dtype=object)
        return encode(pixels.astype(bool)) if np.isin(pixels, (0, 1, 255)).all() else REMOVED
    if all(isinstance(part, dict) and "counts" in part for part in segmentation):
        return _united(segmentation, height, width)
    return _polygons_of(segmentation) or REMOVED


def without_bytes(rle: Rle, height: int, width: int) -> Any:
    """Run lengths whose counts read b'...'; REMOVED where they are broken otherwise."""
    return _if_sound(rle, height, width)


def transposed(rle: Rle, height: int, width: int) -> Rle:
    """Run lengths along the rows, encoded along the columns."""
    along_rows = as_rle({**rle, "size": [width, height]}, width, height)
    result = mask_util.encode(mask_util.decode(along_rows).T.copy(order="F"))
    return {"size": [height, width], "counts": result["counts"].decode("ascii")}


def _if_sound(rle: Rle, height: int, width: int) -> Any:
    counts = rle.get("counts")
    if isinstance(counts, str) and counts.startswith(BYTES_STARTS):
        try:
            rle = {**rle, "counts": ast.literal_eval(counts).decode("ascii")}
        except (ValueError, SyntaxError, AttributeError):
            return REMOVED
    return rle if can_be_drawn(form_faults(rle, height, width)) else REMOVED


def _united(parts: list[Rle], height: int, width: int) -> Any:
    sound = [_if_sound(part, height, width) for part in parts]
    if any(part is REMOVED for part in sound):
        return REMOVED
    if len(sound) == 1:
        return sound[0]
    merged = mask_util.merge([as_rle(part, height, width) for part in sound])
    return {"size": [height, width], "counts": merged["counts"].decode("ascii")}


def _polygons_of(value: Any) -> list[list[float]] | None:
    """The flat polygons in nested lists; None where there is anything else."""
    if not isinstance(value, list):
        return None
    numbers = _numbers(value)
    if numbers:
        return [numbers]
    points = [_point(part) for part in value]
    if all(points):
        return [[number for point in points if point for number in point]]
    polygons: list[list[float]] = []
    for part in value:
        if part != []:
            below = _polygons_of(part)
            if below is None:
                return None
            polygons += below
    return polygons


def _point(value: Any) -> list[float] | None:
    """[x, y] of a pair, or of {"x": ..., "y": ...}."""
    if isinstance(value, dict):
        value = [value.get("x"), value.get("y")]
    return _numbers(value) if isinstance(value, list) and len(value) == 2 else None


def _numbers(values: list[Any]) -> list[float] | None:
    """Numbers, or texts that are numbers."""
    numbers = []
    for value in values:
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                return None
            if not math.isfinite(value):
                return None
        if type(value) not in (int, float):
            return None
        numbers.append(value)
    return numbers


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
