"""
Boxes and masks of one file that stand in different frames: shares or percent of the image instead of pixels, x and y
exchanged, mirrored, of another row, of pictures of two sizes, run lengths along the rows.

A single row that shows one of these is a slip; where most rows show the same, it is how the file was written. The frame
is recognised by comparing each box with the box of its mask under each hypothesis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from maskrcnn_project.datasets.checking.frames import Pair, agree, differ
from maskrcnn_project.datasets.checking.turns import TURNS, turned_box
from maskrcnn_project.datasets.coco_rows import Row, is_crowd
from maskrcnn_project.datasets.segmentations import Box, is_outside

MIN_ROWS = 3  # fewer rows that agree may do so by chance
MOST = 0.5  # of the rows that can tell
LITTLE = 0.4  # IoU of two boxes of one object, however loosely drawn, is more
SAME_SCALE = 1.2  # a factor within this is a loose box, or a loose outline
# Percent of the image's size look like pixels, but for this: many of them, up to nearly 100, and none beyond, in images
# that are much larger.
PERCENT = 100.0
MIN_PERCENT_ROWS, MIN_PERCENT_SIDE, MIN_PERCENT_REACH = 20, 250, 80.0
Faults = dict[str, tuple[str, list[Row]]]
Look = Callable[[list[Pair]], Faults]


def frame_faults(pairs: Sequence[Pair]) -> Faults:
    """The frames that most rows of a file are in and should not be: {rule: (a phrase, the rows that show it)}."""
    compared = [pair for pair in pairs if pair.box is not None and pair.mask_box is not None]
    faults = dict(_normalised(pairs)) or dict(_percent(pairs, compared))
    if faults:
        return faults
    polygons = [pair for pair in compared if pair.is_polygon]
    rles = [pair for pair in compared if not pair.is_polygon]
    faults = _exchanged(polygons, rles) or _row_major(rles)
    if faults:
        return faults
    # the rows of a kind may be in a frame that those of the other kind are not in
    kinds = [those for those in (compared, polygons, rles) if len(those) >= MIN_ROWS and not _most_fit(those)]
    return next((found for look in LOOKS for those in kinds if (found := look(those))), {})


def _if_most(rule_id: str, showing: list[Pair], pairs: Sequence[Pair], detail: str = "so") -> Faults:
    """A fault where most rows show it, of those that do not agree as they are."""
    if not _are_most(showing, sum(pair.fits() for pair in showing), len(pairs)):
        return {}
    return {rule_id: (f"{detail} {len(showing)} of {len(pairs)}", [pair.row for pair in showing])}


def _are_most(showing: list[Pair], undecided: int, total: int) -> bool:
    return len(showing) - undecided >= MIN_ROWS and len(showing) - undecided > MOST * (total - undecided)


def _normalised(pairs: Sequence[Pair]) -> Iterator[tuple[str, tuple[str, list[Row]]]]:
    """Boxes, and polygons, of less than a pixel at the upper left corner: no set is of these."""
    boxes = [pair for pair in pairs if pair.box is not None]
    polygons = [pair for pair in pairs if pair.is_polygon and pair.mask_box is not None]
    for rule_id, those, key in (("boxes-normalised", boxes, "box"), ("polygons-normalised", polygons, "mask_box")):
        small = [pair for pair in those if _is_share(getattr(pair, key), pair.height, pair.width)]
        if _are_most(small, 0, len(those)):
            yield rule_id, (f"so {len(small)} of {len(those)}", [pair.row for pair in small])


def _is_share(box: Box, height: int, width: int) -> bool:
    # half a pixel beyond the image is nobody's mistake, and so is its share
    limit = 1 + 0.5 / min(height, width)
    return min(height, width) > 2 and min(box) >= 1 - limit and max(box) <= limit


def _percent(pairs: Sequence[Pair], compared: list[Pair]) -> Iterator[tuple[str, tuple[str, list[Row]]]]:
    """Boxes, or polygons, in percent: as the other of the two tells, or both, where there is no other to tell."""
    if _most_fit(compared):
        compared = []  # both in percent, or neither
    kinds = (("boxes-percent", "box", "mask_box"), ("polygons-percent", "mask_box", "box"))
    for rule_id, key, other in kinds:
        those = [pair for pair in pairs if getattr(pair, key) is not None and (key == "box" or pair.is_polygon)]
        showing = [
            pair
            for pair in compared
            if (key == "box" or pair.is_polygon)
            and not pair.fits()
            and agree(_from_percent(getattr(pair, key), pair.height, pair.width), getattr(pair, other))
        ]
        if compared:
            are_percent = _are_most(showing, 0, len(those)) and all(_grew(showing, key, other))
        else:
            showing, are_percent = those, _look_like_percent([(getattr(pair, key), pair) for pair in those])
        if are_percent:
            yield rule_id, (f"so {len(showing)} of {len(those)}", [pair.row for pair in showing])


def _from_percent(box: Box, height: int, width: int) -> Box:
    return box[0] * width / PERCENT, box[1] * height / PERCENT, box[2] * width / PERCENT, box[3] * height / PERCENT


def _grew(pairs: list[Pair], key: str, other: str) -> Iterator[bool]:
    """Across and down, whether percent are as many times the pixels as they should be: small boxes fit by chance."""
    for end, side in ((2, "width"), (3, "height")):
        pixels = sum(getattr(pair, other)[end] / getattr(pair, side) for pair in pairs)
        percent = sum(getattr(pair, key)[end] / PERCENT for pair in pairs)
        yield pixels / SAME_SCALE < percent < pixels * SAME_SCALE


def _look_like_percent(boxes: list[tuple[Box, Pair]]) -> bool:
    if len(boxes) < MIN_PERCENT_ROWS or min(min(pair.height, pair.width) for _, pair in boxes) < MIN_PERCENT_SIDE:
        return False
    ends = [max(box[axis] for box, _ in boxes) for axis in (2, 3)]
    starts = min(min(box[:2]) for box, _ in boxes)
    return starts > -1 and min(ends) >= MIN_PERCENT_REACH and max(ends) <= PERCENT + 0.5


def _mirrored(pairs: list[Pair]) -> Faults:
    each = (
        _if_most("mirror-differs", [p for p in pairs if _fits_turned(p, how)], pairs, f"{how}, so") for how in TURNS
    )
    return next(filter(None, each), {})


def _fits_turned(pair: Pair, how: str) -> bool:
    if pair.box is None or (TURNS[how].square and pair.height != pair.width):
        return False
    return agree(turned_box(pair.box, how, pair.height, pair.width), pair.mask_box)


def _centred(pairs: list[Pair]) -> Faults:
    return _if_most("boxes-centred", [pair for pair in pairs if _fits_centred(pair)], pairs)


def _fits_centred(pair: Pair) -> bool:
    """Whether box and mask agree if the box's first two numbers are its centre."""
    assert pair.box is not None
    x1, y1, x2, y2 = pair.box
    across, down = (x2 - x1) / 2, (y2 - y1) / 2
    return agree((x1 - across, y1 - down, x2 - across, y2 - down), pair.mask_box)


