"""Several borders of one object joined into a single closed line, for formats that allow no more than one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskrcnn_project.masks.coding import Polygon

CHUNK = 1024  # distances from so many points at a time, which bounds the memory of borders with many points


def join_rings(borders: Sequence[Polygon]) -> Polygon:
    """
    One polygon that runs along all ``borders`` (outer ones and holes), which it joins by seams.

    A seam is a straight line walked there and back. It has no width, so that whoever fills the polygon by counting
    crossings (an odd number is inside) gets the pixels that an odd number of borders goes round. Each border is joined
    where it is nearest to what is joined already: a hole to its outer border, as a rule through the object itself.

    Args:
        borders: at least one, each with 3 points or more.
    """
    rings = [np.asarray(border, dtype=float).reshape(-1, 2) for border in borders]
    line = rings[0]  # (L, 2) x, y; closed from its last point to its first
    points = np.concatenate(rings[1:]) if len(rings) > 1 else np.empty((0, 2))  # (K, 2) not joined yet
    ring_of = np.repeat(np.arange(1, len(rings)), [len(ring) for ring in rings[1:]])  # (K,)
    gap, link = _nearest(points, line)  # (K,) squared distance to the line's nearest point, and its index
    while len(points):
        nearest = int(np.argmin(gap))
        members = np.flatnonzero(ring_of == ring_of[nearest])
        ring = np.roll(points[members], members[0] - nearest, axis=0)
        at = int(link[nearest])
        # there along the seam, once round, and back along the seam
        line = np.concatenate([line[: at + 1], ring, ring[:1], line[at : at + 1], line[at + 1 :]])
        left = ring_of != ring_of[nearest]
        points, ring_of, gap, link = points[left], ring_of[left], gap[left], link[left]
        link[link > at] += len(ring) + 2
        new_gap, new_link = _nearest(points, ring)
        nearer = new_gap < gap
        gap[nearer], link[nearer] = new_gap[nearer], new_link[nearer] + at + 1
    return line.ravel().tolist()


def touches_itself(polygon: Polygon) -> bool:
    """Whether the polygon comes back to a corner that it left, as it does at both ends of a seam."""
    points = np.asarray(polygon, dtype=float).reshape(-1, 2)
    corners = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]  # without immediate repetition
    return len(np.unique(corners, axis=0)) < len(corners)


def _nearest(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of (K, 2) points the squared distance to the nearest of (M, 2) others, and that one's index."""
    gap, link = np.full(len(points), np.inf), np.zeros(len(points), dtype=np.int64)
    for start in range(0, len(others), CHUNK):
        some = others[start : start + CHUNK]
        for first in range(0, len(points), CHUNK):
            part = slice(first, first + CHUNK)
            distance = ((points[part, None, :] - some[None, :, :]) ** 2).sum(axis=2)  # (CHUNK, CHUNK)
            best = distance.argmin(axis=1)
            shortest = distance[np.arange(len(best)), best]
            nearer = shortest < gap[part]
            gap[part][nearer] = shortest[nearer]
            link[part][nearer] = best[nearer] + start
    return gap, link
