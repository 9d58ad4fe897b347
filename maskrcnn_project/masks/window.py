"""A rectangle of whole pixels of an image: of a tile, of the box round a mask."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels of an image, given by its upper left corner and its size."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column after it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.y + self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array of the whole image, which must hold all of the window."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    def cut(self, other: Window) -> Window:
        """What both have in common, which may be of no width or no height."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width = min(self.right, other.right) - x
        height = min(self.bottom, other.bottom) - y
        return Window(x, y, max(width, 0), max(height, 0))

    def shift(self, x: int, y: int) -> Window:
        """Moved by ``x`` to the right and by ``y`` downwards."""
        return Window(self.x + x, self.y + y, self.width, self.height)
