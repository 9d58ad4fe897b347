"""Each image with what was found drawn on it, as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.writing.layout import Layout
from maskrcnn_project.visualization.pictures import draw_detections, save_picture


class DrawnWriter:
    def __init__(self, layout: Layout, class_names: Sequence[str], thing_colors: Sequence[Sequence[int]] | None = None):
        """
        Args:
            thing_colors: (red, green, blue) from 0 to 255 of each class, where they are chosen.
        """
        self.layout, self.class_names, self.thing_colors = layout, class_names, thing_colors

    def add(self, name: PurePosixPath, image: np.ndarray | None, found: Detections) -> None:
        """Raises OSError where the picture cannot be written."""
        assert image is not None, "pixels are needed to draw on"
        picture = draw_detections(image, found, self.class_names, thing_colors=self.thing_colors)
        save_picture(self.layout.place(name, ".png"), picture)

    def finish(self) -> None:
        """Nothing is left to do."""