def _strange(pairs: list[Pair]) -> Faults:
    """Boxes that have little in common with the boxes of their masks, in no way that is known."""
    # corners, and boxes of no size, have rules of their own, which mend them
    showing = [pair for pair in pairs if _overlap(pair) < LITTLE and not is_crowd(pair.row) and not _is_other(pair)]
    if not _are_most(showing, 0, len(pairs)):
        return {}
    return {"boxes-differ": (f"so {len(showing)} of {len(pairs)}", [pair.row for pair in showing])}


def _is_other(pair: Pair) -> bool:
    x, y, width, height = pair.row["bbox"]
    return min(width, height) <= 0 or agree((x, y, width, height), pair.mask_box)


def _overlap(pair: Pair) -> float:
    """IoU of the two boxes."""
    assert pair.box is not None and pair.mask_box is not None
    one, other = pair.box, pair.mask_box
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / max(areas - shared, 1e-9)


def _of_other_rows(pairs: list[Pair]) -> Faults:
    """Boxes that are those of the mask of the next row, or of the row before."""
    for where, boxes, masks in (("next row", pairs[:-1], pairs[1:]), ("row before", pairs[1:], pairs[:-1])):
        showing = [one for one, other in zip(boxes, masks, strict=True) if agree(one.box, other.mask_box)]
        found = _if_most("rows-differ", showing, pairs, f"the box is that of the mask of the {where}, in")
        if found:
            return found
    return {}


