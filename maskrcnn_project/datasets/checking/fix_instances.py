"""Fixes of masks and boxes. Each is found by the rule's own function, fixed, and looked at again until it is sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pycocotools import mask as mask_util

from maskrcnn_project.datasets.checking.box_rules import EMPTY_SIDE, box_faults, cut, xywh
from maskrcnn_project.datasets.checking.fix_forms import unwrapped, without_bytes
from maskrcnn_project.datasets.checking.fixes import REMOVED
from maskrcnn_project.datasets.checking.polygons import clip_polygon, crossings, shapes_of, split_parts
from maskrcnn_project.datasets.coco_rows import Row, is_number
from maskrcnn_project.datasets.segmentations import Box, can_be_drawn, form_box, form_faults, without_short
from maskrcnn_project.masks.coding import Rle, areas_of, as_rle

FixStep = tuple[str, Any]  # a rule, and what its fix makes of a mask or a box; REMOVED if nothing


def mask_steps(segmentation: Any, height: int, width: int) -> Iterator[FixStep]:
    """
    Fixes a segmentation, one rule at a time, until none is left to fix.

    Yields:
        the rule and the segmentation after it; REMOVED comes last: the annotation has to go.
    """
    done: set[str] = set()
    while (rule_id := _first_fault(segmentation, height, width)) is not None:
        # what one fix did not fix, a second will not
        segmentation = REMOVED if rule_id in done else MASK_FIXES[rule_id](segmentation, height, width)
        yield rule_id, segmentation
        if segmentation is REMOVED:
            return
        done.add(rule_id)


def reform(segmentation: Any, height: int, width: int) -> FixStep | None:
    """The rule and the segmentation in COCO's form, where it is a mask in another form only; None if it is not."""
    for rule_id, _ in form_faults(segmentation, height, width):
        if rule_id in FORM_FIXES:
            fixed = MASK_FIXES[rule_id](segmentation, height, width)
            if fixed is not REMOVED and can_be_drawn(form_faults(fixed, height, width)):
                return rule_id, fixed
    return None


def box_steps(
    annotation: Row, mask_box: Box | None, height: int, width: int, likely_corners: bool
) -> Iterator[FixStep]:
    """
    Fixes the ``bbox`` of an annotation, one rule at a time; arguments as of ``box_faults``.

    Yields:
        the rule and the [x, y, width, height] after it; REMOVED comes last: the annotation has to go.
    """
    row, done = dict(annotation), set[str]()
    while faults := box_faults(row, mask_box, height, width, likely_corners):
        rule_id = faults[0][0]
        box = REMOVED if rule_id in done else _fixed_box(rule_id, row.get("bbox"), mask_box, height, width)
        yield rule_id, box
        if box is REMOVED:
            return
        row["bbox"] = box
        done.add(rule_id)


def box_of_drawn(segmentation: Any, rle: Rle, height: int, width: int) -> Box:
    """x1, y1, x2, y2 round a mask that has a pixel: of its corners, or of its pixels where they have no extent."""
    box = form_box(segmentation, height, width)
    if box is None:
        x, y, w, h = mask_util.toBbox(rle).tolist()
        return x, y, x + w, y + h
    return box


def _first_fault(segmentation: Any, height: int, width: int) -> str | None:
    """The rule to fix next: the form first, then what needs drawing."""
    faults = form_faults(segmentation, height, width)
    found = [rule_id for rule_id, _ in faults if rule_id in MASK_FIXES]
    if not can_be_drawn(faults):
        return found[0] if found else None
    if "polygon-part-short" in found:
        return "polygon-part-short"
    rle = as_rle(segmentation, height, width)
    if isinstance(segmentation, list) and crossings(shapes_of(segmentation)).any():
        return "polygon-crossing"
    if found:
        return found[0]
    return None if areas_of([rle])[0] else "mask-empty"


def _fixed_box(rule_id: str, box: Any, mask_box: Box | None, height: int, width: int) -> list[float] | None:
    if rule_id == "box-corners":
        return xywh((box[0], box[1], box[2], box[3]))
    if rule_id == "box-outside":
        left = xywh(cut((box[0], box[1], box[0] + box[2], box[1] + box[3]), height, width))
        if min(left[2:]) >= EMPTY_SIDE:
            return left
    return REMOVED if mask_box is None else xywh(mask_box)


def _without_points(polygons: list, height: int, width: int) -> list:
    """Drops the points with a value that is no number, and keeps an odd value at the end for the rule on these."""
    fixed = []
    for polygon in polygons:
        pairs = [polygon[start : start + 2] for start in range(0, len(polygon), 2)]
        fixed.append([value for pair in pairs if all(map(is_number, pair)) for value in pair])
    return fixed


def _without_short(polygons: list, height: int, width: int) -> list | None:
    return without_short(polygons) or REMOVED


def _joined_points(polygons: list, height: int, width: int) -> list | None:
    """A polygon whose points are lists of their own: [[x, y], [x, y], ...]."""
    return unwrapped(polygons, height, width) if all(len(point) == 2 for point in polygons) else REMOVED


def _without_crossings(polygons: list, height: int, width: int) -> list | None:
    crossed = crossings(shapes_of(polygons)) > 0
    pieces = [split_parts(polygon) if bad else [polygon] for polygon, bad in zip(polygons, crossed, strict=True)]
    return [piece for some in pieces for piece in some] or REMOVED


def _within(polygons: list, height: int, width: int) -> list | None:
    return [piece for polygon in polygons for piece in clip_polygon(polygon, height, width)] or REMOVED


def _compress(rle: Rle, height: int, width: int) -> Rle:
    counts = as_rle(rle, height, width)["counts"]
    return {"size": [height, width], "counts": counts.decode("ascii")}


def _remove(segmentation: Any, height: int, width: int) -> None:
    return REMOVED


FORM_FIXES = ("mask-malformed", "polygon-flat", "polygon-short", "rle-malformed")
MASK_FIXES: dict[str, Callable[[Any, int, int], Any]] = {
    "mask-malformed": unwrapped,
    "polygon-flat": lambda polygon, height, width: [polygon],
    "polygon-not-finite": _without_points,
    "polygon-short": _joined_points,
    "polygon-part-short": _without_short,
    "polygon-crossing": _without_crossings,
    "mask-outside": _within,
    "rle-size": _remove,
    "rle-malformed": without_bytes,
    "rle-uncompressed": _compress,
    "mask-empty": _remove,
}
