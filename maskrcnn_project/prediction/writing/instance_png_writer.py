"""Instance-id pictures: PNG with 16 bits a pixel, 0 for the background, as tools for measuring images read them."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.writing.layout import Layout
from maskrcnn_project.visualization.pictures import save_picture

MAX_INSTANCES = 2**16 - 1  # numbers that 16 bits hold, less the background's


class InstancePngWriter:
    """A pixel's number is that of its instance in ``measurements.csv`` (column ``instance``)."""

    def __init__(self, layout: Layout):
        self.layout = layout

    def add(self, name: PurePosixPath, image: np.ndarray | None, found: Detections) -> None:
        """
        Writes one picture of the image's size; the image itself is not looked at.

        Raises:
            ValueError: detections without masks, or more of them than 16 bits can number.
            OSError: the picture cannot be written.
        """
        if len(found) > MAX_INSTANCES:
            raise ValueError(
                f"{name} has {len(found)} instances, but an instance-id picture can number {MAX_INSTANCES}: raise the "
                "score threshold, or cut the image into parts."
            )
        save_picture(self.layout.place(name, ".png"), instance_ids(found))

    def finish(self) -> None:
        """Nothing is left to do."""


def instance_ids(found: Detections) -> np.ndarray:
    """
    (height, width) uint16: the number of each pixel's instance, from 1; the most confident where several lie; else 0.
    """
    if found.masks is None:
        raise ValueError("Instance-id pictures show masks, but this model finds boxes only.")
    ids = np.zeros(found.size, dtype=np.uint16)
    for index in reversed(np.argsort(-found.scores, kind="stable").tolist()):
        mask = found.crop(index)
        ids[mask.window.slices][mask.pixels] = index + 1
    return ids
