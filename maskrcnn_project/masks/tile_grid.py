"""Overlapping tiles over a large image: rectangles of whole pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from maskrcnn_project.masks.window import Window


def offsets(length: int, size: int, overlap: int) -> list[int]:
    """
    Where tiles of ``size`` begin on a line of ``length`` pixels: as few as cover it with at least ``overlap`` in
    common, evenly spread, the last one ending where the line ends. A line below ``size`` has one tile.
    """
    if length <= size:
        return [0]
    gaps = -(-(length - size) // (size - overlap))  # rounded up
    return [gap * (length - size) // gaps for gap in range(gaps + 1)]


class Grid:
    """The tiles over an image, row by row."""

    def __init__(self, height: int, width: int, size: int, overlap: int) -> None:
        self.columns = [(x, min(size, width)) for x in offsets(width, size, overlap)]
        self.rows = [(y, min(size, height)) for y in offsets(height, size, overlap)]
        self.tiles = [Window(x, y, w, h) for y, h in self.rows for x, w in self.columns]

    def touching(self, window: Window) -> Iterator[int]:
        """The indices of the tiles that have pixels in common with ``window``."""
        columns = _indices_touching(self.columns, window.x, window.width)
        for row in _indices_touching(self.rows, window.y, window.height):
            for column in columns:
                yield row * len(self.columns) + column

    def is_wider_than(self, overlap: int, window: Window) -> bool:
        """Whether an edge between tiles may cut the window in each of them."""
        return (len(self.columns) > 1 and window.width > overlap) or (len(self.rows) > 1 and window.height > overlap)


def _indices_touching(spans: Sequence[tuple[int, int]], start: int, length: int) -> list[int]:
    end = start + length
    return [index for index, (first, size) in enumerate(spans) if max(first, start) < min(first + size, end)]
