"""Colours for drawing: names to numbers, readable on dark, and colours that neighbours can be told apart by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

RGB = tuple[float, float, float]

# Light enough for dark pictures, strong enough for light ones; neighbours in the list differ most.
PALETTE = (
    ("#ff4040", "#2ea8ff", "#ffd21f", "#b66bff", "#35e06b")
    + ("#ff8a1f", "#20e0e0", "#ff5fc0", "#b8f02e", "#7d8cff")
    + ("#ffb59e", "#1fb89a", "#e8a6ff", "#c98a3b", "#9fdcff")
    + ("#ff6f87", "#fff3a0", "#4fae3c", "#d64fff", "#9ff5c5")
)
# Length in RGB space (0..1) by which a class's colour is moved to tell its instances apart.
JITTER = 0.35
# Relative luminance of text on a dark plate, whose own is about 0.02: a contrast of 7:1, level AAA of WCAG 2.1.
TEXT_LUMINANCE = 0.45


def rgb(color: Any) -> RGB:
    """A colour as matplotlib takes it (name, "#rrggbb", RGB or RGBA in 0..1) -> RGB in 0..1."""
    red, green, blue = to_rgb(color) if isinstance(color, str) else [float(c) for c in color][:3]
    return red, green, blue


def rgb_bytes(color: Any) -> tuple[int, int, int]:
    """The same in 0..255."""
    red, green, blue = (round(255 * c) for c in rgb(color))
    return red, green, blue


def jitter(color: Any, rng: np.random.Generator) -> RGB:
    """Move a colour by ``JITTER`` in a random direction, inside 0..1."""
    step = rng.standard_normal(3)
    moved = np.clip(rgb(color) + JITTER * step / np.linalg.norm(step), 0, 1)
    return float(moved[0]), float(moved[1]), float(moved[2])


def readable_on_dark(color: Any) -> RGB:
    """Mix in as much white as makes the colour readable as text on a dark plate."""
    red, green, blue = rgb(color)
    # Relative luminance of sRGB (WCAG 2.1), its curve taken as a square.
    luminance = 0.2126 * red**2 + 0.7152 * green**2 + 0.0722 * blue**2
    white = max(0.0, (TEXT_LUMINANCE - luminance) / (1 - luminance)) if luminance < TEXT_LUMINANCE else 0.0
    white **= 0.5  # mixing acts before the curve
    return red + (1 - red) * white, green + (1 - green) * white, blue + (1 - blue) * white


def palette(index: int) -> RGB:
    """The colour with this number; after the last the first comes again."""
    return rgb(PALETTE[index % len(PALETTE)])


def distinct_colors(centers: np.ndarray | Sequence[Any]) -> list[RGB]:
    """
    One colour for each instance: of the palette, the one whose nearest bearer so far is farthest away.

    Args:
        centers: (N, 2) where the instances are, in any unit.

    Returns:
        N colours, the same for the same centres.
    """
    points = np.asarray(centers, dtype=float).reshape(-1, 2)
    nearest = np.full((len(points), len(PALETTE)), np.inf)  # (N, colours): to the nearest instance that bears it
    chosen = []
    for i, point in enumerate(points):
        color = int(np.argmax(nearest[i]))
        chosen.append(color)
        nearest[:, color] = np.minimum(nearest[:, color], np.linalg.norm(points - point, axis=1))
    return [palette(color) for color in chosen]
