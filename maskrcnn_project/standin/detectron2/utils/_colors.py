"""Colours for drawing: names to numbers, lightening, and colours that neighbours can be told apart by."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

RGB = tuple[float, float, float]

# Steps of the golden ratio around the circle of hues: any number of them in a row lie far apart.
GOLDEN_RATIO = 0.618033988749895
PALETTE_SIZE = 24
# Length in RGB space (0..1) by which a class's colour is moved to tell its instances apart.
JITTER = 0.35
# Relative luminance of text on a dark plate; with the plate's own (about 0.02) a contrast of 7:1, WCAG 2.1 level AAA.
TEXT_LUMINANCE = 0.45


def rgb(color: Any) -> RGB:
    """A colour as matplotlib takes it (name, "#rrggbb", RGB or RGBA in 0..1) -> RGB in 0..1."""
    return to_rgb(color if isinstance(color, str) else tuple(float(c) for c in color))


def rgb_bytes(color: Any) -> tuple[int, int, int]:
    """The same in 0..255."""
    red, green, blue = (round(255 * c) for c in rgb(color))
    return red, green, blue


def change_brightness(color: Any, factor: float) -> RGB:
    """Move the lightness by ``factor`` (-1..1) of itself: -0.7 is much darker, 0.5 half as light again."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*rgb(color))
    return colorsys.hls_to_rgb(hue, min(max(lightness * (1 + factor), 0.0), 1.0), saturation)


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
    """The colour with this number out of ``PALETTE_SIZE`` vivid ones, without end."""
    index %= PALETTE_SIZE
    return colorsys.hls_to_rgb((0.58 + index * GOLDEN_RATIO) % 1.0, (0.58, 0.48, 0.68)[index % 3], 0.95)


def distinct_colors(centers: np.ndarray | Sequence[Any]) -> list[RGB]:
    """
    One colour for each instance: of the palette, the one whose nearest bearer so far is farthest away.

    Args:
        centers: (N, 2) where the instances are, in any unit.

    Returns:
        N colours, the same for the same centres.
    """
    points = np.asarray(centers, dtype=float).reshape(-1, 2)
    nearest = np.full(
        (len(points), PALETTE_SIZE), np.inf
    )  # (N, colours): to the nearest instance that bears it
    chosen = []
    for i, point in enumerate(points):
        color = int(np.argmax(nearest[i]))
        chosen.append(color)
        nearest[:, color] = np.minimum(nearest[:, color], np.linalg.norm(points - point, axis=1))
    return [palette(color) for color in chosen]
