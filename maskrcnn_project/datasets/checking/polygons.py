"""Polygons as flat lists [x, y, x, y, ...] in pixels: areas, crossings, and what is left after parting or clipping."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from maskrcnn_project.masks.coding import Polygon

# A crossing turns the area between its two sides inside out. Below both, it draws all but the same mask: a slip of the
# hand at a corner, or a simplified outline.
MIN_CROSSING_PIXELS = 1.0
MIN_CROSSING_SHARE = 0.01  # of the polygon
MIN_PIECE = 1e-6  # square pixels; pieces below are left by rounding


def shapes_of(polygons: Sequence[Polygon]) -> np.ndarray:
    """(P,) shapely polygons, whatever they cross, of flat lists of three points or more."""
    counts = [len(polygon) // 2 for polygon in polygons]
    points = np.fromiter(chain.from_iterable(polygons), dtype=np.float64, count=2 * sum(counts)).reshape(-1, 2)
    rings = shapely.linearrings(points, indices=np.repeat(np.arange(len(counts)), counts))
    return shapely.polygons(rings)


def crossings(shapes: np.ndarray) -> np.ndarray:
    """
    Square pixels that a crossing turns inside out, for each of (P,) polygons; 0 where nothing crosses.

    The signed area of an outline counts what it goes round twice twice, and what it goes round backwards as less than
    nothing; the even-odd rule, by which masks are drawn, counts neither so. Without a crossing both agree.
    """
    found = np.zeros(len(shapes))
    doubtful = np.flatnonzero(~shapely.is_valid(shapes))  # some only touch themselves
    if len(doubtful):
        drawn = shapely.area(shapely.make_valid(shapes[doubtful]))
        inverted = np.abs(shapely.area(shapes[doubtful]) - drawn)
        found[doubtful] = np.where(
            inverted >= np.maximum(MIN_CROSSING_PIXELS, MIN_CROSSING_SHARE * drawn), inverted, 0.0
        )
    return found


def split_parts(polygon: Polygon) -> list[Polygon]:
    """The same area under the even-odd rule, as polygons that do not cross themselves. A border drawn twice is one."""
    return _flat(shapely.make_valid(shapes_of([polygon])[0]))


def clip_polygon(polygon: Polygon, height: int, width: int) -> list[Polygon]:
    """What of a polygon lies in the image."""
    inside = shapely.intersection(shapely.make_valid(shapes_of([polygon])[0]), shapely.box(0, 0, width, height))
    return _flat(inside)


def _flat(geometry: BaseGeometry) -> list[Polygon]:
    """The areas of any geometry as outlines without holes."""
    pieces: list[Polygon] = []
    waiting = list(shapely.get_parts(geometry))
    while waiting:
        piece = waiting.pop()
        if piece.geom_type != "Polygon":
            waiting += [part for part in shapely.get_parts(piece) if part is not piece and hasattr(part, "exterior")]
        elif piece.area < MIN_PIECE:
            continue
        elif not len(piece.interiors):
            pieces.append([float(value) for point in piece.exterior.coords[:-1] for value in point])
        else:  # a cut through the middle of a hole opens it
            left, top, right, bottom = piece.bounds
            middle = shapely.centroid(shapely.Polygon(piece.interiors[0])).x
            for half in (shapely.box(left, top, middle, bottom), shapely.box(middle, top, right, bottom)):
                waiting += list(shapely.get_parts(shapely.intersection(piece, half)))
    return pieces
