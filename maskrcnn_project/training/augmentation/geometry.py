"""Rotation that leaves nothing outside the image, and views of an image at a drawn scale in a window of fixed size."""

from __future__ import annotations

import numpy as np
from detectron2.data import transforms as T

# What lies beyond an image is grey, as Detectron2's FixedSizeCrop pads.
PAD_VALUE = 128.0
# Instance masks are padded with background; 255, the padding of semantic maps, would enlarge the object.
MASK_PAD_VALUE = 0


class RandomRotationInside(T.Augmentation):
    """
    Rotates about the centre by up to ``degrees`` either way; the image keeps its size.

    The corners that turn out of the image are cut off, polygons with them; those that turn in are black.
    """

    def __init__(self, degrees: float):
        super().__init__()
        self.degrees = degrees

    def get_transform(self, image: np.ndarray) -> T.Transform:
        height, width = image.shape[:2]
        angle = np.random.uniform(-self.degrees, self.degrees)
        rotation = T.RotationTransform(height, width, angle, expand=False)
        # rotation alone leaves polygons beyond the border; cropping to the whole image clips them
        return T.TransformList([rotation, T.CropTransform(0, 0, width, height, width, height)])


class RandomView(T.Augmentation):
    """
    A window of fixed size onto the image at a drawn scale, at a drawn place.

    Where the scaled image is larger than the window, a random part of it is seen; where it is smaller, it lies at a
    random place in the window, on grey. Each axis for itself.
    """

    def __init__(self, window: tuple[int, int], canvas: tuple[int, int], scales: tuple[float, float]):
        """
        Args:
            window: (height, width) of the result in pixels.
            canvas: (height, width) into which the image just fits at scale 1.
            scales: the scale is drawn evenly from [min, max).
        """
        super().__init__()
        self.window = window
        self.canvas = canvas
        self.scales = scales

    def get_transform(self, image: np.ndarray) -> T.Transform:
        size = np.array(image.shape[:2])
        factor = np.random.uniform(*self.scales) * np.min(np.array(self.canvas) / size)
        window = np.array(self.window)
        # cut out before resizing: only what will be seen is resized, and polygons far away cost nothing
        seen = np.clip(np.round(window / factor), 1, size).astype(int)
        y0, x0 = np.random.randint(size - seen + 1).tolist()
        height, width = seen.tolist()
        crop = T.CropTransform(x0, y0, width, height, int(size[1]), int(size[0]))
        resized = np.clip(np.round(seen * factor), 1, window).astype(int)
        resize = T.ResizeTransform(height, width, *resized.tolist())
        top, left = np.random.randint(window - resized + 1).tolist()
        bottom, right = (window - resized - (top, left)).tolist()
        new_height, new_width = resized.tolist()
        pad = T.PadTransform(left, top, right, bottom, new_width, new_height, PAD_VALUE, MASK_PAD_VALUE)
        return T.TransformList([crop, resize, pad])
