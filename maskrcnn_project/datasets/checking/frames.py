"""An annotation's box beside the box of its mask, and whether the two agree: as they are, or in another frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maskrcnn_project.datasets.coco_rows import Row, is_box
from maskrcnn_project.datasets.segmentations import Box, Faults, form_of
from maskrcnn_project.masks.run_lengths import box_of, read_run_lengths

# Pixel masks, outlines through pixel centres and outlines along pixel edges give boxes that differ by a pixel on each
# side; a drawn box by a hand's width. Beyond both, the box belongs to something else than the mask.
MAX_DIFFERENCE_PIXELS = 2.0
MAX_DIFFERENCE_SHARE = 0.1  # of the mask's width or height
MAX_ASPECT_DIFFERENCE = 0.02


@dataclass(frozen=True, slots=True)
class Pair:
    """An annotation with its box as written and the box of its mask as written, each x1, y1, x2, y2 or None."""

    row: Row
    height: int  # of the image
    width: int
    box: Box | None
    mask_box: Box | None
    is_polygon: bool
    faults: Faults  # of the mask's form

    def fits(self) -> bool:
        """Whether box and mask agree as they are."""
        return agree(self.box, self.mask_box)

    def fits_swapped(self) -> bool:
        """Whether they agree if one of them has x and y exchanged."""
        return self.box is not None and agree(swapped(self.box), self.mask_box)

    def fits_row_major(self) -> bool:
        """Whether the box agrees with run lengths that are read along the rows."""
        if self.is_polygon or self.mask_box is None:
            return False
        return agree(self.box, row_major_box(self.row["segmentation"], self.height, self.width))

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
    faults, mask_box = form_of(segmentation, height, width)
    return Pair(row, height, width, corners, mask_box, isinstance(segmentation, list), faults)


def are_of_one_shape(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two (height, width, ...) are of one picture at two scales, whose sides were rounded."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= MAX_ASPECT_DIFFERENCE


def agree(box: Box | None, other: Box | None) -> bool:
    """Whether both are there and lie together."""
    return box is not None and other is not None and not differ(box, other)
