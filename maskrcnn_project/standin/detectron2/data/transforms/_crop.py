"""fvcore's crop and padding, with polygons cut without the optional shapely package."""

from __future__ import annotations

import numpy as np
from detectron2.data.transforms._clip import clip_polygon
from fvcore.transforms import transform as fvcore_transform

__all__ = ["CropTransform", "PadTransform"]


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
