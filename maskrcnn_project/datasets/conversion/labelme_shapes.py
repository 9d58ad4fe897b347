"""
What one shape of a LabelMe file says: its label, its group, whether it is a crowd, and which pixels it covers.

X-AnyLabeling and others write the same files with more kinds of shapes, rectangles by their four corners, and values
of other JSON types; what they mean is the same.
"""

from __future__ import annotations

import base64
import io
import json
import math
from typing import Any

import numpy as np

from maskrcnn_project.datasets.conversion import primitive_shapes as figures
from maskrcnn_project.datasets.conversion.class_names import one_line
from maskrcnn_project.datasets.conversion.collection import ObjectPart
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.image_folder import Size, open_picture
from maskrcnn_project.datasets.conversion.labelme_file import CROWD_FLAG
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.mask_in_box import MaskInBox

CORNERED = ("polygon", "oriented_rectangle", "quadrilateral")  # their points are their corners
FOUR_CORNERED = ("rectangle", "rotation")  # two opposite corners, or all four; "rotation" is X-AnyLabeling's turned one
NO_AREA = ("point", "points", "line", "linestrip")
NO_WORDS = ("", "0", "false", "no", "off", "none", "null")  # a flag that is a text, and says no


def label_of(shape: Any, where: str) -> str:
    """
    The class that a shape names, on one line; a number is taken as it is written. Raises DatasetError where there is
    none.
    """
    label = shape.get("label") if isinstance(shape, dict) else None
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if isinstance(label, int | float) and not isinstance(label, bool):
        label = str(label)
    if not isinstance(label, str) or not one_line(label):
        raise DatasetError(f"{where} should be an object with a 'label' that is a text, but has no such label.")
    return one_line(label)


def group_of(shape: dict[str, Any]) -> str | None:
    """What the shapes of one object have in common, of whatever JSON type; None for a shape that stands alone."""
    group = shape.get("group_id")
    if group is None or (isinstance(group, str | list | dict) and not group):
        return None
    if isinstance(group, float) and group.is_integer():
        group = int(group)
    return group.strip() if isinstance(group, str) else json.dumps(group, sort_keys=True)


def is_crowd(shape: dict[str, Any]) -> bool:
    """Whether the flag ``crowd`` is set: in mappings of flags, in a list of names, or as the only one."""
    flags = shape.get("flags")
    return any(map(_says_crowd, flags)) if isinstance(flags, list) else _says_crowd(flags)


def _says_crowd(flags: Any) -> bool:
    """Whether a mapping of flags sets ``crowd``, or that is the name of the flag."""
    if isinstance(flags, dict):
        value = flags.get(CROWD_FLAG)
        return value.strip().lower() not in NO_WORDS if isinstance(value, str) else bool(value)
    return bool(flags == CROWD_FLAG)


def part_of(shape: dict[str, Any], where: str, size: Size, left_out: Counts) -> ObjectPart | None:
    """What a shape covers; None (and a word in the tally) if that is nothing."""
    kind = shape.get("shape_type") or "polygon"
    if kind in NO_AREA:
        left_out.add(f"shape of type {kind!r}, which has no area", where)
        return None
    if kind not in (*CORNERED, *FOUR_CORNERED, "circle", "mask"):
        left_out.add(f"shape of the unknown type {kind!r}", where)
        return None
    points = _points(shape.get("points"), where)
    if kind in CORNERED:
        if len(points) < 3:
            left_out.add("polygon of fewer than 3 points", where)
            return None
        return figures.polygon(points)
    if kind in FOUR_CORNERED and len(points) >= 4:  # with the first corner again, a fifth closes the line
        return figures.quadrilateral(points[:4])
    if len(points) != 2:
        more = ", or 4 corners" if kind in FOUR_CORNERED else ""
        raise DatasetError(f"{where} is a {kind}, which has 2 points{more}, but there are {len(points)}.")
    if kind in FOUR_CORNERED:
        return figures.rectangle(*points)
    if kind == "circle":
        radius = math.dist(*points)
        return figures.ellipse(points[0], radius, radius)
    return _mask_in_box(shape.get("mask"), points, where)


def _points(points: Any, where: str) -> list[figures.Point]:
    try:
        pairs = [(float(x), float(y)) for x, y in points or []]
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError(f"{where} should have 'points' [[x, y], ...], but has {str(points)[:60]}.") from error
    if not all(math.isfinite(value) for pair in pairs for value in pair):
        raise DatasetError(f"{where} has a point that is no finite number.")
    return pairs


def _mask_in_box(encoded: Any, points: list[figures.Point], where: str) -> MaskInBox:
    """The picture of a mask shape at its place; its first corner is the upper left pixel."""
    try:
        with open_picture(io.BytesIO(base64.b64decode(encoded, validate=True))) as picture:
            pixels = np.asarray(picture) != 0
    except Exception as error:  # on damaged files Pillow's decoders raise nearly every type of error
        raise DatasetError(f"{where} should have a 'mask' that is a PNG picture in base64, but has not.") from error
    if pixels.ndim == 3:
        pixels = pixels[:, :, :3].any(axis=2)
    (left, top), (right, bottom) = ((int(x), int(y)) for x, y in points)
    spans = (bottom - top, right - left)
    # the last pixel is in the box; some versions wrote the corner behind it
    if any(side - span not in (0, 1) for side, span in zip(pixels.shape, spans, strict=True)):
        raise DatasetError(
            f"{where} has a mask of {pixels.shape[0]}x{pixels.shape[1]} pixels (height x width), but a box of "
            f"{spans[0] + 1}x{spans[1] + 1}."
        )
    return MaskInBox.at(left, top, pixels)
