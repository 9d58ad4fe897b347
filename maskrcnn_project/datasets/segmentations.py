"""What can be told of a segmentation without drawing it: its form, its box, whether it lies in its image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from maskrcnn_project.datasets.coco_rows import MAX_COORDINATE, is_id, is_number, short_repr
from maskrcnn_project.masks.run_lengths import box_of, read_run_lengths

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels
Faults = list[tuple[str, str]]  # rules that are broken, each with a phrase

# Rounding to whole pixels moves an edge by half a pixel at most: no more than that is anybody's mistake.
OUTSIDE_TOLERANCE = 0.5
NUMBERS = frozenset((int, float))
# Faults of masks that can be drawn all the same.
HARMLESS = frozenset(("rle-uncompressed", "mask-outside", "polygon-part-short"))


class Form(NamedTuple):
    """What a segmentation is by its form."""

    faults: Faults  # the rules that it breaks, each with a phrase
    box: Box | None  # round it, not cut at the image's edges; None if it cannot be drawn or has no pixel


def form_of(segmentation: Any, height: int, width: int) -> Form:
    """
    Looks at a segmentation once. An absent mask breaks ``mask-missing``.

    Args:
        height, width: of the image.
    """
    if segmentation is None or segmentation == [] or segmentation == "":
        return Form([("mask-missing", "its segmentation is empty or not there")], None)
    if isinstance(segmentation, dict):
        return _run_lengths_form(segmentation, height, width)
    if not isinstance(segmentation, list):
        return Form([("mask-malformed", f"its segmentation is {short_repr(segmentation)}")], None)
    return _polygons_form(segmentation, height, width)


def form_faults(segmentation: Any, height: int, width: int) -> Faults:
    """The rules that a segmentation breaks by its form, see ``form_of``."""
    return form_of(segmentation, height, width).faults


def can_be_drawn(faults: Iterable[tuple[str, str]]) -> bool:
    """Whether a segmentation with these faults of its form still is a mask."""
    return all(rule_id in HARMLESS for rule_id, _ in faults)


def form_box(segmentation: Any, height: int, width: int) -> Box | None:
    """The box round a segmentation that can be drawn, cut at the image's edges; None if nothing is in the image."""
    box = form_of(segmentation, height, width).box
    return None if box is None else cut_box(box, height, width)


def cut_box(box: Box, height: int, width: int) -> Box | None:
    """The part of a box that lies in the image; None if there is none."""
    x1, y1, x2, y2 = box
    box = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    return box if box[0] < box[2] and box[1] < box[3] else None


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


def _run_lengths_form(rle: dict[str, Any], height: int, width: int) -> Form:
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(map(is_number, size)):
        return Form([("mask-malformed", f"its run lengths have the size {short_repr(size)}")], None)
    if not isinstance(counts, str) and not (isinstance(counts, list) and all(map(is_id, counts))):
        return Form([("mask-malformed", f"its run lengths have the counts {short_repr(counts)}")], None)
    faults: Faults = []
    box = None
    if size != [height, width]:
        faults.append(("rle-size", f"size {size}, but the image has [height, width] = [{height}, {width}]"))
    else:
        runs = read_run_lengths(counts, height * width)
        if runs is None:
            detail = f"its run lengths do not fill the {height} x {width} pixels of the image, or cannot be read"
            return Form([("rle-malformed", detail)], None)
        box = box_of(runs, height)
    if isinstance(counts, list):
        faults.append(("rle-uncompressed", f"{len(counts)} run lengths"))
    return Form(faults, box)


def _polygons_form(polygons: list[Any], height: int, width: int) -> Form:
    if _is_bare_runs(polygons, height * width):
        return Form([("mask-malformed", "its segmentation is a bare list of run lengths")], None)
    if _is_bitmap(polygons, height, width):
        return Form([("mask-malformed", "its segmentation is a list of rows of pixels")], None)
    if all(type(value) in NUMBERS for value in polygons):
        return Form([("polygon-flat", f"one list of {len(polygons)} numbers")], None)
    faults, short, sound = [], [], []
    for number, polygon in enumerate(polygons):
        if not isinstance(polygon, list) or not NUMBERS.issuperset(map(type, polygon)):
            return Form([("mask-malformed", f"polygon {number} is {short_repr(polygon)}")], None)
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
    if not sound or not can_be_drawn(faults):
        return Form(faults, None)
    box = polygons_box(sound)
    if cut_box(box, height, width) is None and is_outside(box, height, width):
        faults.append(("mask-empty", f"no pixel in the image: it reaches {_reach(box, height, width)}"))
    elif is_outside(box, height, width):
        faults.append(("mask-outside", f"it reaches {_reach(box, height, width)}"))
    return Form(faults, box)


def _is_bare_runs(values: list[Any], pixels: int) -> bool:
    return all(type(value) is int and value >= 0 for value in values) and sum(values) == pixels


def _is_bitmap(rows: list[Any], height: int, width: int) -> bool:
    return len(rows) == height and all(
        isinstance(row, list) and len(row) == width and all(value in (0, 1, 255) for value in row) for row in rows
    )


def _reach(box: Box, height: int, width: int) -> str:
    corners = ", ".join(f"{value:g}" for value in box)
    return f"from x1, y1, x2, y2 = {corners} in an image of {height} x {width} (height x width)"
