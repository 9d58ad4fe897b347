"""A mask in its box: the pixels of one object, and where they lie in the image. Work on it follows its own size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskrcnn_project.masks.window import Window


@dataclass(frozen=True, eq=False)
class MaskInBox:
    """
    The pixels of one object of an image; outside of the window it has none.

    Attributes:
        window: in pixels of the image; it may reach beyond the image, and may have rows or columns without a pixel of
            the object. Without width or height where there is no pixel.
        pixels: (window.height, window.width) bool.
    """

    window: Window
    pixels: np.ndarray

    def __post_init__(self) -> None:
        shape = (self.window.height, self.window.width)
        assert self.pixels.shape == shape, f"a window of (height, width) {shape} with pixels of {self.pixels.shape}"

    @classmethod
    def at(cls, x: int, y: int, pixels: np.ndarray) -> MaskInBox:
        """(h, w) bool ``pixels``, the upper left one of which is pixel (x, y) of the image."""
        return cls(Window(x, y, pixels.shape[1], pixels.shape[0]), pixels)

    @classmethod
    def none(cls) -> MaskInBox:
        """Without a pixel."""
        return cls(Window(0, 0, 0, 0), np.zeros((0, 0), dtype=bool))

    @classmethod
    def full(cls, window: Window) -> MaskInBox:
        """Every pixel of ``window``, as a box stands for a mask."""
        return cls(window, np.ones((window.height, window.width), dtype=bool))

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return int(np.count_nonzero(self.pixels))

    def within(self, window: Window) -> np.ndarray:
        """The part in ``window`` as a view (h, w) bool: as large as what both windows have in common."""
        return self.pixels[window.cut(self.window).shift(-self.window.x, -self.window.y).slices]

    def in_tile(self, tile: Window) -> np.ndarray:
        """(tile.height, tile.width) bool: the part in ``tile``, at its place."""
        pixels = np.zeros((tile.height, tile.width), dtype=bool, order="F")  # column by column, as run lengths want it
        pixels[tile.cut(self.window).shift(-tile.x, -tile.y).slices] = self.within(tile)
        return pixels

    def trim(self) -> MaskInBox:
        """In the smallest window that holds all of its pixels; ``none()`` where there are none."""
        rows, columns = np.flatnonzero(self.pixels.any(axis=1)), np.flatnonzero(self.pixels.any(axis=0))
        if not len(rows):
            return MaskInBox.none()
        y, x = int(rows[0]), int(columns[0])
        pixels = self.pixels[y : int(rows[-1]) + 1, x : int(columns[-1]) + 1]
        return MaskInBox.at(self.window.x + x, self.window.y + y, pixels)

    def shift(self, x: int, y: int) -> MaskInBox:
        """Moved by ``x`` to the right and by ``y`` downwards; the pixels are shared."""
        return MaskInBox(self.window.shift(x, y), self.pixels)

    def common_pixels(self, other: MaskInBox, within: Window | None = None) -> int:
        """How many pixels both have; of ``within`` only, where that is given."""
        window = self.window.cut(other.window)
        if within is not None:
            window = window.cut(within)
        return int(np.count_nonzero(self.within(window) & other.within(window)))

    def iou(self, other: MaskInBox) -> float:
        """Intersection over union, 0 to 1; 0 where both are without a pixel."""
        both = self.common_pixels(other)
        either = self.area + other.area - both
        return both / either if either else 0.0


def unite(masks: Sequence[MaskInBox], within: Window | None = None) -> MaskInBox:
    """
    The pixels of all ``masks``, in the smallest window that holds the windows of them all.

    Args:
        masks: at least one.
        within: pixels outside of it are left out.
    """
    x, y = min(mask.window.x for mask in masks), min(mask.window.y for mask in masks)
    right, bottom = max(mask.window.right for mask in masks), max(mask.window.bottom for mask in masks)
    window = Window(x, y, right - x, bottom - y)
    if within is not None:
        window = window.cut(within)
    united = MaskInBox(window, np.zeros((window.height, window.width), dtype=bool))
    for mask in masks:
        view = united.within(mask.window)
        view |= mask.within(window)
    return united
