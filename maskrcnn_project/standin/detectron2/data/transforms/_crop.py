"""fvcore's crop and padding, with polygons cut without the optional shapely package."""

from __future__ import annotations

import numpy as np
from fvcore.transforms import transform as fvcore_transform

__all__ = ["CropTransform", "PadTransform"]


def clip_polygon(points: np.ndarray, x0: float, y0: float, x1: float, y1: float) -> list[np.ndarray]:
    """
    The parts of a polygon inside the rectangle from (x0, y0) to (x1, y1).

    The polygon is cut by one edge of the rectangle after the other. A concave polygon may fall into several
    parts.

    Args:
        points: (P, 2) float, x and y of the vertices in order; the last one is joined to the first.

    Returns:
        (Q, 2) float64 arrays, each with Q >= 3 and an area above zero; empty if nothing is inside.
    """
    parts = [np.array(points, dtype=np.float64).reshape(-1, 2)]
    for axis, sign, limit in ((0, 1.0, x0), (0, -1.0, x1), (1, 1.0, y0), (1, -1.0, y1)):
        parts = [piece for part in parts for piece in _cut(part, axis, sign, float(limit))]
    parts = [_drop_repeats(part) for part in parts]
    return [part for part in parts if len(part) >= 3 and _area(part) > 0]


def _cut(points: np.ndarray, axis: int, sign: float, limit: float) -> list[np.ndarray]:
    """The parts where ``sign * (points[:, axis] - limit) >= 0``."""
    depth = sign * (points[:, axis] - limit)
    inside = depth >= 0
    if inside.all():
        return [points] if len(points) else []
    if not inside.any():
        return []
    chains = _inside_chains(points, depth, axis, limit)
    return _join(chains, 1 - axis)


def _inside_chains(points: np.ndarray, depth: np.ndarray, axis: int, limit: float) -> list[np.ndarray]:
    """
    The runs of vertices inside, each with the point where the outline enters and the one where it leaves.
    """
    first_outside = int(np.argmax(depth < 0))  # from there no run is broken by the end of the array
    points, depth = np.roll(points, -first_outside, axis=0), np.roll(depth, -first_outside)

    def crossing(i: int, j: int) -> np.ndarray:
        point = points[i] + (points[j] - points[i]) * (depth[i] / (depth[i] - depth[j]))
        point[axis] = limit  # exactly, so that all cut ends lie on one line
        return point

    chains, run = [], []
    for i in range(len(points)):
        j = (i + 1) % len(points)
        if depth[i] >= 0:
            run.append(points[i])
            if depth[j] < 0:
                chains.append(np.array([*run, crossing(i, j)]))
                run = []
        elif depth[j] >= 0:
            run = [crossing(i, j)]
    return chains


def _join(chains: list[np.ndarray], along: int) -> list[np.ndarray]:
    """
    Closes the chains along the cutting line.

    Sorted along the line, the cut ends enclose the polygon's inside pair by pair (1st to 2nd, 3rd to 4th,
    ...). In a simple polygon each pair has one chain's end and one chain's beginning, and they are joined.
    The outline of a polygon that crosses itself may not pair up so; then all chains are joined to one outline
    with seams on the line, which encloses the same area.
    """
    ends = [(chain[-1][along], "end", k) for k, chain in enumerate(chains)]
    begins = [(chain[0][along], "begin", k) for k, chain in enumerate(chains)]
    cuts = sorted(ends + begins)
    follower: dict[int, int] = {}
    for a, b in zip(cuts[::2], cuts[1::2], strict=True):
        if a[1] == b[1]:
            return [np.concatenate(chains)]
        end, begin = (a, b) if a[1] == "end" else (b, a)
        follower[end[2]] = begin[2]
    parts = []
    while follower:
        start, following = follower.popitem()
        loop = [chains[start]]
        while following != start:
            loop.append(chains[following])
            following = follower.pop(following)
        parts.append(np.concatenate(loop))
    return parts


def _drop_repeats(points: np.ndarray) -> np.ndarray:
    """Drops vertices that equal the one before them."""
    return points[(points != np.roll(points, 1, axis=0)).any(axis=1)]


def _area(points: np.ndarray) -> float:
    """The area enclosed (the shoelace formula), whichever way round the vertices go."""
    x, y = (points - points[0]).T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


class CropTransform(fvcore_transform.CropTransform):
    """The window ``img[y0:y0 + h, x0:x0 + w]``. ``orig_w`` and ``orig_h`` are only needed to invert it."""

    def apply_polygons(self, polygons: list) -> list:
        """
        Cuts polygons at the window's border and moves them into its frame.

        Args:
            polygons: (P, 2) arrays of x, y in pixels.

        Returns:
            The parts inside the window: none for a polygon outside, several for one that the border divides.
        """
        window = (self.x0, self.y0, self.x0 + self.w, self.y0 + self.h)
        return [self.apply_coords(part) for polygon in polygons for part in clip_polygon(polygon, *window)]

    def inverse(self) -> fvcore_transform.Transform:
        """Pads the window to the original size. What was outside of it is lost."""
        if self.orig_w is None or self.orig_h is None:
            raise ValueError("CropTransform can only be inverted if it was made with orig_w and orig_h.")
        right, bottom = self.orig_w - self.x0 - self.w, self.orig_h - self.y0 - self.h
        return PadTransform(self.x0, self.y0, right, bottom, orig_w=self.w, orig_h=self.h)


class PadTransform(fvcore_transform.PadTransform):
    """``x0``, ``y0`` pixels on the left and top, ``x1``, ``y1`` on the right and bottom."""

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """(N, 2) x and y in pixels, moved in place."""
        coords[:, 0] += self.x0
        coords[:, 1] += self.y0
        return coords

    def inverse(self) -> fvcore_transform.Transform:
        """Crops the padding off."""
        if self.orig_w is None or self.orig_h is None:
            raise ValueError("PadTransform can only be inverted if it was made with orig_w and orig_h.")
        width, height = self.orig_w + self.x0 + self.x1, self.orig_h + self.y0 + self.y1
        return CropTransform(self.x0, self.y0, self.orig_w, self.orig_h, orig_w=width, orig_h=height)
