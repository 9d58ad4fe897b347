"""
Masks as the vertical spans of their columns: measured, shifted and compared without drawing a pixel.

The work follows an object's outline: of an object of a million pixels some thousand spans are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskrcnn_project.masks.coding import Rle
from maskrcnn_project.masks.run_lengths import read_run_lengths

REACH = 2  # so far, in pixels, masks may be shifted against each other up and down


@dataclass(frozen=True)
class Spans:
    """
    The S spans of one mask, column by column, from top to bottom; those of a column do not touch.

    Attributes:
        columns: (S,) int64, x of the pixels.
        tops, bottoms: (S,) int64, the first y in the mask and the first one after it.
        height: of the image.
    """

    columns: np.ndarray
    tops: np.ndarray
    bottoms: np.ndarray
    height: int

    @property
    def lengths(self) -> np.ndarray:
        return self.bottoms - self.tops

    def extent(self) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 from edge to edge of the pixels. Of a mask that has any."""
        return int(self.columns[0]), int(self.tops.min()), int(self.columns[-1]) + 1, int(self.bottoms.max())

    def along(self, dx: int = 0, dy: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """
        Starts and ends (S,) of the spans, shifted by (dx, dy), on one long line of all columns. Rows beyond the image
        keep the columns apart.
        """
        assert abs(dy) <= REACH, f"a shift by {dy} rows could reach the next column"
        first = (self.columns + dx) * (self.height + 2 * REACH) + REACH + dy
        return first + self.tops, first + self.bottoms


def spans_of(rle: Rle) -> Spans:
    """
    Of compressed run lengths (``counts`` as text).

    Raises:
        ValueError: runs that do not fill the size.
    """
    height, width = (int(side) for side in rle["size"])
    lengths = read_run_lengths(rle["counts"], height * width)
    if lengths is None:
        raise ValueError(f"The run lengths of a mask do not fill its [height, width] = [{height}, {width}].")
    borders = np.cumsum(lengths)
    starts, ends = borders[:-1:2], borders[1::2]
    starts, ends = starts[starts < ends], ends[starts < ends]
    first, last = starts // height, (ends - 1) // height
    pieces = last - first + 1  # a run may go on in the next columns
    which = np.repeat(np.arange(len(starts)), pieces)
    columns = first[which] + np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    tops = np.maximum(starts[which], columns * height) - columns * height
    bottoms = np.minimum(ends[which], (columns + 1) * height) - columns * height
    return _join(Spans(columns, tops, bottoms, height))


def shared_pixels(one: Spans, other: Spans, dx: int = 0, dy: int = 0) -> int:
    """Number of pixels of ``other`` that ``one``, shifted by (dx, dy), covers. ``dy`` is REACH at most."""
    starts, ends = one.along(dx, dy)
    low, high = other.along()
    covered = np.concatenate([[0], np.cumsum(ends - starts)])  # pixels of ``one`` before its span k

    def before(places: np.ndarray) -> np.ndarray:
        begun = np.searchsorted(starts, places)
        beyond = np.concatenate([[0], ends])[begun] - places  # of the span that was begun last
        return covered[begun] - np.maximum(beyond, 0) * (begun > 0)

    return int((before(high) - before(low)).sum())


def touch(one: Spans, other: Spans) -> bool:
    """Whether two masks of one image share a pixel, or have two that are neighbours (side by side or cornerwise)."""
    low, high = other.along()
    for dx in (-1, 0, 1):
        starts, ends = one.along(dx)
        # each span of ``one`` is taken a row longer at both ends
        if (np.searchsorted(starts - 1, high) > np.searchsorted(ends + 1, low, side="right")).any():
            return True
    return False


def _join(spans: Spans) -> Spans:
    """Spans of one column that touch, as runs of length 0 between them leave them, made one."""
    follows = (spans.columns[1:] == spans.columns[:-1]) & (spans.tops[1:] == spans.bottoms[:-1])
    if not follows.any():
        return spans
    first = np.concatenate([[True], ~follows])
    last = np.concatenate([~follows, [True]])
    return Spans(spans.columns[first], spans.tops[first], spans.bottoms[last], spans.height)
