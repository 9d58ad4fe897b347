"""
Boxes and masks of one file that stand in different frames: shares of the image instead of pixels, x and y exchanged,
pictures of two sizes, run lengths along the rows.

A single row that shows one of these is a slip; where most rows show the same, it is how the file was written. The frame
is recognised by comparing each box with the box of its mask under each hypothesis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from maskrcnn_project.datasets.coco_rows import Row, is_box
from maskrcnn_project.datasets.segmentations import (
    Box,
    is_outside,
    uncut_box,
)
from maskrcnn_project.masks.run_lengths import box_of, read_run_lengths

MIN_ROWS = 3  # fewer rows that agree may do so by chance
MOST = 0.5  # of the rows that can tell
SAME_SCALE = 1.2  # a factor within this is a loose box, or a loose outline
# Pixel masks, outlines through pixel centres and outlines along pixel edges give boxes that differ by a pixel on each
# side; a drawn box by a hand's width. Beyond both, the box belongs to something else than the mask.
MAX_DIFFERENCE_PIXELS = 2.0
MAX_DIFFERENCE_SHARE = 0.1  # of the mask's width or height


@dataclass(frozen=True, slots=True)
class Pair:
    """An annotation with its box as written and the box of its mask as written, each x1, y1, x2, y2 or None."""

    row: Row
    height: int  # of the image
    width: int
    box: Box | None
    mask_box: Box | None
    is_polygon: bool

    def fits(self) -> bool:
        """Whether box and mask agree as they are."""
        return _agree(self.box, self.mask_box)

    def fits_swapped(self) -> bool:
        """Whether they agree if one of them has x and y exchanged."""
        return self.box is not None and _agree(swapped(self.box), self.mask_box)

    def fits_row_major(self) -> bool:
        """Whether the box agrees with run lengths that are read along the rows."""
        if self.is_polygon or self.mask_box is None:
            return False
        return _agree(self.box, row_major_box(self.row["segmentation"], self.height, self.width))

    def scale(self) -> float:
        """How many times larger the box's coordinates are than the mask's."""
        assert self.box is not None and self.mask_box is not None
        return (self.box[2] + self.box[3]) / max(self.mask_box[2] + self.mask_box[3], 1e-9)


def differ(box: Box, mask_box: Box) -> bool:
    """Whether an edge of a box lies away from that of the mask."""
    across = max(MAX_DIFFERENCE_PIXELS, MAX_DIFFERENCE_SHARE * (mask_box[2] - mask_box[0]))
    down = max(MAX_DIFFERENCE_PIXELS, MAX_DIFFERENCE_SHARE * (mask_box[3] - mask_box[1]))
    return (
        abs(box[0] - mask_box[0]) > across
        or abs(box[2] - mask_box[2]) > across
        or abs(box[1] - mask_box[1]) > down
        or abs(box[3] - mask_box[3]) > down
    )


def swapped(box: Box) -> Box:
    """x and y exchanged."""
    return box[1], box[0], box[3], box[2]


def row_major_box(rle: dict[str, Any], height: int, width: int) -> Box | None:
    """The box of run lengths that go along the rows: column by column, they are those of the transposed mask."""
    runs = read_run_lengths(rle["counts"], height * width)
    box = None if runs is None else box_of(runs, width)
    return None if box is None else swapped(box)


def pair_of(row: Row, height: int, width: int) -> Pair:
    """An annotation with both its boxes; (height, width) of its image."""
    box, segmentation = row.get("bbox"), row.get("segmentation")
    corners = (box[0], box[1], box[0] + box[2], box[1] + box[3]) if is_box(box) else None
    mask_box = uncut_box(segmentation, height, width) if segmentation else None
    return Pair(row, height, width, corners, mask_box, isinstance(segmentation, list))


def frame_faults(pairs: Sequence[Pair]) -> dict[str, tuple[str, list[Row]]]:
    """The frames that most rows of a file are in and should not be: {rule: (a phrase, the rows that show it)}."""
    faults = dict(_normalised(pairs))
    if faults:
        return faults
    compared = [pair for pair in pairs if pair.box is not None and pair.mask_box is not None]
    polygons = [pair for pair in compared if pair.is_polygon]
    rles = [pair for pair in compared if not pair.is_polygon]
    return _exchanged(polygons, rles) or _row_major(rles) or _scaled(compared) or _scaled(polygons) or _scaled(rles)


def _agree(box: Box | None, other: Box | None) -> bool:
    return box is not None and other is not None and not differ(box, other)


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


def _exchanged(polygons: list[Pair], rles: list[Pair]) -> dict[str, tuple[str, list[Row]]]:
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


def _row_major(rles: list[Pair]) -> dict[str, tuple[str, list[Row]]]:
    if _most_fit(rles):
        return {}
    showing = [pair for pair in rles if pair.fits_row_major()]
    if not _are_most(showing, sum(pair.fits() for pair in showing), len(rles)):
        return {}
    return {"rle-row-major": (f"so {len(showing)} of {len(rles)} run lengths", [pair.row for pair in showing])}


def _scaled(pairs: Sequence[Pair]) -> dict[str, tuple[str, list[Row]]]:
    if len(pairs) < MIN_ROWS or _most_fit(pairs):
        return {}
    factor = median(pair.scale() for pair in pairs)
    if factor <= 0 or max(factor, 1 / factor) < SAME_SCALE:
        return {}
    showing = [pair for pair in pairs if not pair.fits() and _fits_scaled(pair, factor)]
    if not _are_most(showing, 0, len(pairs)):
        return {}
    detail = f"the boxes are {factor:.3g} times as large as the masks, in {len(showing)} of {len(pairs)}"
    return {"scale-differs": (detail, [pair.row for pair in showing])}


def _fits_scaled(pair: Pair, factor: float) -> bool:
    if pair.box is None or pair.mask_box is None:
        return False
    x1, y1, x2, y2 = pair.mask_box
    # compared at the larger of the two sizes, where a pixel is least
    if factor < 1:
        bx1, by1, bx2, by2 = pair.box
        return not differ((bx1 / factor, by1 / factor, bx2 / factor, by2 / factor), pair.mask_box)
    return not differ(pair.box, (x1 * factor, y1 * factor, x2 * factor, y2 * factor))
