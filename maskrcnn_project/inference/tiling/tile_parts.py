"""
What single tiles show of the objects of a large image: parts, and how far two of them agree.

Windows and pixels are in the frame of the image, whatever tile they were found in. Sides come in the order left, top,
right, bottom.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskrcnn_project.masks.coding import Rle, decode_crop
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.masks.tile_grid import Grid
from maskrcnn_project.masks.window import Window

# A mask of Mask R-CNN has 28 cells a side: the border of an object is known to one of them.
MASK_CELLS = 28


@dataclass(frozen=True, eq=False)
class TilePart:
    """
    One detection of one tile.

    Attributes:
        view: the number of the tile.
        tile: where the tile lies.
        window: the smallest that holds its pixels.
        area: its pixels, at least one.
        cut: for each side, whether an edge of the tile that lies within the image cuts the object.
        box: (4,) float32 XYXY, as the model gave it.
        rle: its mask, in the frame of the tile; None where the model has no masks: then it fills its window.
    """

    view: int
    tile: Window
    window: Window
    area: int
    cut: tuple[bool, ...]
    box: np.ndarray
    score: float
    category: int
    rle: Rle | None

    def mask(self) -> MaskInBox:
        """Decoded at each call: the masks of all parts at once may be many times the image."""
        if self.rle is None:
            return MaskInBox.full(self.window)
        return MaskInBox(self.window, decode_crop(self.rle).pixels)

    def is_cut_within(self, tile: Window) -> bool:
        """Whether an edge cuts it beyond which ``tile`` shows more."""
        return any(cut and other > own for cut, other, own in zip(self.cut, edges(tile), edges(self.tile), strict=True))


def edges(window: Window) -> tuple[int, int, int, int]:
    """Its four sides, each as a number that grows outwards."""
    return -window.x, -window.y, window.right, window.bottom


def parts_of(view: int, tile: Window, found: Detections, size: tuple[int, int]) -> list[TilePart]:
    """
    The parts in one tile of an image of ``size`` (height, width). A detection without a pixel is no part.

    Args:
        found: in the frame of the tile.
    """
    inner = [outer > edge for outer, edge in zip(edges(Window(0, 0, size[1], size[0])), edges(tile), strict=True)]
    parts = []
    for index in range(len(found)):
        window, area = _extent(found, index, tile)
        if not area:
            continue
        gaps = np.subtract(edges(tile), edges(window))
        slack = max(window.width, window.height) / MASK_CELLS
        parts.append(
            TilePart(
                view,
                tile,
                window,
                area,
                tuple(bool(gap <= slack) and open_side for gap, open_side in zip(gaps, inner, strict=True)),
                found.boxes[index] + np.array([tile.x, tile.y, tile.x, tile.y], np.float32),
                float(found.scores[index]),
                int(found.classes[index]),
                None if found.masks is None else found.masks[index],
            )
        )
    return parts


def _extent(found: Detections, index: int, tile: Window) -> tuple[Window, int]:
    """The window of a detection in the image, and its pixels."""
    if found.masks is not None:
        mask = found.crop(index).shift(tile.x, tile.y)
        return mask.window, mask.area
    low = np.floor(found.boxes[index, :2]).clip(0).astype(int)
    high = np.minimum(np.ceil(found.boxes[index, 2:]), (tile.width, tile.height)).astype(int)
    width, height = (int(side) for side in (high - low).clip(0))
    return Window(tile.x + int(low[0]), tile.y + int(low[1]), width, height), width * height


@dataclass(frozen=True)
class Agreement:
    """Pixels of two parts in what both tiles show: of both, of the first, of the second."""

    both: int
    first: int
    second: int

    @property
    def iou(self) -> float:
        return self.both / (self.first + self.second - self.both)

    @property
    def of_smaller(self) -> float:
        return self.both / min(self.first, self.second)


def agreement(first: TilePart, second: TilePart) -> Agreement | None:
    """
    How far two parts of different tiles agree where both tiles have seen; None if they have no pixel in common.

    Tiles that only touch have seen nothing in common. There a part that is cut is taken to go on for one pixel behind
    the edge as it is at the edge.
    """
    shared = first.tile.cut(second.tile)
    if shared.width and shared.height:
        one, other = first.mask(), second.mask()
    else:
        one, other = _continued(first), _continued(second)
        shared = _wider(first.tile).cut(_wider(second.tile))
    both = one.common_pixels(other, shared)
    if not both:
        return None
    return Agreement(both, int(one.within(shared).sum()), int(other.within(shared).sum()))


def _continued(part: TilePart) -> MaskInBox:
    """Its mask, and one row or column more behind each edge that cuts it."""
    mask = part.mask()
    gaps = np.subtract(edges(part.tile), edges(part.window))
    left, top, right, bottom = (int(gap) + 1 if cut else 0 for gap, cut in zip(gaps, part.cut, strict=True))
    pixels = np.pad(mask.pixels, ((top, bottom), (left, right)), mode="edge")
    return MaskInBox.at(part.window.x - left, part.window.y - top, pixels)


def _wider(window: Window) -> Window:
    return Window(window.x - 1, window.y - 1, window.width + 2, window.height + 2)


class Places:
    """Finds the windows that touch another one. Work follows those in the same tiles, not all of the image's."""

    def __init__(self, grid: Grid, windows: Sequence[Window]):
        self.grid = grid
        self.corners = np.array([(w.x, w.y, w.right, w.bottom) for w in windows]).reshape(-1, 4)
        self.of_tile: defaultdict[int, list[int]] = defaultdict(list)
        for index, window in enumerate(windows):
            for tile in grid.touching(window):
                self.of_tile[tile].append(index)

    def near(self, window: Window) -> list[int]:
        """The indices of the windows that overlap or touch this one, rising."""
        wider = _wider(window)
        found = {index for tile in self.grid.touching(wider) for index in self.of_tile[tile]}
        indices = np.array(sorted(found), dtype=np.int64)
        x1, y1, x2, y2 = self.corners[indices].T
        meets = (x1 < wider.right) & (x2 > wider.x) & (y1 < wider.bottom) & (y2 > wider.y)
        return indices[meets].tolist()
