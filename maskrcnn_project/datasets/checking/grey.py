"""Pictures as the rules look at them that compare what is on them: grey, small, of any depth."""

from __future__ import annotations

import cv2
import numpy as np

from maskrcnn_project.datasets.checking.image_reading import LARGE
from maskrcnn_project.datasets.stored_image import UNREADABLE, open_stored

LONG_EDGE = 1024  # pixels


def read_grey(path: str, page: int = 0) -> np.ndarray | None:
    """
    Args:
        page: of a stack.

    Returns:
        (h, w) float32 grey values as they are stored, upright, of a longer side of LONG_EDGE at most; None for a file
        that cannot be read, or of more than LARGE pixels.
    """
    try:
        with open_stored(path) as stored:
            stored.turn_to(page)
            height, width = stored.size
            if height * width > LARGE:
                return None
            if stored.picture is not None:
                stored.picture.draft("RGB", (LONG_EDGE, LONG_EDGE))  # a JPEG is decoded at a fraction of its size
            values = stored.values().astype(np.float32)
    except UNREADABLE:
        return None
    grey = np.nan_to_num(values if values.ndim == 2 else values[:, :, :3].mean(axis=2))
    scale = min(1.0, LONG_EDGE / max(grey.shape))
    shape = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    return cv2.resize(grey, shape, interpolation=cv2.INTER_AREA)
