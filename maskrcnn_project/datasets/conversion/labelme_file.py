"""
The content of a LabelMe file (https://labelme.io, version 5): shapes, and what stands round them.

Points are in pixels of the upright image, from the upper left corner of the upper left pixel, as in COCO. Two kinds
are numbered pixels instead: the corners of a ``mask`` shape are its first and its last pixel, so that its picture
(base64, PNG) is one pixel wider than their difference. Shapes with the same label and ``group_id`` are one object.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maskrcnn_project.masks.coding import Polygon
from maskrcnn_project.masks.mask_in_box import MaskInBox

VERSION = "5.5.0"  # one that knows mask shapes
CLASS_LIST = "labels.txt"
CROWD_FLAG = "crowd"


def file_content(shapes: list[dict[str, Any]], image: Path, folder: Path, size: tuple[int, int]) -> dict[str, Any]:
    """
    Args:
        image: the image's path; the file names it as seen from ``folder``, in which it lies itself.
        size: (height, width).
    """
    return {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": Path(os.path.relpath(image, folder)).as_posix(),
        "imageData": None,  # LabelMe then opens imagePath
        "imageHeight": size[0],
        "imageWidth": size[1],
    }


def polygon_shapes(label: str, polygons: Sequence[Polygon], group: int, crowd: bool = False) -> list[dict[str, Any]]:
    """One object: its parts share the ``group_id`` ``group``, where there are several."""
    group_id = group if len(polygons) > 1 else None
    return [
        _shape(label, "polygon", np.asarray(polygon).reshape(-1, 2).tolist(), group_id, crowd) for polygon in polygons
    ]


def mask_shape(label: str, mask: MaskInBox, crowd: bool = False) -> dict[str, Any]:
    """One object by its pixels, as where it has a hole, which polygons of LabelMe cannot have."""
    window = mask.window
    first: list[float] = [window.x, window.y]
    last: list[float] = [window.right - 1, window.bottom - 1]
    return _shape(label, "mask", [first, last], None, crowd) | {"mask": _png(mask.pixels)}


def free_group(shapes: Sequence[dict[str, Any]]) -> int:
    """The next ``group_id`` of an image."""
    return max((shape["group_id"] or 0 for shape in shapes), default=0) + 1


def _shape(label: str, kind: str, points: list[list[float]], group_id: int | None, crowd: bool) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": group_id,
        "description": "",
        "shape_type": kind,
        "flags": {CROWD_FLAG: True} if crowd else {},
    }


def _png(pixels: np.ndarray) -> str:
    """A (height, width) bool mask as a PNG of zeros and ones in base64, as LabelMe writes it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
