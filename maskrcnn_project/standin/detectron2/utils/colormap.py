"""
Colours that are easy to tell apart.

The table is computed: of a grid of colours that are neither pale nor dark, each next one is the farthest from
all before it, so that the first N are far apart for any N. Distances are taken in Oklab (Bjorn Ottosson, "A
perceptual color space for image processing", 2020), where equal steps look equally large.
"""

from __future__ import annotations

import random

import numpy as np

__all__ = ["colormap", "random_color", "random_colors"]

NUM_COLORS = 80  # as many as COCO has classes

# Linear sRGB to cone responses, and their cube roots to Oklab: the matrices of the publication.
_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LIGHTNESS = (0.45, 0.92)  # of 0 black .. 1 white: edges and white labels stay readable
_CHROMA = 0.06  # from 0 grey: below it hues are hard to name
_GRID = 18  # levels of each channel that colours are chosen from
_FIRST = (1.0, 0.2, 0.2)  # where the walk begins: a red


def colormap(rgb: bool = False, maximum: int = 255) -> np.ndarray:
    """
    The table of colours.

    Args:
        rgb: whether a row is (R, G, B); default (B, G, R), as OpenCV needs.
        maximum: 255 or 1.

    Returns:
        (80, 3) float32, from 0 to ``maximum``.
    """
    assert maximum in (255, 1), f"maximum must be 255 or 1, not {maximum}"
    colors = _TABLE * maximum
    return colors if rgb else colors[:, ::-1]


def random_color(rgb: bool = False, maximum: int = 255) -> np.ndarray:
    """One row of the table: (3,) float32. Arguments as ``colormap``; drawn from NumPy's global generator."""
    return colormap(rgb, maximum)[np.random.randint(NUM_COLORS)]


def random_colors(N: int, rgb: bool = False, maximum: int = 255) -> list[np.ndarray]:
    """
    ``N`` rows of the table, all different as long as it lasts (80).

    Arguments as ``colormap``; drawn from Python's global generator.
    """
    rows: list[int] = []
    while len(rows) < N:
        rows += random.sample(range(NUM_COLORS), min(NUM_COLORS, N - len(rows)))
    colors = colormap(rgb, maximum)
    return [colors[row] for row in rows]


def _make_table() -> np.ndarray:
    """(80, 3) float32 RGB, 0..1."""
    levels = np.linspace(0, 1, _GRID)
    rgb = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)  # (5832, 3)
    lab = _to_oklab(rgb)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] > _LIGHTNESS[0]) & (lab[:, 0] < _LIGHTNESS[1]) & (chroma > _CHROMA)
    rgb, lab = rgb[usable], lab[usable]
    chosen = [int(np.abs(rgb - _FIRST).sum(axis=1).argmin())]
    distance = np.full(len(rgb), np.inf)  # of each colour to the nearest that is chosen
    while len(chosen) < NUM_COLORS:
        distance = np.minimum(distance, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    return rgb[chosen].astype("float32")


def _to_oklab(rgb: np.ndarray) -> np.ndarray:
    """sRGB, 0..1, to Oklab; both (N, 3)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1
    return np.cbrt(linear @ _RGB_TO_LMS.T) @ _LMS_TO_LAB.T


_TABLE = _make_table()