def _exchanged(polygons: list[Pair], rles: list[Pair]) -> Faults:
    """x and y exchanged in the boxes, or in the polygons. Run lengths of the image's size cannot have them so."""
    in_polygons, in_rles = _swapped_among(polygons), _swapped_among(rles)
    pairs = in_polygons + in_rles
    if len(pairs) < MIN_ROWS:
        return {}
    detail = f"so {len(pairs)} of {len(polygons) + len(rles)}"
    outside = Counter(
        kind
        for pair in in_polygons
        for kind, box in (("boxes", pair.box), ("polygons", pair.mask_box))
        if box is not None and is_outside(box, pair.height, pair.width)
    )
    rule_id = "axes-differ"
    if (in_polygons and in_rles) or (outside["boxes"] and not outside["polygons"]):
        rule_id = "boxes-swapped"
    elif in_polygons and (_most_fit(rles) or (outside["polygons"] and not outside["boxes"])):
        rule_id = "polygons-swapped"
    elif in_rles and _most_fit(polygons):
        rule_id = "rle-row-major"  # in square images, where the two are the same
    elif in_rles and not polygons and any(not pair.fits_row_major() for pair in in_rles):
        rule_id = "boxes-swapped"
    return {rule_id: (detail, [pair.row for pair in pairs])}


def _swapped_among(pairs: Sequence[Pair]) -> list[Pair]:
    """Those that agree with x and y exchanged, if most do; near the diagonal a pair agrees either way."""
    showing = [pair for pair in pairs if pair.fits_swapped()]
    undecided = sum(pair.fits() for pair in showing)
    return showing if len(showing) - undecided > MOST * (len(pairs) - undecided) else []


def _most_fit(pairs: Sequence[Pair]) -> bool:
    return sum(pair.fits() for pair in pairs) > MOST * len(pairs)


def _row_major(rles: list[Pair]) -> Faults:
    if _most_fit(rles):
        return {}
    found = _if_most("rle-row-major", [pair for pair in rles if pair.fits_row_major()], rles)
    return {rule_id: (f"{detail} run lengths", rows) for rule_id, (detail, rows) in found.items()}


def _scaled(pairs: list[Pair]) -> Faults:
    factor = median(pair.scale() for pair in pairs)
    if factor <= 0 or max(factor, 1 / factor) < SAME_SCALE:
        return {}
    showing = [pair for pair in pairs if not pair.fits() and _fits_scaled(pair, factor)]
    return _if_most("scale-differs", showing, pairs, f"the boxes are {factor:.3g} times as large as the masks, in")


def _fits_scaled(pair: Pair, factor: float) -> bool:
    if pair.box is None or pair.mask_box is None:
        return False
    x1, y1, x2, y2 = pair.mask_box
    # compared at the larger of the two sizes, where a pixel is least
    if factor < 1:
        bx1, by1, bx2, by2 = pair.box
        return not differ((bx1 / factor, by1 / factor, bx2 / factor, by2 / factor), pair.mask_box)
    return not differ(pair.box, (x1 * factor, y1 * factor, x2 * factor, y2 * factor))


# Of rows most of which do not agree as they are, in this order.
LOOKS: tuple[Look, ...] = (_centred, _mirrored, _of_other_rows, _scaled, _strange)
