"""
Whether annotations lie on the edges of their own pictures, or rather of the mirrored ones, or of their neighbours.

A border of an object mostly runs where the picture changes. Each annotated border is laid on its picture, on the
picture mirrored, and on the pictures beside; where most borders fit another place better, and hardly fit their own,
the file was written wrongly. Borders that fit nowhere tell nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from maskrcnn_project.datasets.checking.shifted import NEIGHBOURS
from maskrcnn_project.datasets.checking.turns import TURNS, Turn

MIN_POINTS = 30  # of an image's borders, in pixels
FRAME = 3  # pixels at the edges of a picture, where objects are cut off and the border is none
MARGIN = 0.35  # in standard deviations of the picture's edges, by which one place fits better than another
MIN_IMAGES, MOST = 4, 0.6  # images that fit better elsewhere, and their share of those that tell
OWN_SHARE = 0.35  # of the fit elsewhere that may be left in the own place
MIN_FIT = 0.5  # elsewhere
# Six images or more, whose annotations fit no better than by chance, and nearly all of them hardly at all.
MIN_STRANGERS, NO_FIT, ALL = 6, 0.15, 0.8

Borders = list[np.ndarray]  # each (P, 2) x, y in pixels of the image, closed


@dataclass(frozen=True)
class Laid:
    """A picture: its edges, (h, w) float32 of mean 0 and deviation 1, and the borders of its objects, (h, w) bool."""

    size: tuple[int, int]  # of the image
    edges: np.ndarray
    borders: np.ndarray

    @classmethod
    def of(cls, picture: np.ndarray, borders: Borders, size: tuple[int, int]) -> Laid:
        """
        Args:
            picture: (h, w) of any number type, at any scale of the image.
            borders: in pixels of the image, whose (height, width) is ``size``.
        """
        height, width = picture.shape
        return cls(size, _edges(picture), _drawn(borders, (height, width), size))

    def may(self, turn: Turn) -> bool:
        """Whether the borders, turned, can still be those of this image."""
        return not turn.square or self.size[0] == self.size[1]


@dataclass(frozen=True)
class Displacement:
    """Where annotations fit better: ``mirrored`` how, or ``beside`` which image; nowhere, if both are empty."""

    mirrored: str
    beside: str
    images: int  # that fit better there; nowhere: that fit nothing
    of: int  # images that tell


def displacement(runs: Sequence[Sequence[Laid]]) -> Displacement | None:
    """
    Args:
        runs: images that follow one another in the file, as many runs of them as there are.

    Returns:
        None where the annotations fit their own pictures best, or too few images tell.
    """
    laid = [one for run in runs for one in run]
    own = np.array([_fit(one.edges, one.borders) for one in laid])
    found: list[tuple[float, Displacement]] = []
    for how, turn in TURNS.items():
        there = [_fit(one.edges, turn.pixels(one.borders)) if one.may(turn) else np.nan for one in laid]
        fit, images, of = _better(own, np.array(there))
        found.append((fit, Displacement(how, "", images, of)))
    for where, step in NEIGHBOURS.items():
        fit, images, of = _better(own, np.array([fit for run in runs for fit in _fits_beside(run, step)]))
        found.append((fit, Displacement("", where, images, of)))
    best, where_to = max(found, key=lambda one: one[0])
    if best > 0:
        return where_to
    fits = own[np.isfinite(own)]
    if len(fits) < MIN_STRANGERS:
        return None
    strange = int((fits < MIN_FIT).sum())
    is_chance = float(np.median(fits)) < NO_FIT and strange >= ALL * len(fits)
    return Displacement("", "", strange, len(fits)) if is_chance else None


def fit_of(runs: Sequence[Sequence[Laid]]) -> float:
    """The median fit of the images' own borders; 0 where there is none."""
    fits = [fit for run in runs for one in run if np.isfinite(fit := _fit(one.edges, one.borders))]
    return float(np.median(fits)) if len(fits) >= MIN_IMAGES else 0.0


def _fits_beside(run: Sequence[Laid], step: int) -> list[float]:
    """The fit of each image's borders on a neighbour's picture; NaN where there is none of the same size."""
    fits = []
    for place, one in enumerate(run):
        is_there = 0 <= place + step < len(run) and run[place + step].size == one.size
        fits.append(_fit(run[place + step].edges, one.borders) if is_there else float("nan"))
    return fits


def _better(own: np.ndarray, other: np.ndarray) -> tuple[float, int, int]:
    """
    Args:
        own, other: (N,) fits; NaN where there is none.

    Returns:
        the fit elsewhere, 0 if it is not most images that fit better there; these; the images that tell.
    """
    compared = np.isfinite(own) & np.isfinite(other)
    own, other = own[compared], other[compared]
    better, tells = other > own + MARGIN, np.abs(other - own) > MARGIN
    count, of = int(better.sum()), int(tells.sum())
    if count < max(MIN_IMAGES, MOST * of):
        return 0.0, count, of
    fit = float(np.median(other))
    return fit if fit > MIN_FIT and float(np.median(own)) < OWN_SHARE * fit else 0.0, count, of


def _fit(edges: np.ndarray, borders: np.ndarray) -> float:
    """How strong the edges are along the borders, in standard deviations; NaN without borders."""
    if edges.shape != borders.shape:
        borders = cv2.resize(borders.astype(np.uint8), edges.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    along = edges[borders]
    return float(along.mean()) if len(along) >= MIN_POINTS else float("nan")


def _edges(picture: np.ndarray) -> np.ndarray:
    grey = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.0)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    # the root keeps a few strong edges from hiding all others; one pixel beside the edge is on it
    strength = cv2.dilate(np.sqrt(np.hypot(across, down)), np.ones((3, 3), np.uint8))
    deviation = float(strength.std())
    return (strength - float(strength.mean())) / (deviation or 1.0)


def _drawn(borders: Borders, shape: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    canvas: Any = np.zeros(shape, np.uint8)
    scale = np.array([shape[1] / size[1], shape[0] / size[0]])
    # outlines follow the edges of pixels, lines the centres
    lines = [np.rint(points * scale - 0.5).astype(np.int32).reshape(-1, 1, 2) for points in borders]
    cv2.polylines(canvas, lines, True, 1)
    canvas[:FRAME], canvas[-FRAME:], canvas[:, :FRAME], canvas[:, -FRAME:] = 0, 0, 0, 0
    return canvas > 0
