"""Drawn figures as COCO polygons ``[x, y, x, y, ...]`` in pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from maskrcnn_project.masks.coding import Polygon

Point = tuple[float, float]  # x, y in pixels

# How far a circle's polygon may run inside the circle, in pixels: far below what moves a pixel's centre across it.
ROUNDNESS = 0.05
MIN_CORNERS = 16


def polygon(points: Sequence[Point]) -> Polygon:
    """The polygon with these corners."""
    return [float(value) for point in points for value in point]


def rectangle(corner: Point, opposite: Point) -> Polygon:
    """The upright rectangle between two opposite corners, whichever they are."""
    (left, right), (top, bottom) = sorted((corner[0], opposite[0])), sorted((corner[1], opposite[1]))
    return polygon([(left, top), (right, top), (right, bottom), (left, bottom)])


def quadrilateral(corners: Sequence[Point]) -> Polygon:
    """The convex figure of four corners, in whichever order they are given."""
    points = np.asarray(corners, dtype=float)  # (4, 2)
    sides = np.roll(points, -1, axis=0) - points
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    if turns.min() < 0 < turns.max():  # its sides cross: the corners stand row by row, say
        x, y = (points - points.mean(axis=0)).T
        points = points[np.argsort(np.arctan2(y, x), kind="stable")]
    return points.ravel().tolist()


def ellipse(centre: Point, radius_x: float, radius_y: float, degrees: float = 0.0) -> Polygon:
    """The ellipse turned by ``degrees`` clockwise, as a polygon within ROUNDNESS of it."""
    radius = max(radius_x, radius_y)
    if radius <= 0:
        return []
    # a chord over an angle of 2 pi / n leaves its circle by r (1 - cos(pi / n))
    reach = math.acos(max(1 - ROUNDNESS / radius, 0.0))
    corners = max(MIN_CORNERS, math.ceil(math.pi / reach))
    angles = np.arange(corners) * 2 * math.pi / corners
    x, y = radius_x * np.cos(angles), radius_y * np.sin(angles)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = np.stack([centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y], axis=1)  # (corners, 2)
    return turned.ravel().tolist()
