"""What can be told of a segmentation without drawing it: its form, its box, whether it lies in its image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from maskrcnn_project.datasets.coco_rows import MAX_COORDINATE, is_id, is_number, short_repr
from maskrcnn_project.masks.run_lengths import box_of, read_run_lengths

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels

# Rounding to whole pixels moves an edge by half a pixel at most: no more than that is anybody's mistake.
OUTSIDE_TOLERANCE = 0.5
NUMBERS = frozenset((int, float))
# Faults of masks that can be drawn all the same.
HARMLESS = frozenset(("rle-uncompressed", "mask-outside", "polygon-part-short"))


def form_faults(segmentation: Any, height: int, width: int) -> list[tuple[str, str]]:
    """
    The rules that a segmentation breaks by its form, each with a phrase. An absent mask breaks ``mask-missing``.

    Args:
        height, width: of the image.
    """
    if segmentation is None or segmentation == [] or segmentation == "":
        return [("mask-missing", "its segmentation is empty or not there")]
    if isinstance(segmentation, dict):
        return _rle_faults(segmentation, height, width)
    if not isinstance(segmentation, list):
        return [("mask-malformed", f"its segmentation is {short_repr(segmentation)}")]
    return _polygons_faults(segmentation, height, width)


def can_be_drawn(faults: Iterable[tuple[str, str]]) -> bool:
    """Whether a segmentation with these faults of its form still is a mask."""
    return all(rule_id in HARMLESS for rule_id, _ in faults)


def form_box(segmentation: Any, height: int, width: int) -> Box | None:
    """The box round a segmentation that can be drawn, cut at the image's edges; None if nothing is in the image."""
    box = uncut_box(segmentation, height, width)
    return None if box is None else cut_box(box, height, width)


def cut_box(box: Box, height: int, width: int) -> Box | None:
    """The part of a box that lies in the image; None if there is none."""
    x1, y1, x2, y2 = box
    box = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    return box if box[0] < box[2] and box[1] < box[3] else None


def uncut_box(segmentation: Any, height: int, width: int) -> Box | None:
    """The box round a segmentation; None if it cannot be drawn or has no pixel. Run lengths are read once."""
    if isinstance(segmentation, dict) and segmentation.get("size") == [height, width]:
        counts = segmentation.get("counts")
        if isinstance(counts, str) or (isinstance(counts, list) and all(map(is_id, counts))):
            runs = read_run_lengths(counts, height * width)
            return None if runs is None else box_of(runs, height)
    if not isinstance(segmentation, list) or not can_be_drawn(form_faults(segmentation, height, width)):
        return None
    return polygons_box(without_short(segmentation))


def polygons_box(polygons: Sequence[Sequence[float]]) -> Box:
    """x1, y1, x2, y2 round the corners of polygons that can be drawn."""
    # plain Python: for the few points of a polygon an array takes longer to make than this takes
    xs = [x for polygon in polygons for x in polygon[::2]]
    ys = [y for polygon in polygons for y in polygon[1::2]]
    return float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys))


def points_of(polygon: Sequence[float]) -> int:
    """How many points a flat list [x, y, ...] holds; one that repeats the first at the end is not counted."""
    closed = len(polygon) > 2 and polygon[:2] == polygon[-2:]
    return len(polygon) // 2 - closed


def is_finite(polygon: Sequence[float]) -> bool:
    """Whether every number of a flat list can be a coordinate."""
    try:
        total = sum(polygon)
    except OverflowError:  # an integer too large for a float
        return False
    if total != total:  # NaN, which min and max may miss
        return False
    return min(polygon) >= -MAX_COORDINATE and max(polygon) <= MAX_COORDINATE


def is_short(polygon: Sequence[float]) -> bool:
    """Whether a flat list of finite numbers is no polygon: fewer than three points, or a value too many."""
    return len(polygon) % 2 == 1 or points_of(polygon) < 3


def without_short(polygons: Sequence[list[float]]) -> list[list[float]]:
    """The polygons of finite numbers that are polygons; what training and evaluation leave out is left out."""
    return [polygon for polygon in polygons if not is_short(polygon)]


def is_outside(box: Box, height: int, width: int) -> bool:
    """Whether a box reaches beyond the image."""
    beyond = max(-box[0], -box[1], box[2] - width, box[3] - height)
    return beyond > OUTSIDE_TOLERANCE


def _rle_faults(rle: dict[str, Any], height: int, width: int) -> list[tuple[str, str]]:
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(map(is_number, size)):
        return [("mask-malformed", f"its run lengths have the size {short_repr(size)}")]
    if not isinstance(counts, str) and not (isinstance(counts, list) and all(map(is_id, counts))):
        return [("mask-malformed", f"its run lengths have the counts {short_repr(counts)}")]
    faults: list[tuple[str, str]] = []
    if size != [height, width]:
        faults.append(("rle-size", f"size {size}, but the image has [height, width] = [{height}, {width}]"))
    elif read_run_lengths(counts, height * width) is None:
        detail = f"its run lengths do not fill the {height} x {width} pixels of the image, or cannot be read"
        return [("rle-malformed", detail)]
    if isinstance(counts, list):
        faults.append(("rle-uncompressed", f"{len(counts)} run lengths"))
    return faults


def _polygons_faults(polygons: list[Any], height: int, width: int) -> list[tuple[str, str]]:
    if all(type(value) in NUMBERS for value in polygons):
        return [("polygon-flat", f"one list of {len(polygons)} numbers")]
    faults, short, sound = [], [], []
    for number, polygon in enumerate(polygons):
        if not isinstance(polygon, list) or not NUMBERS.issuperset(map(type, polygon)):
            return [("mask-malformed", f"polygon {number} is {short_repr(polygon)}")]
        if not polygon:
            short.append(f"polygon {number} is empty")
        elif not is_finite(polygon):
            bad = [value for value in polygon if not is_number(value)]
            faults.append(("polygon-not-finite", f"polygon {number} holds {short_repr(bad[0])}"))
        elif is_short(polygon):
            short.append(f"polygon {number} has {len(polygon)} values")
        else:
            sound.append(polygon)
    rule_id = "polygon-part-short" if sound or faults else "polygon-short"
    faults += [(rule_id, detail) for detail in short]
    if sound and can_be_drawn(faults):
        box = polygons_box(sound)
        if is_outside(box, height, width):
            faults.append(("mask-outside", f"it reaches {_reach(box, height, width)}"))
    return faults


def _reach(box: Box, height: int, width: int) -> str:
    corners = ", ".join(f"{value:g}" for value in box)
    return f"from x1, y1, x2, y2 = {corners} in an image of {height} x {width} (height x width)"
