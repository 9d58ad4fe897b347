"""Cut-outs: each instance as a small picture of its own, transparent round it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.writing.layout import Layout
from maskrcnn_project.visualization.pictures import save_picture


class CutOutWriter:
    """
    A folder for each image in which something was found, with RGBA pictures ``0001_name-of-the-class.png``; the number
    is that in ``measurements.csv``. An instance without a pixel has none.
    """

    def __init__(self, layout: Layout, class_names: Sequence[str]):
        self.layout = layout
        self._names = [file_name_of(name) for name in class_names]

    def add(self, name: PurePosixPath, image: np.ndarray | None, found: Detections) -> None:
        """
        Raises:
            ValueError: detections without masks.
            OSError: a picture cannot be written.
        """
        assert image is not None, "pixels are needed to cut out"
        if found.masks is None:
            raise ValueError("Instances are cut out along their masks, but this model finds boxes only.")
        folder = self.layout.place(name, "")
        for index, number in enumerate(found.classes.tolist()):
            picture = cut_out(image, found, index)
            if picture.size:
                save_picture(folder / f"{index + 1:04d}_{self._names[number]}.png", picture)

    def finish(self) -> None:
        """Nothing is left to do."""


def cut_out(image: np.ndarray, found: Detections, index: int) -> np.ndarray:
    """
    Args:
        image: (H, W, 3) uint8 BGR.

    Returns:
        (h, w, 4) uint8 BGRA: the smallest box round the mask of one instance; black and transparent outside of it.
    """
    mask = found.crop(index)
    pixels = image[mask.window.slices]
    return np.dstack([pixels, np.full_like(pixels[:, :, :1], 255)]) * mask.pixels[:, :, None]


def file_name_of(class_name: str) -> str:
    """``class_name`` with a minus for whatever some file system does not take."""
    return re.sub(r"[^\w-]+", "-", class_name).strip("-") or "object"
