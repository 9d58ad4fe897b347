"""A feature map's static shape, as modules tell one another before any tensor exists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ShapeSpec:
    """
    What is known of a feature map in advance; ``None`` means unknown.

    Attributes:
        channels: number of channels.
        height, width: size in cells.
        stride: input pixels per cell.
    """

    channels: int | None = None
    height: int | None = None
    width: int | None = None
    stride: int | None = None
